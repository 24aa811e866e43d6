"""What an operation loaded is gone when it has ended, without the collector of garbage."""

import gc
import weakref
from typing import Any

import pytest

from resolvers.loaders import Loaders
from schema.nodes import global_id
from tests.schema.graph import Graph, model, prediction, version

READS = """query ($id: ID!) {
  prediction(id: $id) { status output { __typename } model { versions(first: 1) { nodes { version } } } }
}"""


async def test_nothing_that_an_operation_loaded_waits_for_the_collector(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await graph.caller()
    of = model("any")
    first = version(of)
    row = prediction(caller, first)
    await graph.add(of)
    await graph.add(first)
    await graph.add(row)
    made: list[weakref.ref[Loaders]] = []
    init = Loaders.__init__

    def noted(self: Loaders, *given: Any) -> None:
        made.append(weakref.ref(self))
        init(self, *given)

    monkeypatch.setattr(Loaders, "__init__", noted)
    gc.disable()
    try:
        await graph.data(caller, READS, id=global_id("Prediction", row.id))
    finally:
        gc.enable()

    assert len(made) == 1
    assert made[0]() is None
