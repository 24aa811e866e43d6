"""The floor of streaming, an ASGI application: a frame for each token on a bare WebSocket.

Texts begin with a token at once and go on, one every 20 ms, when `/go` is asked for.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

TOKENS = 64
SECONDS = 0.02


class Text:
    """One text: its frames so far, made once for all who follow it."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.news = asyncio.Event()
        self.step()

    def step(self) -> None:
        number = len(self.frames)
        self.frames.append(json.dumps({"sequence": number + 1, "text": f" word{number}"}))
        self.news.set()
        self.news = asyncio.Event()


texts: dict[str, Text] = {}
running: set[asyncio.Task[None]] = set()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        if (text := texts.get(scope["path"])) is None:
            text = texts[scope["path"]] = Text()
        for number in range(TOKENS):
            while number >= len(text.frames):
                await text.news.wait()
            await send({"type": "websocket.send", "text": text.frames[number]})
        await send({"type": "websocket.close"})
        return
    if scope["path"] == "/go":
        task = asyncio.create_task(go(list(texts.values())))
        running.add(task)
        task.add_done_callback(running.discard)
        texts.clear()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def go(waiting: list[Text]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    for _ in range(TOKENS - 1):
        due += SECONDS
        await asyncio.sleep(due - loop.time())
        for text in waiting:
            text.step()
