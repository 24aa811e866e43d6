from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from db.session import Database
from db.tables import ModelRow
from db.tables.jobs import JobRow
from schema.nodes import global_id
from tests.schema.graph import Caller, Graph, model, opened_graph, prediction, version
from tests.schema.paging import (
    CREATED_DESC,
    FINISHED_DESC,
    MODELS,
    ORDERS,
    PREDICTIONS,
    START,
    backwards,
    forwards,
    ids,
    in_order,
    name_of,
    newcomer,
    page,
    twenty,
)


async def test_pages_forwards_hold_every_row_once_in_every_order(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    rows = await twenty(any_graph, caller)

    for order, size in product(ORDERS, (3, 20)):
        pages = await forwards(any_graph, caller, size, orderBy=order)

        assert [found for each in pages for found in ids(each)] == in_order(rows, order)
        assert [each["pageInfo"]["hasPreviousPage"] for each in pages] == [False] + [True] * (len(pages) - 1)
        assert {each["totalCount"] for each in pages} == {20}


async def test_pages_backwards_hold_every_row_once_in_every_order(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    rows = await twenty(any_graph, caller)

    for order in ORDERS:
        pages = await backwards(any_graph, caller, 7, orderBy=order)

        assert [found for each in reversed(pages) for found in ids(each)] == in_order(rows, order)
        assert [each["pageInfo"]["hasNextPage"] for each in pages] == [False] + [True] * (len(pages) - 1)


@pytest.mark.parametrize("order", ORDERS, ids=name_of)
@pytest.mark.parametrize("size", ["first", "last"])
async def test_rows_that_appear_meanwhile_move_nothing(
    graph: Graph, caller: Caller, order: Any, size: str
) -> None:
    rows = await twenty(graph, caller)
    place, edge = ("after", "endCursor") if size == "first" else ("before", "startCursor")
    appear_newest = (order["direction"] == "DESC") == (size == "first")
    seen: list[list[str]] = []
    at = None

    for turn in range(10):
        arguments: dict[str, Any] = {size: 2, place: at, "orderBy": order}
        found = await page(graph, caller, **arguments)
        seen.append(ids(found))
        at = found["pageInfo"][edge]
        await graph.add(newcomer(caller, rows, turn, newest=appear_newest))

    in_sequence = seen if size == "first" else seen[::-1]
    assert [found for each in in_sequence for found in each] == in_order(rows, order)


@pytest.mark.parametrize("order", ORDERS, ids=name_of)
async def test_rows_that_go_meanwhile_leave_the_others_in_their_place(
    graph: Graph, caller: Caller, order: Any
) -> None:
    rows = await twenty(graph, caller)
    expected = in_order(rows, order)
    first = await page(graph, caller, first=5, orderBy=order)

    async with graph.database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM prediction WHERE rowid % 4 = 0")
    left = ids(await page(graph, caller, first=100, orderBy=order))
    second = await page(graph, caller, first=100, after=first["pageInfo"]["endCursor"], orderBy=order)

    assert ids(second) == [found for found in expected[5:] if found in left]


async def test_what_is_not_finished_is_left_out_and_not_counted_when_sorted_by_its_end(
    any_graph: Graph,
) -> None:
    caller = await any_graph.caller()
    rows = await twenty(any_graph, caller)
    running = prediction(caller, version(model("any")), at=START, status="RUNNING")
    running.model_id, running.model_version_id = rows[0].model_id, rows[0].model_version_id
    running.finished_at = None
    await any_graph.add(running)

    by_end = await page(any_graph, caller, first=100, orderBy=FINISHED_DESC)
    by_start = await page(any_graph, caller, first=100)

    assert (len(by_end["nodes"]), by_end["totalCount"]) == (20, 20)
    assert (len(by_start["nodes"]), by_start["totalCount"]) == (21, 21)


async def test_jobs_that_are_not_finished_are_left_out_and_not_counted_when_sorted_by_their_end(
    database: Database, sqlite_url: str
) -> None:
    async with opened_graph(database, sqlite_url, worker_slots=0) as graph:
        caller = await graph.caller()
        its_model = model("batch")
        its_version = version(its_model)
        of: dict[str, Any] = {
            "project_id": caller.project_id,
            "model_id": its_model.id,
            "model_version_id": its_version.id,
        }
        rest: dict[str, Any] = {
            "request_id": "r",
            "source": "s",
            "total": 1,
            "open_chunks": 0,
            "deadline_at": START,
        }
        finished = JobRow(**of, **rest, status="SUCCEEDED", finished_at=START)
        await graph.add(its_model)
        await graph.add(its_version)
        await graph.add(finished, JobRow(**of, **rest, status="PAUSED"))
        document = """query ($orderBy: JobOrderInput) {
          jobs(orderBy: $orderBy) { nodes { id } totalCount }
          models { nodes { jobs(orderBy: $orderBy) { nodes { id } totalCount } } } }"""

        by_end = await graph.data(caller, document, orderBy=FINISHED_DESC)
        by_start = await graph.data(caller, document, orderBy=CREATED_DESC)

    one = {"nodes": [{"id": global_id("Job", finished.id)}], "totalCount": 1}
    assert by_end == {"jobs": one, "models": {"nodes": [{"jobs": one}]}}
    assert by_start["jobs"]["totalCount"] == by_start["models"]["nodes"][0]["jobs"]["totalCount"] == 2


@pytest.mark.parametrize("kind", ["Model", "ModelVersion"])
async def test_pages_below_a_parent_hold_what_the_whole_list_filtered_by_it_holds(
    any_graph: Graph, kind: str
) -> None:
    caller = await any_graph.caller()
    rows = await twenty(any_graph, caller)
    parent = global_id(kind, rows[0].model_id if kind == "Model" else rows[0].model_version_id)
    document = PREDICTIONS.replace("query (", "query ($id: ID!, ").replace(
        "  predictions(", f"  node(id: $id) {{ ... on {kind} {{ predictions("
    )

    async def below(**arguments: Any) -> Any:
        return (await any_graph.data(caller, document + "}}", id=parent, **arguments))["node"]["predictions"]

    for order in ORDERS:
        first = await below(first=8, orderBy=order)
        second = await below(first=8, after=first["pageInfo"]["endCursor"], orderBy=order)
        last = await below(last=4, orderBy=order)
        before = await below(last=16, before=last["pageInfo"]["startCursor"], orderBy=order)

        expected = in_order(rows, order)
        assert ids(first) + ids(second) + ids(last) == expected
        assert ids(before) + ids(last) == expected
        assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (20, True)
        assert (before["pageInfo"]["hasPreviousPage"], before["pageInfo"]["hasNextPage"]) == (False, True)


MODEL_ORDERS = [
    {"field": field, "direction": direction}
    for field in ("CREATED_AT", "UPDATED_AT", "NAME")
    for direction in ("ASC", "DESC")
]


async def test_models_are_paged_in_every_order_both_ways(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    names = ["b", "a", "c1", "ab", "b0", "abc", "z", "c"]
    times = [START + timedelta(seconds=number * 5 % 3) for number in range(len(names))]
    rows = [model(name, updated_at=time) for name, time in zip(names, times, strict=True)]
    rows.append(model("a", project_id=caller.project_id, updated_at=START))
    await any_graph.add(*rows)

    for order in MODEL_ORDERS:
        there = await forwards(any_graph, caller, 3, MODELS, orderBy=order)
        back = await backwards(any_graph, caller, 3, MODELS, orderBy=order)

        ordered = sorted(rows, key=place_by(order["field"]), reverse=order["direction"] == "DESC")
        expected = [global_id("Model", row.id) for row in ordered]
        assert [found for each in there for found in ids(each)] == expected
        assert [found for each in reversed(back) for found in ids(each)] == expected
        assert {each["totalCount"] for each in there + back} == {len(rows)}


def place_by(field: str) -> Callable[[ModelRow], Any]:
    columns = {"CREATED_AT": ["id"], "UPDATED_AT": ["updated_at", "id"], "NAME": ["name", "id"]}[field]
    return lambda row: tuple(getattr(row, column) for column in columns)


async def test_versions_and_keys_are_paged_newest_first(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    its_model = model("paged")
    await any_graph.add(its_model)
    await any_graph.add(*(version(its_model, number) for number in range(9)))
    for _ in range(4):
        await any_graph.colleague(caller.project_id, ["MODELS_READ"])  # type: ignore[list-item]
    versions = """query ($first: Int, $after: String, $last: Int, $before: String) {
      model(ref: {name: "paged"}) { versions(first: $first, after: $after, last: $last, before: $before) {
        nodes { version } pageInfo { endCursor startCursor hasNextPage hasPreviousPage } totalCount } } }"""
    keys = versions.replace('model(ref: {name: "paged"}) {', "viewer { project {").replace(
        "versions(", "apiKeys("
    )
    keys = keys.replace("version }", "id }") + "}"

    one = (await any_graph.data(caller, versions, first=5))["model"]["versions"]
    two = (await any_graph.data(caller, versions, first=5, after=one["pageInfo"]["endCursor"]))["model"][
        "versions"
    ]
    three = (await any_graph.data(caller, versions, last=2))["model"]["versions"]
    some = (await any_graph.data(caller, keys, first=3))["viewer"]["project"]["apiKeys"]
    rest = (await any_graph.data(caller, keys, first=3, after=some["pageInfo"]["endCursor"]))["viewer"][
        "project"
    ]

    assert [node["version"] for node in one["nodes"] + two["nodes"]] == [str(n) for n in reversed(range(9))]
    assert [node["version"] for node in three["nodes"]] == ["1", "0"]
    assert (one["totalCount"], some["totalCount"]) == (9, 5)
    found = [node["id"] for node in some["nodes"] + rest["apiKeys"]["nodes"]]
    assert len(set(found)) == 5
    assert found[-1] == global_id("ApiKey", caller.key_id)


async def test_twenty_come_where_no_size_is_given(graph: Graph, caller: Caller) -> None:
    rows = await twenty(graph, caller)
    await graph.add(newcomer(caller, rows, 0, newest=True))

    found = await page(graph, caller)

    assert len(found["nodes"]) == 20
    assert found["pageInfo"]["hasNextPage"]


async def test_a_page_of_none_tells_whether_there_are_any(graph: Graph, caller: Caller) -> None:
    nothing_there = await page(graph, caller, first=0)
    await twenty(graph, caller)

    some_there = await page(graph, caller, first=0)
    from_the_end = await page(graph, caller, last=0)

    assert (nothing_there["nodes"], nothing_there["pageInfo"]["hasNextPage"]) == ([], False)
    assert (some_there["nodes"], some_there["pageInfo"]["hasNextPage"]) == ([], True)
    assert (from_the_end["nodes"], from_the_end["pageInfo"]["hasPreviousPage"]) == ([], True)
    assert some_there["totalCount"] == 20
