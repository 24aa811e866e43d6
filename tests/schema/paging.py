"""Lists to page through, and how to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from db.tables import PredictionRow
from schema.nodes import global_id
from tests.schema.graph import Caller, Graph, model, prediction, version

START = datetime(2026, 1, 1, tzinfo=UTC)

PREDICTIONS = """
query ($first: Int, $after: String, $last: Int, $before: String, $orderBy: PredictionOrderInput,
       $filter: PredictionFilterInput) {
  predictions(
    first: $first, after: $after, last: $last, before: $before, orderBy: $orderBy, filter: $filter
  ) {
    edges { cursor node { id } }
    nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
}
"""
MODELS = PREDICTIONS.replace("predictions(", "models(").replace("Prediction", "Model")

CREATED_DESC = {"field": "CREATED_AT", "direction": "DESC"}
CREATED_ASC = {"field": "CREATED_AT", "direction": "ASC"}
FINISHED_DESC = {"field": "FINISHED_AT", "direction": "DESC"}
FINISHED_ASC = {"field": "FINISHED_AT", "direction": "ASC"}
ORDERS = [CREATED_DESC, CREATED_ASC, FINISHED_DESC, FINISHED_ASC]


async def twenty(graph: Graph, caller: Caller) -> list[PredictionRow]:
    """Stores predictions of twenty seconds, which end in another order than they began, some together."""
    its_model = model("paged")
    its_version = version(its_model)
    await graph.add(its_model)
    await graph.add(its_version)
    rows = [
        prediction(
            caller,
            its_version,
            at=START + timedelta(seconds=number),
            finished_at=START + timedelta(minutes=1, seconds=number * 7 % 5),
        )
        for number in range(20)
    ]
    await graph.add(*rows)
    return rows


def name_of(order: dict[str, str]) -> str:
    return "-".join(order.values())


def in_order(rows: list[PredictionRow], order: dict[str, str]) -> list[str]:
    """Returns the global ids of rows as an order puts them, reckoned in Python."""

    def place(row: PredictionRow) -> Any:
        return (row.finished_at, row.id) if order["field"] == "FINISHED_AT" else row.id

    ordered = sorted(rows, key=place, reverse=order["direction"] == "DESC")
    return [global_id("Prediction", row.id) for row in ordered]


async def page(graph: Graph, caller: Caller, document: str = PREDICTIONS, **arguments: Any) -> Any:
    (connection,) = (await graph.data(caller, document, **arguments)).values()
    assert [edge["node"] for edge in connection["edges"]] == connection["nodes"]
    cursors = [edge["cursor"] for edge in connection["edges"]]
    info = connection["pageInfo"]
    assert (info["startCursor"], info["endCursor"]) == (
        (cursors[0], cursors[-1]) if cursors else (None, None)
    )
    return connection


def ids(connection: Any) -> list[str]:
    return [node["id"] for node in connection["nodes"]]


async def forwards(
    graph: Graph, caller: Caller, size: int, document: str = PREDICTIONS, **more: Any
) -> list[Any]:
    """Returns every page from the first to the last."""
    pages = [await page(graph, caller, document, first=size, **more)]
    while pages[-1]["pageInfo"]["hasNextPage"]:
        after = pages[-1]["pageInfo"]["endCursor"]
        pages.append(await page(graph, caller, document, first=size, after=after, **more))
    return pages


async def backwards(
    graph: Graph, caller: Caller, size: int, document: str = PREDICTIONS, **more: Any
) -> list[Any]:
    """Returns every page from the last to the first."""
    pages = [await page(graph, caller, document, last=size, **more)]
    while pages[-1]["pageInfo"]["hasPreviousPage"]:
        before = pages[-1]["pageInfo"]["startCursor"]
        pages.append(await page(graph, caller, document, last=size, before=before, **more))
    return pages


def newcomer(caller: Caller, rows: list[PredictionRow], turn: int, *, newest: bool) -> PredictionRow:
    """Returns a prediction that is newer, or older, than all others."""
    at = START + timedelta(hours=turn + 1) * (1 if newest else -1)
    row = rows[0].model_copy()
    fresh = prediction(caller, version(model("any")), at=at)
    row.id, row.created_at, row.finished_at = fresh.id, at, at
    return row
