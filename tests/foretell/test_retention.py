"""A running application purges by its setting, and tells null of what it purged."""

import asyncio
from datetime import timedelta
from typing import Any

from db.session import Database
from db.tables import PredictionRow
from db.types import now
from schema.nodes import global_id
from tests.schema.graph import Caller, Graph, model, opened_graph, prediction, version

FIND = """
query ($id: ID!) {
  prediction(id: $id) { status input { __typename } output { __typename } usage { records } }
}
"""


async def found(graph: Graph, caller: Caller, row: PredictionRow) -> Any:
    return (await graph.data(caller, FIND, id=global_id("Prediction", row.id)))["prediction"]


async def test_the_application_purges_what_is_old_and_keeps_its_usage(
    database: Database, sqlite_url: str
) -> None:
    async with opened_graph(database, sqlite_url) as graph:
        caller = await graph.caller()
        of = version(named := model("purged"))
        row = prediction(caller, of, at=now() - timedelta(days=3))
        for each in (named, of, row):
            await graph.add(each)
        before = await found(graph, caller, row)

    async with opened_graph(database, sqlite_url, retention_days=2) as graph, asyncio.timeout(20):
        while (after := await found(graph, caller, row))["input"]:  # noqa: ASYNC110  # a sweep tells nobody
            await asyncio.sleep(0.02)

    assert before["output"] is not None
    assert after == {"status": "SUCCEEDED", "input": None, "output": None, "usage": {"records": 1}}
