"""Jobs whose processes are killed: nothing is lost, nothing is stored or billed twice.

`JOB_KILLS=20` kills twenty times in each test, in the midst of a larger job.
"""

import asyncio
import os
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.faults.servers import own_redis
from tests.services import free_port, new_postgres_database, redis_url
from tests.system.batches import all_agree, submit, sums, until_ended, until_some_succeeded
from tests.system.processes import serving

KILLS = int(os.environ.get("JOB_KILLS", "4"))
ITEMS = 5_000 * max(4, KILLS)


@pytest.mark.slow
@pytest.mark.timeout(60 * KILLS)
async def test_one_process_is_killed_again_and_again_and_the_job_goes_on(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/foretell.db"
    environment = {"FORETELL_DATABASE_URL": url, "FORETELL_DATA_DIRECTORY": str(tmp_path / "data")}
    port = free_port()
    async with serving(port, environment) as server:
        key = server.key
        job_id = await submit(server, ITEMS)
        done = await until_some_succeeded(server, job_id, 0)
        await server.kill()
    for _ in range(KILLS - 1):
        async with serving(port, environment, key) as server:
            done = await until_some_succeeded(server, job_id, done)
            await server.kill()

    async with serving(port, environment, key) as server:
        job = await until_ended(server, job_id)

    found = await sums(url)
    assert job["status"] == "SUCCEEDED"
    all_agree(found, ITEMS)


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.postgres
@pytest.mark.timeout(60 * KILLS)
async def test_one_of_two_processes_is_killed_again_and_again_and_the_other_goes_on(tmp_path: Path) -> None:
    redis = await redis_url()
    with new_postgres_database() as url:
        environment = {
            "FORETELL_DATABASE_URL": url,
            "FORETELL_REDIS_URL": redis,
            "FORETELL_DATA_DIRECTORY": str(tmp_path / "data"),
            "FORETELL_LEASE_SECONDS": "2",
            "FORETELL_WORKER_SLOTS": "2",
        }
        async with AsyncExitStack() as stack:
            ports = [free_port(), free_port()]
            first = await stack.enter_async_context(serving(ports[0], environment))
            servers = [first, await stack.enter_async_context(serving(ports[1], environment, first.key))]
            job_id = await submit(first, ITEMS)
            for _ in range(KILLS):
                victim = random.randrange(2)
                done = await until_some_succeeded(servers[1 - victim], job_id, 0)
                await servers[victim].kill()
                if done < ITEMS:
                    await until_some_succeeded(servers[1 - victim], job_id, done)
                again = serving(ports[victim], environment, first.key)
                servers[victim] = await stack.enter_async_context(again)
            job = await until_ended(servers[0], job_id)

        found = await sums(url)
    assert job["status"] == "SUCCEEDED"
    all_agree(found, ITEMS)


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.postgres
@pytest.mark.timeout(60 * KILLS)
async def test_redis_is_killed_in_the_middle_of_a_job(tmp_path: Path) -> None:
    async with own_redis(tmp_path) as redis:
        with new_postgres_database() as url:
            environment = {
                "FORETELL_DATABASE_URL": url,
                "FORETELL_REDIS_URL": redis.url,
                "FORETELL_DATA_DIRECTORY": str(tmp_path / "data"),
                "FORETELL_LEASE_SECONDS": "2",
                "FORETELL_WORKER_SLOTS": "2",
            }
            async with serving(free_port(), environment) as server:
                job_id = await submit(server, ITEMS)
                before = await until_some_succeeded(server, job_id, 0)
                await redis.kill()
                await asyncio.sleep(2)
                await redis.start()
                job = await until_ended(server, job_id)

            found = await sums(url)
    assert before < ITEMS
    assert job["status"] == "SUCCEEDED"
    all_agree(found, ITEMS)


async def test_a_process_that_is_told_to_end_gives_back_what_it_runs_and_the_next_goes_on(
    tmp_path: Path,
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/foretell.db"
    environment = {"FORETELL_DATABASE_URL": url, "FORETELL_DATA_DIRECTORY": str(tmp_path / "data")}
    port = free_port()
    async with serving(port, environment) as server:
        key, job_id = server.key, await submit(server, 5_000)
        await until_some_succeeded(server, job_id, 0)
        server.process.terminate()
        code = await asyncio.wait_for(server.process.wait(), 20)

    async with serving(port, environment, key) as server:
        job = await until_ended(server, job_id)

    found = await sums(url)
    assert (code, job["status"]) == (0, "SUCCEEDED")
    all_agree(found, 5_000)
