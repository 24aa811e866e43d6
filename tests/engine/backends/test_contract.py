"""What every backend must do, whatever it talks to."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from engine.backends.base import Backend, Event, Result, Token
from engine.errors import ProcessingError
from engine.values import PredictionData, Usage
from tests.engine.backends.contract import CASES, Case

REFUSING = [case for case in CASES if case.refused]

every_backend = pytest.mark.parametrize("case", CASES, ids=str)


async def events_of(backend: Backend, data: PredictionData) -> list[Event]:
    async with aclosing(backend.predict(data)) as events:  # type: ignore[type-var]
        return [event async for event in events]


async def answer_of(backend: Backend, data: PredictionData) -> Any:
    """Returns the output, and the text that came before it."""
    *tokens, result = await events_of(backend, data)
    assert isinstance(result, Result)
    return ["".join(token.text for token in tokens if isinstance(token, Token)), result.output]


def alike(one: Any, other: Any) -> bool:
    """Tells whether two answers are equal, up to the last digits of their floats."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float):
        return bool(one == pytest.approx(other, rel=1e-4, abs=1e-5))
    return bool(one == other)


async def other_tasks() -> set[asyncio.Task[Any]]:
    """Returns the tasks that still run after everything that was ready has run."""
    for _ in range(20):
        await asyncio.sleep(0)
    return asyncio.all_tasks() - {asyncio.current_task()}


@every_backend
async def test_a_prediction_is_tokens_if_any_and_then_exactly_one_result(case: Case, tmp_path: Path) -> None:
    async with case.open(tmp_path) as backend:
        events = await events_of(backend, case.inputs[0])

    assert isinstance(events[-1], Result)
    assert all(isinstance(event, Token) for event in events[:-1])
    assert isinstance(events[-1].usage, Usage)
    assert events[-1].inference_ms is None or events[-1].inference_ms >= 0


@every_backend
async def test_the_same_input_gets_the_same_answer_and_another_one_another(
    case: Case, tmp_path: Path
) -> None:
    async with case.open(tmp_path) as backend:
        first, again, other = [
            await answer_of(backend, data) for data in (case.inputs[0], case.inputs[0], case.inputs[1])
        ]

    assert alike(first, again)
    assert not alike(first, other)


@every_backend
async def test_concurrent_calls_do_not_mix(case: Case, tmp_path: Path) -> None:
    asked = [case.inputs[turn % len(case.inputs)] for turn in range(24)]

    async with case.open(tmp_path) as backend:
        alone = [await answer_of(backend, data) for data in case.inputs]
        together = await asyncio.gather(*(answer_of(backend, data) for data in asked))

    for turn, answer in enumerate(together):
        assert alike(answer, alone[turn % len(alone)])


@every_backend
async def test_an_iterator_that_is_closed_after_its_first_event_leaves_nothing_running(
    case: Case, tmp_path: Path
) -> None:
    async with case.open(tmp_path) as backend:
        before = await other_tasks()

        events = backend.predict(case.inputs[0])
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]

        assert await other_tasks() == before


@every_backend
async def test_a_caller_that_is_cancelled_leaves_nothing_running_and_hurts_nobody(
    case: Case, tmp_path: Path
) -> None:
    async with case.open(tmp_path) as backend:
        expected = await answer_of(backend, case.inputs[0])
        before = await other_tasks()

        leaving = [asyncio.create_task(answer_of(backend, data)) for data in case.inputs]
        staying = asyncio.create_task(answer_of(backend, case.inputs[0]))
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        answer = await staying
        await asyncio.gather(*leaving, return_exceptions=True)

        assert alike(answer, expected)
        assert await other_tasks() == before


@pytest.mark.parametrize("case", REFUSING, ids=str)
async def test_a_failing_call_raises_a_processing_error_and_its_neighbours_succeed(
    case: Case, tmp_path: Path
) -> None:
    assert case.refused is not None

    async with case.open(tmp_path) as backend:
        expected = [await answer_of(backend, data) for data in case.inputs]
        asked = [*case.inputs, case.refused]
        answers = await asyncio.gather(*(answer_of(backend, data) for data in asked), return_exceptions=True)
        afterwards = await answer_of(backend, case.inputs[0])

    assert isinstance(answers[-1], ProcessingError)
    assert alike(answers[:-1], expected)
    assert alike(afterwards, expected[0])


@every_backend
async def test_a_backend_that_was_closed_refuses_with_a_processing_error(case: Case, tmp_path: Path) -> None:
    async with case.open(tmp_path) as backend:
        await backend.close()

        with pytest.raises(ProcessingError):
            await answer_of(backend, case.inputs[0])
