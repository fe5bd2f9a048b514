"""Where a database is, as an operator writes it."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from gateway.store.outages import DatabaseRefused


def address(database_url: str) -> URL:
    """Return what `DATABASE_URL` says. Refuses (`DatabaseRefused`), without repeating it, what nobody can read."""
    try:
        return make_url(database_url)
    except (ValueError, ArgumentError):
        raise DatabaseRefused("DATABASE_URL is no address of a database: is its port a number?") from None
