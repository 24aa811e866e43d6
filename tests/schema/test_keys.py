import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.key_secrets import is_well_formed
from engine.values import Scope
from schema.nodes import global_id
from tests.schema.graph import Caller, Graph

CREATE = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  apiKey { id name prefix scopes expiresAt revokedAt } secret
  errors { __typename code path ... on InvalidInputError { received } } } }"""
ROTATE = """mutation ($input: RotateApiKeyInput!) { rotateApiKey(input: $input) {
  apiKey { id prefix rotatedAt } secret previousExpiresAt errors { code path } } }"""
REVOKE = """mutation ($id: ID!) { revokeApiKey(input: {id: $id}) {
  apiKey { id revokedAt } errors { code path } } }"""
WHO = "{ viewer { displayName } }"


async def create(graph: Graph, caller: Caller, **wanted: Any) -> Any:
    asked = {"name": "new", "scopes": ["MODELS_READ"], **wanted}
    return (await graph.data(caller, CREATE, input=asked))["createApiKey"]


async def test_a_new_key_works_and_shows_its_secret_once(any_graph: Graph) -> None:
    caller = await any_graph.caller()

    made = await create(any_graph, caller, scopes=["MODELS_READ", "JOBS_READ"])

    assert is_well_formed(made["secret"])
    assert made["secret"].startswith(made["apiKey"]["prefix"])
    assert made["apiKey"]["scopes"] == ["JOBS_READ", "MODELS_READ"]
    newcomer = Caller(caller.project_id, "", made["secret"])
    assert await any_graph.data(newcomer, WHO) == {"viewer": {"displayName": "new"}}
    listed = await any_graph.data(caller, "{ viewer { project { apiKeys { nodes { name prefix } } } } }")
    assert made["secret"] not in str(listed)


async def test_a_key_hands_out_no_scope_that_it_has_not(graph: Graph, caller: Caller) -> None:
    narrow = await graph.colleague(caller.project_id, [Scope.KEYS_ADMIN, Scope.MODELS_READ])

    refused = await create(graph, narrow, scopes=["MODELS_READ", "PREDICTIONS_READ"])

    assert (refused["apiKey"], refused["secret"]) == (None, None)
    assert refused["errors"] == [
        {
            "__typename": "InvalidInputError",
            "code": "INVALID_INPUT",
            "path": ["input", "scopes"],
            "received": ["PREDICTIONS_READ"],
        }
    ]


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ({"name": ""}, ["input", "name"]),
        ({"name": " "}, ["input", "name"]),
        ({"name": "n" * 101}, ["input", "name"]),
        ({"name": "\x00"}, ["input", "name"]),
        ({"scopes": []}, ["input", "scopes"]),
        ({"expiresAt": "2020-01-01T00:00:00.000Z"}, ["input", "expiresAt"]),
    ],
)
async def test_a_key_that_can_not_be_is_refused(
    graph: Graph, caller: Caller, wanted: dict[str, Any], path: list[str]
) -> None:
    refused = await create(graph, caller, **wanted)

    assert refused["apiKey"] is None
    assert [(error["code"], error["path"]) for error in refused["errors"]] == [("INVALID_INPUT", path)]


async def test_a_key_stops_working_when_it_expires(graph: Graph, caller: Caller) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat(timespec="milliseconds")
    made = await create(graph, caller, expiresAt=soon)
    newcomer = Caller(caller.project_id, "", made["secret"])
    before = await graph.codes(newcomer, WHO)

    async with graph.database.write() as connection:
        await connection.execute(text("UPDATE api_key SET expires_at = 1 WHERE name = 'new'"))

    assert before == []
    assert await graph.codes(newcomer, WHO) == ["UNAUTHENTICATED"]


async def test_a_revoked_key_stops_working_at_once_and_stays_so(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    colleague = await any_graph.colleague(caller.project_id, [Scope.MODELS_READ])
    key_id = global_id("ApiKey", colleague.key_id)

    first = (await any_graph.data(caller, REVOKE, id=key_id))["revokeApiKey"]
    again = (await any_graph.data(caller, REVOKE, id=key_id))["revokeApiKey"]

    assert first["errors"] == []
    assert first["apiKey"]["revokedAt"] is not None
    assert again == first
    assert await any_graph.codes(colleague, WHO) == ["UNAUTHENTICATED"]


async def test_a_key_that_is_not_the_projects_is_not_found(graph: Graph, caller: Caller) -> None:
    stranger = await graph.caller("strangers")

    refused = (await graph.data(caller, REVOKE, id=global_id("ApiKey", stranger.key_id)))["revokeApiKey"]

    assert refused["errors"] == [{"code": "NOT_FOUND", "path": ["input", "id"]}]
    assert await graph.codes(stranger, WHO) == []


async def test_a_rotated_key_keeps_its_id_and_its_former_secret_for_a_while(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    made = await create(any_graph, caller)
    old = Caller(caller.project_id, "", made["secret"])

    rotated = (await any_graph.data(caller, ROTATE, input={"id": made["apiKey"]["id"]}))["rotateApiKey"]
    new = Caller(caller.project_id, "", rotated["secret"])
    both = [await any_graph.codes(each, WHO) for each in (old, new)]
    at_once = {"id": made["apiKey"]["id"], "overlapSeconds": 0}
    again = (await any_graph.data(caller, ROTATE, input=at_once))["rotateApiKey"]

    assert rotated["errors"] == []
    assert rotated["apiKey"]["id"] == made["apiKey"]["id"]
    assert rotated["apiKey"]["prefix"] == rotated["secret"][:11]
    assert rotated["previousExpiresAt"] > rotated["apiKey"]["rotatedAt"]
    assert both == [[], []]
    for former in (old, new):
        assert await any_graph.codes(former, WHO) == ["UNAUTHENTICATED"]
    assert await any_graph.codes(Caller("", "", again["secret"]), WHO) == []


async def test_a_weak_key_can_not_rotate_its_way_to_a_strong_one(graph: Graph, caller: Caller) -> None:
    weak = await graph.colleague(caller.project_id, [Scope.KEYS_ADMIN])
    key_id = global_id("ApiKey", caller.key_id)

    refused = (await graph.data(weak, ROTATE, input={"id": key_id}))["rotateApiKey"]

    assert refused["secret"] is None
    assert [(error["code"], error["path"]) for error in refused["errors"]] == [
        ("INVALID_INPUT", ["input", "id"])
    ]
    assert await graph.codes(caller, WHO) == []


async def test_the_same_idempotency_key_makes_one_key_and_shows_its_secret_once(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    document = CREATE.replace("secret", "secret replayed")
    asked = {"name": "once", "scopes": ["MODELS_READ"], "idempotencyKey": "one"}

    answers = await asyncio.gather(*(any_graph.data(caller, document, input=asked) for _ in range(10)))
    other = await create(any_graph, caller, idempotencyKey="one", name="twice")

    payloads = [answer["createApiKey"] for answer in answers]
    assert all(payload["errors"] == [] for payload in payloads)
    assert len({payload["apiKey"]["id"] for payload in payloads}) == 1
    assert sorted(payload["replayed"] for payload in payloads) == [False, *[True] * 9]
    assert [payload["secret"] is None for payload in payloads if payload["replayed"]] == [True] * 9
    assert [error["code"] for error in other["errors"]] == ["IDEMPOTENCY_KEY_REUSED"]


async def test_the_use_of_a_key_is_noted_without_a_statement_for_each_request(
    graph: Graph, caller: Caller
) -> None:
    used = "{ viewer { apiKey { lastUsedAt } } }"
    with graph.statements() as statements:
        never = await graph.data(caller, used)
    await graph.services.authenticator.last_used.write()

    now = await graph.data(caller, used)

    assert never["viewer"]["apiKey"]["lastUsedAt"] is None
    assert now["viewer"]["apiKey"]["lastUsedAt"] is not None
    assert [statement for statement in statements if not statement.startswith("SELECT")] == []


async def test_secrets_are_in_no_file_of_the_database_and_in_no_log(
    graph: Graph, caller: Caller, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        made = await create(graph, caller)
        newcomer = Caller(caller.project_id, "", made["secret"])
        await graph.data(newcomer, WHO)
        await graph.codes(Caller("", "", made["secret"][:-1] + "_"), WHO)
        await graph.codes(newcomer, "{ nonsense }")
    async with graph.database.write() as connection:
        await connection.execute(text("UPDATE api_key SET name = 'written out'"))

    stored = await asyncio.to_thread(contents, tmp_path)
    assert b"written out" in stored
    for secret in (made["secret"], caller.secret):
        assert secret.encode() not in stored
        assert secret[11:].encode() not in stored
        assert secret not in caplog.text


def contents(folder: Path) -> bytes:
    """Returns every byte of the database, its log included."""
    return b"".join(path.read_bytes() for path in folder.glob("foretell.db*"))
