"""What one WooCommerce shop is told to Ponte, and the name under which its orders are known.

Secrets stand in `SecretStr` and nowhere else.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator

from contracts import Key

Address = Annotated[
    str, StringConstraints(pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])[!-~]+$", max_length=512)
]
"""Plain HTTP only to this machine: there WooCommerce would ask for OAuth 1.0a, and the key would be in the clear."""

Word = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
PaymentKind: TypeAlias = Literal["pagarme:charge", "stone:atk", "stone:itk", "pix:e2e"]

# WC_Webhook::generate_signature decodes HTML entities of the secret first; a secret with these signs otherwise.
_ENTITIES = frozenset("\"'&<>")


class WooCommerceConfig(BaseModel):
    """One shop (WooCommerce 5.8 or newer).

    `store_url` is the address of the WordPress site, `namespace` the name under which its order ids are known
    in this programme. `paid_statuses` are the states of an order that was paid; shops with states of their own
    add them. `document_metas` names the order metas that hold a CPF or CNPJ, best first; `payment_keys` tells
    whose number stands in the transaction id of a payment method.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    store_url: Address
    namespace: str = Field(pattern=r"^[A-Za-z0-9_\-]{1,40}$")
    consumer_key: SecretStr = Field(min_length=8, max_length=128)
    consumer_secret: SecretStr = Field(min_length=8, max_length=128)
    webhook_secret: SecretStr = Field(min_length=16, max_length=256)
    former_webhook_secret: SecretStr | None = Field(default=None, min_length=16, max_length=256)
    paid_statuses: tuple[Word, ...] = Field(default=("processing", "completed"), min_length=1, max_length=16)
    document_metas: tuple[Word, ...] = Field(default=("_billing_cpf", "_billing_cnpj"), max_length=16)
    payment_keys: dict[Word, PaymentKind] = Field(default_factory=dict, max_length=16)

    @field_validator("webhook_secret", "former_webhook_secret")
    @classmethod
    def _is_signed_as_it_stands(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and _ENTITIES & set(secret.get_secret_value()):
            raise ValueError("WooCommerce does not sign with quotes, &, < or > as they stand: choose another")
        return secret


def order_key(order_id: int, config: WooCommerceConfig) -> Key:
    """Return the identity of an order: its id, since shops let plug-ins change the number."""
    return Key(f"order:{config.namespace}", str(order_id))
