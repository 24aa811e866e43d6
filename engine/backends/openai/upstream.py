"""Upstream: one model server, its connections and its key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Any, TypeVar

import httpx2
import orjson
from openai import APIConnectionError, APIStatusError, DefaultAioHttpClient

from engine import tracing
from engine.backends.openai.config import OpenAIConfig
from engine.backends.openai.errors import Translator
from engine.backends.openai.events import Events
from engine.backends.openai.reply import Reply
from engine.backends.retries import RetryBudget, retried

CHECK_SECONDS = 10.0
USER_AGENT = f"foretell/{version('foretell')}"
NO_KEY = "none"  # a server that takes no key does not look at it

Answer = TypeVar("Answer")


class Upstream:
    """Calls a model server. Every failure is one of our errors, and none of them shows the key."""

    def __init__(self, config: OpenAIConfig, key: str | None) -> None:
        self._timeouts = config.timeouts
        self._singly = config.logprobs
        self._translate = Translator(key)
        self._budget = RetryBudget()
        self._base = config.base_url.rstrip("/")
        self._urls: dict[str, httpx2.URL] = {}
        self._headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "Authorization": f"Bearer {key or NO_KEY}",
        }
        # Only the connection is timed here: how long an answer may take is for us to say, call by call.
        timeout = httpx2.Timeout(None, connect=config.timeouts.connect)
        self._extensions = {"timeout": timeout.as_dict()}
        limits = httpx2.Limits(
            max_connections=config.max_connections, max_keepalive_connections=config.max_connections
        )
        # aiohttp reads HTTP in C; httpx's own h11 took half of what a generated text does.
        # A redirect would take the key to a host that nobody has named.
        self._http = DefaultAioHttpClient(timeout=timeout, limits=limits, follow_redirects=False)

    async def check(self) -> None:
        """Asks for the list of models, which costs nothing; a server that has none is well too.

        Raises:
            ModelError: it can not be reached, does not accept the key, or is not well.
        """
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await _read(await self._send("GET", "/models"))
        except Exception as error:
            if getattr(error, "status_code", None) in (404, 405, 501):
                return
            raise self._translate(error) from error

    async def stream(self, path: str, body: dict[str, Any], deadline: float) -> Reply:
        """Returns an answer whose first piece of text has come; tries again what fails before that.

        `deadline` is a reading of the event loop's clock. The reply is to be closed.

        Raises:
            ProcessingError: no answer has begun.
        """

        async def attempt() -> Reply:
            async with AsyncExitStack() as stack:
                events = Events(await self._send("POST", path, body))
                reply = Reply(events, self._timeouts, deadline, self._translate, singly=self._singly)
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
            return await _read(await self._send("POST", path, body))

        return await self._retried(attempt, deadline)

    async def close(self) -> None:
        """Closes every connection."""
        await self._http.aclose()

    async def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx2.Response:
        """Returns an answer whose body is still to be read.

        The request goes straight to the official client's HTTP client. What stands before that builds, copies
        and merges headers, options and URLs anew for each, which takes as long as to send it.

        Raises:
            APIConnectionError, APIStatusError: of the official client.
        """
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = httpx2.URL(self._base + path)
        request = httpx2.Request(
            method,
            url,
            headers={**self._headers, **tracing.headers()},
            content=None if body is None else orjson.dumps(body),
            extensions=self._extensions,
        )
        try:
            response = await self._http.send(request, stream=True)
        except httpx2.RequestError as error:
            raise APIConnectionError(request=request) from error
        if not response.is_success:
            await _read(response)
            raise _refusal(response)
        return response

    async def _retried(self, attempt: Callable[[], Awaitable[Answer]], deadline: float) -> Answer:
        async def timed() -> Answer:
            try:
                async with asyncio.timeout(self._timeouts.first_token):
                    return await attempt()
            except Exception as error:
                raise self._translate(error) from error

        try:
            async with asyncio.timeout_at(deadline):
                return await retried(self._budget, timed)
        except TimeoutError as error:
            raise self._translate(error) from error


async def _read(response: httpx2.Response) -> bytes:
    try:
        return await response.aread()
    except httpx2.RequestError as error:
        raise APIConnectionError(request=response.request) from error


def _refusal(response: httpx2.Response) -> APIStatusError:
    """Returns the official client's error for an answer that was read, with what the server says is wrong."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = response.text.strip()
    told = body.get("error", body) if isinstance(body, dict) else body
    return APIStatusError(f"status {response.status_code}", response=response, body=told)
