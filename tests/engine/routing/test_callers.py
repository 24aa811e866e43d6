import asyncio

import pytest

from engine.routing import callers as module
from engine.routing.callers import Callers
from engine.routing.gates import Gates
from tests.engine.jobs.bench import ManyToldBackend
from tests.engine.routing.test_gates import served
from tests.engine.workshop import Workshop


async def test_nobody_is_waited_for_where_nobody_waits() -> None:
    await Callers().go_first()


async def test_a_job_goes_on_when_the_last_caller_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SECONDS", 60.0)
    callers = Callers()
    callers.enter()
    callers.enter()
    job = asyncio.create_task(callers.go_first())

    callers.leave()
    await asyncio.sleep(0)
    assert not job.done()
    callers.leave()
    await job


async def test_callers_who_do_not_leave_do_not_stop_a_job() -> None:
    callers = Callers()
    callers.enter()

    await callers.go_first()


async def test_only_those_are_callers_who_wait_for_what_this_process_computes(
    monkeypatch: pytest.MonkeyPatch, workshop: Workshop
) -> None:
    monkeypatch.setattr(module, "MOST_SECONDS", 60.0)
    gates, told = Gates(), served(workshop)
    gates.place(told)
    await gates.callers.go_first()
    computed = type(told)(told.version, ManyToldBackend(), told.checker)

    place = gates.place(computed)
    job = asyncio.create_task(gates.callers.go_first())
    await asyncio.sleep(0)
    assert not job.done()
    place.leave()
    await job
