"""Upstream: one model server, its connections and its key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Any, TypeVar, cast

import httpx2
from openai import AsyncOpenAI, AsyncStream, DefaultAioHttpClient

from engine import tracing
from engine.backends.openai.config import OpenAIConfig
from engine.backends.openai.errors import Translator
from engine.backends.openai.events import Events
from engine.backends.openai.reply import Reply
from engine.backends.retries import RetryBudget, retrying

CHECK_SECONDS = 10.0
USER_AGENT = f"foretell/{version('foretell')}"
NO_KEY = "none"  # a server that takes no key does not look at it

Answer = TypeVar("Answer")


class _Client(AsyncOpenAI):
    @property
    def default_headers(self) -> dict[str, Any]:
        """The headers of every call: ours, the key, and the trace where there is one.

        The client would add what it finds in the environment for OpenAI itself (organization, project,
        custom headers, admin key), whoever the server is, and a description of this machine.
        """
        return {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            **self.auth_headers,
            **tracing.headers(),
        }


class Upstream:
    """Calls a model server. Every failure is one of our errors, and none of them shows the key."""

    def __init__(self, config: OpenAIConfig, key: str | None) -> None:
        self._timeouts = config.timeouts
        self._translate = Translator(key)
        self._budget = RetryBudget()
        # Only the connection is timed here: how long an answer may take is for us to say, call by call.
        timeout = httpx2.Timeout(None, connect=config.timeouts.connect)
        limits = httpx2.Limits(
            max_connections=config.max_connections, max_keepalive_connections=config.max_connections
        )
        self._client = _Client(
            base_url=config.base_url,
            api_key=key or NO_KEY,
            max_retries=0,
            timeout=timeout,
            # aiohttp reads HTTP in C; httpx's own h11 took half of what a generated text does.
            # A redirect would take the key to a host that nobody has named.
            http_client=DefaultAioHttpClient(timeout=timeout, limits=limits, follow_redirects=False),
        )

    async def check(self) -> None:
        """Asks for the list of models, which costs nothing; a server that has none is well too.

        Raises:
            ModelError: it can not be reached, does not accept the key, or is not well.
        """
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                response = await self._client.get("/models", cast_to=httpx2.Response)
        except Exception as error:
            if getattr(error, "status_code", None) in (404, 405, 501):
                return
            raise self._translate(error) from error
        await response.aclose()

    async def stream(self, path: str, body: dict[str, Any], deadline: float) -> Reply:
        """Returns an answer whose first piece of text has come; tries again what fails before that.

        `deadline` is a reading of the event loop's clock. The reply is to be closed.

        Raises:
            ProcessingError: no answer has begun.
        """

        async def attempt() -> Reply:
            async with AsyncExitStack() as stack:
                response = await self._client.post(
                    path, body=body, cast_to=httpx2.Response, stream=True, stream_cls=AsyncStream[object]
                )
                events = Events(cast(httpx2.Response, response))  # what `cast_to` says, whatever the types do
                reply = Reply(events, self._timeouts, deadline, self._translate)
                stack.push_async_callback(reply.aclose)
                await reply.begin()
                stack.pop_all()
                return reply

        return await self._retried(attempt, deadline)

    async def post(self, path: str, body: dict[str, Any], deadline: float) -> bytes:
        """Returns the JSON of an answer that comes as a whole; tries again what fails.

        Raises:
            ProcessingError: there is none.
        """

        async def attempt() -> bytes:
            response = await self._client.post(path, body=body, cast_to=httpx2.Response)
            return response.content

        return await self._retried(attempt, deadline)

    async def close(self) -> None:
        """Closes every connection."""
        await self._client.close()

    async def _retried(self, attempt: Callable[[], Awaitable[Answer]], deadline: float) -> Answer:
        async def timed() -> Answer:
            try:
                async with asyncio.timeout(self._timeouts.first_token):
                    return await attempt()
            except Exception as error:
                raise self._translate(error) from error

        try:
            async with asyncio.timeout_at(deadline):
                return await retrying(self._budget)(timed)
        except TimeoutError as error:
            raise self._translate(error) from error
