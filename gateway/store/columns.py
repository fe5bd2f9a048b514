"""What a column is made of: its type, why it is kept and for how long.

Instants are microseconds since 1970 (UTC) and days ISO text: both databases compare and keep them alike.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

Retention: TypeAlias = Literal[
    "programme", "ledger", "member", "sealed_payload", "operational", "credential", "audit"
]

RETENTIONS: Final[dict[Retention, str]] = {
    "programme": "life of the programme",
    "ledger": "for ever; holds no identity",
    "member": "until erasure, or programme life + 5 years",
    "sealed_payload": "90 days, then the period's key is destroyed",
    "operational": "400 days",
    "credential": "until revoked",
    "audit": "5 years",
}

metadata = MetaData()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware instant, kept as whole microseconds; a naive one is refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 -- as SQLAlchemy calls it
        """Return microseconds since 1970 UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive instant cannot be stored")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 -- as SQLAlchemy calls it
        """Return the aware UTC instant."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Day(TypeDecorator[date]):
    """A local day, kept as its ISO text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> str | None:  # noqa: ARG002 -- as SQLAlchemy calls it
        """Return `YYYY-MM-DD`."""
        return None if value is None else value.isoformat()

    def process_result_value(self, value: str | None, dialect: Dialect) -> date | None:  # noqa: ARG002 -- as SQLAlchemy calls it
        """Return the day."""
        return None if value is None else date.fromisoformat(value)


def col(
    name: str,
    kind: type[TypeEngine[Any]] | TypeEngine[Any],
    purpose: str,
    keep: Retention,
    *,
    null: bool = False,
) -> Column[Any]:
    return Column(name, kind, nullable=null, info={"purpose": purpose, "retention": keep})


def table(name: str, key: tuple[str, ...], *columns: Column[Any], **extra: Any) -> Table:
    rest = extra.pop("rest", ())
    programme = col("programme_id", Text, "isolation of programmes", "programme")
    return Table(name, metadata, programme, *columns, PrimaryKeyConstraint("programme_id", *key), *rest)


def due_index(name: str, column: str, where: str) -> Index:
    """Return an index of the rows that the worker asks for every second, whatever their programme.

    It holds only rows that are still `where`, so a sale that waits for nothing does not pay for it.
    """
    return Index(name, column, postgresql_where=text(where), sqlite_where=text(where))
