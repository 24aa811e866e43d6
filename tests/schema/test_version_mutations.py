"""How versions of a project's own models come into service and out of it, and what they may name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db.session import Database
from tests.schema.graph import Graph, opened_graph
from tests.schema.registering import (
    KEY,
    create,
    ended_loading,
    openai,
    predict,
    priced,
    refused,
    register,
    run,
    version_at,
)
from tests.servers.open_inference import OpenInferenceServer


async def test_a_version_loads_answers_and_is_retired(open_graph: Graph, server: str) -> None:
    graph, caller = open_graph, await open_graph.caller()
    await register(graph, caller)

    made = await create(graph, caller, openai(server, apiKeyEnv=KEY), price=priced("0.5"))
    ready = await ended_loading(graph, caller, made["id"])
    answered = await predict(graph, caller)
    retired = await run(graph, caller, "retireModelVersion", id=made["id"])
    afterwards = await predict(graph, caller)

    assert made["status"] in ("PENDING", "LOADING", "READY")
    assert (ready["status"], ready["backend"], ready["price"]) == (
        "READY",
        "OPENAI",
        {"perPrediction": "0.5"},
    )
    assert answered["prediction"]["status"] == "SUCCEEDED"
    assert answered["prediction"]["usage"]["cost"] == {"amount": "0.5"}
    assert retired["modelVersion"]["status"] == "RETIRED"
    assert retired["modelVersion"]["retiredAt"] is not None
    assert afterwards["errors"] == [{"code": "MODEL_NOT_READY", "retryable": False}]


async def test_a_server_that_is_not_there_leaves_the_version_loading_and_its_callers_to_try_again(
    any_database: Database, tmp_path: Path
) -> None:
    url = any_database.url.render_as_string(hide_password=False)
    nowhere = "http://127.0.0.1:9/v1"
    settings = {"model_servers": [nowhere], "data_directory": tmp_path}
    async with opened_graph(any_database, url, **settings) as graph:
        caller = await graph.caller()
        await register(graph, caller)

        made = await create(graph, caller, openai(nowhere))
        found = await ended_loading(graph, caller, made["id"])
        answered = await predict(graph, caller)

    assert (found["status"], answered["errors"]) == (
        "LOADING",
        [{"code": "MODEL_NOT_READY", "retryable": True}],
    )
    assert found["statusReason"]


async def test_a_new_version_is_the_default_one_once_it_is_ready_and_only_if_it_is_to_be(
    open_graph: Graph, server: str
) -> None:
    graph, caller = open_graph, await open_graph.caller()
    await register(graph, caller)

    first = await create(graph, caller, openai(server))
    await ended_loading(graph, caller, first["id"])
    second = await create(graph, caller, openai(server), "2", makeDefault=False)
    await ended_loading(graph, caller, second["id"])
    before = await predict(graph, caller)
    choice = {"model": {"name": "mine"}, "defaultVersion": {"version": "2"}}
    changed = await run(graph, caller, "updateModel", **choice)
    after = await predict(graph, caller)
    await run(graph, caller, "retireModelVersion", id=second["id"])
    fallen_back = await predict(graph, caller)
    error = await refused(graph, caller, "updateModel", **choice)

    served = [each["prediction"]["modelVersion"]["version"] for each in (before, after, fallen_back)]
    assert served == ["1", "2", "1"]
    assert changed["model"]["defaultVersion"] == {"version": "2"}
    assert (error["code"], error["path"]) == ("CONFLICT", ["input", "defaultVersion"])


async def test_a_repeated_request_makes_one_version(open_graph: Graph, server: str) -> None:
    graph, caller = open_graph, await open_graph.caller()
    await register(graph, caller)
    told = {"model": {"name": "mine"}, "version": "1", "backend": openai(server), "idempotencyKey": "once"}

    first = await run(graph, caller, "createModelVersion", **told)
    again = await run(graph, caller, "createModelVersion", **told)
    other = await refused(graph, caller, "createModelVersion", **told | {"version": "2"})
    taken = await refused(graph, caller, "createModelVersion", **told | {"idempotencyKey": "other"})

    assert (first["replayed"], again["replayed"]) == (False, True)
    assert first["modelVersion"]["id"] == again["modelVersion"]["id"]
    assert other["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (taken["code"], taken["path"]) == ("CONFLICT", ["input", "version"])


async def test_a_project_has_no_more_versions_in_service_than_it_may(open_graph: Graph, server: str) -> None:
    graph, caller = open_graph, await open_graph.caller()
    await register(graph, caller)
    made = [await create(graph, caller, openai(server), str(number)) for number in (1, 2)]
    third = {"model": {"name": "mine"}, "version": "3", "backend": openai(server)}

    error = await refused(graph, caller, "createModelVersion", **third)
    await run(graph, caller, "retireModelVersion", id=made[0]["id"])
    accepted = await run(graph, caller, "createModelVersion", **third)

    assert (error["code"], accepted["errors"]) == ("CONFLICT", [])


@pytest.mark.parametrize(
    ("backend", "path"),
    [
        (openai("http://169.254.169.254/latest"), "baseUrl"),
        (openai("http://127.0.0.1:1/v1"), "baseUrl"),
        (openai("{server}/../secret"), "baseUrl"),
        (openai("{server}/%2e%2e/secret"), "baseUrl"),
        (openai("{server}x"), "baseUrl"),
        (openai("{server}", apiKeyEnv="PATH"), "apiKeyEnv"),
        (openai("{server}", apiKeyEnv="FORETELL_SECRET"), "apiKeyEnv"),
        (openai("{server}", apiKeyEnv="sk-live"), "apiKeyEnv"),
        (openai("{server}", model=""), "model"),
        (openai("{server}", timeoutMs=0), "timeouts.total"),
    ],
)
async def test_a_project_names_only_servers_and_keys_that_the_operator_allows(
    open_graph: Graph, server: str, backend: Any, path: str
) -> None:
    graph, caller = open_graph, await open_graph.caller()
    await register(graph, caller)
    told = backend["openai"] | {"baseUrl": backend["openai"]["baseUrl"].replace("{server}", server)}

    error = await refused(
        graph,
        caller,
        "createModelVersion",
        model={"name": "mine"},
        version="1",
        backend={"openai": told},
    )

    assert error["code"] == "INVALID_INPUT"
    assert error["path"] == ["input", "backend", "openai", *path.split(".")]
    assert KEY not in error["message"]
    assert server not in error["message"]


async def test_a_server_that_is_not_allowed_any_more_is_not_called_any_more(
    any_database: Database, server: str, tmp_path: Path
) -> None:
    url = any_database.url.render_as_string(hide_password=False)
    settings = {"model_servers": [server], "data_directory": tmp_path}
    async with opened_graph(any_database, url, **settings) as graph:
        caller = await graph.caller()
        await register(graph, caller)
        made = await create(graph, caller, openai(server))
        assert (await ended_loading(graph, caller, made["id"]))["status"] == "READY"

    async with opened_graph(any_database, url, data_directory=tmp_path) as graph:
        found = await version_at(graph, caller, made["id"])
        answered = await predict(graph, caller)

    assert "FORETELL_MODEL_SERVERS" in found["statusReason"]
    assert answered["errors"] == [{"code": "MODEL_NOT_READY", "retryable": False}]


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ({"inputSchema": {"$ref": "http://127.0.0.1:1/schema"}}, "inputSchema"),
        ({"inputSchema": {"allOf": [{"$ref": "#"}]}}, "inputSchema"),
        ({"inputSchema": {"type": "nothing"}}, "inputSchema"),
        ({"inputSchema": {"description": "x" * 70_000}}, "inputSchema"),
        ({"inputSchema": "/etc/passwd"}, "inputSchema"),
        ({"baseline": "/etc/passwd"}, "baseline"),
        ({"version": "../1"}, "version"),
        ({"version": "x" * 65}, "version"),
        ({"maxTokens": 0}, "maxTokens"),
        ({"price": {"perPrediction": "-1"}}, "price.perPrediction"),
        ({"price": {"currency": "dollars"}}, "price.currency"),
        ({"price": {"validFrom": "2020-01-01T00:00:00.000Z"}}, "price.validFrom"),
    ],
)
async def test_what_is_wrong_with_a_version_is_told_at_its_place(
    open_graph: Graph, server: str, told: Any, path: str
) -> None:
    graph, caller = open_graph, await open_graph.caller()
    await register(graph, caller)
    given = {"model": {"name": "mine"}, "version": "1", "backend": openai(server), **told}

    error = await refused(graph, caller, "createModelVersion", **given)

    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["input", *path.split(".")])


async def test_a_backend_is_for_certain_tasks_only(open_graph: Graph, server: str) -> None:
    graph, caller = open_graph, await open_graph.caller()
    await register(graph, caller, task="TENSOR")

    error = await refused(
        graph, caller, "createModelVersion", model={"name": "mine"}, version="1", backend=openai(server)
    )

    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["input", "backend", "openai"])


async def test_a_price_holds_from_its_time_on_and_changes_no_history(open_graph: Graph, server: str) -> None:
    graph, caller = open_graph, await open_graph.caller()
    await register(graph, caller)
    made = await create(graph, caller, openai(server), price=priced("1"))
    await ended_loading(graph, caller, made["id"])
    later = datetime.now(UTC) + timedelta(days=30)
    before = await predict(graph, caller)

    await run(graph, caller, "setModelVersionPrice", id=made["id"], price=priced("2"))
    after = await predict(graph, caller)
    for amount in ("3", "4"):
        price = {"perPrediction": amount, "validFrom": later.isoformat(timespec="milliseconds")}
        dated = await run(graph, caller, "setModelVersionPrice", id=made["id"], price=price)
    past = {"perPrediction": "0", "validFrom": "2026-01-01T00:00:00.000Z"}
    error = await refused(graph, caller, "setModelVersionPrice", id=made["id"], price=past)
    again = await graph.data(
        caller,
        "query ($id: ID!) { node(id: $id) { ... on Prediction { usage { cost { amount } } } } }",
        id=before["prediction"]["id"],
    )

    costs = [each["prediction"]["usage"]["cost"]["amount"] for each in (before, after)]
    assert costs == ["1", "2"]
    assert again["node"]["usage"]["cost"]["amount"] == "1"
    assert dated["modelVersion"]["price"] == {"perPrediction": "2"}
    assert [each["perPrediction"] for each in dated["modelVersion"]["prices"]] == ["1", "2", "4"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["input", "price", "validFrom"])


@pytest.mark.parametrize("protocol", ["HTTP", "GRPC"])
async def test_a_version_behind_an_inference_server_is_served_with_the_tensors_that_it_tells(
    database: Database, sqlite_url: str, tmp_path: Path, protocol: str
) -> None:
    async with OpenInferenceServer().serving() as server:
        url = server.grpc_url if protocol == "GRPC" else server.url
        backend = {"openInference": {"url": url, "model": "double", "protocol": protocol, "timeoutMs": 5000}}
        settings = {"model_servers": [url], "data_directory": tmp_path}
        async with opened_graph(database, sqlite_url, **settings) as graph:
            caller = await graph.caller()
            await register(graph, caller, task="TENSOR")
            made = await create(graph, caller, backend)
            ready = await ended_loading(graph, caller, made["id"])
            tensor = {"name": "once", "datatype": "FP32", "shape": [1, 2], "values": {"json": [1, 2]}}
            data = {"tensor": {"tensors": [tensor]}}
            answered = await predict(graph, caller, data=data)
            error = await refused(
                graph,
                caller,
                "createModelVersion",
                model={"name": "mine"},
                version="2",
                backend={"openInference": {"url": "http://127.0.0.1:9", "model": "double"}},
            )

    assert (ready["status"], ready["backend"]) == ("READY", "OPEN_INFERENCE")
    assert ready["inputs"] == [{"name": "once", "datatype": "FP32", "shape": [-1, 2]}]
    assert ready["outputs"] == [{"name": "twice"}]
    assert answered["prediction"]["status"] == "SUCCEEDED"
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["input", "backend", "openInference", "url"])
