"""A fast server that speaks OpenAI's chat API: `python -m benchmarks.harness.upstream PORT`.

It says the same each time, in some 20 µs, and is there to be stood in front of. A streamed answer is a chunk
for each of `TOKENS` tokens, all of them as soon as the socket takes them.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import orjson
import uvloop

TOKENS = 64
WORDS = [f" word{number}" for number in range(TOKENS)]
USAGE = {"prompt_tokens": 8, "completion_tokens": TOKENS, "total_tokens": TOKENS + 8}


def _chunk(delta: dict[str, str], finish: str | None = None, usage: Any = None) -> bytes:
    shown: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "fast",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}] if usage is None else [],
    }
    if usage is not None:
        shown["usage"] = usage
    event = b"data: " + orjson.dumps(shown) + b"\n\n"
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"


def _whole() -> bytes:
    message = {"role": "assistant", "content": "".join(WORDS)}
    body = orjson.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "fast",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }
    )
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _tail() -> bytes:
    done = b"data: [DONE]\n\n"
    chunks = _chunk({}, "stop") + _chunk({}, usage=USAGE)
    return chunks + f"{len(done):x}\r\n".encode() + done + b"\r\n0\r\n\r\n"


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + _chunk(
    {"role": "assistant", "content": ""}
)
CHUNKS = [_chunk({"content": word}) for word in WORDS]
TAIL = _tail()
WHOLE, STREAMED = _whole(), b"".join([HEAD, *CHUNKS, TAIL])
MODELS_BODY = b'{"object":"list","data":[{"id":"fast","object":"model","owned_by":"us"}]}'
MODELS_HEAD = (
    f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(MODELS_BODY)}\r\n\r\n"
)
MODELS = MODELS_HEAD.encode() + MODELS_BODY


class Upstream(asyncio.Protocol):
    """Answers each request when all of it is there."""

    def connection_made(self, transport: Any) -> None:
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head, length = self._buffer[:end].lower(), 0
            if (place := head.find(b"content-length:")) >= 0:
                length = int(head[place + 15 :].split(b"\r\n", 1)[0])
            whole = end + 4 + length
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        """Answers one request, whose head is in small letters."""
        if head.startswith(b"get"):
            self._transport.write(MODELS)
        else:
            streams = b'"stream":true' in body.replace(b" ", b"")
            self._transport.write(STREAMED if streams else WHOLE)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
