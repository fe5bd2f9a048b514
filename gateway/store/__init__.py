"""The database: tables, engine, rows, committer. SQL lives here and in the slices' queries and actions."""

from sqlalchemy import Connection, Table

__all__ = ["Connection", "Table"]
