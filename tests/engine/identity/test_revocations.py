"""Telling open connections that their credential works no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest
from sqlalchemy import text

from db.session import Database
from engine.bus.memory import MemoryBus
from engine.identity.api_keys import ApiKeys
from engine.identity.revocations import Revocations
from engine.keys import Keys
from engine.values import Scope, Viewer
from tests.statements import recorded


@asynccontextmanager
async def watched(
    database: Database, bus: MemoryBus, lease_seconds: float = 60
) -> AsyncIterator[Revocations]:
    revocations = Revocations(database, bus, lease_seconds=lease_seconds)
    task = asyncio.create_task(revocations.run())
    await asyncio.sleep(0)
    yield revocations
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def two_viewers(keys: Keys) -> tuple[str, list[Viewer]]:
    """Makes a project with two keys and returns who they are."""
    project = await keys.create_project("one")
    made = [await keys.create(project.id, name, [Scope.MODELS_READ]) for name in ("first", "second")]
    return project.id, [await ApiKeys(keys._database).viewer(secret) for _, secret in made]


async def test_a_revocation_is_told_at_once_and_to_nobody_else(any_database: Database) -> None:
    bus = MemoryBus()
    keys = Keys(any_database, bus)
    project_id, (first, second) = await two_viewers(keys)

    async with watched(any_database, bus) as revocations:
        with revocations.watching(first) as ended, revocations.watching(second) as other:
            await keys.revoke(project_id, first.api_key_id or "")

            async with asyncio.timeout(5):
                await ended.wait()
            assert not other.is_set()


async def test_what_no_message_told_is_found_within_a_lease(database: Database) -> None:
    keys = Keys(database)
    _, (first, _) = await two_viewers(keys)

    async with watched(database, MemoryBus(), lease_seconds=0.05) as revocations:
        with revocations.watching(first) as ended:
            async with database.write() as connection:
                await connection.execute(text("UPDATE api_key SET revoked_at = 1"))

            async with asyncio.timeout(5):
                await ended.wait()


async def test_a_rotation_ends_the_former_secret_alone(database: Database) -> None:
    bus = MemoryBus()
    keys = Keys(database, bus)
    project_id, (first, _) = await two_viewers(keys)

    async with watched(database, bus) as revocations:
        with revocations.watching(first) as ended:
            rotated = await keys.rotate(project_id, first.api_key_id or "", timedelta())
            new = await ApiKeys(database).viewer(rotated.secret)
            with revocations.watching(new) as other:
                await revocations.look()

                assert ended.is_set()
                assert not other.is_set()


async def test_a_thousand_connections_cost_two_statements_and_leave_nothing_behind(
    database: Database,
) -> None:
    keys = Keys(database)
    _, viewers = await two_viewers(keys)
    revocations = Revocations(database, MemoryBus(), lease_seconds=60)

    lent = [revocations.watching(viewers[number % 2]) for number in range(1000)]
    for each in lent:
        each.__enter__()
    with recorded(database) as statements:
        await revocations.look()
    for each in lent:
        each.__exit__(None, None, None)

    assert len(statements) == 2
    assert revocations._held == {}


async def test_while_the_database_is_away_nobody_is_cut_off(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(database)
    _, (first, _) = await two_viewers(keys)
    await database.close()
    gone = Database("sqlite+aiosqlite:////nowhere/at/all.db")
    bus = MemoryBus()

    async with watched(gone, bus) as revocations:
        with revocations.watching(first) as ended:
            bus.announce("credentials", "changed")
            async with asyncio.timeout(5):
                while "still work" not in caplog.text:  # noqa: ASYNC110  # a log has no event
                    await asyncio.sleep(0.01)

            assert not ended.is_set()
