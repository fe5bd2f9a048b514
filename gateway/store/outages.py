"""What the database may say instead of an answer. Nothing of it is the sender's fault.

Every `Unavailable` becomes 503 with `Retry-After`; nothing was half-written, and repeating is safe.
"""


class DatabaseRefused(Exception):
    """The hub does not start on this database; the text says why and what to do. It repeats no password."""


class DatabaseHeld(DatabaseRefused):
    """Another hub writes this database."""


class Unavailable(Exception):
    """Nothing is known to be written; ask again after `retry_after_seconds`."""

    retry_after_seconds = 1


class Busy(Unavailable):
    """More is waiting than the hub is willing to hold, or somebody else holds the database."""


class StorageFull(Unavailable):
    """The disk of the database is full. Reads go on; writes recover by themselves when space returns."""

    retry_after_seconds = 30


class Interrupted(Unavailable):
    """The transaction met a deadlock, or its connection was lost, perhaps in the middle of the commit.

    Whether it was written is unknown. Sending it again is safe, for business keys tell.
    """


class Closing(Unavailable):
    """The hub is stopping and takes nothing new."""

    retry_after_seconds = 5
