import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from db.errors import DatabaseUnavailableError, UniqueViolationError
from db.group_commit import GROUP_SIZE
from db.queries import keys as queries
from db.session import Database
from db.tables import ProjectRow
from tests.statements import recorded


@pytest.fixture
async def others(sqlite_url: str) -> AsyncIterator[Database]:
    """Another process's view of the same file: it sees what is committed, and nothing else."""
    database = Database(sqlite_url)
    yield database
    await database.close()


async def add(database: Database, name: str) -> None:
    async with database.write() as connection:
        await queries.add_project(connection, ProjectRow(name=name))


async def add_then(database: Database, name: str, then: Callable[[], Awaitable[Any]]) -> None:
    async with database.write() as connection:
        await queries.add_project(connection, ProjectRow(name=name))
        await then()


async def names(database: Database) -> set[str]:
    async with database.read() as connection:
        return {row.name for row in await queries.all_projects(connection)}


async def raise_lookup_error() -> None:
    raise LookupError


@contextmanager
def failing(database: Database, statement: str, error: Exception) -> Iterator[None]:
    """Lets the next such statement fail before it reaches SQLite, as a disk does."""

    def fail(executed: str) -> None:
        if executed == statement:
            raise error

    with database.watched(fail):
        yield


async def test_concurrent_writers_share_their_commits(database: Database, others: Database) -> None:
    with recorded(database) as statements:
        await asyncio.gather(*(add(database, f"{number}") for number in range(50)))

    assert statements.count("COMMIT") <= 2
    assert len(await names(others)) == 50


async def test_a_writer_alone_commits_at_once(database: Database, others: Database) -> None:
    with recorded(database) as statements:
        await add(database, "alone")

    assert [statements[0], statements[-1]] == ["BEGIN IMMEDIATE", "COMMIT"]
    assert await names(others) == {"alone"}


async def test_a_group_is_no_larger_than_its_limit(database: Database) -> None:
    with recorded(database) as statements:
        await asyncio.gather(*(add(database, f"{number}") for number in range(3 * GROUP_SIZE)))

    assert statements.count("COMMIT") >= 3
    assert len(await names(database)) == 3 * GROUP_SIZE


async def test_nobody_is_told_of_success_before_the_row_is_durable(
    database: Database, others: Database
) -> None:
    seen: list[bool] = []

    async def add_and_look(name: str) -> None:
        await add(database, name)
        seen.append(name in await names(others))

    await asyncio.gather(*(add_and_look(f"{number}") for number in range(30)))

    assert seen == [True] * 30


@pytest.mark.parametrize("failing_member", range(5))
async def test_a_member_that_fails_takes_back_its_own_rows_only(
    database: Database, others: Database, failing_member: int
) -> None:
    writes = [
        add_then(database, f"{number}", raise_lookup_error)
        if number == failing_member
        else add(database, f"{number}")
        for number in range(5)
    ]

    results = await asyncio.gather(*writes, return_exceptions=True)

    assert [type(result) for result in results if result] == [LookupError]
    assert await names(others) == {f"{number}" for number in range(5)} - {f"{failing_member}"}


async def test_a_member_that_breaks_a_rule_of_the_database_hurts_no_neighbour(
    database: Database, others: Database
) -> None:
    await add(database, "taken")

    results = await asyncio.gather(
        *(add(database, name) for name in ("a", "taken", "b")), return_exceptions=True
    )

    assert [type(result) for result in results if result] == [UniqueViolationError]
    assert await names(others) == {"taken", "a", "b"}


async def test_what_somebody_waits_for_does_not_wait_for_patient_work_behind_it(
    database: Database, others: Database
) -> None:
    may_end = asyncio.Event()

    async def work_patiently() -> None:
        async with database.write(patient=True) as connection:
            await queries.add_project(connection, ProjectRow(name="patient"))
            await may_end.wait()

    async with asyncio.timeout(10):
        async with database.write() as connection:
            work = asyncio.create_task(work_patiently())
            await asyncio.sleep(0)  # it waits for its turn
            await queries.add_project(connection, ProjectRow(name="awaited"))
        found = await names(others)
        may_end.set()
        await work

    assert found == {"awaited"}
    assert await names(others) == {"awaited", "patient"}


async def test_patient_work_shares_its_commits(database: Database) -> None:
    async def work_patiently(name: str) -> None:
        async with database.write(patient=True) as connection:
            await queries.add_project(connection, ProjectRow(name=name))

    await add(database, "first")  # the connection is open
    with recorded(database) as statements:
        await asyncio.gather(*(work_patiently(f"{number}") for number in range(10)))

    assert statements.count("COMMIT") == 1


