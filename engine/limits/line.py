"""Line: runs scripts in Redis, all that are wanted at the same time in one trip, and never waits for long."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from engine.limits.base import BucketsAwayError

TIMEOUT_SECONDS = 0.2
AT_ONCE = 500
TURNS = 20
"""How often the event loop turns before what has come meanwhile counts as not come."""

T = TypeVar("T")
Argument = str | int | float


@dataclass(slots=True)
class _Call:
    script: str
    keys: Sequence[str]
    arguments: Sequence[Argument]
    answer: asyncio.Future[Any]


class Line:
    """One conversation with a Redis. Whoever calls while a trip is under way goes with the next one."""

    def __init__(self, url: str) -> None:
        # What fails is answered by whoever asked: trying again here would keep callers waiting.
        self._redis = Redis.from_url(
            url, socket_timeout=None, socket_connect_timeout=None, retry=Retry(NoBackoff(), 0)
        )
        self._waiting: list[_Call] = []
        self._trips: asyncio.Task[None] | None = None

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Runs a script and returns its answer, within 0.2 seconds.

        Raises:
            BucketsAwayError: Redis does not answer; it may have run the script all the same.
        """
        call = _Call(script, keys, arguments, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._trips is None or self._trips.done():
            self._trips = asyncio.create_task(self._travel(), name="limits: trips to Redis")
        return await call.answer

    async def problem(self) -> str | None:
        """Says what is wrong, if Redis does not answer."""
        try:
            await answered(self._ping(), TIMEOUT_SECONDS)
        except (RedisError, OSError, TimeoutError) as error:
            return _told(error)
        return None

    async def close(self) -> None:
        """Lets go of the connections; who still waits is told that Redis is away."""
        if self._trips is not None:
            self._trips.cancel()
            with suppress(asyncio.CancelledError):
                await self._trips
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _travel(self) -> None:
        calls: list[_Call] = []
        error: Exception = ConnectionError()
        try:
            while self._waiting:
                calls, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                for call, answer in zip(calls, await self._trip(calls), strict=True):
                    _give(call, answer)
        except (RedisError, OSError, TimeoutError) as problem:
            error = problem
            # Each of the others would fail once more, after a restart of Redis.
            await self._redis.connection_pool.disconnect()
        finally:
            for call in (*calls, *self._waiting):  # those behind would only wait as long again
                _give(call, error)
            self._waiting = []

    async def _trip(self, calls: Sequence[_Call]) -> list[Any]:
        answers = await answered(self._send(calls), TIMEOUT_SECONDS)
        unknown = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:  # a Redis that is new, or was emptied
            again = [calls[place] for place in unknown]
            for place, answer in zip(
                unknown, await answered(self._teach_and_send(again), TIMEOUT_SECONDS), strict=True
            ):
                answers[place] = answer
        return answers

    async def _send(self, calls: Sequence[_Call]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.evalsha(_sha(call.script), len(call.keys), *call.keys, *map(str, call.arguments))
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers

    async def _teach_and_send(self, calls: Sequence[_Call]) -> list[Any]:
        for script in {call.script for call in calls}:
            await self._redis.script_load(script)
        return await self._send(calls)

    async def _ping(self) -> None:
        await self._redis.ping()


async def answered(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Returns what work comes to within some seconds.

    Where this process was busy itself for that long, it looks at what has come meanwhile: a crowded event
    loop is not an absent Redis.

    Raises:
        TimeoutError: nothing has come.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        for _ in range(TURNS):
            if task.done():
                return task.result()
            await asyncio.sleep(0)
        raise TimeoutError
    finally:
        if not task.done():  # not awaited: redis-py can lose a cancellation, and then reads on
            task.cancel()
            task.add_done_callback(lambda done: done.cancelled() or done.exception())


def _give(call: _Call, answer: Any) -> None:
    if call.answer.done():
        return
    if isinstance(answer, Exception):
        call.answer.set_exception(BucketsAwayError(_told(answer)))
    else:
        call.answer.set_result(answer)


def _told(error: Exception) -> str:
    return f"Redis does not answer ({type(error).__name__})"


def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
