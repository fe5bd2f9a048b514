"""A voucher as a coupon of the shop: one code, one use, a fixed amount off the cart.

WooCommerce has no two coupons of one code and tells codes apart by letters alone, never by their case.
"""

import json
from datetime import UTC, datetime
from typing import Any

from adapters.ecommerce.woocommerce.asking import ROOT, ask, refusal
from adapters.ecommerce.woocommerce.settings import WooCommerceConfig
from adapters.ecommerce.woocommerce.wire import Coupon as Held
from adapters.ecommerce.woocommerce.wire import Coupons
from contracts import Coupon, Reply, Request, Steps, VendorRefused, get, post
from contracts.wire import parse

# WC_REST_Coupons_Controller, the only answer that says so; it does not say which coupon it is.
TAKEN = "woocommerce_rest_coupon_code_already_exists"


def create(coupon: Coupon, config: WooCommerceConfig) -> Steps[str]:
    """Return the coupon that carries the code, made now unless it already stands."""
    reply: Reply = yield post(f"{ROOT}/coupons", json.dumps(_coupon(coupon)).encode())
    if reply.status in {200, 201}:
        return str(parse(Held, reply.body).id)
    refused = refusal(reply)
    if refused.code != TAKEN:
        raise refused
    ref = yield from find(coupon.code, config)
    if ref is None:
        raise VendorRefused(TAKEN, "the shop has the code and does not show it")
    return ref


def find(code: str, _config: WooCommerceConfig) -> Steps[str | None]:
    """Return the coupon that carries the code, `None` if none does."""
    found = yield from ask(get(f"{ROOT}/coupons", code=code), Coupons)
    held = found.root if found is not None else ()
    return next((str(coupon.id) for coupon in held if coupon.code.lower() == code.lower()), None)


def revoke(_code: str, ref: str, _config: WooCommerceConfig) -> Steps[None]:
    """Delete the coupon for good; one that is gone is no fault. Orders keep what it took off."""
    yield from ask(Request("DELETE", f"{ROOT}/coupons/{ref}", query={"force": "true"}), Held)


def _coupon(coupon: Coupon) -> dict[str, Any]:
    """Return what `POST /coupons` takes. There is no field for a beginning: a coupon holds at once."""
    expires_at = coupon.expires_at
    return {
        "code": coupon.code,
        "description": f"Voucher {coupon.voucher_ref}",
        "discount_type": "fixed_cart",
        "amount": _reais(coupon.amount_cents),
        "minimum_amount": _reais(coupon.minimum_cents),
        "individual_use": not coupon.combinable,
        "usage_limit": 1,
        "usage_limit_per_user": 1,
        "date_expires_gmt": None if expires_at is None else _gmt(expires_at),
    }


def _reais(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _gmt(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
