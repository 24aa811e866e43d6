"""Batches of the embedded model, as clients submit, follow and control them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.engine.specs import examples
from tests.schema.graph import Caller, Graph

JOB = """id name status statusReason priority metadata progress itemsPerSecond etaSeconds viewerCanCancel
  counts { total queued running succeeded failed canceled } model { name } modelVersion { version }
  createdAt startedAt finishedAt apiKey { name }"""
ERRORS = "errors { __typename code path message }"
SUBMIT = f"""mutation ($input: SubmitBatchInput!) {{
  submitBatch(input: $input) {{ replayed job {{ {JOB} }} {ERRORS} }} }}"""
GET = f"query ($id: ID!) {{ job(id: $id) {{ {JOB} resultsUrl }} }}"
BY_INDEX = {"field": "INDEX", "direction": "ASC"}
CONTROL = """mutation ($input: {0}Input!) {{ {1}(input: $input) {{
  job {{ status counts {{ canceled }} }} errors {{ __typename code path message }} }} }}"""


def records(count: int) -> list[dict[str, Any]]:
    known = [example["record"] for example in examples("breast-cancer")]
    return [known[number % len(known)] for number in range(count)]


def items(count: int) -> list[dict[str, Any]]:
    return [
        {"customId": f"item {number}", "data": {"tabular": {"records": [record]}}}
        for number, record in enumerate(records(count))
    ]


async def submit(graph: Graph, caller: Caller, count: int = 3, **more: Any) -> Any:
    asked = {"model": {"name": "breast-cancer"}, "source": {"items": items(count)}, **more}
    return (await graph.data(caller, SUBMIT, input=asked))["submitBatch"]


async def submitted(graph: Graph, caller: Caller, count: int = 3, **more: Any) -> str:
    payload = await submit(graph, caller, count, **more)
    assert payload["errors"] == []
    return payload["job"]["id"]  # type: ignore[no-any-return]


async def ended(graph: Graph, caller: Caller, job_id: str) -> Any:
    async with asyncio.timeout(30):
        while True:
            job = (await graph.data(caller, GET, id=job_id))["job"]
            if job["status"] not in ("QUEUED", "RUNNING", "CANCELING"):
                return job
            await asyncio.sleep(0.02)


async def control(graph: Graph, caller: Caller, verb: str, job_id: str, **more: Any) -> Any:
    document = CONTROL.format(f"{verb.capitalize()}Job", f"{verb}Job")
    return (await graph.data(caller, document, input={"id": job_id, **more}))[f"{verb}Job"]


async def events(graph: Graph, caller: Caller, document: str, **variables: Any) -> list[Any]:
    """Returns what a subscription told over Server-Sent Events, up to its end."""
    response = await graph.client.post(
        "/graphql",
        json={"query": document, "variables": variables},
        headers={"Authorization": f"Bearer {caller.secret}", "Accept": "text/event-stream"},
    )
    told = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(data) for data in told if data]
