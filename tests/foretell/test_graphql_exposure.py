"""What scanners of GraphQL endpoints (graphql-cop and its like) look for, and what Foretell chose.

Findings that stay are choices: introspection, suggestions and GraphiQL are on by default because the schema
is public anyway (the project is open source); a setting turns each off.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from asgi_lifespan import LifespanManager

from foretell.app import create_app
from foretell.lifespan import first_secret
from foretell.settings import Settings


@pytest.fixture
async def client(sqlite_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an admin key, of the whole application."""
    app = create_app(Settings(database_url=sqlite_url, embedded_models=False))
    async with LifespanManager(app, startup_timeout=60):
        key = await first_secret(app.state.services.database)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers={"Authorization": f"Bearer {key}"}
        ) as client:
            yield client


@pytest.mark.parametrize(
    ("finding", "query"),
    [
        ("alias overloading", "{" + " ".join(f"alias{n}: __typename" for n in range(101)) + "}"),
        ("field duplication", "{" + "__typename " * 500 + "}"),
        ("directive overloading", "{ __typename " + "@aa" * 10 + "}"),
        ("circular fragment", "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"),
        (
            "circular introspection",
            "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }",
        ),
    ],
)
async def test_what_exhausts_a_server_is_refused(client: httpx.AsyncClient, finding: str, query: str) -> None:
    response = await client.post("/graphql", json={"query": query})

    assert response.status_code == 422, finding


async def test_arrays_of_requests_are_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/graphql", json=[{"query": "{ __typename }"}] * 10)

    assert response.status_code == 422


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
    ],
)
async def test_a_form_of_another_site_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.post("/graphql", content="query=%7B__typename%7D", headers=headers)

    assert response.status_code == 415


async def test_a_link_of_another_site_changes_nothing(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql", params={"query": "mutation { __typename }"})

    assert response.status_code == 405


async def test_a_link_of_another_site_reads_nothing_because_no_cookie_authenticates(
    client: httpx.AsyncClient,
) -> None:
    cookies = {"Cookie": client.headers["authorization"], "Authorization": ""}

    response = await client.get("/graphql", params={"query": "{ __typename }"}, headers=cookies)

    assert response.status_code == 401


async def test_nothing_of_the_inside_is_told(client: httpx.AsyncClient) -> None:
    response = await client.post("/graphql", json={"query": "qwerty {"})

    assert set(response.json()["errors"][0]["extensions"]) == {"code", "retryable", "requestId"}
    assert not {"tracing", "debug", "stacktrace"} & set(response.json().get("extensions", {}))
    assert not {"server", "x-powered-by"} & set(response.headers)


@pytest.mark.parametrize(
    ("choice", "found"),
    [("{ __schema { queryType { name } } }", "Query"), ("{ viewerr { id } }", "Did you mean 'viewer'?")],
)
async def test_introspection_and_suggestions_are_a_choice(
    client: httpx.AsyncClient, sqlite_url: str, choice: str, found: str
) -> None:
    chosen = await client.post("/graphql", json={"query": choice})
    app = create_app(
        Settings(database_url=sqlite_url, embedded_models=False, introspection=False, graphiql=False)
    )
    async with LifespanManager(app, startup_timeout=60):
        closed_client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost", headers=client.headers
        )
        async with closed_client:
            closed = await closed_client.post("/graphql", json={"query": choice})
            page = await closed_client.get("/graphql", headers={"Accept": "text/html"})

    assert found in chosen.text
    assert found not in closed.text
    assert page.status_code == 406
