"""Users log in, stay so, and log out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from db.session import Database
from engine.identity.guesses import PER_NAME
from engine.identity.passwords import Passwords
from engine.users import Users
from engine.values import Scope
from tests.schema.graph import Caller, Graph, opened_graph

SECRET = "a secret of more than thirty-two characters"
PASSWORD = "a long password"
EMAIL = "ann@example.org"
TOKENS = (
    "accessToken expiresAt refreshToken refreshExpiresAt errors { __typename code path message retryable }"
)
LOGIN = f"mutation ($input: LoginInput!) {{ login(input: $input) {{ {TOKENS} }} }}"
REFRESH = f"mutation ($input: RefreshSessionInput!) {{ refreshSession(input: $input) {{ {TOKENS} }} }}"
LOGOUT = "mutation ($input: LogoutInput!) { logout(input: $input) { ended errors { code } } }"
WHO = "{ viewer { id displayName scopes apiKey { id } project { name } } }"


@pytest.fixture
async def graph(any_database: Database) -> AsyncIterator[Graph]:
    url = any_database.url.render_as_string(hide_password=False)
    async with opened_graph(any_database, url, secret=SECRET) as graph:
        yield graph


@pytest.fixture
async def caller(graph: Graph) -> Caller:
    """A key of a project with a user."""
    caller = await graph.caller()
    passwords = Passwords()
    hashed = await passwords.hash(PASSWORD)
    passwords.close()
    await users(graph).create(caller.project_id, EMAIL, hashed, [Scope.MODELS_READ, Scope.PREDICTIONS_READ])
    return caller


def users(graph: Graph) -> Users:
    return Users(graph.database, graph.services.bus)


async def asked(graph: Graph, document: str, **input: Any) -> Any:
    """Asks without a credential and returns what the only field gives."""
    response = await graph.client.post("/graphql", json={"query": document, "variables": {"input": input}})
    answer = response.json()
    assert "errors" not in answer, answer
    (payload,) = answer["data"].values()
    return payload


async def login(graph: Graph, email: str = EMAIL, password: str = PASSWORD) -> Any:
    return await asked(graph, LOGIN, email=email, password=password)


def bearer(payload: Any) -> Caller:
    return Caller("", "", payload["accessToken"])


async def test_a_user_logs_in_and_is_known_with_its_project_and_scopes(graph: Graph, caller: Caller) -> None:
    payload = await login(graph, " Ann@Example.ORG ")

    viewer = (await graph.data(bearer(payload), WHO))["viewer"]

    assert payload["errors"] == []
    assert payload["expiresAt"] < payload["refreshExpiresAt"]
    assert viewer["displayName"] == EMAIL
    assert viewer["scopes"] == ["MODELS_READ", "PREDICTIONS_READ"]
    assert (viewer["apiKey"], viewer["project"]) == (None, {"name": "ours"})
    node = "query ($id: ID!) { node(id: $id) { ... on Viewer { displayName } } }"
    assert await graph.data(bearer(payload), node, id=viewer["id"]) == {"node": {"displayName": EMAIL}}
    assert await graph.codes(bearer(payload), "{ jobs { totalCount } }") == ["FORBIDDEN"]


async def test_nothing_tells_whether_there_is_a_user(graph: Graph, caller: Caller) -> None:
    wrong = await login(graph, password="a wrong password")
    unknown = await login(graph, email="nobody@example.org")
    await users(graph).disable(EMAIL)
    disabled = await login(graph)

    assert wrong == unknown == disabled
    assert wrong["accessToken"] is None
    assert [(error["code"], error["path"]) for error in wrong["errors"]] == [
        ("INVALID_INPUT", ["input", "password"])
    ]


async def test_wrong_passwords_are_slowed_down_at_once_or_one_after_the_other(
    graph: Graph, caller: Caller
) -> None:
    tried = await asyncio.gather(
        *(login(graph, password=f"guess number {each}") for each in range(PER_NAME + 5))
    )
    right = await login(graph)
    other = await login(graph, email="nobody@example.org")

    codes = [payload["errors"][0]["code"] for payload in tried]
    assert (codes.count("INVALID_INPUT"), codes.count("RATE_LIMITED")) == (PER_NAME, 5)
    assert [(error["__typename"], error["retryable"]) for error in right["errors"]] == [
        ("LimitExceededError", True)
    ]
    assert other["errors"][0]["code"] == "INVALID_INPUT"


async def test_a_refresh_token_gives_the_next_tokens_once(graph: Graph, caller: Caller) -> None:
    first = await login(graph)

    second = await asked(graph, REFRESH, refreshToken=first["refreshToken"])

    assert second["errors"] == []
    assert second["refreshToken"] != first["refreshToken"]
    assert second["refreshExpiresAt"] == first["refreshExpiresAt"]
    for payload in (first, second):
        assert await graph.codes(bearer(payload), WHO) == []


async def test_a_refresh_token_that_is_used_again_ends_the_session(graph: Graph, caller: Caller) -> None:
    first, other = await login(graph), await login(graph)
    second = await asked(graph, REFRESH, refreshToken=first["refreshToken"])

    stolen = await asked(graph, REFRESH, refreshToken=first["refreshToken"])
    third = await asked(graph, REFRESH, refreshToken=second["refreshToken"])

    for payload in (stolen, third):
        assert (payload["accessToken"], payload["refreshToken"]) == (None, None)
        assert [error["code"] for error in payload["errors"]] == ["INVALID_INPUT"]
    assert await graph.codes(bearer(second), WHO) == ["UNAUTHENTICATED"]
    assert await graph.codes(bearer(other), WHO) == []


async def test_of_two_who_refresh_at_once_one_is_a_thief(graph: Graph, caller: Caller) -> None:
    first = await login(graph)

    both = await asyncio.gather(
        *(asked(graph, REFRESH, refreshToken=first["refreshToken"]) for _ in range(2))
    )

    assert sorted(payload["accessToken"] is None for payload in both) == [False, True]
    winner = next(payload for payload in both if payload["accessToken"])
    assert await graph.codes(bearer(winner), WHO) == ["UNAUTHENTICATED"]


async def test_a_logout_ends_the_session_at_once(graph: Graph, caller: Caller) -> None:
    payload = await login(graph)

    ended = await asked(graph, LOGOUT, refreshToken=payload["refreshToken"])
    again = await asked(graph, LOGOUT, refreshToken=payload["refreshToken"])
    nonsense = await asked(graph, LOGOUT, refreshToken="fr_nonsense")

    assert [each["ended"] for each in (ended, again, nonsense)] == [True, False, False]
    assert await graph.codes(bearer(payload), WHO) == ["UNAUTHENTICATED"]
    refreshed = await asked(graph, REFRESH, refreshToken=payload["refreshToken"])
    assert refreshed["accessToken"] is None


async def test_a_user_who_is_disabled_or_gets_another_password_is_out_at_once(
    graph: Graph, caller: Caller
) -> None:
    first = await login(graph)
    await users(graph).disable(EMAIL)
    out = await graph.codes(bearer(first), WHO)
    await users(graph).disable(EMAIL, disabled=False)
    still_out = await graph.codes(bearer(first), WHO)
    second = await login(graph)
    await users(graph).set_password(EMAIL, "$argon2id$another")

    assert [out, still_out, await graph.codes(bearer(second), WHO)] == [["UNAUTHENTICATED"]] * 3


async def test_a_session_ends_by_itself(graph: Graph, caller: Caller) -> None:
    payload = await login(graph)
    async with graph.database.write() as connection:
        await connection.execute(text("UPDATE user_session SET expires_at = 1"))

    refreshed = await asked(graph, REFRESH, refreshToken=payload["refreshToken"])
    again = await login(graph)

    assert refreshed["accessToken"] is None
    assert await graph.codes(bearer(payload), WHO) == ["UNAUTHENTICATED"]
    assert await graph.codes(bearer(again), WHO) == []
    async with graph.database.read() as connection:
        kept = (await connection.execute(text("SELECT count(*) FROM user_session"))).scalar_one()
    assert kept == 1


async def test_logins_are_in_the_audit_and_no_secret_is(graph: Graph, caller: Caller) -> None:
    payload = await login(graph)
    await asked(graph, REFRESH, refreshToken=payload["refreshToken"])
    await asked(graph, REFRESH, refreshToken=payload["refreshToken"])

    events = await graph.data(caller, "{ auditEvents { nodes { action actor subject details } } }")

    nodes = events["auditEvents"]["nodes"]
    assert [node["action"] for node in nodes[:3]] == ["session.reused", "session.begun", "user.created"]
    assert [node["actor"] for node in nodes[:3]] == [f"user {EMAIL}", f"user {EMAIL}", "operator"]
    for secret in (payload["refreshToken"], payload["accessToken"], "argon2"):
        assert secret not in str(events)


async def test_what_needs_a_credential_is_refused_beside_a_login(graph: Graph, caller: Caller) -> None:
    document = """mutation ($input: LoginInput!) { login(input: $input) { accessToken }
      createApiKey(input: {name: "x", scopes: [MODELS_READ]}) { secret } }"""

    for query in (
        document,
        document.replace("createApiKey", "...Sly fragment Sly on Mutation { createApiKey"),
    ):
        response = await graph.client.post(
            "/graphql",
            json={"query": query, "variables": {"input": {"email": EMAIL, "password": PASSWORD}}},
        )
        assert response.status_code in (400, 401)
        assert "accessToken" not in response.text


async def test_without_a_secret_a_login_says_how_to_set_one(database: Database, sqlite_url: str) -> None:
    async with opened_graph(database, sqlite_url) as graph:
        payload = await login(graph)

    assert payload["accessToken"] is None
    assert payload["errors"][0]["code"] == "CONFLICT"
    assert "FORETELL_SECRET" in payload["errors"][0]["message"]


async def test_what_a_session_holds_open_ends_with_it_and_nothing_else(graph: Graph, caller: Caller) -> None:
    payloads = [await login(graph) for _ in range(3)]
    known = [await graph.services.authenticator.viewer(each["accessToken"], "") for each in payloads]
    watching = graph.services.revocations.watching
    async with asyncio.timeout(10):
        with watching(known[0]) as first, watching(known[1]) as second, watching(known[2]) as third:
            await asked(graph, LOGOUT, refreshToken=payloads[0]["refreshToken"])
            await first.wait()
            after_logout = (second.is_set(), third.is_set())
            for _ in range(2):
                await asked(graph, REFRESH, refreshToken=payloads[1]["refreshToken"])
            await second.wait()
            after_theft = third.is_set()
            await users(graph).disable(EMAIL)
            await third.wait()

    assert after_logout == (False, False)
    assert after_theft is False
