"""Callers of a server that go on asking while something happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.system.processes import Server

CIRCUIT = '{ model(ref: {name: "pair"}) { version(ref: {version: "1"}) { circuit { state } } } }'


@dataclass
class Load:
    """Callers that ask one thing after the other, until they are told to stop."""

    server: Server
    document: str
    answers: list[dict[str, Any]] = field(default_factory=list)
    over: bool = False

    async def ask(self) -> None:
        """Predicts by a document, which says how and what it wants to know of the prediction."""
        while not self.over:
            payload = (await self.server.ask(self.document))["predict"]
            assert payload["errors"] == []
            self.answers.append(payload["prediction"])

    async def until(self, number: int) -> None:
        """Waits for so many more answers."""
        number += len(self.answers)
        async with asyncio.timeout(60):
            while len(self.answers) < number:  # noqa: ASYNC110 - the callers tell nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def loaded(server: Server, document: str, callers: int = 4) -> AsyncIterator[Load]:
    """Lets callers ask for as long as the context lasts."""
    load = Load(server, document)
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(load.ask())
        try:
            yield load
        finally:
            load.over = True


async def circuit_is(server: Server, *states: str) -> None:
    """Waits until the circuit of version 1 of the model `pair` is in one of some states."""
    async with asyncio.timeout(60):
        while (await server.ask(CIRCUIT))["model"]["version"]["circuit"]["state"] not in states:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
