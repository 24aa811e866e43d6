"""What every example has to print: the answer about a patient, and a whole story, cut off or not."""

from __future__ import annotations

import re
from typing import Any

import httpx

from tests.clients.served import Served

ANSWERS = """
{ predictions { nodes { output {
  ... on TabularOutput { results { value } }
  ... on TextOutput { text lastSequence }
} } } }
"""


async def check_told(server: Served, said: str) -> None:
    """Fails unless what an example said is what the server has stored, the story in more than one piece."""
    patient, story = await _answers(server)
    told, _, count = said.rstrip().rpartition("\n")
    events, connections = map(int, re.findall(r"\d+", count))

    assert f"diabetes: {patient['results'][0]['value']}" in told.splitlines()
    assert told.endswith(f"\n{story['text']}")
    assert events == story["lastSequence"] + 1
    assert connections > 1


async def _answers(server: Served) -> tuple[Any, Any]:
    """Returns the outputs of both predictions, in the order in which they were asked for."""
    async with httpx.AsyncClient(headers={"X-API-Key": server.key}) as client:
        response = await client.post(f"{server.url}/graphql", json={"query": ANSWERS})
    story, patient = response.json()["data"]["predictions"]["nodes"]
    return patient["output"], story["output"]
