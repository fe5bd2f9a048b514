"""Time as the wallet's tests count it, in whole hours, and the partners that pay."""

from datetime import UTC, datetime, timedelta

from loyalty.accounts import Account, Occasion

FOREVER = 10**6
PARTNERS = {"padaria": Account("prepaid", "padaria"), "posto": Account("issuance")}


def hour(number: int) -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=number)


def at(number: int) -> Occasion:
    return Occasion(hour(number), hour(number), "test")


def until(number: int) -> datetime | None:
    return None if number >= FOREVER else hour(number)
