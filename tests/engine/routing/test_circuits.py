"""Circuits, within a process and between two that share a Redis."""

import time

import pytest

from engine.routing import circuits as module
from engine.routing.base import Opened
from engine.routing.circuits import Circuits
from engine.values import CircuitState
from tests.background import until
from tests.engine.routing.conftest import Boards

SHORT = 0.05


def short_lived(boards: Boards) -> tuple[Circuits, Circuits]:
    """Returns the circuits of both processes, which stay open for a twentieth of a second."""
    return Circuits(boards.here, pause_seconds=SHORT), Circuits(boards.there, pause_seconds=SHORT)


async def opened(circuits: Circuits, version_id: str = "v") -> None:
    for _ in range(5):
        await circuits.failed(version_id)


async def half_open(circuits: Circuits, version_id: str = "v") -> None:
    await until(lambda: circuits.state(version_id) is CircuitState.HALF_OPEN)


async def test_five_failures_in_a_row_open_a_circuit_in_every_process(boards: Boards) -> None:
    here, there = Circuits(boards.here), Circuits(boards.there)
    for _ in range(4):
        await here.failed("v")
    before = here.state("v")

    await here.failed("v")

    assert (before, here.state("v"), here.state("w")) == ("CLOSED", "OPEN", "CLOSED")
    await until(lambda: there.state("v") is CircuitState.OPEN)
    assert not await there.enter("v")
    assert 0 < there.seconds_left("v") <= 5
    assert there.next_try_at("v") is not None


async def test_a_success_in_between_keeps_it_closed(boards: Boards) -> None:
    circuits = Circuits(boards.here)

    for _ in range(4):
        await circuits.failed("v")
    await circuits.succeeded("v")
    await circuits.failed("v")

    assert circuits.state("v") is CircuitState.CLOSED


async def test_half_of_twenty_calls_that_fail_open_it_though_never_in_a_row(boards: Boards) -> None:
    circuits = Circuits(boards.here)

    for _ in range(10):
        before = circuits.state("v")
        await circuits.succeeded("v")
        await circuits.failed("v")

    assert (before, circuits.state("v")) == ("CLOSED", "OPEN")


async def test_failures_of_long_ago_do_not_count(boards: Boards, monkeypatch: pytest.MonkeyPatch) -> None:
    circuits = Circuits(boards.here)
    for _ in range(9):
        await circuits.succeeded("v")
        await circuits.failed("v")
    monkeypatch.setattr(module, "WINDOW_SECONDS", 0.0)

    await circuits.succeeded("v")
    await circuits.failed("v")

    assert circuits.state("v") is CircuitState.CLOSED


async def test_after_the_pause_one_call_tries_it_over_all_processes(boards: Boards) -> None:
    here, there = short_lived(boards)
    await opened(here)
    await until(lambda: boards.there.opened("v") is not None)
    await half_open(here)

    entered = [await here.enter("v"), await there.enter("v"), await here.enter("v")]

    assert entered == [True, False, False]


async def test_a_try_that_succeeds_closes_it_for_all(boards: Boards) -> None:
    here, there = short_lived(boards)
    await opened(here)
    await until(lambda: boards.there.opened("v") is not None)
    await half_open(there)
    assert await there.enter("v")

    await there.succeeded("v")

    await until(lambda: here.state("v") is CircuitState.CLOSED)
    assert await here.enter("v")


async def test_a_try_that_fails_opens_it_for_twice_as_long_and_another_may_try_then(boards: Boards) -> None:
    here, _ = short_lived(boards)
    await opened(here)
    await half_open(here)
    assert await here.enter("v")

    await here.failed("v")

    found = boards.here.opened("v")
    assert found is not None
    assert found.pause == 2 * SHORT
    await half_open(here)
    assert await here.enter("v")


async def test_the_pause_grows_to_a_minute_at_most(boards: Boards) -> None:
    circuits = Circuits(boards.here)
    await boards.here.put("v", Opened(time.time() - 1, 45.0))

    await circuits.failed("v")

    found = boards.here.opened("v")
    assert found is not None
    assert found.pause == 60


async def test_a_try_that_tells_nothing_lets_another_one_try(boards: Boards) -> None:
    here, _ = short_lived(boards)
    await opened(here)
    await half_open(here)
    assert await here.enter("v")

    await here.left("v")

    assert await here.enter("v")


async def test_calls_that_began_before_it_opened_do_not_lengthen_the_pause(boards: Boards) -> None:
    circuits = Circuits(boards.here)
    await opened(circuits)
    before = boards.here.opened("v")

    await circuits.failed("v")

    assert boards.here.opened("v") == before
