import asyncio
from typing import Any

import pytest
from sqlalchemy import event, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from db.errors import UniqueViolationError
from db.prepared import Prepared
from db.prepared_writes import PreparedWrite
from db.queries import keys as queries
from db.session import Database
from db.tables import ProjectRow
from db.tables.keys import projects
from tests.statements import recorded

pytestmark = pytest.mark.postgres

ALL = Prepared(select(projects).order_by(projects.c.name))
NAMES = [str(column.key) for column in projects.columns]
ADD = PreparedWrite(insert(projects), NAMES)
CHANGE = PreparedWrite(update(projects), ["tier", "retention_days"])


async def names(database: Database) -> list[str]:
    async with database.read() as connection:
        return [row.name for row in await ALL.all(connection)]


async def add(connection: Any, name: str) -> int:
    return await ADD.run(connection, ProjectRow(name=name).model_dump())


async def test_prepared_statements_pass_by_sqlalchemy_and_are_told_to_watchers(postgres: Database) -> None:
    by_sqlalchemy: list[str] = []
    event.listen(
        postgres.engines[0].sync_engine,
        "before_cursor_execute",
        lambda _, __, statement, *___: by_sqlalchemy.append(statement),
    )

    with recorded(postgres) as statements:
        async with postgres.write() as connection:
            await add(connection, "one")
        found = await names(postgres)

    assert found == ["one"]
    assert by_sqlalchemy == []
    assert [statement.split()[0] for statement in statements] == ["INSERT", "SELECT"]


async def test_rows_have_what_their_columns_mean(postgres: Database) -> None:
    row = ProjectRow(name="one")
    async with postgres.write() as connection:
        await ADD.run(connection, row.model_dump())
        found = await ALL.first(connection)

    assert found._asdict() == row.model_dump()


async def test_how_many_rows_were_written_is_told(postgres: Database) -> None:
    async with postgres.write() as connection:
        added = [await add(connection, name) for name in ("one", "two")]
        changed = await CHANGE.run(connection, {"tier": "paid", "retention_days": None})

    assert (added, changed) == ([1, 1], 2)


async def test_a_transaction_has_what_is_prepared_and_what_is_not(postgres: Database) -> None:
    seen: list[int] = []

    async def write_and_raise() -> None:
        async with postgres.write() as connection:
            await add(connection, "prepared")
            await queries.add_project(connection, ProjectRow(name="not prepared"))
            seen.append(len(await ALL.all(connection)))
            raise LookupError

    with pytest.raises(LookupError):
        await write_and_raise()

    assert seen == [2]
    assert await names(postgres) == []


async def test_what_was_refused_undoes_its_transaction_and_no_other(postgres: Database) -> None:
    row = ProjectRow(name="one").model_dump()

    async def add_times(times: int) -> None:
        async with postgres.write() as connection:
            for _ in range(times):
                await ADD.run(connection, row)

    with pytest.raises(UniqueViolationError) as refusal:
        await add_times(2)
    await add_times(1)

    assert row["id"] not in str(refusal.value)
    assert await names(postgres) == ["one"]


async def test_a_statement_that_is_wrong_raises_what_sqlalchemy_raises(postgres: Database) -> None:
    wrong = Prepared(select(projects).where(text("name / 0 = 1")))

    with pytest.raises(DBAPIError) as error:
        async with postgres.read() as connection:
            await wrong.all(connection)

    assert "operator does not exist" in str(error.value)


async def test_a_transaction_that_is_cut_within_a_statement_stores_nothing(postgres: Database) -> None:
    sleeping = Prepared(select(text("pg_sleep(60) AS slept")))
    begun = asyncio.Event()

    async def write() -> None:
        async with postgres.write() as connection:
            await add(connection, "cut")
            begun.set()
            await sleeping.all(connection)

    task = asyncio.create_task(write())
    await begun.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await names(postgres) == []
