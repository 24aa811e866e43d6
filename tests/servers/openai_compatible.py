"""A small server that speaks OpenAI's API, and goes wrong where a test tells it to (see `script.py`).

Written on bare sockets, so that it can stop in the middle of anything. It notes every call and what
became of it. `python -m tests.servers.openai_compatible [port]` serves it from a process of its own, and
prints its URL; `GET /calls` then tells how many calls there were, are, and were broken off.
"""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import struct
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.servers.script import Script


@dataclass
class Call:
    """One request, and whether the client left before the answer was complete."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    left: bool = False


@dataclass
class ModelServer:
    """The server; `url` is its base URL, `calls` are those for answers, `live` of them run now.

    A `key` makes it refuse every call without it.
    """

    key: str | None = None
    models: bool = True
    calls: list[Call] = field(default_factory=list)
    checks: int = 0
    live: int = 0
    connections: int = 0
    url: str = ""
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)
    _failed: Counter[str] = field(default_factory=Counter)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def left(self) -> int:
        """How many calls were broken off by the client."""
        return sum(call.left for call in self.calls)

    async def until(self, **wanted: int) -> None:
        """Waits until `live`, `left`, `called` (all calls) or `open` (connections) have these values."""
        async with asyncio.timeout(10):
            while any(self._now(name) != value for name, value in wanted.items()):
                self._changed.clear()
                await self._changed.wait()

    def _now(self, name: str) -> int:
        return {"called": len(self.calls), "live": self.live, "left": self.left, "open": len(self._open)}[
            name
        ]

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[ModelServer]:
        """Serves on a port of this machine for as long as the context lasts."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            for writer in self._open.values():
                writer.transport.abort()
            await asyncio.gather(*self._open)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        self.connections += 1
        connection = _Connection(reader, writer)
        try:
            while (request := await connection.request()) is not None:
                if not await self._serve_one(*request, connection):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            del self._open[task]
            self._changed.set()
            writer.close()

    async def _serve_one(
        self, path: str, headers: dict[str, str], content: bytes, connection: _Connection
    ) -> bool:
        """Answers a request; returns whether the connection may have another."""
        answer = _Answer(connection.writer)
        if self.key and headers.get("authorization") != f"Bearer {self.key}":
            wrong = {"message": f"Incorrect API key provided: {headers.get('authorization')}"}
            return await answer.json({"error": wrong}, 401)
        if path == "/calls":
            return await answer.json({name: self._now(name) for name in ("called", "live", "left")})
        if path == "/v1/models":
            self.checks += 1
            return await answer.json({"object": "list", "data": []}, 200 if self.models else 404)
        call = Call(path, headers, json.loads(content))
        self.calls.append(call)
        return await self._watched(call, answer, connection)

    async def _watched(self, call: Call, answer: _Answer, connection: _Connection) -> bool:
        """Answers a call, and stops as soon as the client has left."""
        self.live += 1
        self._changed.set()
        answering = asyncio.create_task(self._answer(call, answer))
        leaving = asyncio.create_task(connection.ended())
        try:
            await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
            call.left = not answering.done()
            return not call.left and answering.result()
        except ConnectionError:
            call.left = True
            return False
        finally:
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
            self.live -= 1
            self._changed.set()

    async def _answer(self, call: Call, answer: _Answer) -> bool:
        model = call.body["model"]
        script = Script.of(model)
        await asyncio.sleep(script.accept_delay)
        if script.redirect:
            return await answer.whole(b"", 307, {"Location": script.redirect})
        if script.fail < 0 or self._failed[model] < script.fail:
            self._failed[model] += 1
            return await _fail(script, answer)
        if call.path == "/v1/embeddings":
            return await answer.json(embeddings(call.body, script))
        return await _write(call, script, answer)


