"""A mixed load over a whole installation while each part of it is killed and started again: then every sum.

FORETELL_TEST_ITEMS makes the job larger: 100000 takes some minutes.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from db.session import Database
from db.tables.predictions import predictions
from tests.engine.specs import examples
from tests.foretell.commands import foretell
from tests.system.batches import all_agree, submit, sums, until_ended, until_some_succeeded
from tests.system.fleet import Fleet, fleet
from tests.system.following import Follower
from tests.system.processes import Server

ITEMS = int(os.environ.get("FORETELL_TEST_ITEMS", "20000"))
AT_ONCE = 25
ASKERS = 4
TEXTS = 3
RECORDS = [example["record"] for example in examples("breast-cancer")]

PREDICT = """mutation ($record: JSON!, $key: String!) {
  predict(input: {
    model: {name: "breast-cancer"}, idempotencyKey: $key, cache: BYPASS
    data: {tabular: {records: [$record]}}
  }) { prediction { id status } errors { message retryable } }
}"""
BEGIN = """mutation ($seed: Int!, $key: String!, $wait: Int!) {
  predict(input: {
    model: {name: "storyteller"}, waitMs: $wait, cache: BYPASS, idempotencyKey: $key
    data: {text: {prompt: {text: "It was"}, parameters: {maxTokens: 300, temperature: 1, seed: $seed}}}
  }) { prediction { id output { ... on TextOutput { text } } } errors { message retryable } }
}"""


class Customer:
    """Asks one server or the other until it is answered, with a key that makes repetitions harmless."""

    def __init__(self, whole: Fleet, name: str) -> None:
        self.answered: dict[str, str] = {}
        self.repeated = 0
        self._fleet = whole
        self._name = name
        self._numbers = itertools.count()

    async def ask(self, document: str, **variables: Any) -> Any:
        """Returns the prediction that a key stands for, when somebody has answered."""
        key = f"{self._name}-{next(self._numbers)}"
        for turn in itertools.count():
            server = self._fleet.servers[turn % 2]
            try:
                payload = await asked(server, document, key=key, **variables)
            except (httpx.HTTPError, NotNowError):
                self.repeated += 1
                await asyncio.sleep(0.1)
                continue
            self.answered[key] = payload["id"]
            return payload
        raise AssertionError


class NotNowError(Exception):
    """The server can not answer now, and says so."""


async def asked(server: Server, document: str, **variables: Any) -> Any:
    headers = {"Authorization": f"Bearer {server.key}", "Accept": "application/graphql-response+json"}
    async with httpx.AsyncClient(timeout=30) as client:
        body = {"query": document, "variables": variables}
        answer = (await client.post(f"{server.url}/graphql", json=body, headers=headers)).json()
    if "errors" in answer:
        assert all(each["extensions"]["retryable"] for each in answer["errors"]), answer
        raise NotNowError
    payload = answer["data"]["predict"]
    if payload["errors"]:
        assert all(each["retryable"] for each in payload["errors"]), payload
        raise NotNowError
    return payload["prediction"]


async def predictions_until(done: asyncio.Event, customer: Customer) -> None:
    for number in itertools.count():
        if done.is_set():
            return
        await customer.ask(PREDICT, record=RECORDS[number % len(RECORDS)])
        await asyncio.sleep(0.02)


async def texts_until(done: asyncio.Event, customer: Customer, seed: int) -> list[Follower]:
    """Has one text after the other written, and follows each through both servers, cut off all the time."""
    followers: list[Follower] = []
    while not done.is_set():
        begun = await customer.ask(BEGIN, seed=seed, wait=0)
        follower = Follower(begun["id"])
        await follower.follow(*customer._fleet.servers, events_each=25)
        followers.append(follower)
    return followers


async def break_everything(whole: Fleet) -> None:
    """Kills each part and starts it again, one after the other; the rest is told to end instead."""
    for part in (whole.workers[0], whole.apis[0]):
        await part.kill()
        await part.start()
    await whole.redis.kill()
    await asyncio.sleep(1)
    await whole.redis.start()
    await whole.postgres.kill()
    await asyncio.sleep(1)
    await whole.postgres.start()
    for part in (whole.apis[1], whole.workers[1]):
        await part.stop()
        await part.start()


async def stored_by_callers(url: str) -> tuple[int, int]:
    """How many predictions have no job, and how many of those are terminal."""
    database = Database(url)
    try:
        async with database.read() as connection:
            alone = select(func.count()).where(predictions.c.job_id.is_(None))
            every = (await connection.execute(alone)).scalar_one()
            ended = alone.where(predictions.c.status.not_in(("QUEUED", "RUNNING")))
            return every, (await connection.execute(ended)).scalar_one()
    finally:
        await database.close()


async def first_answer(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    while True:
        try:
            return await work()
        except (httpx.HTTPError, NotNowError):
            await asyncio.sleep(0.2)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.redis
@pytest.mark.timeout(1800)
async def test_nothing_is_lost_or_done_twice_whatever_is_killed(tmp_path: Path) -> None:
    async with fleet(tmp_path, {"FORETELL_LEASE_SECONDS": "3"}) as whole:
        # A few items at a time, so that the job is at work while everything is broken.
        job_id = await submit(whole.servers[0], ITEMS, maxConcurrency=AT_ONCE)
        await until_some_succeeded(whole.servers[0], job_id, 0)
        customers = [Customer(whole, f"asker-{number}") for number in range(ASKERS)]
        readers = [Customer(whole, f"reader-{number}") for number in range(TEXTS)]
        done = asyncio.Event()
        asking = [asyncio.create_task(predictions_until(done, each)) for each in customers]
        reading = [asyncio.create_task(texts_until(done, each, seed)) for seed, each in enumerate(readers)]

        await break_everything(whole)
        job = await first_answer(lambda: until_ended(whole.servers[0], job_id, 1500))
        done.set()
        await asyncio.gather(*asking)
        followed = await asyncio.gather(*reading)
        whole_texts = [
            (await customer.ask(BEGIN, seed=seed, wait=60_000))["output"]["text"]
            for seed, customer in enumerate(readers)
        ]

        answered = [prediction for each in (*customers, *readers) for prediction in each.answered.values()]
        every, ended = await stored_by_callers(whole.postgres.url)
        found = await sums(whole.postgres.url)
        verified = await asyncio.to_thread(
            foretell, "usage", "verify", FORETELL_DATABASE_URL=whole.postgres.url
        )
        codes = [code for part in (*whole.apis, *whole.workers) for code in part.codes]

    assert job["status"] == "SUCCEEDED"
    assert job["counts"]["succeeded"] == ITEMS
    all_agree(found, ITEMS)
    assert len(set(answered)) == len(answered) == every == ended
    assert verified.exit_code == 0, verified.output
    assert codes == [0, 0]
    assert sum(each.repeated for each in (*customers, *readers)) > 0, "nobody noticed anything"
    for followers, text in zip(followed, whole_texts, strict=True):
        assert followers
        for each in followers:
            assert each.end is not None
            if each.end["status"] == "SUCCEEDED":
                assert each.text == each.end["output"]["text"] == text
            else:
                assert each.end["error"] == {"code": "MODEL_ERROR", "retryable": True}
                assert text.startswith(each.text)
    print(  # noqa: T201 - figures for those who run it by hand
        f"{ITEMS} items ({found['run_again']} chunks again), {len(answered)} predictions, "
        f"{sum(map(len, followed))} texts with {sum(each.cuts for all_ in followed for each in all_)} cuts, "
        f"{sum(each.repeated for each in (*customers, *readers))} repetitions"
    )
