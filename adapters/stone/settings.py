"""What one Stone installation is told, and the identities both of its channels speak of.

Secrets stand in `SecretStr` and nowhere else.
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from contracts import Key

SIGNATURE_HEADER = "x-webhook-asymmetric-signature"
# As Stone's own plugins have it (module-core, WebhookValidatorService): in no public page.
STONE_JWKS = "https://hubapi.pagar.me/.well-known/jwks.json"

Address = Annotated[
    str, StringConstraints(pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])[!-~]+$", max_length=512)
]
"""Plain HTTP only to this machine: over any other wire the key set could be exchanged."""


class StoneConfig(BaseModel):
    """One Stone account, and the terminals that stand in its stores.

    `authenticity` fixes how webhooks prove themselves: `rs256` believes Stone's signature; `basic` asks for
    the user and password typed into the panel, and then asks Stone itself what is true, with `secret_key`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account_id: str = Field(pattern=r"^acc_[A-Za-z0-9]{1,64}$")
    authenticity: Literal["rs256", "basic"] = "rs256"
    jwks_url: Address = STONE_JWKS
    basic_user: str = Field(default="", pattern=r"^[^:]*$", max_length=128, repr=False)
    basic_password: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    base_url: Address = "https://api.pagar.me/core/v5"
    service_referer_name: str | None = Field(default=None, pattern=r"^[!-~]+$", max_length=128)
    return_scheme: str = Field(default="ponte", pattern=r"^[a-z][a-z0-9+.\-]*$", max_length=64)
    use_customer_document: bool = False

    @model_validator(mode="after")
    def _can_confirm(self) -> "StoneConfig":
        if self.authenticity == "basic" and not (
            self.basic_user and self.basic_password.get_secret_value() and self.secret_key.get_secret_value()
        ):
            raise ValueError("basic needs basic_user, basic_password and secret_key")
        return self


def reservation_key(number: str | None, *, shortest: int = 1) -> Key | None:
    """Return the key of the reservation that `number` may be, `None` if it cannot be one of ours.

    Ours are positive 63-bit numbers in decimal: Stone refuses anything else as `order_id`. A till's own
    numbering looks alike, so where any software may write, ask for `shortest` digits.
    """
    if number is None or not re.fullmatch(r"[1-9][0-9]{0,18}", number) or len(number) < shortest:
        return None
    return Key("reservation", number) if int(number) < 1 << 63 else None
