"""Writes the next migration: `python -m gateway.store.migrations add phone to store`. Then read it."""

import sys

from alembic import command
from sqlalchemy import create_engine

from gateway.store.schema import bring_up, configuration, revisions


def main(words: list[str]) -> None:
    with create_engine("sqlite://").begin() as conn:
        bring_up(conn)
        number = len(revisions()) + 1
        command.revision(configuration(conn), " ".join(words), autogenerate=True, rev_id=f"{number:04}")


if __name__ == "__main__":
    main(sys.argv[1:])
