"""What one Shopify store is told to Ponte, and the name under which its orders are known.

Secrets stand in `SecretStr` and nowhere else.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from contracts import Key

Word = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")]
PaymentKind: TypeAlias = Literal["pagarme:charge", "stone:atk", "stone:itk", "pix:e2e"]

DOMAIN = ".myshopify.com"


class ShopifyConfig(BaseModel):
    """One store that installed an app of ours, or an app of its own.

    `client_secret` is the app's: it signs webhooks, and an older one does so for an hour after it was
    changed. The tokens come from the sign-in; a store's own app has an `access_token` that does not expire.
    `document_attributes` names the order attributes in which themes and payment apps keep a CPF or CNPJ,
    best first; `payment_keys` tells whose number stands in the authorization code of a gateway.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    shop: str = Field(pattern=r"^[a-z0-9][a-z0-9\-]{0,39}\.myshopify\.com$")
    client_id: str = Field(pattern=r"^[A-Za-z0-9]{8,64}$")
    client_secret: SecretStr = Field(min_length=16, max_length=256)
    former_client_secret: SecretStr | None = Field(default=None, min_length=16, max_length=256)
    access_token: SecretStr = Field(default=SecretStr(""), max_length=256)
    refresh_token: SecretStr = Field(default=SecretStr(""), max_length=256)
    scopes: str = Field(default="read_orders,read_discounts,write_discounts", pattern=r"^[a-z_,]{1,256}$")
    api_version: str = Field(default="2026-10", pattern=r"^20[0-9]{2}-[0-9]{2}$")
    document_attributes: tuple[Word, ...] = Field(
        default=("cpf", "cnpj", "cpf/cnpj", "customer_document"), max_length=16
    )
    payment_keys: dict[Word, PaymentKind] = Field(default_factory=dict, max_length=16)

    @property
    def name(self) -> str:
        """The store's name within Shopify."""
        return self.shop.removesuffix(DOMAIN)


def order_key(order_id: str, config: ShopifyConfig) -> Key:
    """Return the identity of an order: its number within Shopify. The name, such as #1001, may be changed."""
    return Key(f"order:shopify-{config.name}", order_id)
