"""GraphQL over HTTP: media types, status codes, shapes, and what an answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import HTMLResponse

from foretell.graphql import TransportOptions
from tests.foretell.graphql_service import NEW, Service
from tests.foretell.http_requests import AS_JSON, PLAIN, RESPONSE, code, post


async def test_a_query_is_answered() -> None:
    response = await post(Service(), {"query": "{ hello }"})

    assert response.status_code == 200
    assert response.json() == {
        "data": {"hello": "hello world"},
        "extensions": {"cost": {"requested": 0, "maximum": 1000}},
    }


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/graphql-response+json", RESPONSE),
        ("application/graphql-response+json, application/json;q=0.9", RESPONSE),
        ("application/json;q=0.9, application/graphql-response+json", RESPONSE),
        ("application/json", PLAIN),
        ("application/json, application/graphql-response+json;q=0.5", PLAIN),
        ("application/json; charset=utf-8", PLAIN),
        ("*/*", PLAIN),
        ("application/*", PLAIN),
        ("application/json;q=0, */*", RESPONSE),
        ("", PLAIN),
        ("image/png, */*;q=0.1", PLAIN),
        # urql lists the event stream last on every query
        ("application/graphql-response+json, application/json, text/event-stream, multipart/mixed", RESPONSE),
    ],
)
async def test_the_answer_has_the_media_type_that_the_client_likes_best(accept: str, media_type: str) -> None:
    response = await post(Service(), {"query": "{ hello }"}, Accept=accept)

    assert response.status_code == 200
    assert response.headers["content-type"] == media_type


@pytest.mark.parametrize(
    "accept", ["text/html", "image/png", "*/*;q=0", "application/json;charset=utf-16", "application/json;q=x"]
)
async def test_a_client_that_accepts_nothing_of_ours_gets_406(accept: str) -> None:
    response = await post(Service(), {"query": "{ hello }"}, Accept=accept)

    assert response.status_code == 406
    assert "data" not in response.json()


@pytest.mark.parametrize(
    ("query", "variables", "status", "error_code"),
    [
        ("{", None, 400, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", None, 422, "GRAPHQL_VALIDATION_FAILED"),
        ("query ($n: [Int!]!) { total(numbers: $n) }", {"n": ["x"]}, 422, "BAD_USER_INPUT"),
        ("query ($n: [Int!]!) { total(numbers: $n) }", {}, 422, "BAD_USER_INPUT"),
        ("query A { hello } query B { hello }", None, 422, "GRAPHQL_VALIDATION_FAILED"),
        ("fragment F on Query { hello }", None, 422, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { count(to: 1) }", None, 422, "BAD_REQUEST"),
    ],
)
@pytest.mark.parametrize("accept", ["application/graphql-response+json", "*/*"])
async def test_a_request_that_can_not_run_has_a_code_and_no_data(
    query: str, variables: Any, status: int, error_code: str, accept: str
) -> None:
    response = await post(Service(), {"query": query, "variables": variables}, Accept=accept)

    assert (response.status_code, code(response)) == (status, error_code)
    assert "data" not in response.json()
    assert response.headers["content-type"] == RESPONSE


@pytest.mark.parametrize("query", ["{", "{ nothing }", "query ($n: [Int!]!) { total(numbers: $n) }"])
async def test_a_legacy_client_reads_the_error_of_a_well_formed_request_from_a_200(query: str) -> None:
    response = await post(Service(), {"query": query}, Accept="application/json")

    assert response.status_code == 200
    assert response.headers["content-type"] == PLAIN
    assert "data" not in response.json()


async def test_an_unknown_operation_name_is_refused() -> None:
    response = await post(Service(), {"query": "query A { hello }", "operationName": "B"}, **NEW)

    assert (response.status_code, code(response)) == (422, "GRAPHQL_VALIDATION_FAILED")


async def test_the_named_operation_of_several_runs() -> None:
    body = {"query": 'query A { hello } query B { hello(name: "B") }', "operationName": "B"}

    response = await post(Service(), body)

    assert response.json()["data"] == {"hello": "hello B"}


@pytest.mark.parametrize(
    "body",
    [
        "text",
        None,
        1,
        [{"query": "{ hello }"}],
        {},
        {"qeury": "{ hello }"},
        {"query": 1},
        {"query": ""},
        {"query": "{ hello }", "variables": []},
        {"query": "{ hello }", "variables": "x"},
        {"query": "{ hello }", "operationName": 1},
        {"query": "{ hello }", "extensions": []},
        {"documentId": 1},
        {"extensions": {"persistedQuery": "x"}},
    ],
)
async def test_parameters_of_a_wrong_shape_are_refused(body: Any) -> None:
    response = await post(Service(), body)

    assert (response.status_code, code(response)) == (422, "BAD_REQUEST")


@pytest.mark.parametrize("content", [b"{", b"", b'{"query": NaN}', b'{"query": "\xff"}', b"[" * 5000])
async def test_a_body_that_is_not_json_is_refused(content: bytes) -> None:
    async with Service().client() as client:
        response = await client.post("/graphql", content=content, headers=AS_JSON)

    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


async def test_a_body_that_is_not_json_is_told_where_it_breaks() -> None:
    async with Service().client() as client:
        response = await client.post("/graphql", content=b'{"query": }', headers=AS_JSON)

    said = response.json()["errors"][0]["message"]
    assert said == "The body is not JSON: unexpected character, expected a JSON value (column 11)."


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json-patch+json"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_another_content_type_is_refused(headers: dict[str, str]) -> None:
    async with Service().client() as client:
        response = await client.post("/graphql", content=b'{"query": "{ hello }"}', headers=headers)

    assert response.status_code == 415


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON ; charset=UTF-8"])
async def test_json_is_accepted_however_it_is_spelt(content_type: str) -> None:
    async with Service().client() as client:
        response = await client.post(
            "/graphql",
            content='{"query": "{ hello(name: \\"é\\") }"}',
            headers={"Content-Type": content_type},
        )

    assert response.json()["data"] == {"hello": "hello é"}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_other_methods_are_refused(method: str) -> None:
    async with Service().client() as client:
        response = await client.request(method, "/graphql")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


async def test_a_query_runs_by_get() -> None:
    parameters = {
        "query": "query Q($name: String!) { hello(name: $name) }",
        "variables": '{"name": "you"}',
        "operationName": "Q",
        "extensions": "",
    }

    async with Service().client() as client:
        response = await client.get("/graphql", params=parameters)

    assert response.json()["data"] == {"hello": "hello you"}


async def test_a_mutation_by_get_is_refused_and_not_run() -> None:
    service = Service()

    async with service.client() as client:
        response = await client.get("/graphql", params={"query": 'mutation { write(name: "x") }'})

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert service.written == []


async def test_variables_in_the_url_must_be_json() -> None:
    async with Service().client() as client:
        response = await client.get("/graphql", params={"query": "{ hello }", "variables": "{"})

    assert response.status_code == 400


async def test_the_answer_to_a_get_is_not_sent_twice() -> None:
    async with Service().client() as client:
        first = await client.get("/graphql", params={"query": "{ hello }"})
        again = await client.get(
            "/graphql", params={"query": "{ hello }"}, headers={"If-None-Match": first.headers["etag"]}
        )

    assert first.headers["cache-control"] == "private, no-cache"
    assert (again.status_code, again.content) == (304, b"")


async def test_other_answers_are_not_kept() -> None:
    response = await post(Service(), {"query": "{ hello }"})

    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("headers", [{"Authorization": ""}, {"Authorization": "Bearer fk_wrong"}])
async def test_nobody_gets_401_before_the_body_is_read(headers: dict[str, str]) -> None:
    service = Service()

    async with service.client(**headers) as client:
        response = await client.post("/graphql", content=b"{", headers=AS_JSON)

    assert (response.status_code, code(response)) == (401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert service.sessions == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("mutation { login }", 200),
        ('mutation { login write(name: "x") }', 401),
        ("mutation { ...F } fragment F on Mutation { login }", 401),
        ("{ hello }", 401),
        ("{", 401),
    ],
)
async def test_only_public_fields_need_no_credential(query: str, status: int) -> None:
    service = Service(options={"public_fields": ["login"]})

    response = await post(service, {"query": query}, Authorization="")

    assert response.status_code == status
    assert service.written == []


async def test_an_unexpected_failure_of_authentication_is_masked() -> None:
    response = await post(Service(), {"query": "{ hello }"}, Authorization="Bearer fk_explosive")

    assert (response.status_code, code(response)) == (500, "INTERNAL")
    assert "secret" not in response.text


@pytest.mark.parametrize("given", ["abc-123", "x" * 128])
async def test_a_sane_request_id_is_kept(given: str) -> None:
    response = await post(Service(), {"query": "{ broken }"}, **{"X-Request-Id": given})

    assert response.headers["x-request-id"] == given
    assert response.json()["errors"][0]["extensions"]["requestId"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb"])
async def test_another_request_id_is_replaced(given: str) -> None:
    response = await post(Service(), {"query": "{ hello }"}, **{"X-Request-Id": given})

    assert response.headers["x-request-id"] not in ("", given)


async def test_a_refused_request_has_a_request_id_too() -> None:
    response = await post(Service(), "text")

    assert response.headers["x-request-id"] == response.json()["errors"][0]["extensions"]["requestId"]


async def test_a_body_over_the_limit_is_refused_unread() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 1024 * 256

    async with Service().client() as client:
        response = await client.post("/graphql", content=endless(), headers=AS_JSON)

    assert response.status_code == 413
    assert sent <= 6


async def test_a_body_that_says_it_is_too_long_is_refused() -> None:
    response = await post(Service(), {"query": "{ hello }", "extensions": {"x": "y" * 1024 * 1024}})

    assert response.status_code == 413


async def test_a_body_that_does_not_come_is_given_up() -> None:

    async def dripping() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    service = Service(options={"options": TransportOptions(body_timeout=0.05)})
    async with service.client() as client:
        response = await client.post("/graphql", content=dripping(), headers=AS_JSON)

    assert response.status_code == 408


@pytest.mark.parametrize("accept", ["application/graphql-response+json", "application/json"])
async def test_a_document_over_64_kib_is_refused(accept: str) -> None:
    response = await post(Service(), {"query": "{ hello }" + " " * 65_536}, Accept=accept)

    assert (response.status_code, code(response)) == (413, "DOCUMENT_LIMIT_EXCEEDED")


async def test_the_length_of_a_document_is_counted_in_bytes() -> None:
    query = '{ hello(name: "' + "é" * 33_000 + '") }'

    response = await post(Service(), {"query": query})

    assert response.status_code == 413


async def test_a_browser_gets_the_page_without_a_credential() -> None:
    service = Service(options={"page": lambda: HTMLResponse("<title>page</title>")})

    async with service.client(Authorization="") as client:
        response = await client.get("/graphql", headers={"Accept": "text/html,*/*;q=0.8"})

    assert response.status_code == 200
    assert "<title>page</title>" in response.text


async def test_a_client_that_prefers_json_does_not_get_the_page() -> None:
    service = Service(options={"page": lambda: HTMLResponse("<title>page</title>")})

    async with service.client() as client:
        response = await client.get(
            "/graphql", params={"query": "{ hello }"}, headers={"Accept": "application/json, text/html"}
        )

    assert response.json()["data"] == {"hello": "hello world"}
