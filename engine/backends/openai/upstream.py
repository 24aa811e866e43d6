"""Upstream: one model server, its connections and its key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
import orjson
from aiohttp import ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from openai import APIStatusError

from engine import tracing
from engine.backends.openai.config import OpenAIConfig
from engine.backends.openai.errors import Translator
from engine.backends.openai.events import Events
from engine.backends.openai.reply import Reply
from engine.backends.retries import RetryBudget, retried

CHECK_SECONDS = 10.0
USER_AGENT = f"foretell/{version('foretell')}"
KEPT_SECONDS = 5.0
"""How long a connection is kept after a call."""
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
        # The official client's own way to HTTP, without the layers above it: they build, copy and merge
        # headers, options and URLs anew for each request, which takes longer than to send it.
        self._http = ClientSession(
            # Certificates are those that the official client trusts.
            connector=TCPConnector(
                limit=config.max_connections, keepalive_timeout=KEPT_SECONDS, ssl=httpx2.create_ssl_context()
            ),
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                "User-Agent": USER_AGENT,
                "Authorization": f"Bearer {key or NO_KEY}",
            },
            cookie_jar=DummyCookieJar(),
            # Only the connection is timed here: how long an answer may take is for us to say, call by call.
            timeout=ClientTimeout(total=None, sock_connect=config.timeouts.connect),
            proxy=_proxy(config.base_url),
        )

    async def check(self) -> None:
        """Asks for the list of models, which costs nothing; a server that has none is well too.

        Raises:
            ModelError: it can not be reached, does not accept the key, or is not well.
        """
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await (await self._send("GET", "/models")).read()
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
            events = Events(await self._send("POST", path, body))
            reply = Reply(events, self._timeouts, deadline, self._translate, singly=self._singly)
            try:
                await reply.begin()
            except BaseException:
                await reply.aclose()
                raise
            return reply

        return await self._retried(attempt, deadline)

    async def post(self, path: str, body: dict[str, Any], deadline: float) -> bytes:
        """Returns the JSON of an answer that comes as a whole; tries again what fails.

        Raises:
            ProcessingError: there is none.
        """

        async def attempt() -> bytes:
            return await (await self._send("POST", path, body)).read()

        return await self._retried(attempt, deadline)

    async def close(self) -> None:
        """Closes every connection."""
        await self._http.close()

    async def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> ClientResponse:
        """Returns an answer whose body is still to be read.

        Raises:
            APIStatusError: of the official client; the server refuses.
            ClientError: of aiohttp; the connection failed.
        """
        response = await self._http.request(
            method,
            self._base + path,
            headers=tracing.headers(),
            data=None if body is None else orjson.dumps(body),
            # A redirect would take the key to a host that nobody has named.
            allow_redirects=False,
        )
        if not 200 <= response.status < 300:
            raise _refusal(response, await response.text(errors="replace"))
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


def _refusal(response: ClientResponse, text: str) -> APIStatusError:
    """Returns the official client's error for an answer that was read, with what the server says is wrong."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = text.strip()
    told = body.get("error", body) if isinstance(body, dict) else body
    request = httpx2.Request(response.method, str(response.url))
    answer = httpx2.Response(response.status, headers=list(response.headers.items()), request=request)
    return APIStatusError(f"status {response.status}", response=answer, body=told)


def _proxy(url: str) -> str | None:
    """Returns the proxy that the environment names for a server, if it names one."""
    server, proxies = urlsplit(url), getproxies()
    return None if proxy_bypass(server.hostname or "") else proxies.get(server.scheme, proxies.get("all"))
