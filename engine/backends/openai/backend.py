"""OpenAIBackend: text generation and embeddings from a server that speaks OpenAI's API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import aclosing
from typing import Any

from engine.backends.base import Event, Metadata, Result, Token, VersionSpec
from engine.backends.counting import TokenCounter
from engine.backends.openai.config import OpenAIConfig
from engine.backends.openai.embeddings import read_embeddings
from engine.backends.openai.upstream import Upstream
from engine.backends.servers import read_key
from engine.errors import ModelError
from engine.text import TextRequest
from engine.values import ModelTask, PredictionData, Usage

# To count a longer text would keep the event loop busy for more than 10 ms.
COUNTED_AT_ONCE = 16 * 1024


class OpenAIBackend:
    """Serves TEXT_GENERATION (chat or text completions, streamed) and EMBEDDING.

    Config: see `config.OpenAIConfig`; also `maxTokens`, and `tokenizer`, the file that counts the
    tokens where the server does not tell. Closing a prediction closes its call, whatever it waits for.
    """

    def __init__(self, spec: VersionSpec, executor: Executor) -> None:
        self._spec = spec
        self._executor = executor
        self._opened: tuple[OpenAIConfig, Upstream] | None = None
        self._counter = TokenCounter(None)
        self.is_repeatable = spec.task is ModelTask.EMBEDDING

    async def load(self) -> Metadata:
        """Reads the key, and asks the server whether it is there, at no cost.

        Raises:
            ModelError: the config is wrong, the key is missing or not accepted, or the server is not
                there, which is retryable.
        """
        if self._spec.task.member not in ("text", "embedding"):
            raise ModelError(f"A server that speaks OpenAI's API can not serve {self._spec.task}.")
        config = OpenAIConfig.of(self._spec.config)
        path = self._spec.config.get("tokenizer")
        loop = asyncio.get_running_loop()
        self._counter = await loop.run_in_executor(self._executor, TokenCounter.open, path)
        upstream = Upstream(config, read_key(config.api_key_env))
        try:
            await upstream.check()
        except BaseException:
            await upstream.close()
            raise
        self._opened = config, upstream
        return Metadata()

    async def probe(self) -> None:
        """Asks the server for its list of models, at no cost."""
        await self._ready[1].check()

    async def predict(self, data: PredictionData) -> AsyncIterator[Event]:
        """Yields the text as it comes, or one result with the embeddings.

        Raises:
            ContentFilteredError: the server refuses the content.
            ModelError: the server failed, refused the call, or broke off.
        """
        if self._spec.task is ModelTask.EMBEDDING:
            yield await self._embed(data.value["texts"])
            return
        config, upstream = self._ready
        request = TextRequest.of(data.value, self._spec)
        deadline = asyncio.get_running_loop().time() + config.timeouts.total
        path, body = text_call(config, request)
        async with aclosing(await upstream.stream(path, body, deadline)) as reply:
            pieces = []
            while (piece := await reply.next()) is not None:
                pieces.append(piece)
                yield Token(piece, reply.logprob, reply.is_waiting)
            usage = reply.usage or await self._count(request.flat, "".join(pieces))
            yield Result({"finishReason": reply.finish_reason}, usage)

    async def close(self) -> None:
        """Closes every connection."""
        if self._opened is not None:
            await self._opened[1].close()
            self._opened = None

    def usage_of(self, data: PredictionData, text: str) -> Usage | None:
        """Returns what a generation used that was cut after `text`; it is estimated if both are long."""
        if self._spec.task is ModelTask.EMBEDDING:
            return None
        prompt = TextRequest.of(data.value, self._spec).flat
        at_once = len(prompt) + len(text) <= COUNTED_AT_ONCE
        return (self._counter.count if at_once else self._counter.estimate)(prompt, text)

    @property
    def _ready(self) -> tuple[OpenAIConfig, Upstream]:
        if self._opened is None:
            raise ModelError(f"{self._spec.name} is closed.", retryable=True)
        return self._opened

    async def _embed(self, texts: list[str]) -> Result:
        config, upstream = self._ready
        loop = asyncio.get_running_loop()
        # The official client asks for base64 too, so every server knows it; it is a third of the bytes.
        body = {"model": config.model, "input": texts, "encoding_format": "base64"}
        content = await upstream.post("/embeddings", body, loop.time() + config.timeouts.total)
        read = await loop.run_in_executor(self._executor, read_embeddings, content, len(texts))
        output = {"dimensions": read.dimensions, "embeddings": read.vectors}
        return Result(output, read.usage or await self._count("\n".join(texts), None))

    async def _count(self, prompt: str, text: str | None) -> Usage:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._counter.count, prompt, text)


def text_call(config: OpenAIConfig, request: TextRequest) -> tuple[str, dict[str, Any]]:
    """Returns the path and the body of a call; what was not asked for is left to the server."""
    body: dict[str, Any] = {
        "model": config.model,
        "stream": True,
        config.max_tokens_field: request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        "stream_options": {"include_usage": True} if config.stream_usage else None,
        # A number in the older API: how many of the likeliest tokens to tell beside the one that was drawn.
        "logprobs": (True if config.api == "chat" else 1) if config.logprobs else None,
    }
    given = {name: value for name, value in body.items() if value is not None}
    if config.api == "completions":
        return "/completions", {**given, "prompt": request.flat}
    messages = [{"role": role.lower(), "content": content} for role, content in request.messages]
    if request.prompt is not None:
        messages = [{"role": "user", "content": request.prompt}]
    return "/chat/completions", {**given, "messages": messages}
