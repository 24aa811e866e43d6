"""Following a text: what many readers of one share, and what each sees for itself."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import update

from db.tables import PredictionRow
from db.tables.predictions import predictions
from engine.backends.base import Token
from engine.values import Scope
from schema.nodes import global_id
from tests.foretell.socket_client import eventually
from tests.schema.batches import events
from tests.schema.graph import Caller, Graph, model, prediction, version

FOLLOW = """subscription ($id: ID!) { tokens(predictionId: $id) {
  __typename sequence
  ... on TokenEvent { text }
  ... on StreamEnd { prediction {
    status viewerCanCancel model { name } output { ... on TextOutput { text } }
  } }
} }"""
READERS = 20


async def begun(graph: Graph, caller: Caller) -> PredictionRow:
    """Stores a prediction that has told the first piece of its text, and returns it."""
    story = model("story", task="TEXT_GENERATION")
    first = version(story)
    await graph.add(story)
    await graph.add(first)
    row = prediction(caller, first, status="RUNNING", finished_at=None, output=None)
    await graph.add(row)
    graph.services.bus.append(row.id, [Token("Once")])
    return row


async def test_readers_of_a_text_share_its_end_but_not_with_those_who_may_see_less(any_graph: Graph) -> None:
    graph = any_graph
    caller = await graph.caller()
    reader = await graph.colleague(caller.project_id, [Scope.PREDICTIONS_READ])
    row, bus = await begun(graph, caller), graph.services.bus

    with graph.statements() as statements:
        following = [
            asyncio.create_task(events(graph, who, FOLLOW, id=global_id("Prediction", row.id)))
            for who in [*[caller] * READERS, reader]
        ]
        await eventually(lambda: sum("FROM prediction" in each for each in statements) > READERS)
        await asyncio.sleep(0.1)
        ended = {"status": "SUCCEEDED", "output": {"text": "Once", "finishReason": "STOP", "lastSequence": 1}}
        async with graph.database.write() as connection:
            await connection.execute(update(predictions).where(predictions.c.id == row.id).values(ended))
        statements.clear()
        bus.end(row.id)
        *whole, other = await asyncio.gather(*following)

    looks = [each for each in statements if "FROM prediction" in each]
    assert len(looks) == 3  # the row for all, and its output for each of two keys
    told = [[event["data"]["tokens"] for event in one] for one in whole]
    assert told == [told[0]] * READERS
    assert [event["__typename"] for event in told[0]] == ["TokenEvent", "StreamEnd"]
    assert told[0][1] == {
        "__typename": "StreamEnd",
        "sequence": 2,
        "prediction": {
            "status": "SUCCEEDED",
            "viewerCanCancel": False,
            "model": {"name": "story"},
            "output": {"text": "Once"},
        },
    }
    assert _without_model(told[0]) == _without_model(other_data := [each["data"]["tokens"] for each in other])
    assert other_data[1]["prediction"]["model"] is None
    assert other[1]["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_who_comes_to_an_end_with_its_prediction_asks_for_no_row(any_graph: Graph) -> None:
    graph = any_graph
    caller = await graph.caller()
    row, bus = await begun(graph, caller), graph.services.bus
    document = (
        "subscription ($id: ID!) { tokens(predictionId: $id) { ... on StreamEnd { prediction { id } } } }"
    )

    with graph.statements() as statements:
        following = asyncio.create_task(events(graph, caller, document, id=global_id("Prediction", row.id)))
        await eventually(lambda: bus.is_followed(row.id))
        statements.clear()
        bus.end(row.id, {row.project_id: row})
        *_, end = await following

    assert end["data"]["tokens"] == {"prediction": {"id": global_id("Prediction", row.id)}}
    assert not [each for each in statements if "FROM prediction" in each]
    assert not bus.is_followed(row.id)


def _without_model(told: list[Any]) -> list[Any]:
    end = told[1] | {"prediction": told[1]["prediction"] | {"model": None}}
    return [told[0], end]
