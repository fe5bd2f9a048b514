"""A connector in one file: a till that posts each sale as JSON, with a shared token.

    ponte try examples/connectors/caixa.py --file sale.json --config '{"till": "7", "token": "invented-token-7"}'
    ponte serve --connectors-dir examples/connectors

where `sale.json` is `{"number": "1001", "total": "45.90", "returned": "0.00", "cpf": "529.982.247-25",
"at": "2031-01-09T14:03:09-03:00"}`. The till sends a sale again when goods come back. Without samples there
is no kit: docs/tutorial/your-first-connector.md is the way to one that others may rely upon.
"""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from contracts import BearerToken, Connector, Customer, Delivery, DocumentEvidence, Facts, Key, Webhook, cents
from contracts.facts import Instant
from contracts.wire import parse


class TillConfig(BaseModel):
    """One till. `till` is the name under which its sales are known."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    till: str = Field(pattern=r"^[A-Za-z0-9-]{1,40}$")
    token: SecretStr = Field(min_length=16)


class Sale(BaseModel):
    """What the till sends: amounts in reais, the returned one a sum so far."""

    number: str = Field(pattern=r"^[0-9]{1,20}$")
    total: str
    returned: str = "0"
    at: Instant
    cpf: str | None = Field(default=None, min_length=1, max_length=32, repr=False)


def signature(config: TillConfig) -> BearerToken:
    """Return how the till proves itself: by its token, since it can compute nothing."""
    return BearerToken((config.token.get_secret_value(),))


def receive(delivery: Delivery, config: TillConfig) -> Facts:
    """Return all that the till knows of the sale now."""
    sale = parse(Sale, delivery.body)
    return [
        DocumentEvidence(
            kind="order",
            keys=(Key(f"order:{config.till}", sale.number),),
            sold_at=sale.at,
            gross_cents=cents(sale.total),
            returned_cents=cents(sale.returned),
            customer=Customer(document=sale.cpf) if sale.cpf else None,
            as_of=sale.at,
        )
    ]


connector = Connector(
    slug="caixa",
    name="Caixa",
    config=TillConfig,
    docs="README.md",
    trusts=("declared",),
    webhook=Webhook(signature=signature, receive=receive),
)
