"""Both executors, on random schemas, data, documents and failures, must be impossible to tell apart.

`EXECUTOR_EXAMPLES` sets the number of examples: 30 by default, some thousands before a release.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from graphql import parse, validate
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from executor import install
from tests.executor.documents import documents
from tests.executor.observing import Observation, observe
from tests.executor.world import World, build
from tests.executor.worlds import SYNC_MODES, worlds

DOCUMENTS_PER_WORLD = 3

many = settings(
    max_examples=int(os.environ.get("EXECUTOR_EXAMPLES", "30")),
    derandomize="EXECUTOR_EXAMPLES"
    not in os.environ,  # the same few in every run, others when asked for many
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink a whole world takes minutes
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True, scope="module")
def _frozen() -> Iterator[None]:
    """Collecting garbage after each run is cheap if all that was there before is left out."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@many
@given(world=worlds(), data=st.data())
def test_queries_cannot_be_told_apart(world: World, data: DataObject) -> None:
    for expected, actual in _both(world, data, "query"):
        assert actual.regardless_of_order() == expected.regardless_of_order()


@many
@given(world=worlds(), data=st.data())
def test_mutations_cannot_be_told_apart_and_run_once(world: World, data: DataObject) -> None:
    for expected, actual in _both(world, data, "mutation"):
        assert actual.regardless_of_batches() == expected.regardless_of_batches()


@many
@given(world=worlds(), data=st.data())
def test_events_of_subscriptions_cannot_be_told_apart(world: World, data: DataObject) -> None:
    for expected, actual in _both(world, data, "subscription"):
        assert actual.regardless_of_batches() == expected.regardless_of_batches()


@many
@given(world=worlds(modes=SYNC_MODES), data=st.data())
def test_synchronous_operations_agree_in_the_order_of_errors_too(world: World, data: DataObject) -> None:
    for expected, actual in _both(world, data, data.draw(st.sampled_from(["query", "mutation"]))):
        assert actual.errors == expected.errors
        assert actual.regardless_of_order() == expected.regardless_of_order()


def _both(world: World, data: DataObject, kind: str) -> Iterator[tuple[Observation, Observation]]:
    """What graphql-core and a plan make of some documents, one after the other."""
    schema = build(world)
    compiled = install(schema)
    for _ in range(DOCUMENTS_PER_WORLD):
        document = data.draw(documents(schema._schema, kind))
        assume(not validate(schema._schema, parse(document.text)))
        yield (
            observe(compiled, document.text, document.variables, world, with_plan=False),
            observe(compiled, document.text, document.variables, world, with_plan=True),
        )
    assert not compiled.stats.fallbacks.keys() - {"switched off"}
