"""Registers models by GraphQL, as a project does."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.schema.graph import Caller, Graph

ERRORS = "errors { __typename code message path retryable ... on InvalidInputError { constraint received } }"
KEY = "MODEL_MUTATIONS_KEY"
"""The variable with the key that the operator lets projects use."""

MODEL = "id name displayName description task status tags isOwn deletedAt defaultVersion { version }"
VERSION = """id version status statusReason backend retiredAt maxBatchSize
  price { perPrediction } inputs { name datatype shape } outputs { name } model { name }"""

OPERATIONS = {
    "registerModel": f"model {{ {MODEL} }}",
    "updateModel": f"model {{ {MODEL} }}",
    "deleteModel": f"model {{ {MODEL} }}",
    "createModelVersion": f"replayed modelVersion {{ {VERSION} }}",
    "retireModelVersion": f"modelVersion {{ {VERSION} }}",
    "setModelVersionPrice": f"modelVersion {{ {VERSION} prices {{ perPrediction validFrom }} }}",
}


async def run(graph: Graph, caller: Caller, operation: str, **given: Any) -> Any:
    """Returns the payload of a mutation about models."""
    kind = f"{operation[0].upper()}{operation[1:]}Input"
    document = f"""mutation ($input: {kind}!) {{
      {operation}(input: $input) {{ {OPERATIONS[operation]} {ERRORS} }} }}"""
    return (await graph.data(caller, document, input=given))[operation]


async def register(graph: Graph, caller: Caller, name: str = "mine", **given: Any) -> Any:
    """Registers a model and returns it."""
    told = {"name": name, "displayName": name.title(), "task": "TEXT_GENERATION", **given}
    payload = await run(graph, caller, "registerModel", **told)
    assert payload["errors"] == []
    return payload["model"]


async def create(graph: Graph, caller: Caller, backend: Any, version: str = "1", **given: Any) -> Any:
    """Registers a version of the model `mine`, or another, and returns it."""
    told = {"model": {"name": "mine"}, "version": version, "backend": backend, **given}
    payload = await run(graph, caller, "createModelVersion", **told)
    assert payload["errors"] == []
    return payload["modelVersion"]


async def refused(graph: Graph, caller: Caller, operation: str, **given: Any) -> Any:
    """Returns the only error of a mutation that must be refused."""
    payload = await run(graph, caller, operation, **given)
    (error,) = payload["errors"]
    return error


async def version_at(graph: Graph, caller: Caller, version_id: str) -> Any:
    """Returns a version as it is now."""
    document = f"query ($id: ID!) {{ node(id: $id) {{ ... on ModelVersion {{ {VERSION} }} }} }}"
    return (await graph.data(caller, document, id=version_id))["node"]


async def ended_loading(graph: Graph, caller: Caller, version_id: str) -> Any:
    """Waits until a version is READY or FAILED, and returns it."""
    async with asyncio.timeout(30):
        while (found := await version_at(graph, caller, version_id))["status"] in ("PENDING", "LOADING"):
            if found["statusReason"]:
                return found
            await asyncio.sleep(0.02)
    return found


def openai(url: str, **more: Any) -> dict[str, Any]:
    """Returns a backend behind a server that speaks OpenAI's API."""
    return {"openai": {"baseUrl": url, "model": "story", **more}}


def priced(amount: str) -> dict[str, str]:
    """Returns a price for each prediction, and none for its tokens."""
    return {"inputPerMillionTokens": "0", "outputPerMillionTokens": "0", "perPrediction": amount}


PREDICT = """mutation ($input: PredictInput!) { predict(input: $input) {
  prediction { id status modelVersion { version } usage { cost { amount } } }
  errors { code retryable } } }"""


async def predict(graph: Graph, caller: Caller, **version: Any) -> Any:
    """Asks the model `mine`, past the cache."""
    given = {"model": {"name": "mine"}, "cache": "BYPASS", "data": {"text": {"prompt": {"text": "Once"}}}}
    return (await graph.data(caller, PREDICT, input=given | version))["predict"]
