"""Foretell with a backend that ends its process at one record: `python -m tests.system.deadly_server`.

It waits as long as a file is there, see `tests.system.waiting_server`. What runs beside the deadly record
takes longer than that.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

from engine.backends.base import Event
from engine.backends.registry import BACKENDS
from engine.values import BackendKind, PredictionData
from foretell.cli import app
from tests.system.waiting_server import WaitingBackend

DEADLY = 13


class DeadlyBackend(WaitingBackend):
    """Answers each record but one."""

    async def predict(self, data: PredictionData) -> AsyncIterator[Event]:
        async for event in super().predict(data):
            if data.value["records"][0]["x"] == DEADLY:
                os.kill(os.getpid(), signal.SIGKILL)
            await asyncio.sleep(0.5)
            yield event


if __name__ == "__main__":
    BACKENDS[BackendKind.ONNX] = DeadlyBackend
    app(prog_name="foretell")
