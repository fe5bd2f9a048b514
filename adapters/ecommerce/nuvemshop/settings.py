"""What one Nuvemshop store is told to Ponte, and the name under which its orders are known.

Secrets stand in `SecretStr` and nowhere else.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from contracts import Key

Address = Annotated[
    str, StringConstraints(pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])[!-~]+$", max_length=512)
]
"""Plain HTTP only to this machine: the access token goes along with every question."""

Word = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
PaymentKind: TypeAlias = Literal["pagarme:charge", "stone:atk", "stone:itk", "pix:e2e"]


class NuvemshopConfig(BaseModel):
    """One store that has installed an app of ours.

    `app_id` and `app_secret` are the app's, `contact` is the mail address that Nuvemshop wants to see in every
    request. `store_id` and `access_token` come from the sign-in. `payment_keys` tells whose number stands in the
    `gateway_id` of a payment gateway. `auth_header` is what the API reference asks for; its guides show the other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    app_id: str = Field(pattern=r"^[0-9]{1,20}$")
    app_secret: SecretStr = Field(min_length=16, max_length=256)
    contact: str = Field(pattern=r"^[A-Za-z0-9._%+@:/\-]{3,128}$")
    store_id: str = Field(default="", pattern=r"^[0-9]{0,20}$")
    access_token: SecretStr = Field(default=SecretStr(""), max_length=256)
    payment_keys: dict[Word, PaymentKind] = Field(default_factory=dict, max_length=16)
    auth_header: Literal["authentication", "authorization"] = "authentication"
    api_version: str = Field(default="2025-03", pattern=r"^(v1|20[0-9]{2}-[0-9]{2})$")
    api_url: Address = "https://api.nuvemshop.com.br"
    login_url: Address = "https://www.nuvemshop.com.br"


def order_key(order_id: int, config: NuvemshopConfig) -> Key:
    """Return the identity of an order: its id, within the store's."""
    return Key(f"order:nuvemshop-{config.store_id}", str(order_id))
