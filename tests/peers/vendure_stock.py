"""What a merchant sets up before the store can sell: Brazil, no tax, delivery at R$ 15,00, a shirt at R$ 99,90."""

from tests.peers import vendure_questions as ask
from tests.peers.vendure_questions import Caller, Json

PERMISSIONS = ("ReadOrder", "ReadCustomer", "ReadPromotion", "CreatePromotion", "DeletePromotion")
"""All that the hub's API key may do, as the connector's page says."""


async def stock(admin: Caller) -> tuple[str, str]:
    """Set the store up; return the ids of the shirt and of the delivery."""
    tax_category_id = await _open_market(admin)
    shipping = {
        "code": "correios",
        "fulfillmentHandler": "manual-fulfillment",
        "checker": operation("default-shipping-eligibility-checker", orderMinimum="0"),
        "calculator": operation("default-shipping-calculator", rate="1500", includesTax="auto", taxRate="0"),
        "translations": [{**named("Correios")[0], "description": ""}],
    }
    shipping_id = (await admin(ask.CREATE_SHIPPING_METHOD, input=shipping))["id"]
    card = {
        "code": "dummy",
        "enabled": True,
        "handler": operation("dummy-payment-handler", automaticSettle="true"),
        "translations": named("Cartão"),
    }
    await admin(ask.CREATE_PAYMENT_METHOD, input=card)
    return await _shirt(admin, tax_category_id), shipping_id


async def key_for_the_hub(admin: Caller) -> str:
    """Make a role for the hub and return an API key of it."""
    role = {"code": "ponte", "description": "Ponte", "permissions": list(PERMISSIONS)}
    role_id = (await admin(ask.CREATE_ROLE, input=role))["id"]
    key = await admin(ask.CREATE_API_KEY, input={"roleIds": [role_id], "translations": named("Ponte")})
    api_key: str = key["apiKey"]
    return api_key


async def _open_market(admin: Caller) -> str:
    """Let the store sell in Brazil, in reais; return the tax category of its goods."""
    brazil = {"code": "BR", "enabled": True, "translations": named("Brasil")}
    country_id = (await admin(ask.CREATE_COUNTRY, input=brazil))["id"]
    zone_id = (await admin(ask.CREATE_ZONE, input={"name": "Brasil", "memberIds": [country_id]}))["id"]
    tax_category = await admin(ask.CREATE_TAX_CATEGORY, input={"name": "Isento", "isDefault": True})
    category_id: str = tax_category["id"]
    rate = {"name": "0 %", "enabled": True, "value": 0, "categoryId": category_id, "zoneId": zone_id}
    await admin(ask.CREATE_TAX_RATE, input=rate)
    channel = {
        "id": (await admin(ask.ACTIVE_CHANNEL))["id"],
        "availableCurrencyCodes": ["BRL"],
        "defaultCurrencyCode": "BRL",
        "pricesIncludeTax": True,
        "defaultTaxZoneId": zone_id,
        "defaultShippingZoneId": zone_id,
    }
    await admin(ask.UPDATE_CHANNEL, input=channel)
    return category_id


async def _shirt(admin: Caller, tax_category_id: str) -> str:
    product = {"enabled": True, "translations": [{**named("Camisa")[0], "slug": "camisa", "description": ""}]}
    shirt = {
        "productId": (await admin(ask.CREATE_PRODUCT, input=product))["id"],
        "sku": "SKU-1",
        "price": 9990,
        "stockOnHand": 100_000,
        "taxCategoryId": tax_category_id,
        "translations": named("Camisa"),
    }
    variant_id: str = (await admin(ask.CREATE_VARIANTS, input=[shirt]))[0]["id"]
    return variant_id


def named(name: str) -> list[Json]:
    """Return the translations of a thing with one name."""
    return [{"languageCode": "en", "name": name}]


def operation(code: str, **arguments: str) -> Json:
    """Return a configurable operation; every argument of a calculator must be given."""
    return {"code": code, "arguments": [{"name": name, "value": value} for name, value in arguments.items()]}
