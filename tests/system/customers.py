"""Customers of a whole installation, who ask again until they are answered, whatever is broken meanwhile."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.engine.specs import examples
from tests.system.fleet import Fleet
from tests.system.following import Follower, NotNowError
from tests.system.processes import Server

ASKERS = 4
READERS = 3
EVENTS_EACH = 25
RECORDS = [example["record"] for example in examples("breast-cancer")]

PREDICT = """mutation ($record: JSON!, $key: String!) {
  predict(input: {
    model: {name: "breast-cancer"}, idempotencyKey: $key, cache: BYPASS
    data: {tabular: {records: [$record]}}
  }) { prediction { id status } errors { message retryable } }
}"""
WRITE = """mutation ($seed: Int!, $key: String!, $wait: Int!) {
  predict(input: {
    model: {name: "storyteller"}, waitMs: $wait, cache: BYPASS, idempotencyKey: $key
    data: {text: {prompt: {text: "It was"}, parameters: {maxTokens: 300, temperature: 1, seed: $seed}}}
  }) { prediction { id output { ... on TextOutput { text } } } errors { message retryable } }
}"""


class Customer:
    """Asks one server or the other until it is answered, with a key that makes repetitions harmless."""

    def __init__(self, whole: Fleet, name: str) -> None:
        self.answered: list[str] = []
        """The ids of its predictions."""
        self.repeated = 0
        self._fleet = whole
        self._name = name

    async def ask(self, document: str, **variables: Any) -> Any:
        """Returns the prediction that a new key stands for, when somebody has answered."""
        key = f"{self._name}-{len(self.answered)}"
        turns = itertools.cycle((0, 1))
        while True:
            try:
                prediction = await _asked(self._fleet.servers[next(turns)], document, key=key, **variables)
            except (httpx.HTTPError, NotNowError):
                self.repeated += 1
                await asyncio.sleep(0.1)
                continue
            self.answered.append(prediction["id"])
            return prediction

    async def predict_until(self, done: asyncio.Event) -> None:
        """Asks for one prediction after the other."""
        for record in itertools.cycle(RECORDS):
            if done.is_set():
                return
            await self.ask(PREDICT, record=record)
            await asyncio.sleep(0.02)


class Reader(Customer):
    """Has one text written again and again, and follows it through both servers, cut off all the time."""

    def __init__(self, whole: Fleet, seed: int) -> None:
        super().__init__(whole, f"reader-{seed}")
        self.followers: list[Follower] = []
        self._seed = seed

    async def read_until(self, done: asyncio.Event) -> None:
        """Reads one text after the other, each to its end."""
        while not done.is_set():
            begun = await self.ask(WRITE, seed=self._seed, wait=0)
            follower = Follower(begun["id"])
            await follower.follow(*self._fleet.servers, events_each=EVENTS_EACH)
            self.followers.append(follower)

    async def whole_text(self) -> str:
        """Returns what it has read all the time, as it is written when nobody disturbs."""
        text: str = (await self.ask(WRITE, seed=self._seed, wait=60_000))["output"]["text"]
        return text


@dataclass(frozen=True)
class Customers:
    """All of them."""

    askers: list[Customer]
    readers: list[Reader]

    @property
    def answered(self) -> list[str]:
        """The ids of all their predictions."""
        return [each for customer in (*self.askers, *self.readers) for each in customer.answered]

    @property
    def repeated(self) -> int:
        """How often they had to ask again."""
        return sum(customer.repeated for customer in (*self.askers, *self.readers))

    @property
    def followers(self) -> list[Follower]:
        """What they have read."""
        return [each for reader in self.readers for each in reader.followers]


@asynccontextmanager
async def customers_of(whole: Fleet) -> AsyncIterator[Customers]:
    """Lets customers ask and read for as long as the context lasts, and to the end of what they began."""
    done = asyncio.Event()
    customers = Customers(
        [Customer(whole, f"asker-{number}") for number in range(ASKERS)],
        [Reader(whole, seed) for seed in range(READERS)],
    )
    async with asyncio.TaskGroup() as group:
        for asker in customers.askers:
            group.create_task(asker.predict_until(done))
        for reader in customers.readers:
            group.create_task(reader.read_until(done))
        yield customers
        done.set()


async def _asked(server: Server, document: str, **variables: Any) -> Any:
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
