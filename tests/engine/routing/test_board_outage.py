"""What becomes of circuits while Redis is away."""

import time

import pytest

from engine.bus.memory import MemoryBus
from engine.routing.base import Opened
from engine.routing.circuits import Circuits
from engine.routing.redis import RedisBoard
from engine.values import CircuitState
from tests.services import free_port


async def test_without_redis_a_process_keeps_its_own_circuits(caplog: pytest.LogCaptureFixture) -> None:
    board = RedisBoard(f"redis://127.0.0.1:{free_port()}/0", MemoryBus())
    circuits = Circuits(board, pause_seconds=0.01)

    await board.put("v", Opened(time.time() - 1, 1.0))
    tried = await circuits.enter("v")
    await circuits.succeeded("v")

    assert tried
    assert circuits.state("v") is CircuitState.CLOSED
    assert "known here only" in caplog.text
    await board.close()
