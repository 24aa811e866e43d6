"""Requests to the endpoint, as a client sends them."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.foretell.graphql_service import Service

RESPONSE = "application/graphql-response+json; charset=utf-8"
AS_JSON = {"Content-Type": "application/json"}
PLAIN = "application/json; charset=utf-8"


async def post(service: Service, body: Any, **headers: str) -> httpx.Response:
    async with service.client(**headers) as client:
        return await client.post("/graphql", content=json.dumps(body), headers=AS_JSON)


def code(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    return str(error["extensions"]["code"])
