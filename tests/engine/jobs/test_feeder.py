import asyncio
from collections import Counter

from db.queries.chunks import Candidate, Offered
from db.types import now
from engine.bus.memory import MemoryBus
from engine.jobs.engine import LocalEngine
from engine.jobs.feeder import Feeder, choose
from engine.keys import Keys
from engine.values import Viewer
from tests.engine.jobs.bench import Bench


def job(name: str, project: str = "a", priority: int = 5, max_chunks: int | None = None) -> Candidate:
    return Candidate(name, project, priority, max_chunks)


def test_one_job_gets_all_the_room_there_is() -> None:
    assert choose([job("1")], [], 6) == {"1": 6}


def test_projects_take_turns_whatever_the_number_of_their_jobs() -> None:
    many = [job(f"a{number}", "a") for number in range(10)]

    chosen = choose([*many, job("b", "b")], [], 8)

    assert chosen == {"a0": 4, "b": 4}


def test_a_project_that_has_much_handed_out_waits_for_the_others() -> None:
    chosen = choose([job("1", "a"), job("2", "b")], [Offered("1", "a", "me", 6)], 4)

    assert chosen == {"2": 4}


def test_the_order_of_a_projects_own_jobs_is_kept() -> None:
    assert choose([job("first", priority=0), job("second")], [], 3) == {"first": 3}


def test_a_job_at_its_limit_lets_the_next_one_go() -> None:
    limited = job("1", max_chunks=2)

    assert choose([limited, job("2")], [Offered("1", "a", "me", 1)], 4) == {"1": 1, "2": 3}


def test_nothing_is_chosen_where_there_is_no_room() -> None:
    assert choose([job("1")], [], 0) == {}


async def test_a_small_job_does_not_wait_for_a_huge_one_of_another_project(bench: Bench) -> None:
    keys = Keys(bench.database)
    other = await keys.create_project("other")
    stranger = Viewer(other.id, None, "stranger", bench.viewer.scopes)
    huge = await bench.submit(1000)
    small = await bench.submit(16, viewer=stranger)

    async with bench.working(slots=2):
        await bench.ended(small.id)
        left = await bench.job(huge.id)
        await bench.jobs.control.cancel(bench.viewer, huge.id)

    assert left.succeeded < 200


async def test_jobs_of_a_project_run_by_priority_then_by_age(bench: Bench) -> None:
    late = await bench.submit(16, priority=9)
    soon = await bench.submit(16, priority=1)
    next_ = await bench.submit(16, priority=1)

    async with bench.working(slots=1):
        ended = [await bench.ended(job.id) for job in (late, soon, next_)]

    by_start = sorted(ended, key=lambda row: row.started_at or now())
    assert [row.id for row in by_start] == [soon.id, next_.id, late.id]


async def test_no_more_items_are_in_flight_than_the_job_allows(bench: Bench) -> None:
    flying, most = Counter[str](), 0

    async def counted() -> None:
        nonlocal most
        flying["now"] += 1
        most = max(most, flying["now"])
        for _ in range(5):
            await asyncio.sleep(0)  # a read of the database need not let others run
        flying["now"] -= 1

    bench.backend.look = counted
    job_ = await bench.submit(60, max_concurrency=3)

    async with bench.working(slots=4):
        await bench.ended(job_.id)

    assert 1 < most <= 3


async def test_a_job_that_runs_a_chunk_at_a_time_gets_the_next_as_soon_as_one_has_ended(bench: Bench) -> None:
    await bench.submit(20, max_concurrency=1)
    feeder = Feeder(bench.database, MemoryBus(), LocalEngine(), owner="me", slots=4)
    await feeder.feed()
    before = feeder.is_due

    feeder.chunk_ended()

    assert (before, feeder.is_due) == (False, True)
