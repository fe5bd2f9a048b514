"""The five ways a connector may fail; each is one behaviour of the gateway. Anything else is a bug.

Forged          401, nothing kept but a counter
Malformed       kept sealed for a short time, parked, shown; no retry until the connector is mended
RetryLater      put back, tried again after the given seconds
SignInAgain     the installation is paused, the merchant is asked to reconnect
VendorRefused   recorded (outbound only), no retry
"""


class ConnectorError(Exception):
    """Root of the five; never raised itself."""


class Forged(ConnectorError):
    """The delivery does not prove where it comes from. The reason goes to a counter, never to the sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Malformed(ConnectorError):
    """The bytes are genuine but cannot be understood. `why` must not repeat what they contain."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class RetryLater(ConnectorError):
    """The vendor is busy or unreachable; try again after `after_seconds`."""

    def __init__(self, after_seconds: int = 60) -> None:
        super().__init__(f"retry after {after_seconds} s")
        self.after_seconds = after_seconds


class SignInAgain(ConnectorError):
    """The credentials of this installation are no longer accepted."""


class VendorRefused(ConnectorError):
    """The vendor understood the request and said no."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
