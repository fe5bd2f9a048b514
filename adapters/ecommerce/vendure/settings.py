"""What one Vendure store is told to Ponte, and the names under which its orders are known.

Secrets stand in `SecretStr` and nowhere else.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from contracts import Key

Address = Annotated[
    str, StringConstraints(pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])[!-~]+$", max_length=512)
]
"""Plain HTTP only to this machine: the API key goes along with every question."""

CustomField = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
MethodCode = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
PaymentKind: TypeAlias = Literal["pagarme:charge", "stone:atk", "stone:itk", "pix:e2e"]


class VendureConfig(BaseModel):
    """One channel of one Vendure store (3.6 or newer).

    `store_url` is the address of its server, `namespace` the name under which its order codes are known in
    this programme. `cpf_order_field` and `cpf_customer_field` name the custom fields that hold the CPF,
    `None` where the store has no such field. `loyalty_methods` are the payment methods that spend this
    programme's own value; `payment_keys` tells whose number stands in the transaction id of a method.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    store_url: Address
    admin_path: str = Field(default="/admin-api", pattern=r"^/[A-Za-z0-9_\-/]{1,64}$")
    namespace: str = Field(pattern=r"^[A-Za-z0-9_\-]{1,40}$")
    api_key: SecretStr = Field(min_length=16, max_length=512)
    channel_token: SecretStr | None = Field(default=None, min_length=1, max_length=255)
    webhook_secret: SecretStr = Field(min_length=16, max_length=256)
    former_webhook_secret: SecretStr | None = Field(default=None, min_length=16, max_length=256)
    cpf_order_field: CustomField | None = "cpf"
    cpf_customer_field: CustomField | None = "cpf"
    loyalty_methods: tuple[MethodCode, ...] = Field(default=("ponte",), max_length=8)
    payment_keys: dict[MethodCode, PaymentKind] = Field(default_factory=dict, max_length=16)
    language: str = Field(default="pt_BR", pattern=r"^[a-z]{2,3}(_[A-Za-z]{2,4})?$")


def order_key(code: str, config: VendureConfig) -> Key:
    """Return the identity of an order: the code that shopper, merchant and accounts all read, never the row id."""
    return Key(f"order:{config.namespace}", code)
