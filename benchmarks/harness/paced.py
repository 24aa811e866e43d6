"""The same server, whose texts come at the pace of a model: `python -m benchmarks.harness.paced PORT`.

A text begins with its first token at once. The others follow when somebody asks for `/go`: one every 20 ms,
to all texts that wait, as a model server decodes them together.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from benchmarks.harness.upstream import CHUNKS, HEAD, MODELS, TAIL, Upstream

SECONDS = 0.02


class Paced(Upstream):
    """Answers every request for a text with a stream."""

    waiting: list[asyncio.WriteTransport] = []  # noqa: RUF012  (of all connections)
    running: asyncio.Task[None] | None = None

    def answer(self, head: bytes, body: bytes) -> None:
        """See `Upstream`."""
        if head.startswith(b"post"):
            self._transport.write(HEAD + CHUNKS[0])
            self.waiting.append(self._transport)
            return
        self._transport.write(MODELS)
        if head.startswith(b"get /go "):
            Paced.running = asyncio.create_task(_go(self.waiting.copy()))
            self.waiting.clear()


async def _go(transports: list[asyncio.WriteTransport]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    for chunk in [*CHUNKS[1:], TAIL]:
        due += SECONDS
        await asyncio.sleep(due - loop.time())
        for transport in transports:
            transport.write(chunk)


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Paced, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
