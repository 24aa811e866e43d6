"""What pages of other sites can do with the whole application: nothing, unless the operator lets them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from foretell.app import create_app
from foretell.lifespan import first_secret
from foretell.protection import warnings_of
from foretell.settings import Settings
from tests.foretell.graphql_service import serving

APP = "https://app.example"
EVIL = "https://evil.example"
HELLO = {"query": "{ __typename }"}
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type",
}


@asynccontextmanager
async def opened(sqlite_url: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Yields a client with an admin key, of the whole application."""
    app = create_app(Settings(**{"database_url": sqlite_url, "embedded_models": False, **settings}))
    async with LifespanManager(app, startup_timeout=60):
        key = await first_secret(app.state.services.database)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://localhost",
            headers={"Authorization": f"Bearer {key}"},
        ) as client:
            yield client


@pytest.fixture
async def client(sqlite_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(sqlite_url) as client:
        yield client


@pytest.fixture
async def open_to_app(sqlite_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(sqlite_url, allowed_origins=[f"{APP}:443"]) as client:
        yield client


@pytest.mark.parametrize("path", ["/graphql", "/uploads/0", "/health"])
async def test_no_origin_is_allowed_unless_it_is_named(client: httpx.AsyncClient, path: str) -> None:
    preflight = await client.options(path, headers={"Origin": APP, **PREFLIGHT})
    answer = await client.post("/graphql", json=HELLO, headers={"Origin": APP})

    assert preflight.status_code == 405
    assert answer.status_code == 403
    assert not [
        name for response in (preflight, answer) for name in response.headers if "allow-origin" in name
    ]


@pytest.mark.parametrize(
    ("path", "method"),
    [("/graphql", "POST"), ("/graphql", "GET"), ("/uploads/0", "PUT"), ("/jobs/0/results", "GET")],
)
async def test_a_page_that_is_named_asks_first_and_is_let_in(
    open_to_app: httpx.AsyncClient, path: str, method: str
) -> None:
    asked = {**PREFLIGHT, "Access-Control-Request-Method": method}

    allowed = await open_to_app.options(path, headers={"Origin": APP, **asked})
    refused = await open_to_app.options(path, headers={"Origin": EVIL, **asked})

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == APP
    assert "Authorization" in allowed.headers["access-control-allow-headers"]
    assert "Origin" in allowed.headers["vary"]
    assert "access-control-allow-credentials" not in allowed.headers
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_page_that_is_named_may_read_answers_and_streams(
    open_to_app: httpx.AsyncClient, accept: str
) -> None:
    answer = await open_to_app.post("/graphql", json=HELLO, headers={"Origin": APP, "Accept": accept})

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == APP
    assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
    assert "Origin" in answer.headers["vary"]


async def test_refusals_can_be_read_by_a_page_that_is_named(open_to_app: httpx.AsyncClient) -> None:
    wrong = {"Origin": APP, "Authorization": "Bearer fk_wrong"}

    refused = await open_to_app.post("/graphql", json=HELLO, headers=wrong)

    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == APP


async def test_pages_of_other_origins_are_refused_even_with_a_key(open_to_app: httpx.AsyncClient) -> None:
    for origin in (EVIL, "null", "https://app.example.evil.example", "http://app.example", "%"):
        for accept in ("application/json", "text/event-stream"):
            headers = {"Origin": origin, "Accept": accept}
            posted = await open_to_app.post("/graphql", json=HELLO, headers=headers)
            got = await open_to_app.get("/graphql", params=HELLO, headers=headers)

            assert [posted.status_code, got.status_code] == [403, 403]
            assert "__typename" not in posted.text + got.text


SIMPLE = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "",
    "text/plain; application/json",
]


async def test_what_a_page_may_send_without_asking_is_not_even_read(client: httpx.AsyncClient) -> None:
    for content_type in SIMPLE:
        for body in (json.dumps(HELLO), "query=%7B__typename%7D"):
            answer = await client.post("/graphql", content=body, headers={"Content-Type": content_type})

            assert answer.status_code == 415, content_type


async def test_a_login_needs_a_content_type_that_no_form_has(sqlite_url: str) -> None:
    document = 'mutation { login(input: {email: "a@b.c", password: "x"}) { accessToken errors { code } } }'
    async with opened(sqlite_url, secret="s" * 40) as client:
        client.headers.pop("Authorization")
        plain = {"Content-Type": "text/plain"}
        as_form = await client.post("/graphql", content=json.dumps({"query": document}), headers=plain)
        as_link = await client.get("/graphql", params={"query": document})
        as_json = await client.post("/graphql", json={"query": document})

    assert [as_form.status_code, as_link.status_code] == [415, 405]
    assert as_json.json()["data"]["login"]["errors"] == [{"code": "INVALID_INPUT"}]


async def test_pages_of_the_servers_own_address_ask_through_a_proxy_that_hides_it(sqlite_url: str) -> None:
    async with opened(sqlite_url, public_url="https://api.example") as client:
        answer = await client.post("/graphql", json=HELLO, headers={"Origin": "https://api.example"})

    assert answer.status_code == 200


LOCAL = [
    "localhost",
    "LOCALHOST:8000",
    "foretell.localhost:8000",
    "127.0.0.1:8000",
    "[::1]:8000",
    "10.0.0.5:8000",
    "evil.example@localhost",  # the name after the @ is what the request is for
]
NOT_LOCAL = [
    "evil.example:8000",
    "localhost.evil.example",
    "localhost@evil.example",
    "127.0.0.1.evil.example",
    "evillocalhost",
    "[::1",
    "",
]


async def test_a_server_of_one_machine_answers_to_local_names_only(client: httpx.AsyncClient) -> None:
    for path in ("/graphql?query={__typename}", "/health", "/"):
        answers = {host: await client.get(path, headers={"Host": host}) for host in (*LOCAL, *NOT_LOCAL)}

        assert {host for host, answer in answers.items() if answer.status_code == 200} == set(LOCAL)
        assert {host for host, answer in answers.items() if answer.status_code == 421} == set(NOT_LOCAL)
        assert all("FORETELL_ALLOWED_HOSTS" in answers[host].text for host in NOT_LOCAL)


@pytest.mark.parametrize(
    ("settings", "answers"),
    [
        ({"host": "0.0.0.0"}, ["api.example", "x.api.example", "evil.example"]),
        ({"host": "0.0.0.0", "allowed_hosts": ["api.example"]}, ["api.example"]),
        ({"host": "0.0.0.0", "allowed_hosts": ["*.api.example"]}, ["x.api.example"]),
        ({"public_url": "https://api.example"}, ["api.example"]),
    ],
)
async def test_other_names_are_for_the_operator_to_name(
    sqlite_url: str, settings: dict[str, Any], answers: list[str]
) -> None:
    async with opened(sqlite_url, **settings) as client:
        names = ("api.example", "x.api.example", "evil.example")
        found = [name for name in names if (await client.get("/health", headers={"Host": name})).is_success]

    assert found == answers


async def test_a_page_whose_name_was_made_to_point_here_opens_no_socket(sqlite_url: str) -> None:
    app = create_app(Settings(database_url=sqlite_url, embedded_models=False))
    async with LifespanManager(app, startup_timeout=60), serving(app) as address:
        port = address.rpartition(":")[2]
        opening = connect(
            f"ws://evil.example:{port}/graphql",
            host="127.0.0.1",
            port=int(port),
            subprotocols=[Subprotocol("graphql-transport-ws")],
            origin=Origin(f"http://evil.example:{port}"),
        )
        with pytest.raises(InvalidStatus) as refused:
            await opening

    assert refused.value.response.status_code == 421


async def test_two_host_headers_are_none(client: httpx.AsyncClient) -> None:
    request = client.build_request("GET", "/health")
    request.headers = httpx.Headers([("Host", "localhost"), ("Host", "localhost")])

    assert (await client.send(request)).status_code == 421


ANSWERS = {
    "/": 200,
    "/graphql?query={__typename}": 200,
    "/graphql?query={": 400,
    "/health": 200,
    "/ready": 200,
    "/metrics": 200,
    "/nothing": 404,
    "/uploads/0": 405,
    "/jobs/0/results": 404,
    "/console/assets/none.js": 404,
}


async def test_every_answer_tells_browsers_what_not_to_do(client: httpx.AsyncClient) -> None:
    for path, status in ANSWERS.items():
        answer = await client.get(path)

        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "cache-control" in answer.headers
        assert "strict-transport-security" not in answer.headers


async def test_browsers_are_told_to_keep_to_https_where_clients_come_by_it(sqlite_url: str) -> None:
    async with opened(sqlite_url, public_url="https://api.example") as client:
        answer = await client.get("/health")

    assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_a_credential_in_a_url_is_refused(client: httpx.AsyncClient) -> None:
    for name, value in {"access_token": "x", "API_KEY": "x", "token": "x", "any": "fk_123"}.items():
        got = await client.get("/graphql", params={**HELLO, name: value})
        posted = await client.post("/graphql", params={name: value}, json=HELLO)

        for answer in (got, posted):
            assert answer.status_code == 400
            assert "URL" in answer.json()["errors"][0]["message"]


async def test_a_body_that_is_too_long_is_refused_before_it_is_read(sqlite_url: str) -> None:
    async with opened(sqlite_url, max_body_bytes=2000) as client:
        declared = await client.post(
            "/graphql", content=b"[" * 2001, headers={"Content-Type": "application/json"}
        )

    assert declared.status_code == 413


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, []),
        ({"host": "::1"}, []),
        ({"host": "0.0.0.0"}, ["plain sight", "FORETELL_SECRET"]),
        ({"host": "0.0.0.0", "secret": "s" * 40}, ["plain sight"]),
        ({"host": "::", "public_url": "http://api.example", "secret": "s" * 40}, ["plain sight"]),
        ({"host": "10.0.0.5", "public_url": "https://api.example"}, ["FORETELL_SECRET"]),
        ({"host": "10.0.0.5", "public_url": "https://api.example", "secret": "s" * 40}, []),
    ],
)
def test_an_operator_who_lets_others_in_is_told_what_is_not_safe(settings: Any, said: list[str]) -> None:
    lines = warnings_of(Settings(**settings))

    assert len(lines) == len(said)
    assert all(each in line for each, line in zip(said, lines, strict=True))
