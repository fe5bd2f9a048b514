"""What one VTEX account is told to Ponte, and the name under which its orders are known.

Secrets stand in `SecretStr` and nowhere else.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from contracts import Key

Word = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")]
PaymentKind: TypeAlias = Literal["pagarme:charge", "stone:atk", "stone:itk", "pix:e2e"]


class VtexConfig(BaseModel):
    """One VTEX account.

    `app_key` and `app_token` are VTEX's, for us to ask it. The others are of the merchant's choosing:
    `hook_secret` goes along with every hook, `provider_key` and `provider_token` with every question about
    cards. `provider_id` is the name under which our cards are registered: what they paid is this
    programme's own value. `payment_keys` tells whose number stands in the `tid` of a group of payments.
    `marketplace_sales` counts orders that another marketplace sold, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account: str = Field(pattern=r"^[a-z0-9][a-z0-9\-]{0,39}$")
    environment: Literal["vtexcommercestable", "vtexcommercebeta"] = "vtexcommercestable"
    app_key: str = Field(pattern=r"^[!-~]{8,128}$", repr=False)
    app_token: SecretStr = Field(min_length=16, max_length=256)
    hook_secret: SecretStr = Field(min_length=16, max_length=256)
    provider_id: Word = "ponte"
    provider_key: SecretStr = Field(min_length=8, max_length=128)
    provider_token: SecretStr = Field(min_length=16, max_length=256)
    payment_keys: dict[Word, PaymentKind] = Field(default_factory=dict, max_length=16)
    marketplace_sales: bool = False

    @property
    def base_url(self) -> str:
        """Where the account's own API stands."""
        return f"https://{self.account}.{self.environment}.com.br"


def provider_keys(config: VtexConfig) -> tuple[str, str]:
    """Return the key and the token with which VTEX proves that it asks for cards."""
    return config.provider_key.get_secret_value(), config.provider_token.get_secret_value()


def order_key(order_id: str, config: VtexConfig) -> Key:
    """Return the identity of an order. A purchase from two sellers is two orders, `-01` and `-02`."""
    return Key(f"order:vtex-{config.account}", order_id)
