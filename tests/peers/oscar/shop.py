"""A django-oscar shop in one file: it tells the hub its orders as signed JSON, and honours vouchers by /v1.

Run by the Python of this folder's own environment, never by Ponte's: `python shop.py FOLDER`. It prints one
line of JSON when it listens. `HUB_*` in the environment say where the hub is and how to speak to it.
"""
# mypy: ignore-errors
# Django and Oscar live in another environment, so their types cannot be seen from here.

import base64
import hashlib
import hmac
import json
import os
import secrets
import sys
import threading
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.error import URLError
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

FOLDER = Path(sys.argv[1])
APPS = (
    "Address Analytics Basket Catalogue Checkout Communication Customer Dashboard Offer Order Partner Payment"
)
APPS += " Search Shipping Voucher Wishlists"
DASHBOARD = (
    "Reports Users Orders Catalogue Offers Partners Pages Ranges Reviews Vouchers Communications Shipping"
)

CONTRIB = ("admin", "auth", "contenttypes", "sessions", "messages", "sites", "flatpages", "staticfiles")
OTHERS = ("widget_tweaks", "haystack", "treebeard", "django_tables2", "rest_framework", "oscarapi")
MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "oscarapi.middleware.ApiBasketMiddleWare",
)


def configure() -> None:
    """Settings of a Brazilian shop with guests, on SQLite, as Oscar's documentation asks for them."""
    from oscar import defaults

    oscar = {name: value for name, value in vars(defaults).items() if name.startswith("OSCAR_")}
    apps = [f"oscar.apps.{name.lower()}.apps.{name}Config" for name in APPS.split()]
    apps += [f"oscar.apps.dashboard.{name.lower()}.apps.{name}DashboardConfig" for name in DASHBOARD.split()]
    apps += ["oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig"]
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "oscar.sqlite",
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
    settings.configure(
        **{
            **oscar,
            "SECRET_KEY": secrets.token_hex(16),
            "ROOT_URLCONF": __name__,
            "SITE_ID": 1,
            "USE_TZ": True,
            "DEBUG": False,
            "ALLOWED_HOSTS": ["127.0.0.1"],
            "DATABASES": {"default": database},
            "DEFAULT_AUTO_FIELD": "django.db.models.AutoField",
            "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
            "HAYSTACK_CONNECTIONS": {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}},
            "INSTALLED_APPS": [
                *(f"django.contrib.{name}" for name in CONTRIB),
                "oscar.config.Shop",
                *apps,
                *OTHERS,
            ],
            "MIDDLEWARE": MIDDLEWARE,
            "AUTHENTICATION_BACKENDS": ("django.contrib.auth.backends.ModelBackend",),
            "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
            "OSCAR_DEFAULT_CURRENCY": "BRL",
            "OSCAR_ALLOW_ANON_CHECKOUT": True,
            "OSCAR_INITIAL_ORDER_STATUS": "new",
            "OSCAR_ORDER_STATUS_PIPELINE": {"new": ("Cancelled",), "Cancelled": ()},
            "OSCAR_SHOP_NAME": "Loja",
        }
    )


configure()
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import transaction  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from oscar.apps.basket.models import Basket  # noqa: E402
from oscar.apps.offer.models import Benefit, Condition, ConditionalOffer, Range  # noqa: E402
from oscar.apps.order.models import Order  # noqa: E402
from oscar.apps.order.signals import order_status_changed  # noqa: E402
from oscar.apps.order.utils import OrderNumberGenerator  # noqa: E402
from oscar.apps.voucher.models import Voucher  # noqa: E402
from oscarapi.basket.operations import get_basket  # noqa: E402
from oscarapi.signals import oscarapi_post_checkout  # noqa: E402

HELD: dict[str, str] = {}
"""Order number -> the use of a voucher that was reserved for it; a real shop keeps this in a table."""


# ------------------------------------------------------------------------------ what the shop says to the hub
def tell(topic: str, order: Order) -> None:
    """Post the order as it stands now: signed, and once. examples/connectors/oscar.py reads it."""
    said = {
        "number": str(order.number),
        "status": order.status,
        "date_placed": order.date_placed.isoformat(),
        "currency": order.currency,
        "total_incl_tax": str(order.total_incl_tax),
        "shipping_incl_tax": str(order.shipping_incl_tax),
        "items_before_discounts": str(order.basket_total_before_discounts_incl_tax),
        "vouchers": [{"code": used.voucher_code} for used in order.discounts.all() if used.voucher_code],
        "cpf": order.shipping_address.notes or None,
    }
    body = json.dumps(said).encode()
    signature = hmac.new(os.environ["HUB_SECRET"].encode(), body, hashlib.sha256).digest()
    headers = {
        "content-type": "application/json",
        "x-peer-topic": topic,
        "x-peer-hmac-sha256": base64.b64encode(signature).decode(),
    }
    # A real shop keeps what was not taken and sends it again; this one leaves a mark in its log.
    threading.Thread(target=post, args=(os.environ["HUB_DELIVERY_URL"], body, headers)).start()


