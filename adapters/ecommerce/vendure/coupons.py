"""A voucher as a promotion of the store: one coupon code, one use, a fixed amount off the order.

Vendure accepts two promotions with one code, so a code is looked for before it is created, and all that carry
it are deleted.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from adapters.ecommerce.vendure.graphql import ask
from adapters.ecommerce.vendure.settings import VendureConfig
from adapters.ecommerce.vendure.wire import CreationAnswer, DeletionAnswer, PromotionsAnswer
from contracts import Coupon, Steps, VendorRefused

_FIND = """query($code: String!) {
  promotions(options: { filter: { couponCode: { eq: $code } }, take: 20 }) { items { id couponCode } } }"""
_CREATE = """mutation($input: CreatePromotionInput!) { createPromotion(input: $input) {
  ... on Promotion { id } ... on ErrorResult { errorCode } } }"""
_DELETE = "mutation($id: ID!) { deletePromotion(id: $id) { result } }"


def create(coupon: Coupon, config: VendureConfig) -> Steps[str]:
    """Return the promotion that carries the code, made now unless it already stands."""
    for ref in (yield from _refs(coupon.code, config)):
        return ref
    wanted = {"input": _promotion(coupon, config)}
    made = (yield from ask(_CREATE, wanted, CreationAnswer, config)).data.promotion
    if made.id is None:
        raise VendorRefused(made.error.lower(), "the store did not create the promotion")
    return made.id


def find(code: str, config: VendureConfig) -> Steps[str | None]:
    """Return the promotion that carries the code, `None` if none does."""
    for ref in (yield from _refs(code, config)):
        return ref
    return None


def revoke(code: str, _ref: str, config: VendureConfig) -> Steps[None]:
    """Delete every promotion that carries the code; one that is gone is no fault."""
    for ref in (yield from _refs(code, config)):
        deleted = (yield from ask(_DELETE, {"id": ref}, DeletionAnswer, config)).data.promotion
        if deleted.result != "DELETED":
            raise VendorRefused("not_deleted", "the store did not delete the promotion")


def _refs(code: str, config: VendureConfig) -> Steps[tuple[str, ...]]:
    """Return the promotions with this very code; some databases compare without regard to case."""
    found = (yield from ask(_FIND, {"code": code}, PromotionsAnswer, config)).data.promotions.items
    return tuple(promotion.id for promotion in found if promotion.code == code)


def _promotion(coupon: Coupon, config: VendureConfig) -> dict[str, Any]:
    """Return what `createPromotion` takes. `combinable` has no place: Vendure's promotions always add up."""
    return {
        "enabled": True,
        "couponCode": coupon.code,
        "usageLimit": 1,
        "perCustomerUsageLimit": 1,
        "startsAt": _written(coupon.starts_at),
        "endsAt": None if coupon.expires_at is None else _written(coupon.expires_at),
        "conditions": list(_conditions(coupon)),
        "actions": [_operation("order_fixed_discount", discount=str(coupon.amount_cents))],
        "translations": [{"languageCode": config.language, "name": f"Voucher {coupon.voucher_ref}"}],
    }


def _conditions(coupon: Coupon) -> Iterator[dict[str, Any]]:
    if coupon.minimum_cents:
        amount = str(coupon.minimum_cents)
        yield _operation("minimum_order_amount", amount=amount, taxInclusive="true")


def _operation(code: str, **arguments: str) -> dict[str, Any]:
    return {"code": code, "arguments": [{"name": name, "value": value} for name, value in arguments.items()]}


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
