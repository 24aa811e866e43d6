"""Who changed what, as admins of a project ask for it."""

from __future__ import annotations

from typing import Any

from engine.audit import Action
from engine.values import Scope
from schema.nodes import global_id
from tests.foretell.commands import ROOT
from tests.schema.graph import Caller, Graph

EVENTS = """query ($filter: AuditFilterInput) { auditEvents(first: 50, filter: $filter) {
  totalCount nodes { id action actor subject subjectId details requestId apiKey { name } } } }"""
CREATE = """mutation { createApiKey(input: {name: "robot", scopes: [MODELS_READ]}) { apiKey { id } } }"""
ROTATE = "mutation ($id: ID!) { rotateApiKey(input: {id: $id}) { secret errors { code } } }"
REVOKE = "mutation ($id: ID!) { revokeApiKey(input: {id: $id}) { errors { code } } }"


async def life_of_a_key(graph: Graph, caller: Caller) -> str:
    """Makes a key, rotates it, and revokes it twice; returns its id."""
    key_id: str = (await graph.data(caller, CREATE))["createApiKey"]["apiKey"]["id"]
    await graph.data(caller, ROTATE, id=key_id)
    await graph.data(caller, REVOKE, id=key_id)
    await graph.data(caller, REVOKE, id=key_id)
    return key_id


async def events(graph: Graph, caller: Caller, **filter: Any) -> list[Any]:
    nodes: list[Any] = (await graph.data(caller, EVENTS, filter=filter))["auditEvents"]["nodes"]
    return nodes


async def test_what_becomes_of_a_key_is_told_newest_first_with_who_did_it(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    key_id = await life_of_a_key(any_graph, caller)

    found = await events(any_graph, caller, subjectId=[key_id])

    actions = [event["action"] for event in found]
    assert actions == ["api_key.revoked", "api_key.rotated", "api_key.created"]
    for event in found:
        assert (event["actor"], event["apiKey"]["name"]) == ("key key", "key")
        assert event["subject"].endswith(" robot")
        assert event["details"]["scopes"] == ["MODELS_READ"]
        assert len(event["requestId"]) == 32


async def test_what_the_operator_does_is_told_too(graph: Graph, caller: Caller) -> None:
    found = await events(graph, caller)

    assert [(event["action"], event["actor"], event["apiKey"]) for event in found] == [
        ("api_key.created", "operator", None),
        ("project.created", "operator", None),
    ]


async def test_changes_are_narrowed_by_what_who_and_when(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    await life_of_a_key(any_graph, caller)
    colleague = await any_graph.colleague(caller.project_id)
    mine = global_id("ApiKey", caller.key_id)
    never = {"gte": "2020-01-01T00:00:00.000Z", "lt": "2021-01-01T00:00:00.000Z"}

    by_action = await events(any_graph, caller, action=["api_key.rotated", "nul\0"])
    by_me = await events(any_graph, colleague, apiKeyId=[mine])
    by_colleague = await events(any_graph, caller, apiKeyId=[global_id("ApiKey", colleague.key_id)])
    long_ago = await events(any_graph, caller, createdAt=never)

    assert [event["action"] for event in by_action] == ["api_key.rotated"]
    assert len(by_me) == 3
    assert (by_colleague, long_ago) == ([], [])


async def test_only_admins_of_the_project_see_its_changes(graph: Graph, caller: Caller) -> None:
    await life_of_a_key(graph, caller)
    stranger = await graph.caller("strangers")
    reader = await graph.colleague(caller.project_id, [s for s in Scope if s != Scope.KEYS_ADMIN])
    (newest, *_) = await events(graph, caller)

    seen = await events(graph, stranger)
    node = await graph.data(stranger, "query ($id: ID!) { node(id: $id) { id } }", id=newest["id"])

    assert [event["action"] for event in seen] == ["api_key.created", "project.created"]
    assert node == {"node": None}
    assert await graph.codes(reader, EVENTS) == ["FORBIDDEN"]


async def test_a_refused_change_leaves_no_note(graph: Graph, caller: Caller) -> None:
    stranger = await graph.caller("strangers")
    before = len(await events(graph, caller))

    await graph.data(caller, REVOKE, id=global_id("ApiKey", stranger.key_id))
    await graph.data(caller, ROTATE, id=global_id("ApiKey", stranger.key_id))

    assert len(await events(graph, caller)) == before
    assert len(await events(graph, stranger)) == 2


async def test_a_new_secret_for_webhooks_is_noted_without_it(graph: Graph, caller: Caller) -> None:
    made = await graph.data(caller, "mutation { rotateWebhookSecret { secret } }")

    (event,) = await events(graph, caller, action=["webhook_secret.rotated"])

    assert (event["actor"], event["subject"], event["details"]) == ("key key", "webhooks", {})
    assert made["rotateWebhookSecret"]["secret"] not in str(event)


def test_every_action_is_documented() -> None:
    documented = (ROOT / "docs" / "access.md").read_text()

    assert [action for action in Action if f"`{action}`" not in documented] == []
