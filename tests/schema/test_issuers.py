"""Users of an issuer that the settings trust."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.responses import Response

from db.session import Database
from db.types import epoch_ms, now
from tests.engine.identity.issuing import AUDIENCE, NAME, Keys, ec_key, listing, public, rsa_key, token
from tests.schema.graph import Caller, Graph, opened_graph

WHO = "{ viewer { id displayName scopes apiKey { id } project { name } } }"


@pytest.fixture
async def issuer() -> AsyncIterator[Keys]:
    async with listing() as keys:
        yield keys


@pytest.fixture
async def graph(database: Database, sqlite_url: str, issuer: Keys) -> AsyncIterator[Graph]:
    oidc = {
        "issuer": NAME,
        "audience": AUDIENCE,
        "jwks_url": issuer.url,
        "project": "ours",
        "project_claim": "tenant",
        "scopes": ["MODELS_READ"],
        "scopes_claim": "scope",
    }
    async with opened_graph(database, sqlite_url, oidc=oidc, secret="s" * 40) as graph:
        await graph.caller("ours")
        await graph.caller("theirs")
        yield graph


async def viewer(graph: Graph, given: str) -> Any:
    return (await graph.data(Caller("", "", given), WHO))["viewer"]


async def refused(graph: Graph, given: str) -> httpx.Response:
    response = await graph.client.post(
        "/graphql", json={"query": WHO}, headers={"Authorization": f"Bearer {given}"}
    )
    assert response.status_code == 401, response.text
    return response


async def test_a_user_of_the_issuer_is_known_by_its_claims(graph: Graph) -> None:
    plain = await viewer(graph, token())
    named = await viewer(
        graph, token(tenant="theirs", scope="openid JOBS_READ KEYS_ROOT", email="ann@example.org")
    )
    listed = await viewer(graph, token(scope=["USAGE_READ", 7], aud=[AUDIENCE, "another"]))

    assert (plain["displayName"], plain["project"]["name"]) == ("ann", "ours")
    assert (plain["scopes"], plain["apiKey"]) == (["MODELS_READ"], None)
    assert (named["displayName"], named["project"]["name"]) == ("ann@example.org", "theirs")
    assert named["scopes"] == ["JOBS_READ", "MODELS_READ"]
    assert listed["scopes"] == ["MODELS_READ", "USAGE_READ"]
    assert plain["id"] == named["id"] == listed["id"] != (await viewer(graph, token(sub="bob")))["id"]


async def test_elliptic_curves_are_taken_too(graph: Graph, issuer: Keys) -> None:
    issuer.listed.append(public(ec_key(), "curve", alg="ES256"))

    assert await viewer(graph, token(ec_key(), "ES256", "curve"))


async def test_a_project_that_is_not_there_is_no_project(graph: Graph) -> None:
    response = await refused(graph, token(tenant="nobody"))

    assert "project" in response.json()["errors"][0]["message"]


async def test_a_wrong_or_missing_claim_is_refused(graph: Graph) -> None:
    seconds = epoch_ms(now()) // 1000
    wrong: list[dict[str, Any]] = [
        {"iss": "https://evil.example/"},
        {"aud": "another"},
        {"aud": []},
        {"exp": seconds - 40},
        {"nbf": seconds + 40},
        {"iat": seconds + 40},
        {"sub": 7},
        *({name: None} for name in ("iss", "aud", "exp", "sub")),
    ]
    for claims in wrong:
        await refused(graph, token(**claims))
    assert await viewer(graph, token(exp=seconds - 20))


async def test_a_wrong_key_or_algorithm_is_refused(graph: Graph, issuer: Keys) -> None:
    issuer.listed += [public(ec_key(), "curve"), public(rsa_key(), "for-512", alg="RS512")]
    await viewer(graph, token())

    await refused(graph, token(rsa_key(1)))
    await refused(graph, token(key_id=None))
    await refused(graph, token(key_id="nobody's"))
    await refused(graph, token(algorithm="RS512"))
    await refused(graph, token(key_id="for-512"))
    await refused(graph, token(key_id="curve"))
    await refused(graph, token(algorithm="PS256"))


async def test_tokens_that_are_signed_with_nothing_or_with_a_public_key_are_refused(graph: Graph) -> None:
    genuine = token()
    body = genuine.split(".")[1]
    pem = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    for algorithm in ("none", "HS256"):
        head = (
            base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "one"}).encode())
            .decode()
            .rstrip("=")
        )
        digest = hmac.new(pem, f"{head}.{body}".encode(), hashlib.sha256).digest()
        signature = base64.urlsafe_b64encode(digest).decode().rstrip("=") if algorithm == "HS256" else ""
        await refused(graph, f"{head}.{body}.{signature}")


async def test_an_issuer_that_is_away_makes_nobody_log_in_again(graph: Graph, issuer: Keys) -> None:
    issuer.answer = Response("no", 500)

    response = await graph.client.post(
        "/graphql", json={"query": WHO}, headers={"Authorization": f"Bearer {token()}"}
    )

    assert response.status_code == 503
    assert response.headers["retry-after"] == "30"
    told = response.json()["errors"][0]["extensions"]
    assert (told["code"], told["retryable"], told["retryAfter"]) == ("UNAVAILABLE", True, 30)


async def test_keys_and_our_own_users_are_known_beside_the_issuers(graph: Graph, issuer: Keys) -> None:
    caller = await graph.caller("more")

    assert (await viewer(graph, caller.secret))["project"]["name"] == "more"
    assert issuer.asked == 0
