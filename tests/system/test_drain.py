"""A process that is told to end while a text is written and followed, and a job runs: nothing is lost."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.services import free_port
from tests.system.batches import all_agree, submit, sums, until_ended, until_some_succeeded
from tests.system.following import Follower
from tests.system.processes import Server, serving

ITEMS = 3_000
BEGIN = """mutation {
  predict(input: {
    model: {name: "storyteller"}, waitMs: 0, cache: BYPASS
    data: {text: {prompt: {text: "It was"}, parameters: {maxTokens: 500, temperature: 1, seed: 7}}}
  }) { prediction { id } errors { message } }
}"""


async def until_closed(follower: Follower, server: Server) -> int | None:
    """Follows once, and returns the code that the server closed with."""
    try:
        await follower._connect(server, None)
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code
    return None


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_process_that_is_told_to_end_loses_nothing(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/foretell.db"
    environment = {
        "FORETELL_DATABASE_URL": url,
        "FORETELL_DATA_DIRECTORY": str(tmp_path / "data"),
        "FORETELL_SHUTDOWN_GRACE_SECONDS": "30",
    }
    port = free_port()
    async with serving(port, environment) as server:
        job_id = await submit(server, ITEMS, maxConcurrency=25)
        await until_some_succeeded(server, job_id, 0)
        text = (await server.ask(BEGIN))["predict"]["prediction"]["id"]
        follower = Follower(text)
        following = asyncio.create_task(until_closed(follower, server))
        while not follower.last:  # noqa: ASYNC110 - until it has begun
            await asyncio.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        closed_with = await following
        code = await asyncio.wait_for(server.process.wait(), 90)

    async with serving(port, environment, server.key) as again:
        await follower.follow(again)
        job = await until_ended(again, job_id)

    assert closed_with == 1012
    assert code == 0
    assert follower.end is not None
    assert follower.end["status"] == "SUCCEEDED"
    assert follower.text == follower.end["output"]["text"]
    assert job["status"] == "SUCCEEDED"
    all_agree(await sums(url), ITEMS)