async def test_every_member_failing_leaves_nothing_and_the_next_one_works(database: Database) -> None:
    failing = [add_then(database, f"{number}", raise_lookup_error) for number in range(5)]

    results = await asyncio.gather(*failing, return_exceptions=True)
    await add(database, "next")

    assert [type(result) for result in results] == [LookupError] * 5
    assert await names(database) == {"next"}


@pytest.mark.parametrize("seed", range(4))
async def test_members_cancelled_at_any_moment_hurt_no_neighbour(
    database: Database, others: Database, seed: int
) -> None:
    random = Random(seed)
    for turn in range(40):
        writes = {f"{turn}.{number}": add(database, f"{turn}.{number}") for number in range(6)}
        tasks = {name: asyncio.create_task(write) for name, write in writes.items()}
        doomed = random.sample(sorted(tasks), 2)
        for name in doomed:
            await asyncio.sleep(random.uniform(0, 0.002))
            tasks[name].cancel()

        await asyncio.wait_for(asyncio.wait(tasks.values()), 5)

        told = {name for name, task in tasks.items() if not task.cancelled()}
        assert told >= tasks.keys() - set(doomed)
        assert await names(others) >= told


async def test_a_member_cancelled_in_its_block_takes_back_its_rows(
    database: Database, others: Database
) -> None:
    entered = asyncio.Event()

    async def linger() -> None:
        entered.set()
        await asyncio.Event().wait()

    first = asyncio.create_task(add(database, "first"))
    lingering = asyncio.create_task(add_then(database, "lingering", linger))
    last = asyncio.create_task(add(database, "last"))
    await entered.wait()

    lingering.cancel()
    results = await asyncio.gather(first, lingering, last, return_exceptions=True)

    assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None)]
    assert await names(others) == {"first", "last"}


async def test_those_who_wait_are_committed_when_everybody_behind_them_is_cancelled(
    database: Database, others: Database
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        entered.set()
        await go_on.wait()

    first = asyncio.create_task(add_then(database, "first", hold))
    await entered.wait()
    behind = [asyncio.create_task(add(database, f"{number}")) for number in range(3)]
    await asyncio.sleep(0)

    go_on.set()
    await asyncio.sleep(0)
    for write in behind:
        write.cancel()
    async with asyncio.timeout(5):
        await first

    assert "first" in await names(others)


async def test_a_commit_that_fails_reaches_every_member_and_the_next_group_works(
    database: Database, others: Database
) -> None:
    with failing(database, "COMMIT", OSError("the disk is full")):
        results = await asyncio.gather(
            *(add(database, f"{number}") for number in range(5)), return_exceptions=True
        )

    await add(database, "next")

    assert [type(result) for result in results] == [DatabaseUnavailableError] * 5
    assert await names(others) == {"next"}


async def test_a_commit_that_nobody_waits_for_ends_before_the_database_is_closed(
    sqlite_url: str, others: Database
) -> None:
    database = Database(sqlite_url)
    await add(database, "before")
    is_writing = threading.Event()

    def take_long(executed: str) -> None:
        if executed == "COMMIT":
            is_writing.set()
            time.sleep(0.2)

    with database.watched(take_long):
        adding = asyncio.create_task(add(database, "left"))
        await asyncio.to_thread(is_writing.wait, 10)
        adding.cancel()
        await asyncio.wait([adding])
        await database.close()

    assert await names(others) == {"before", "left"}


async def test_a_member_that_could_not_begin_hurts_no_neighbour(database: Database, others: Database) -> None:
    with failing(database, "SAVEPOINT member", OSError("no savepoint")):
        results = await asyncio.gather(
            *(add(database, f"{number}") for number in range(3)), return_exceptions=True
        )

    stored = {f"{number}" for number, result in enumerate(results) if result is None}
    assert "0" in stored
    assert await names(others) == stored


async def test_a_transaction_that_sqlite_gave_up_is_told_to_its_whole_group(
    database: Database, others: Database
) -> None:
    async def roll_back_beneath() -> None:
        """What SQLite does by itself when its disk is full: https://www.sqlite.org/lang_transaction.html"""
        async with database.write() as connection:
            await connection.exec_driver_sql("ROLLBACK")
            await connection.exec_driver_sql("ROLLBACK TO member")

    results = await asyncio.gather(add(database, "neighbour"), roll_back_beneath(), return_exceptions=True)

    assert [type(result) for result in results] == [DatabaseUnavailableError] * 2
    assert await names(others) == set()
