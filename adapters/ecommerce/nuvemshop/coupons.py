"""A voucher as a coupon of the store: one code, one use, a fixed amount off the order.

Nuvemshop takes letters and digits only, so the code goes without its hyphens; shoppers may type it either way
at any other door.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from adapters.ecommerce.nuvemshop.asking import ask, request, understood
from adapters.ecommerce.nuvemshop.settings import NuvemshopConfig
from adapters.ecommerce.nuvemshop.wire import Coupon as Held
from adapters.ecommerce.nuvemshop.wire import Coupons, Deleted
from contracts import Coupon, Reply, Steps, VendorRefused

PAGE = 30
# Brasília has had no summer time since 2019 (Decree 9,772); a coupon holds for whole days of the store.
STORE_ZONE = timezone(timedelta(hours=-3))


def create(coupon: Coupon, config: NuvemshopConfig) -> Steps[str]:
    """Return the coupon that carries the code, made now unless it already stands."""
    reply: Reply = yield request(config, "POST", "/coupons", _coupon(coupon))
    if reply.status != 422:
        return str(understood(reply, Held).id)
    # A code that exists is a validation error like any other.
    ref = yield from find(coupon.code, config)
    if ref is None:
        raise VendorRefused("coupon_invalid", "the store did not accept the coupon")
    return ref


def find(code: str, config: NuvemshopConfig) -> Steps[str | None]:
    """Return the coupon that carries the code, `None` if none does. `q` narrows the list, as far as it is known."""
    number, full = 1, True
    while full:
        query = {"q": _bare(code), "page": str(number), "per_page": str(PAGE)}
        found = yield from ask(request(config, "GET", "/coupons", query=query), Coupons)
        held = found.root if found is not None else ()
        for ref in _refs(held, code):
            return ref
        number, full = number + 1, len(held) == PAGE
    return None


def revoke(_code: str, ref: str, config: NuvemshopConfig) -> Steps[None]:
    """Delete the coupon; one that is gone is no fault."""
    yield from ask(request(config, "DELETE", f"/coupons/{ref}"), Deleted)


def _refs(held: tuple[Held, ...], code: str) -> Iterator[str]:
    for coupon in held:
        if not coupon.deleted_at and (coupon.code or "").upper() == _bare(code).upper():
            yield str(coupon.id)


def _coupon(coupon: Coupon) -> dict[str, Any]:
    """Return what `POST /coupons` takes."""
    return {
        "code": _bare(coupon.code),
        "type": "absolute",
        "value": _reais(coupon.amount_cents),
        "valid": True,
        "max_uses": 1,
        "max_uses_per_client": 1,
        "min_price": _reais(coupon.minimum_cents),
        "start_date": _day(coupon.starts_at),
        "end_date": None if coupon.expires_at is None else _day(coupon.expires_at),
        "includes_shipping": False,
        "combines_with_other_discounts": coupon.combinable,
    }


def _bare(code: str) -> str:
    return code.replace("-", "")


def _reais(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _day(at: datetime) -> str:
    return at.astimezone(STORE_ZONE).date().isoformat()
