"""Persisted documents: by hash, by id, from manifests, over every transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from foretell.graphql import MemoryDocumentStore, PersistedDocuments, RedisDocumentStore, read_manifest
from foretell.graphql.documents import DocumentStore, ManifestError
from foretell.graphql.documents.memory import OVERHEAD
from tests.foretell.graphql_service import KEY, Service, serving
from tests.services import redis_url

QUERY = "query Hello { hello }"
HASH = sha256(QUERY.encode()).hexdigest()
APQ = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": HASH}}}
DOCUMENT_ID = {"documentId": f"sha256:{HASH}"}
OTHER = "{ hello }"


def trusting(documents: dict[str, str], *, only: bool) -> Service:
    persisted = PersistedDocuments(MemoryDocumentStore(), trusted=documents, trusted_only=only)
    return Service(options={"documents": persisted})


async def post(service: Service, body: dict[str, Any], accept: str = "*/*") -> httpx.Response:
    async with service.client(Accept=accept) as client:
        return await client.post("/graphql", json=body)


def code(response: httpx.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


@pytest.mark.parametrize("asked", [APQ, DOCUMENT_ID, {"documentId": HASH}])
async def test_a_document_is_sent_once_and_then_asked_for_by_its_hash(asked: dict[str, Any]) -> None:
    service = Service()

    missed = await post(service, asked)
    sent = await post(service, {"query": QUERY, **asked})
    found = await post(service, asked)

    assert (missed.status_code, code(missed)) == (404, "PERSISTED_QUERY_NOT_FOUND")
    assert missed.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert sent.json()["data"] == found.json()["data"] == {"hello": "hello world"}


async def test_a_legacy_client_reads_the_miss_from_a_200() -> None:
    response = await post(Service(), APQ, accept="application/json")

    assert (response.status_code, code(response)) == (200, "PERSISTED_QUERY_NOT_FOUND")


async def test_the_hash_must_be_that_of_the_document() -> None:
    service = Service()

    wrong = await post(service, {"query": OTHER, **APQ})

    assert (wrong.status_code, code(wrong)) == (422, "BAD_REQUEST")
    assert (await post(service, APQ)).status_code == 404


@pytest.mark.parametrize(
    "persisted",
    [{"sha256Hash": 1}, {"sha256Hash": "x"}, {"version": 2, "sha256Hash": HASH}, [], {"version": 1}],
)
async def test_a_hash_of_a_wrong_shape_is_refused(persisted: Any) -> None:
    response = await post(Service(), {"extensions": {"persistedQuery": persisted}})

    assert (response.status_code, code(response)) == (422, "BAD_REQUEST")


async def test_a_get_by_hash_is_cacheable() -> None:
    service = Service()
    await post(service, {"query": QUERY, **APQ})

    async with service.client() as client:
        parameters = {"extensions": orjson.dumps(APQ["extensions"]).decode()}
        response = await client.get("/graphql", params=parameters)
        by_id = await client.get("/graphql", params=DOCUMENT_ID)

    assert response.json()["data"] == by_id.json()["data"] == {"hello": "hello world"}
    assert response.headers["etag"] == by_id.headers["etag"]


@pytest.mark.parametrize("asked", [APQ, DOCUMENT_ID])
async def test_documents_are_asked_for_over_websocket_too(asked: dict[str, Any]) -> None:
    async with (
        serving(Service().app) as address,
        connect(f"ws://{address}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]) as ws,
    ):
        await ws.send(orjson.dumps({"type": "connection_init", "payload": {"X-API-Key": KEY}}).decode())
        received = [orjson.loads(await ws.recv())]
        for payload in (asked, {"query": QUERY, **asked}, asked):
            await ws.send(orjson.dumps({"type": "subscribe", "id": "1", "payload": payload}).decode())
            received.append(orjson.loads(await ws.recv()))
            if received[-1]["type"] == "next":
                assert orjson.loads(await ws.recv())["type"] == "complete"

    assert received[1]["payload"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    assert received[2]["payload"]["data"] == received[3]["payload"]["data"] == {"hello": "hello world"}


@pytest.mark.parametrize("body", [{"documentId": "hello"}, DOCUMENT_ID, APQ, {"query": QUERY}])
async def test_a_trusted_document_runs_however_it_is_named(body: dict[str, Any]) -> None:
    service = trusting({"hello": QUERY, HASH: QUERY}, only=True)

    response = await post(service, body)

    assert response.json()["data"] == {"hello": "hello world"}


async def test_no_other_document_runs_when_only_trusted_ones_may() -> None:
    service = trusting({"hello": QUERY, HASH: QUERY}, only=True)

    other = await post(service, {"query": OTHER})
    registered = await post(
        service, {"query": OTHER, "documentId": f"sha256:{sha256(OTHER.encode()).hexdigest()}"}
    )
    unknown = await post(service, {"documentId": "other"})

    assert (other.status_code, code(other)) == (403, "FORBIDDEN")
    assert (registered.status_code, code(registered)) == (403, "FORBIDDEN")
    assert (unknown.status_code, code(unknown)) == (404, "PERSISTED_QUERY_NOT_FOUND")


async def test_trusted_documents_stand_beside_others_otherwise() -> None:
    service = trusting({"hello": QUERY}, only=False)

    assert (await post(service, {"documentId": "hello"})).status_code == 200
    assert (await post(service, {"query": OTHER})).status_code == 200


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("relay", {"5d41402abc4b2a76b9719d911017c592": QUERY}),
        ("graphql-codegen", {"sha256:" + HASH: QUERY}),
        (
            "apollo",
            {
                "format": "apollo-persisted-query-manifest",
                "version": 1,
                "operations": [{"id": HASH, "name": "Hello", "type": "query", "body": QUERY}],
            },
        ),
    ],
)
def test_the_manifests_of_the_clients_are_read(name: str, content: Any, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.json"
    path.write_bytes(orjson.dumps(content))

    documents = read_manifest(path)

    assert documents[HASH] == QUERY
    assert set(documents.values()) == {QUERY}


async def test_an_id_of_a_manifest_with_its_prefix_is_found(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(orjson.dumps({"sha256:" + HASH: QUERY}))

    response = await post(trusting(dict(read_manifest(path)), only=True), DOCUMENT_ID)

    assert response.status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"a": 1}',
        b'{"format": "apollo-persisted-query-manifest", "version": 2, "operations": []}',
    ],
)
def test_a_manifest_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(content)

    with pytest.raises(ManifestError, match=r"manifest\.json"):
        read_manifest(path)


def test_a_manifest_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read_manifest(tmp_path / "manifest.json")


# ──────────── the stores


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[DocumentStore]:
    """Every store that ships, empty."""
    if request.param == "memory":
        made: DocumentStore = MemoryDocumentStore()
    else:
        made = RedisDocumentStore(await redis_url(), prefix=f"test:{uuid4().hex}", ttl_seconds=60)
    yield made
    await made.close()


async def test_a_store_gives_back_what_was_put(store: DocumentStore) -> None:
    await store.put(HASH, QUERY + " # é")
    await store.put("other", OTHER)

    assert await store.get(HASH) == QUERY + " # é"
    assert await store.get("other") == OTHER
    assert await store.get("unknown") is None


async def test_a_store_takes_a_document_twice(store: DocumentStore) -> None:
    for _ in range(2):
        await store.put(HASH, QUERY)

    assert await store.get(HASH) == QUERY


async def test_documents_are_shared_over_redis_and_forgotten_in_the_end() -> None:
    url, prefix = await redis_url(), f"test:{uuid4().hex}"
    one, other = (RedisDocumentStore(url, prefix=prefix, ttl_seconds=1) for _ in range(2))

    await one.put(HASH, QUERY)
    shared = await other.get(HASH)
    await asyncio.sleep(1.2)

    assert shared == QUERY
    assert await other.get(HASH) is None
    await one.close()
    await other.close()


async def test_without_redis_documents_are_sent_again() -> None:
    away = RedisDocumentStore("redis://127.0.0.1:1/0")
    service = Service(options={"documents": PersistedDocuments(away)})

    sent = await post(service, {"query": QUERY, **APQ})
    asked = await post(service, APQ)

    assert sent.json()["data"] == {"hello": "hello world"}
    assert code(asked) == "PERSISTED_QUERY_NOT_FOUND"
    await away.close()


async def test_the_memory_store_forgets_first_what_was_used_longest_ago() -> None:
    store = MemoryDocumentStore(size=2 * (OVERHEAD + 1))
    await store.put("a", "A")
    await store.put("b", "B")
    await store.get("a")

    await store.put("c", "C")

    assert [await store.get(key) for key in "abc"] == ["A", None, "C"]


async def test_the_memory_store_does_not_keep_what_is_larger_than_itself() -> None:
    store = MemoryDocumentStore(size=2 * OVERHEAD)

    await store.put("small", "x")
    await store.put("large", "x" * 2 * OVERHEAD)

    assert [await store.get(key) for key in ("small", "large")] == ["x", None]
