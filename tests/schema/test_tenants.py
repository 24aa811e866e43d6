"""Two projects ask each other's things, by random operations over the whole schema: nothing crosses.

`FORETELL_TEST_SEED=7` tries others; the seed is in the name of a test that fails.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import SQLModel

from schema import PUBLIC_FIELDS
from tests.schema.generated import Generator
from tests.schema.graph import Graph
from tests.schema.selections import SCHEMA
from tests.schema.tenants import Tenant, shared_model, tenant

SEED = int(os.environ.get("FORETELL_TEST_SEED", "1"))
SEEDS = (SEED, SEED + 1)
QUERIES = 25
EXPECTED = {"BAD_USER_INPUT", "NOT_FOUND"}
MUTATIONS = sorted({*(SCHEMA.mutation_type.fields if SCHEMA.mutation_type else {})} - PUBLIC_FIELDS)
SUBSCRIPTIONS = sorted(SCHEMA.subscription_type.fields) if SCHEMA.subscription_type else []


async def two(graph: Graph) -> tuple[Tenant, Tenant]:
    shared = await shared_model(graph)
    return await tenant(graph, "mark-of-the-one", shared), await tenant(graph, "mark-of-the-other", shared)


def about(seed: int, theirs: Tenant) -> Generator:
    """Makes operations that ask for what a tenant has."""
    return Generator(seed, list(theirs.ids.values()), [theirs.mark, f"{theirs.mark}-model"])


def crossed(answer: Any, theirs: Tenant) -> list[str]:
    """Returns what an answer tells of another tenant; an error may repeat what was asked for."""
    told = str(answer.get("data"))
    return [each for each in (theirs.mark, *theirs.ids.values()) if each in told]


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_queries_do_come_by_what_is_a_projects_own(graph: Graph, seed: int) -> None:
    mine, _ = await two(graph)
    generator = about(seed, mine)

    told = [crossed(await graph.answer(mine.caller, generator.query()), mine) for _ in range(QUERIES)]

    assert sum(map(len, told)) > QUERIES // 2
    assert len({each for found in told for each in found}) > len(mine.ids) // 2


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_queries_tell_nothing_of_another_project(graph: Graph, seed: int) -> None:
    one, other = await two(graph)

    for asker, theirs in ((one, other), (other, one)):
        generator = about(seed, theirs)
        for _ in range(QUERIES):
            document = generator.query()
            answer = await graph.answer(asker.caller, document)

            assert crossed(answer, theirs) == [], document
            codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
            assert codes <= EXPECTED, (codes, document)


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_mutations_tell_and_change_nothing_of_another_project(graph: Graph, seed: int) -> None:
    asker, theirs = await two(graph)
    generator = about(seed, theirs)
    before = await rows_of(graph, theirs)

    for name in MUTATIONS:
        for _ in range(2):
            document = generator.mutation(name)
            answer = await graph.answer(asker.caller, document)

            told = {**answer, "data": {name: _without_echo(answer, theirs)}}
            assert crossed(told, theirs) == [], document
            codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
            assert codes <= EXPECTED, (codes, document)
    assert await rows_of(graph, theirs) == before


async def rows_of(graph: Graph, of: Tenant) -> dict[str, Any]:
    """Reads every row that a project has, by table."""
    tables = [each for each in SQLModel.metadata.sorted_tables if "project_id" in each.columns]
    async with graph.database.read() as connection:
        return {
            each.name: (
                await connection.execute(select(each).where(each.c.project_id == of.caller.project_id))
            ).all()
            for each in tables
        }


def _without_echo(answer: Any, theirs: Tenant) -> Any:
    """Returns what a mutation told, without the texts that the asker has chosen itself."""
    text = str(answer.get("data"))
    return text.replace(f"{theirs.mark}-model", "").replace(theirs.mark, "")


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
async def test_subscriptions_follow_nothing_of_another_project(graph: Graph, name: str) -> None:
    asker, theirs = await two(graph)

    for node_id in theirs.ids.values():
        generator = Generator(1, [node_id], [theirs.mark])
        response = await graph.client.post(
            "/graphql",
            json={"query": generator.subscription(name)},
            headers={"Authorization": f"Bearer {asker.caller.secret}", "Accept": "text/event-stream"},
        )

        assert '"code":"NOT_FOUND"' in response.text or '"code":"BAD_USER_INPUT"' in response.text
        assert theirs.mark not in response.text
