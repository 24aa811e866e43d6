"""GenerationBackend: text models in this process, run by ONNX Runtime, token by token, in threads.

Texts that are written at the same time take turns: each gets a thread for a slice of a few
milliseconds, then goes to the back of the queue. So a long text never keeps a short one waiting, nor
the other models that share the threads; a cancelled one stops within a slice; and a reader that stops
reading stops its text.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

from engine.backends.base import Event, Metadata, Result, Token, VersionSpec
from engine.backends.transformer import Generation, TextModel
from engine.errors import ModelError
from engine.text import TextRequest
from engine.values import ModelTask, PredictionData, Usage, UsageSource

# A hop to a thread and back costs about 0.1 ms; a slice is short against what a person notices.
SLICE_SECONDS = 0.005
# Each text keeps its past in memory: 2 MiB at 512 tokens of the embedded model.
TEXTS_AT_ONCE = 16

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")


class GenerationBackend:
    """Serves TEXT_GENERATION from an ONNX file with a key/value cache.

    Config: `path`, `sha256` (optional, checked), `tokenizer`, `config` (see `transformer.Sizes`),
    `maxTokens`. The same prompt, parameters and seed give the same text on the same machine. Usage is
    counted: the tokens that the model read to start with, and those that it wrote.
    """

    is_repeatable = False

    def __init__(self, spec: VersionSpec, executor: Executor) -> None:
        self._spec = spec
        self._executor = executor
        self._model: TextModel | None = None
        self._texts = asyncio.Semaphore(TEXTS_AT_ONCE)
        self._lanes = asyncio.Semaphore(_cores())

    async def load(self) -> Metadata:
        """Opens the files.

        Raises:
            ModelError: a file is missing, changed or broken, or the task is not TEXT_GENERATION.
        """
        if self._spec.task is not ModelTask.TEXT_GENERATION:
            raise ModelError(f"An ONNX file can not serve {self._spec.task}.")
        self._model = await self._in_thread(TextModel.open, self._spec.config)
        return Metadata(room=self._model.room)

    async def predict(self, data: PredictionData) -> AsyncIterator[Event]:
        """Yields the text as it grows; `inference_ms` is the time since its first turn.

        Raises:
            ModelError: ONNX Runtime failed, or the prompt was not checked and leaves no room for an answer.
        """
        request = TextRequest.of(data.value, self._spec)
        loop = asyncio.get_running_loop()
        async with self._texts:
            started = loop.time()
            generation = await self._in_thread(Generation, self._opened, request)
            slice_seconds = 0.0  # the first token is shown as soon as it is there
            while generation.finish_reason is None:
                for piece in await self._in_thread(generation.advance, slice_seconds):
                    yield Token(piece)
                slice_seconds = SLICE_SECONDS
            usage = Usage(
                UsageSource.COUNTED,
                input_tokens=generation.input_tokens,
                output_tokens=generation.output_tokens,
            )
            yield Result({"finishReason": generation.finish_reason}, usage, (loop.time() - started) * 1000)

    async def close(self) -> None:
        """Lets go of the model and its memory."""
        self._model = None

    def usage_of(self, data: PredictionData, text: str) -> Usage:
        """Returns what a generation used that was cut after `text`, counted with the model's tokenizer."""
        model = self._opened
        return Usage(
            UsageSource.COUNTED,
            input_tokens=len(model.begin(TextRequest.of(data.value, self._spec).flat)),
            output_tokens=len(model.encode(text)),
        )

    @property
    def _opened(self) -> TextModel:
        if self._model is None:
            raise ModelError(f"{self._spec.name} is closed.", retryable=True)
        return self._model

    async def _in_thread(self, work: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
        """Runs one slice; no more of them wait for threads than can run, so that others get their turn."""
        async with self._lanes:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1
