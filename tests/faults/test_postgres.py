"""PostgreSQL starts again, is cut off, hangs, or refuses a transaction: nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from db import postgresql
from db.errors import DatabaseUnavailableError
from db.session import Database
from tests.clients.served import served
from tests.faults.asking import COUNT, Client, all_closed, all_may_be_tried_again, settings, stored
from tests.faults.servers import OwnPostgres, Wire, own_postgres, wire
from tests.system.processes import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[OwnPostgres]:
    async with own_postgres(tmp_path) as postgres:
        yield postgres


@pytest.fixture
async def between(postgres: OwnPostgres) -> AsyncIterator[Wire]:
    async with wire(postgres.port) as between:
        yield between


@pytest.fixture
async def client(tmp_path: Path, postgres: OwnPostgres, between: Wire) -> AsyncIterator[Client]:
    url = postgres.url.replace(str(postgres.port), str(between.port))
    async with served(settings(tmp_path, url)) as server:
        yield Client(server)


async def test_a_restart_is_told_as_it_is_and_healed_without_one_of_ours(
    client: Client, postgres: OwnPostgres
) -> None:
    await client.predict()
    await postgres.stop()
    status, body = await client.ask(COUNT)
    await client.predict()
    not_ready, told = await client.ready()
    await postgres.start()

    async def is_ready() -> bool:
        return (await client.ready())[0] == 200

    await eventually(is_ready)
    again = await client.predict()

    assert status == 503
    assert body["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert client.refused
    assert all_may_be_tried_again(client.refused)
    assert (not_ready, told["status"]) == (503, "not ready")
    assert again


async def test_connections_are_cut_again_and_again_under_load(
    client: Client, postgres: OwnPostgres, between: Wire
) -> None:
    async def load() -> None:
        for number in range(25):
            await client.predict(number)

    cut = 0

    async def cuts() -> None:
        nonlocal cut
        for _ in range(15):
            await asyncio.sleep(random.uniform(0.05, 0.2))
            cut += between.cut()

    await asyncio.gather(cuts(), *(load() for _ in range(4)))
    await eventually(lambda: all_closed(postgres.url))
    total, _, billed = await stored(postgres.url)

    assert cut > 0
    assert all_may_be_tried_again(client.refused)
    assert len(set(client.succeeded)) == len(client.succeeded)
    assert len(client.succeeded) <= total <= 100
    assert billed == total


async def test_what_runs_when_the_server_crashes_ends_once_it_is_back(
    client: Client, postgres: OwnPostgres
) -> None:
    asking = [asyncio.create_task(client.predict(number)) for number in range(30)]
    await asyncio.sleep(0.05)
    await postgres.kill()
    await asyncio.sleep(1)
    await postgres.start()
    await asyncio.gather(*asking)

    await eventually(lambda: all_closed(postgres.url))
    total, _, billed = await stored(postgres.url)

    assert all_may_be_tried_again(client.refused)
    assert len(client.succeeded) <= total
    assert billed == total


async def test_a_server_that_hangs_is_waited_for_so_long_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, postgres: OwnPostgres, between: Wire
) -> None:
    monkeypatch.setattr(postgresql, "STATEMENT_SECONDS", 2.0)
    url = postgres.url.replace(str(postgres.port), str(between.port))

    async with served(settings(tmp_path, url)) as server:
        client = Client(server)
        await client.predict()
        between.hold()
        async with asyncio.timeout(30):
            (status, body), (not_ready, told), _ = await asyncio.gather(
                client.ask(COUNT), client.ready(), client.predict(1)
            )
        between.release()

        async def is_ready() -> bool:
            return (await client.ready())[0] == 200

        await eventually(is_ready)
        again = await client.predict(2)
        await eventually(lambda: all_closed(postgres.url))
    total, _, billed = await stored(postgres.url)

    assert status == 503
    assert body["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert all_may_be_tried_again(client.refused)
    assert (not_ready, told["status"]) == (503, "not ready")
    assert again
    assert len(client.succeeded) <= total == billed


async def test_a_transaction_that_loses_a_deadlock_may_be_tried_again(postgres: OwnPostgres) -> None:
    database = Database(postgres.url)
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE pair (id int PRIMARY KEY, n int)"))
        await connection.execute(text("INSERT INTO pair VALUES (1, 0), (2, 0)"))
    both_hold_one = asyncio.Barrier(2)

    async def lock(first: int, second: int) -> bool:
        try:
            async with database.write() as connection:
                update = text("UPDATE pair SET n = n + 1 WHERE id = :id")
                await connection.execute(update, {"id": first})
                await both_hold_one.wait()
                await connection.execute(update, {"id": second})
        except DatabaseUnavailableError:
            return False
        return True

    done = await asyncio.gather(lock(1, 2), lock(2, 1))
    await database.close()

    assert sorted(done) == [False, True]


async def test_a_server_that_may_only_be_read_refuses_for_now(client: Client, postgres: OwnPostgres) -> None:
    database = Database(postgres.url)
    async with database.write() as connection:
        await connection.execute(text("ALTER DATABASE postgres SET default_transaction_read_only = on"))
        mine = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        await connection.execute(mine)
    await database.close()
    refused = not await client.predict()
    read, _ = await client.ask(COUNT)
    not_ready, told = await client.ready()

    assert refused
    assert all_may_be_tried_again(client.refused)
    assert read == 200
    assert (not_ready, told["checks"]["database"]) == (503, "the database can not be written")


async def test_a_server_that_is_far_away_is_asked_no_more_often(client: Client, between: Wire) -> None:
    between.delay_seconds = 0.1
    async with asyncio.timeout(30):
        answered = await client.predict()

    assert answered
