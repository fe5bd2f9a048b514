"""Which master key a database is sealed under: noted when a hub first opens it; under another one nothing begins.

A second key in one database would write what no backup of the first can read, and lose every sale meanwhile.
"""

from collections.abc import Sequence

from gateway.access import NO_PROGRAMME
from gateway.context import Context
from gateway.privacy import Vault
from gateway.store import Connection, rows
from gateway.store import tables as t
from gateway.store.outages import DatabaseRefused


def hold(context: Context, conn: Connection, items: Sequence[None]) -> Sequence[None]:
    """Note our key in a database that was never opened; refuse (`DatabaseRefused`) one under another key."""
    ours = {"programme_id": NO_PROGRAMME, "key_id": context.vault.key_id, "since_at": context.clock()}
    rows.insert_new(conn, t.custody, [ours])
    check_key(context.vault, conn)
    return items


def check_key(vault: Vault, conn: Connection) -> None:
    """Refuse (`DatabaseRefused`) a database that is sealed under another master key."""
    for row in rows.fetch(conn, t.custody, ("programme_id",), [(NO_PROGRAMME,)]):
        if row["key_id"] != vault.key_id:
            raise DatabaseRefused(
                f"The database is sealed under the master key {row['key_id']}, and ours is {vault.key_id}: "
                "restore the key that belongs to it (master.key or PONTE_MASTER_KEY)."
            )
