import base64
import json
from typing import Any

from tests.schema.graph import Caller, Graph
from tests.schema.paging import FINISHED_ASC, FINISHED_DESC, MODELS, PREDICTIONS, page, twenty


async def test_pages_that_can_not_be_are_refused(graph: Graph, caller: Caller) -> None:
    rows = await twenty(graph, caller)
    somewhere = cursor("CREATED_AT", rows[0].id)
    wrong: list[dict[str, Any]] = [
        {"first": -1},
        {"last": -1},
        {"first": 101},
        {"last": 101},
        {"first": 2**31 - 1},
        {"first": 1, "last": 1},
        {"last": 1, "after": somewhere},
        {"first": 1, "before": somewhere},
        {"before": somewhere},
        {"after": "garbage"},
        {"after": ""},
        {"after": "💥"},
    ]

    for arguments in wrong:
        assert await graph.codes(caller, PREDICTIONS, **arguments) == ["BAD_USER_INPUT"], arguments


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


FORGED = [
    cursor(),
    cursor("CREATED_AT"),
    cursor("CREATED_AT", None),
    cursor("CREATED_AT", 1),
    cursor("CREATED_AT", "a", "b"),
    cursor("CREATED_AT", {"t": 1}),
    cursor("CREATED_AT", "\x00"),
    cursor("CREATED_AT", "\ud800"),
    cursor("FINISHED_AT", {"t": 0}, "a"),
    cursor("NAME", "a", "b"),
    cursor({"CREATED_AT": 1}),
    "W" * 100_000,
]
FORGED_TIMES = [
    cursor("FINISHED_AT", {"t": 10**30}, "a"),
    cursor("FINISHED_AT", {"t": -(10**17)}, "a"),
    cursor("FINISHED_AT", {"t": 1.5}, "a"),
    cursor("FINISHED_AT", {"t": None}, "a"),
    cursor("FINISHED_AT", {}, "a"),
    cursor("FINISHED_AT", {"t": 0}, "\x00"),
    cursor("FINISHED_AT", "a", {"t": 0}),
]


async def test_a_cursor_that_no_page_of_this_order_gave_out_is_refused(any_graph: Graph) -> None:
    caller = await any_graph.caller()

    for forged in FORGED:
        assert await any_graph.codes(caller, PREDICTIONS, after=forged) == ["BAD_USER_INPUT"], forged
    for forged in FORGED_TIMES:
        refused = await any_graph.codes(caller, PREDICTIONS, after=forged, orderBy=FINISHED_ASC)
        assert refused == ["BAD_USER_INPUT"], forged


async def test_a_cursor_goes_with_its_order_alone(graph: Graph, caller: Caller) -> None:
    await twenty(graph, caller)
    by_start = (await page(graph, caller, first=3))["pageInfo"]["endCursor"]
    by_end = (await page(graph, caller, first=3, orderBy=FINISHED_DESC))["pageInfo"]["endCursor"]

    assert await graph.codes(caller, PREDICTIONS, after=by_end) == ["BAD_USER_INPUT"]
    assert await graph.codes(caller, PREDICTIONS, after=by_start, orderBy=FINISHED_DESC) == ["BAD_USER_INPUT"]
    assert await graph.codes(caller, MODELS, after=by_end) == ["BAD_USER_INPUT"]
