from tests.schema.batches import ended, events, submitted
from tests.schema.graph import Graph


async def test_progress_is_told_up_to_the_terminal_state(serving: Graph) -> None:
    caller = await serving.caller()
    job_id = await submitted(serving, caller, 1000)
    document = """subscription ($id: ID!) { jobProgress(id: $id, minIntervalMs: 100) {
      id status progress counts { succeeded total } } }"""

    told = [event["data"]["jobProgress"] for event in await events(serving, caller, document, id=job_id)]

    assert {job["id"] for job in told} == {job_id}
    assert told[-1] == {
        "id": job_id, "status": "SUCCEEDED", "progress": 1.0, "counts": {"succeeded": 1000, "total": 1000},
    }  # fmt: skip
    assert [job["progress"] for job in told] == sorted(job["progress"] for job in told)


async def test_progress_of_a_job_that_has_ended_is_one_event(serving: Graph) -> None:
    caller = await serving.caller()
    job_id = await submitted(serving, caller)
    await ended(serving, caller, job_id)

    told = await events(
        serving, caller, "subscription ($id: ID!) { jobProgress(id: $id) { status } }", id=job_id
    )

    assert [event["data"]["jobProgress"]["status"] for event in told] == ["SUCCEEDED"]


async def test_results_come_once_each_in_the_order_of_their_end_and_can_be_resumed(serving: Graph) -> None:
    caller = await serving.caller()
    job_id = await submitted(serving, caller, 300)
    document = """subscription ($id: ID!, $after: Int!) { jobResults(id: $id, after: $after) {
      sequence prediction { index customId output { ... on TabularOutput { results { label } } } } } }"""

    whole = [
        event["data"]["jobResults"] for event in await events(serving, caller, document, id=job_id, after=0)
    ]
    rest = [
        event["data"]["jobResults"] for event in await events(serving, caller, document, id=job_id, after=290)
    ]

    assert [event["sequence"] for event in whole] == list(range(1, 301))
    assert sorted(event["prediction"]["index"] for event in whole) == list(range(300))
    assert rest == whole[290:]


async def test_arguments_of_subscriptions_are_checked(idle: Graph) -> None:
    caller = await idle.caller()
    job_id = await submitted(idle, caller)

    often = await events(
        idle, caller, "subscription ($id: ID!) { jobProgress(id: $id, minIntervalMs: 99) { id } }", id=job_id
    )
    before = await events(
        idle, caller, "subscription ($id: ID!) { jobResults(id: $id, after: -1) { sequence } }", id=job_id
    )
    beyond = await events(
        idle, caller, 'subscription { tokens(predictionId: "x", after: 2147483647) { sequence } }'
    )

    assert [event["errors"][0]["extensions"]["code"] for event in often + before + beyond] == [
        "BAD_USER_INPUT"
    ] * 3
    assert beyond[0]["errors"][0]["message"] == "`after` is from 0 to 2147483646."