def ask(verb: str, key: str, **said: object) -> dict | None:
    """Return the answer of `/v1/vouchers/{verb}`, `None` for a no. `key` makes a repetition harmless."""
    headers = {
        "authorization": f"Bearer {os.environ['HUB_KEY']}",
        "idempotency-key": key,
        "content-type": "application/json",
    }
    url = f"{os.environ['HUB_URL']}/v1/vouchers/{verb}"
    return post(url, json.dumps(said).encode(), headers)


def post(url: str, body: bytes, headers: dict[str, str]) -> dict | None:
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())
    except URLError as error:
        sys.stderr.write(f"the hub said no: {error}\n")
        return None


def cents(amount: Decimal) -> int:
    """Oscar prints `199.800000000000` for some amounts; anything finer than a centavo is a fault."""
    whole = amount * 100
    assert whole == int(whole), amount
    return int(whole)


# ------------------------------------------------------------------------------- what shopper and merchant do
@csrf_exempt
def use_voucher(request):
    """The shopper typed a code: reserve it for the order to be, and show it as a discount of the basket."""
    basket = get_basket(request)
    number = str(OrderNumberGenerator().order_number(basket))
    code = json.loads(request.body)["code"]
    total = cents(basket.total_incl_tax)
    held = ask("reserve", f"reserve-{number}", code=code, order_ref=number, order_cents=total)
    if held is None:
        return HttpResponse("Voucher inválido ou já usado.", status=406)
    HELD[number] = held["use_id"]
    basket.vouchers.add(discount(f"PONTE {number}", Decimal(held["amount_cents"]) / 100))
    return JsonResponse({"discount_cents": held["amount_cents"]})


def discount(name: str, reais: Decimal) -> Voucher:
    """Return a voucher of the shop's own, good for one basket: Oscar takes discounts off by nothing else."""
    everything, _ = Range.objects.get_or_create(name="Tudo", includes_all_products=True)
    condition = Condition.objects.create(range=everything, type=Condition.COUNT, value=1)
    benefit = Benefit.objects.create(range=everything, type=Benefit.FIXED, value=reais)
    offer = ConditionalOffer.objects.create(
        name=name, condition=condition, benefit=benefit, offer_type=ConditionalOffer.VOUCHER
    )
    now = datetime.now(UTC)
    voucher = Voucher.objects.create(
        name=name,
        code=name.replace(" ", "-"),
        usage=Voucher.SINGLE_USE,
        start_datetime=now - timedelta(days=1),
        end_datetime=now + timedelta(days=1),
    )
    voucher.offers.add(offer)
    return voucher


def placed(sender, order, **_rest: object):
    """The order stands: spend what was reserved for it, and tell the hub of the sale."""
    number = str(order.number)  # fresh from Oscar's generator it is an integer
    if number in HELD:
        transaction.on_commit(lambda: ask("commit", f"commit-{number}", use_id=HELD[number]))
    transaction.on_commit(lambda: tell("order.placed", order))


def cancelled(sender, order, new_status, **_rest: object):
    """The order is off: give the voucher back, and tell the hub."""
    number = str(order.number)
    if new_status != "Cancelled":
        return
    if number in HELD:
        use = {"use_id": HELD[number], "rollback_ref": number}
        transaction.on_commit(lambda: ask("rollback", f"rollback-{number}", **use))
    transaction.on_commit(lambda: tell("order.cancelled", order))


@csrf_exempt
def cancel(request, number):
    Order.objects.get(number=number).set_status("Cancelled")
    return JsonResponse({"number": number})


urlpatterns = [
    path("api/", include("oscarapi.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("ponte-voucher/", use_voucher),
    path("orders/<number>/cancel/", cancel),
]


# ---------------------------------------------------------------------------------------------------- opening
def stock() -> int:
    """Make the tables and one product at R$ 99,90; return its id."""
    from oscar.apps.address.models import Country
    from oscar.apps.catalogue.models import Product, ProductClass
    from oscar.apps.partner.models import Partner, StockRecord

    call_command("migrate", verbosity=0, interactive=False)
    Country.objects.create(iso_3166_1_a2="BR", printable_name="Brasil", is_shipping_country=True)
    shirts = ProductClass.objects.create(name="Camisas", requires_shipping=False, track_stock=False)
    product = Product.objects.create(title="Camisa", product_class=shirts)
    partner = Partner.objects.create(name="Loja")
    StockRecord.objects.create(
        product=product, partner=partner, partner_sku="SKU-1", price_currency="BRL", price=Decimal("99.90")
    )
    return product.pk


class Quiet(WSGIRequestHandler):
    def log_message(self, *_rest: object):
        """Say nothing about every request."""


if __name__ == "__main__":
    product_id = stock()
    Basket.objects.all().delete()
    oscarapi_post_checkout.connect(placed)
    order_status_changed.connect(cancelled)
    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
    sys.stdout.write(json.dumps({"port": server.server_port, "product_id": product_id}) + "\n")
    sys.stdout.flush()
    server.serve_forever()
