"""A voucher as a discount code of the store: one code, one use, a fixed amount off the order.

A spent or revoked voucher's discount is deleted, not deactivated: published again after a cancelled order it
must begin with no use, and Shopify counts uses late.
"""

from datetime import UTC, datetime
from typing import Any

from adapters.ecommerce.shopify.graphql import ask, refuse
from adapters.ecommerce.shopify.settings import ShopifyConfig
from adapters.ecommerce.shopify.wire import CreationAnswer, DeletionAnswer, FoundAnswer
from contracts import Coupon, Steps, VendorRefused

_FIND = "query($code: String!) { codeDiscountNodeByCode(code: $code) { id } }"
_CREATE = """mutation($input: DiscountCodeBasicInput!) { discountCodeBasicCreate(basicCodeDiscount: $input) {
  codeDiscountNode { id } userErrors { code } } }"""
_DELETE = "mutation($id: ID!) { discountCodeDelete(id: $id) { userErrors { code } } }"


def create(coupon: Coupon, config: ShopifyConfig) -> Steps[str]:
    """Return the discount that carries the code, made now unless it already stands."""
    made = (yield from ask(_CREATE, {"input": _discount(coupon)}, CreationAnswer, config)).data.made
    if any(error.code == "TAKEN" for error in made.errors):
        standing = yield from find(coupon.code, config)
        if standing is not None:
            return standing
    refuse(made)
    if made.node is None:
        raise VendorRefused("unknown", "the store did not create the discount")
    return made.node.id


def find(code: str, config: ShopifyConfig) -> Steps[str | None]:
    """Return the discount that carries the code, `None` if none does."""
    node = (yield from ask(_FIND, {"code": code}, FoundAnswer, config)).data.node
    return None if node is None else node.id


def revoke(code: str, _ref: str, config: ShopifyConfig) -> Steps[None]:
    """Delete the discount that carries the code; one that is gone is no fault."""
    ref = yield from find(code, config)
    if ref is not None:
        refuse((yield from ask(_DELETE, {"id": ref}, DeletionAnswer, config)).data.made)


def _discount(coupon: Coupon) -> dict[str, Any]:
    """Return what `discountCodeBasicCreate` takes."""
    minimum = {"subtotal": {"greaterThanOrEqualToSubtotal": _reais(coupon.minimum_cents)}}
    kinds = ("orderDiscounts", "productDiscounts", "shippingDiscounts")
    return {
        "title": f"Voucher {coupon.voucher_ref}",
        "code": coupon.code,
        "startsAt": _written(coupon.starts_at),
        "endsAt": None if coupon.expires_at is None else _written(coupon.expires_at),
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"all": "ALL"},
        "customerGets": {
            "value": {"discountAmount": {"amount": _reais(coupon.amount_cents), "appliesOnEachItem": False}},
            "items": {"all": True},
        },
        "minimumRequirement": minimum if coupon.minimum_cents else None,
        "combinesWith": dict.fromkeys(kinds, coupon.combinable),
    }


def _reais(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
