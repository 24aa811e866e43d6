"""Models and versions from the catalog: never older than the operation, at one statement for all of them."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import insert
from sqlmodel import SQLModel

from db.queries.registry import raise_revision
from db.session import Database
from db.tables import ModelRow
from db.tables.base import table_of
from db.types import new_id
from engine.catalog import Catalog
from resolvers.registered import Registered, Registry
from resolvers.view import Kind
from tests.schema.graph import model, version
from tests.statements import recorded


async def change(database: Database, *rows: SQLModel) -> None:
    async with database.write() as connection:
        for row in rows:
            await connection.execute(insert(table_of(type(row))).values(row.model_dump()))
        await raise_revision(connection)


def registered(registry: Registry, kind: Kind) -> Registered[Any]:
    return Registered(registry, kind)


def models_of(registry: Registry) -> Registered[ModelRow]:
    return Registered(registry, "model")


async def test_what_another_process_has_registered_is_found_by_the_next_operation(
    any_database: Database,
) -> None:
    here, there = model("here"), model("there")
    await change(any_database, here)
    catalog = Catalog(any_database)
    assert await models_of(Registry(catalog, "", None)).load(there.id) is None

    await change(any_database, there, version(there))

    found = await models_of(Registry(catalog, "", None)).load(there.id)
    assert found is not None
    assert found.name == "there"


async def test_all_edges_of_an_operation_cost_one_look_at_the_revision(any_database: Database) -> None:
    rows = [model(f"model-{number}") for number in range(20)]
    await change(any_database, *rows)
    catalog = Catalog(any_database)
    await catalog.refresh()
    registry = Registry(catalog, "", None)

    with recorded(any_database) as statements:
        found = await asyncio.gather(*(models_of(registry).load(row.id) for row in rows))

    assert [row and row.name for row in found] == [row.name for row in rows]
    assert len(statements) == 1


async def test_what_is_current_on_sqlite_is_found_without_waiting(database: Database) -> None:
    row = model("known")
    await change(database, row)
    catalog = Catalog(database)
    await catalog.refresh()

    found = models_of(Registry(catalog, "", None)).find(row.id)

    assert not asyncio.iscoroutine(found)
    assert found is not None
    assert found.name == "known"


async def test_a_mutation_of_the_operation_is_seen_by_what_follows(any_database: Database) -> None:
    catalog, row = Catalog(any_database), model("made")
    registry = Registry(catalog, "", None)
    assert await models_of(registry).load(row.id) is None

    await change(any_database, row)
    registry.look_again()

    assert (await models_of(registry).load(row.id)) is not None


async def test_models_of_others_and_those_hidden_from_a_key_are_not_found(any_database: Database) -> None:
    shown, hidden = model("shown"), model("hidden")
    made = version(hidden)
    await change(any_database, shown, hidden, made)
    catalog = Catalog(any_database)

    registry = Registry(catalog, new_id(), frozenset([shown.id]))

    assert await models_of(registry).load(shown.id) is not None
    assert await models_of(registry).load(hidden.id) is None
    assert await registered(registry, "version").load(made.id) is None
    assert await registered(registry, "prices").load(made.id) is None
