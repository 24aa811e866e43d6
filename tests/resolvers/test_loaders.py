import asyncio

import pytest
from sqlalchemy import insert
from sqlmodel import SQLModel

from db.filters import PredictionFilter
from db.pages import Window
from db.queries import predictions as queries
from db.session import Database
from db.tables.base import table_of
from engine.catalog import Catalog
from engine.keys import Keys
from engine.values import Scope
from resolvers.loader import MAX_BATCH
from resolvers.loaders import CountOf, Loaders, PredictionsOf
from tests.schema.graph import Caller, model, prediction, version
from tests.statements import recorded


async def caller_of(database: Database, name: str) -> Caller:
    keys = Keys(database)
    project = await keys.create_project(name)
    key, secret = await keys.create(project.id, name, [Scope.MODELS_READ])
    return Caller(project.id, key.id, secret)


async def add(database: Database, *rows: SQLModel) -> None:
    async with database.write() as connection:
        for row in rows:
            await connection.execute(insert(table_of(type(row))).values(row.model_dump()))


@pytest.fixture
async def ours(any_database: Database) -> Caller:
    return await caller_of(any_database, "ours")


async def test_keys_asked_for_together_cost_one_statement(any_database: Database, ours: Caller) -> None:
    of = model("any")
    asked = version(of)
    rows = [prediction(ours, asked) for _ in range(20)]
    await add(any_database, of, asked, *rows)
    loaders = Loaders(any_database, Catalog(any_database), ours.project_id)

    with recorded(any_database) as statements:
        found = await asyncio.gather(*(loaders.prediction.load(row.id) for row in [*rows, *rows]))

    assert [row and row.id for row in found] == [row.id for row in rows] * 2
    assert len(statements) == 1


async def test_what_is_not_there_or_not_ours_is_none_in_its_place(
    any_database: Database, ours: Caller
) -> None:
    theirs = await caller_of(any_database, "theirs")
    shared, own, hidden = model("shared"), model("own", project_id=ours.project_id), model("hidden")
    hidden.project_id = theirs.project_id
    await add(any_database, shared, own, hidden)
    loaders = Loaders(any_database, Catalog(any_database), ours.project_id)

    found = await loaders.model.load_many([hidden.id, own.id, "0" * 32, shared.id])

    assert [row and row.name for row in found] == [None, "own", None, "shared"]


async def test_crowds_of_keys_are_parted_into_statements_that_a_database_takes(
    any_database: Database, ours: Caller
) -> None:
    loaders = Loaders(any_database, Catalog(any_database), ours.project_id)

    with recorded(any_database) as statements:
        found = await loaders.prediction.load_many([f"{number:032x}" for number in range(2 * MAX_BATCH + 1)])

    assert found == [None] * (2 * MAX_BATCH + 1)
    assert len(statements) == 3


async def test_pages_and_counts_of_many_parents_cost_a_statement_for_each_kind_of_page(
    any_database: Database, ours: Caller
) -> None:
    models = [model(f"model-{number}") for number in range(5)]
    versions = [version(each, number) for each in models for number in (1, 2)]
    made = [prediction(ours, each) for each in versions]
    await add(any_database, *models, *versions, *made)
    loaders = Loaders(any_database, Catalog(any_database), ours.project_id)
    order = queries.order("CREATED_AT", descending=True)
    wanted = PredictionFilter()

    with recorded(any_database) as statements:
        newest, both, counts = await asyncio.gather(
            loaders.predictions_of.load_many(
                [PredictionsOf("model", row.id, wanted, order, Window(1)) for row in models]
            ),
            loaders.predictions_of.load_many(
                [PredictionsOf("model", row.id, wanted, order, Window(2)) for row in models]
            ),
            loaders.prediction_count.load_many([CountOf("model", row.id, wanted) for row in models]),
        )

    assert [[row.id for row in page.rows] for page in newest] == [[row.id] for row in made[1::2]]
    assert [len(page.rows) for page in both] == [2] * 5
    assert counts == [2] * 5
    assert len(statements) == 3


async def test_what_was_just_made_is_not_read_again(any_database: Database, ours: Caller) -> None:
    made = prediction(ours, version(model("any")))
    loaders = Loaders(any_database, Catalog(any_database), ours.project_id)

    loaders.prime_prediction(made)

    with recorded(any_database) as statements:
        found = [
            await loader.load(made.id)
            for loader in (loaders.prediction, loaders.input, loaders.output, loaders.explanation)
        ]
    assert found == [made, made.input, made.output, made.explanation]
    assert statements == []


async def test_versions_are_found_by_their_models_id_and_their_name(
    any_database: Database, ours: Caller
) -> None:
    one, other = model("one"), model("other")
    versions = [version(one, 1), version(one, 2), version(other, 1)]
    await add(any_database, one, other, *versions)
    loaders = Loaders(any_database, Catalog(any_database), ours.project_id)

    with recorded(any_database) as statements:
        found = await loaders.version_named.load_many(
            [(other.id, "1"), (one.id, "2"), (other.id, "2"), (one.id, "\x00")]
        )

    assert [row and row.id for row in found] == [versions[2].id, versions[1].id, None, None]
    assert len(statements) == 1
