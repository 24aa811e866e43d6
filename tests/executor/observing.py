"""Runs an operation with either executor and writes down everything that can be told apart."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import strawberry
from graphql import GraphQLError, is_abstract_type

from executor import CompiledSchema, last_execution
from tests.executor.conductor import Conductor
from tests.executor.outcomes import Outcomes
from tests.executor.world import Root, Run, World, classes_of


@dataclass
class Observation:
    """What an operation gave, and what it did on the way."""

    data: list[str]
    errors: list[tuple[Any, ...]]
    calls: Counter[str]
    batches: list[list[str]]
    released: list[str]

    def regardless_of_order(self) -> Observation:
        """The same without the order of errors and releases, which nobody promises among equals."""
        return replace(self, errors=sorted(self.errors, key=repr), released=sorted(self.released))

    def regardless_of_batches(self) -> Observation:
        """The same without the grouping of what was loaded.

        Graphql-core does not wait for what lost its place, so it may still be loading when the next root
        field of a mutation, or the next event, loads. A plan waits.
        """
        together = sorted(key for batch in self.batches for key in batch)
        return replace(self.regardless_of_order(), batches=[together])


def observe(
    compiled: CompiledSchema, text: str, variables: dict[str, Any], world: World, *, with_plan: bool
) -> Observation:
    """Executes an operation. What is left over of it must not warn either, if it has run with a plan."""
    compiled.enabled = with_plan
    with warnings.catch_warnings():
        if not with_plan:  # graphql-core drops coroutines of values that became null
            warnings.simplefilter("ignore", RuntimeWarning)
        observation = _observe(compiled.schema, text, variables, world, with_plan=with_plan)
        gc.collect()
    return observation


def _observe(
    schema: strawberry.Schema, text: str, variables: dict[str, Any], world: World, *, with_plan: bool
) -> Observation:
    run = Run(Conductor(world.seed), Outcomes(world.seed, world.failures, *_objects(schema)))
    results, name = asyncio.run(run.conductor.run(_results(schema, text, variables, run)))
    assert name in (None, "compiled" if with_plan else "graphql-core")
    return Observation(
        [json.dumps(result.data, default=repr) for result in results],
        [described(error) for result in results for error in result.errors or ()],
        run.calls,
        run.conductor.batches,
        run.conductor.released,
    )


async def _results(
    schema: strawberry.Schema, text: str, variables: dict[str, Any], run: Run
) -> tuple[list[Any], str | None]:
    """The results of an operation, and who executed it: nobody, if a variable was wrong."""
    parameters: dict[str, Any] = {
        "variable_values": variables,
        "root_value": Root(run),
        "context_value": run,
    }
    last_execution.set(None)
    if text.startswith("subscription"):
        events: Any = await schema.subscribe(text, **parameters)
        async with aclosing(events):
            results = [event async for event in events]
    else:
        results = [await schema.execute(text, **parameters)]
    execution = last_execution.get()
    return results, execution.executor if execution else None


def described(error: GraphQLError) -> tuple[Any, ...]:
    """An error as clients and extensions see it."""
    locations = [(location.line, location.column) for location in error.locations or ()]
    original = error.original_error
    return error.message, error.path, locations, type(original), str(original), error.extensions


def _objects(schema: strawberry.Schema) -> tuple[dict[str, Any], dict[str, list[str]]]:
    graphql_schema = schema._schema
    possible = {
        name: [each.name for each in graphql_schema.get_possible_types(type_)]
        for name, type_ in graphql_schema.type_map.items()
        if is_abstract_type(type_)
    }
    return classes_of(schema), possible
