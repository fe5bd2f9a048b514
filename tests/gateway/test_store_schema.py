"""The schema: one history, equal to the tables of the code, and every column accounted for."""

import ast
import asyncio
from collections.abc import Iterable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Connection,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    inspect,
)

from gateway.store import schema
from gateway.store.columns import RETENTIONS
from gateway.store.engine import Database, Store
from gateway.store.migrations import upgrade
from gateway.store.outages import DatabaseRefused
from gateway.store.postgres import PostgresDatabase
from gateway.store.sqlite import SqliteDatabase
from gateway.store.tables import metadata


async def bare(url: str) -> Database:
    """The database without anybody having looked at its schema."""
    if url.startswith("sqlite"):
        return await SqliteDatabase.open(url)
    return await PostgresDatabase.open(url, allow_unsafe=True)


def table_names(conn: Connection) -> list[str]:
    return inspect(conn).get_table_names()


async def test_the_migrated_schema_is_the_one_the_code_writes_to(migrated_url: str) -> None:
    store = await Store.open(migrated_url, allow_unsafe=True)
    try:
        differences = await store.read(
            lambda conn: compare_metadata(MigrationContext.configure(conn), metadata),
        )
    finally:
        await store.close()
    assert differences == []


async def test_a_migration_that_does_not_finish_leaves_nothing_behind(database_url: str) -> None:
    database = await bare(database_url)

    def half(conn: Connection) -> None:
        schema.bring_up(conn)
        assert "sale" in table_names(conn)
        raise RuntimeError("the power went out")

    try:
        with pytest.raises(RuntimeError, match="power"):
            await database.transact(half)
        assert await database.read(table_names) == []
    finally:
        await database.close()


async def test_a_database_newer_than_the_code_is_refused_and_untouched(migrated_url: str) -> None:
    database = await bare(migrated_url)
    await database.transact(
        lambda conn: conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'").close(),
    )
    await database.close()
    with pytest.raises(DatabaseRefused, match=r"schema 9999.*newer"):
        await Store.open(migrated_url, allow_unsafe=True)
    database = await bare(migrated_url)
    asked = "SELECT version_num FROM alembic_version"
    assert await database.read(lambda conn: conn.exec_driver_sql(asked).scalar_one()) == "9999"
    await database.close()


def test_upgrade_brings_an_empty_database_to_the_newest_schema_and_lets_it_go(database_url: str) -> None:
    upgrade(database_url)
    upgrade(database_url)

    async def seen() -> set[str]:
        store = await Store.open(database_url, allow_unsafe=True)
        try:
            return set(await store.read(table_names))
        finally:
            await store.close()

    assert asyncio.run(seen()) == {*metadata.tables, "alembic_version"}


def test_a_migration_does_not_change_when_the_code_does() -> None:
    scripts = sorted((schema.MIGRATIONS / "versions").glob("*.py"))
    with create_engine("sqlite://").connect() as conn:
        history = ScriptDirectory.from_config(schema.configuration(conn)).walk_revisions()
        assert [script.revision for script in history][::-1] == schema.revisions()
    assert scripts
    for number, script in enumerate(scripts, 1):
        assert script.name.startswith(f"{number:04}_"), "one history, numbered without a gap"
        imported = [
            name.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(script.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        ]
        assert set(imported) <= {"sqlalchemy", "alembic"}, script


def faults(tables: Iterable[Table]) -> list[str]:
    """What the registry of columns and the isolation of programmes object to."""
    found: list[str] = []
    for table in tables:
        found += [
            f"{table.name}.{column.name}: no purpose or no known retention"
            for column in table.columns
            if not column.info.get("purpose") or column.info.get("retention") not in RETENTIONS
        ]
        for rule in table.constraints:
            if not isinstance(rule, PrimaryKeyConstraint | UniqueConstraint | ForeignKeyConstraint):
                continue
            if [column.name for column in rule.columns][:1] != ["programme_id"]:
                found.append(f"{table.name}: a key that does not start with the programme")
        found += [
            f"{index.name}: unique across programmes"
            for index in table.indexes
            if index.unique and index.columns.keys()[:1] != ["programme_id"]
        ]
    return found


def test_every_column_says_why_and_how_long_and_every_key_starts_with_the_programme() -> None:
    assert len(metadata.tables) > 20
    assert faults(metadata.tables.values()) == []


def test_an_unregistered_column_and_a_key_across_programmes_are_found() -> None:
    known = {"purpose": "isolation", "retention": "programme"}
    table = Table(
        "leak",
        MetaData(),
        Column("programme_id", Text, info=known),
        Column("cpf", Text, unique=True, info={"purpose": "curiosity", "retention": "always"}),
        PrimaryKeyConstraint("cpf", "programme_id"),
    )
    assert sorted(faults([table])) == [
        "leak.cpf: no purpose or no known retention",
        "leak: a key that does not start with the programme",
        "leak: a key that does not start with the programme",
    ]
