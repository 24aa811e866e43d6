from engine.errors import ModelError
from engine.usage.ledger import Folding
from engine.usage.verify import differences
from tests.engine.jobs.bench import Bench, ManyToldBackend


async def test_a_job_with_failures_leaves_equal_sums(many_bench: Bench, many: ManyToldBackend) -> None:
    many.bad = {3: ModelError("bad", retryable=False), 7: ModelError("bad", retryable=False)}
    job = await many_bench.submit(50)

    async with many_bench.working():
        ended = await many_bench.ended(job.id)
    before = await differences(many_bench.database)
    folded = await Folding(many_bench.database).fold()

    assert (ended.succeeded, ended.failed, folded) == (48, 2, 50)
    assert before == await differences(many_bench.database) == []