class _Connection:
    """A client's connection, which it may close while it is being answered."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._reader = reader
        self._ahead = b""

    async def request(self) -> tuple[str, dict[str, str], bytes] | None:
        """Returns the path, headers and body of the next request, or None if there is none.

        As a proxy's, its path comes behind the address of a server.
        """
        try:
            head = self._ahead + await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        self._ahead = b""
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        content = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return urlsplit(first.split(" ")[1]).path, headers, content

    async def ended(self) -> None:
        """Returns when the client has closed the connection; keeps the beginning of its next request."""
        while ahead := await self._reader.read(1):
            self._ahead += ahead
            await asyncio.Event().wait()


class _Answer:
    """The answer to one request, as HTTP/1.1."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def json(self, body: object, status: int = 200, headers: dict[str, str] | None = None) -> bool:
        named = {"Content-Type": "application/json", **(headers or {})}
        return await self.whole(json.dumps(body).encode(), status, named)

    async def whole(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> bool:
        await self.head({"Content-Length": str(len(body)), **(headers or {})}, status)
        self._writer.write(body)
        await self._writer.drain()
        return True

    async def head(self, headers: dict[str, str], status: int = 200) -> None:
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        await self._writer.drain()

    async def event(self, data: str) -> None:
        await self.chunk(f"data: {data}\n\n".encode())

    async def chunk(self, content: bytes) -> None:
        """Sends bytes as one chunk; the empty chunk is the end."""
        self._writer.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        await self._writer.drain()


async def _fail(script: Script, answer: _Answer) -> bool:
    headers = {"Retry-After": script.retry_after} if script.retry_after else {}
    if script.raw:
        return await answer.whole(script.raw.encode(), script.status, headers)
    error = {"message": script.message, "type": "error", "code": script.code or None}
    return await answer.json({"error": error}, script.status, headers)


async def _write(call: Call, script: Script, answer: _Answer) -> bool:
    """Streams the tokens; returns False where the connection is to be broken off."""
    chat = call.path == "/v1/chat/completions"
    asked = call.body.get("max_tokens", call.body.get("max_completion_tokens", 16))
    tokens = script.text(asked)
    await answer.head({"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
    if chat:
        await answer.event(chunk(chat, {"role": "assistant", "content": ""}))
    for index, token in enumerate([*tokens, None]):
        if index == script.cut:
            if script.half:
                face = f"data: {chunk(chat, {'content': '😀'}, ascii=False)}".encode()
                await answer.chunk(face[: face.index(b"\xf0") + 2])
            if script.clean:
                await answer.chunk(b"")
            return script.clean
        if index == script.garbage:
            await answer.event(script.event * script.repeat)
        if index == script.stall:
            await asyncio.Event().wait()
        if token is not None:
            await asyncio.sleep(script.delay if index else script.first_delay)
            logprob = -0.5 * index if call.body.get("logprobs") else None
            await answer.event(chunk(chat, {"content": token}, ascii=index % 2 == 0, logprob=logprob))
    finish = "length" if script.finish == "stop" and len(tokens) < script.tokens else script.finish
    if finish:
        await answer.event(chunk(chat, {}, finish))
    if script.usage and call.body.get("stream_options", {}).get("include_usage"):
        await answer.event(json.dumps({"choices": [], "usage": usage(call.body, len(tokens), script)}))
    if script.done:
        await answer.event("[DONE]")
    await answer.chunk(b"")
    return True


def chunk(
    chat: bool,
    delta: dict[str, str],
    finish: str | None = None,
    *,
    ascii: bool = True,
    logprob: float | None = None,
) -> str:
    """Returns the JSON of one chunk of either API."""
    told: dict[str, Any] = {"delta": delta} if chat else {"text": delta.get("content", "")}
    if logprob is not None:
        told["logprobs"] = {"content": [{"logprob": logprob}]} if chat else {"token_logprobs": [logprob]}
    choice = {"index": 0, "finish_reason": finish, **told}
    return json.dumps({"id": "c", "object": "chunk", "choices": [choice]}, ensure_ascii=ascii)


def usage(body: dict[str, Any], written: int, script: Script) -> dict[str, Any]:
    """Returns the usage of a call, in which a token is a word."""
    prompt = body.get("prompt") or " ".join(message["content"] for message in body["messages"])
    read = len(prompt.split())
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": script.cached},
    }


def embeddings(body: dict[str, Any], script: Script) -> dict[str, Any]:
    """Returns embeddings that begin with the length of the text; last ones first, which the API allows."""
    entries = []
    for index, text in enumerate(body["input"][: None if script.vectors else 0]):
        vector: Any = [float(len(text)), *[0.5] * (script.vectors - 1)]
        if body.get("encoding_format") == "base64" and not script.floats:
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        entries.append({"object": "embedding", "index": index, "embedding": vector})
    read = sum(len(text.split()) for text in body["input"])
    told = {"usage": {"prompt_tokens": read, "total_tokens": read}} if script.usage else {}
    return {"object": "list", "data": entries[::-1], **told}


@contextmanager
def served_elsewhere() -> Iterator[str]:
    """Serves from a thread with a loop of its own, for tests that look at their own loop's tasks."""
    told: queue.Queue[tuple[str, Callable[[], object]]] = queue.Queue()

    async def serve() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with ModelServer().serving() as server:
            told.put((server.url, lambda: loop.call_soon_threadsafe(over.set)))
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    url, stop = told.get(timeout=10)
    try:
        yield url
    finally:
        stop()
        thread.join()


async def _serve(port: int) -> None:
    async with ModelServer().serving(port) as server:
        print(server.url, flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
