"""The gift-card protocol as one record: nothing is fetched and nothing earns; the store asks, and is answered.

Found by the entry point `giftcards`; nothing imports it by name.
"""

from adapters.ecommerce.giftcards.settings import GiftCardsConfig, keys
from contracts import Connector
from contracts.giftcards import provider

connector = Connector(
    slug="giftcards",
    name="Vale-presente (protocolo VTEX)",
    config=GiftCardsConfig,
    docs="adapters/ecommerce/giftcards/README.md",
    checkout=provider(keys),
)
