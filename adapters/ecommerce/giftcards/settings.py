"""What one store is given so that it can ask for cards: a key and a token of the merchant's choosing.

Secrets stand in `SecretStr` and nowhere else.
"""

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class GiftCardsConfig(BaseModel):
    """One store. `app_key` and `app_token` are typed into it beside the address that Ponte shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    app_key: SecretStr = Field(min_length=8, max_length=128)
    app_token: SecretStr = Field(min_length=16, max_length=256)


def keys(config: GiftCardsConfig) -> tuple[str, str]:
    """Return the key and the token with which the store proves who it is."""
    return config.app_key.get_secret_value(), config.app_token.get_secret_value()
