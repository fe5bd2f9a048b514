"""The database: tables, engine, rows, committer. SQL lives here and in the slices' queries and actions."""

from sqlalchemy import Connection

__all__ = ["Connection"]
