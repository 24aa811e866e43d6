"""Foretell with a backend that waits as long as a file is there: `python -m tests.system.waiting_server`.

It stands in the place of the ONNX backend. `path` of a version is the file; beside it, in
`….calls`, there is a line for each call.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from pathlib import Path

from engine.backends.base import Event, Metadata, Result, VersionSpec
from engine.backends.registry import BACKENDS
from engine.values import BackendKind, PredictionData, Usage, UsageSource
from foretell.cli import app


class WaitingBackend:
    """Answers each record with 1, once the file is gone."""

    is_repeatable = True

    def __init__(self, spec: VersionSpec, executor: Executor) -> None:
        self._file = Path(spec.config["path"])

    async def load(self) -> Metadata:
        return Metadata()

    async def predict(self, data: PredictionData) -> AsyncIterator[Event]:
        with self._file.with_suffix(".calls").open("a") as calls:
            calls.write(f"{os.getpid()}\n")
        while self._file.exists():  # noqa: ASYNC110  # the test is another process
            await asyncio.sleep(0.02)
        records = data.value["records"]
        usage = Usage(UsageSource.COUNTED, records=len(records))
        yield Result({"results": [{"value": 1.0} for _ in records]}, usage, 1.0)

    def usage_of(self, data: PredictionData, text: str) -> None:
        return None

    async def close(self) -> None:
        pass


if __name__ == "__main__":
    BACKENDS[BackendKind.ONNX] = WaitingBackend
    app(prog_name="foretell")
