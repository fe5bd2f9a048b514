"""The history of the schema, one numbered file per step, forward only. A released file never changes.

`python -m gateway.store.migrations WORDS` writes the next one from the difference to `tables.py`.
"""

import asyncio

from gateway.store.engine import Store


def upgrade(database_url: str) -> None:
    """Bring the database to the newest schema, as a starting hub does, and leave no connection open.

    Not callable from inside a running event loop. Refuses (`DatabaseRefused`) while a hub holds the database.
    """
    asyncio.run(_upgrade(database_url))


async def _upgrade(database_url: str) -> None:
    # A schema is not a sale: it may be prepared on a server whose settings a hub would refuse.
    await (await Store.open(database_url, allow_unsafe=True)).close()
