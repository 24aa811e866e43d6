"""What answers over HTTP hold: masked errors, numbers, headers, the throttle, suggestions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from engine.errors import RateLimitedError
from foretell.graphql import TransportOptions
from schema.limits import DocumentLimits
from tests.foretell.graphql_service import NEW, Service
from tests.foretell.http_requests import code, post


@pytest.mark.parametrize(
    ("query", "data"),
    [("{ broken }", {"broken": None}), ("{ badlyBroken }", None), ("{ wrongType }", {"wrongType": None})],
)
async def test_a_field_that_breaks_is_masked_and_keeps_its_path(query: str, data: Any) -> None:
    response = await post(Service(), {"query": query}, **NEW)

    assert response.status_code == 200
    assert response.json()["data"] == data
    assert code(response) == "INTERNAL"
    assert response.json()["errors"][0]["path"]
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("query", "accept", "status"),
    [
        ("{ broken }", "application/graphql-response+json", 294),
        ("{ broken }", "application/json", 200),
        ("{ hello }", "application/graphql-response+json", 200),
        ("{ nothing }", "application/graphql-response+json", 422),
    ],
)
async def test_partial_success_can_have_a_status_of_its_own(query: str, accept: str, status: int) -> None:
    service = Service(options={"options": TransportOptions(partial_status=294)})

    response = await post(service, {"query": query}, Accept=accept)

    assert response.status_code == status


async def test_nan_is_never_sent() -> None:
    response = await post(Service(), {"query": "{ notANumber }"})

    assert json.loads(response.content, parse_constant=pytest.fail)["data"] == {"notANumber": None}
    assert code(response) == "INTERNAL"


async def test_a_json_literal_that_overflows_is_refused() -> None:
    response = await post(Service(), {"query": "{ echo(value: [1e999]) }"})

    assert code(response) in ("BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED")


async def test_resolvers_add_headers() -> None:
    response = await post(Service(), {"query": "{ header }"})

    assert response.headers["x-extra"] == "yes"


async def test_the_state_of_the_throttle_is_told() -> None:
    async def throttle(cost: float) -> Mapping[str, object]:
        return {"limit": 100, "remaining": 100 - cost}

    response = await post(Service(throttle=throttle), {"query": "{ item { name } }"})

    assert response.json()["extensions"]["cost"] == {
        "requested": 1,
        "maximum": 1000,
        "throttle": {"limit": 100, "remaining": 99},
    }


async def test_an_exhausted_throttle_is_429_with_the_time_to_wait() -> None:
    async def throttle(cost: float) -> None:
        raise RateLimitedError(retry_after_seconds=1.2)

    response = await post(Service(throttle=throttle), {"query": "{ hello }"})

    assert (response.status_code, code(response)) == (429, "RATE_LIMITED")
    assert response.headers["retry-after"] == "2"
    assert response.json()["errors"][0]["extensions"]["retryAfter"] == 1.2
    assert response.json()["errors"][0]["extensions"]["retryable"] is True


async def test_names_are_suggested_with_introspection_only() -> None:
    open_ = await post(Service(), {"query": "{ hallo }"})
    closed = await post(Service(limits=DocumentLimits(introspection=False)), {"query": "{ hallo }"})

    assert "Did you mean" in open_.json()["errors"][0]["message"]
    assert "Did you mean" not in closed.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "query",
    ["{ __schema { queryType { name } } }", '{ ...F } fragment F on Query { __type(name: "Item") { name } }'],
)
async def test_introspection_can_be_off(query: str) -> None:
    response = await post(Service(limits=DocumentLimits(introspection=False)), {"query": query})

    assert (response.status_code, code(response)) == (422, "GRAPHQL_VALIDATION_FAILED")


async def test_typename_is_not_introspection() -> None:
    response = await post(Service(limits=DocumentLimits(introspection=False)), {"query": "{ __typename }"})

    assert response.json()["data"] == {"__typename": "Query"}
