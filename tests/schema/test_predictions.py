import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from onnxruntime import InferenceSession
from sqlalchemy import func, select

from db.session import Database
from db.tables.predictions import predictions
from schema.nodes import global_id
from tests.engine.specs import examples
from tests.schema.graph import Caller, Graph, model, opened_graph, prediction, version

START = datetime(2026, 1, 1, tzinfo=UTC)

PREDICT = """mutation ($input: PredictInput!) { predict(input: $input) {
  prediction { id status attempts cached metadata requestId startedAt finishedAt
    model { name } modelVersion { version } apiKey { name }
    input { __typename
      ... on TabularInputData { records }
      ... on TensorInputData { tensors { name base64 } } }
    output { __typename
      ... on TabularOutput { results { value label score probabilities { label probability } } }
      ... on TensorOutput { tensors { name datatype shape data } } }
    error { code message retryable }
    explanation { method baseline records { attributions { feature value featureValue } } }
    usage { records source cost { amount currency } }
    latency { queueMs inferenceMs overheadMs totalMs } }
  errors { __typename code path message retryable requestId ... on InvalidInputError { constraint received } }
} }"""


@pytest.fixture
async def serving(any_database: Database) -> AsyncIterator[Graph]:
    """The application with the embedded models, on SQLite and on PostgreSQL."""
    url = any_database.url.render_as_string(hide_password=False)
    async with opened_graph(any_database, url, embedded_models=True) as graph:
        yield graph


@pytest.fixture
async def embedded(database: Database, sqlite_url: str) -> AsyncIterator[Graph]:
    """The application with the embedded models, on SQLite alone."""
    async with opened_graph(database, sqlite_url, embedded_models=True) as graph:
        yield graph


def record(name: str) -> dict[str, Any]:
    return examples(name)[0]["record"]  # type: ignore[no-any-return]


async def predict(graph: Graph, caller: Caller, name: str, data: Any, **more: Any) -> Any:
    asked = {"model": {"name": name}, "data": data, **more}
    return (await graph.data(caller, PREDICT, input=asked))["predict"]


async def succeed(graph: Graph, caller: Caller, name: str, data: Any, **more: Any) -> Any:
    answer = await predict(graph, caller, name, data, **more)
    assert answer["errors"] == []
    assert answer["prediction"]["status"] == "SUCCEEDED", answer
    return answer["prediction"]


def tabular(*records: Any) -> dict[str, Any]:
    return {"tabular": {"records": list(records)}}


async def stored(graph: Graph) -> int:
    async with graph.database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(predictions))).scalar_one())


async def test_a_classifier_answers_and_its_answer_is_found_again_from_everywhere(serving: Graph) -> None:
    caller = await serving.caller()

    made = await succeed(
        serving, caller, "breast-cancer", tabular(record("breast-cancer")), metadata={"a": [1]}
    )

    (result,) = made["output"]["results"]
    assert result["label"] == examples("breast-cancer")[0]["label"]
    assert result["score"] == max(each["probability"] for each in result["probabilities"])
    assert {each["label"] for each in result["probabilities"]} == {"malignant", "benign"}
    assert made["usage"] == {
        "records": 1,
        "source": "COUNTED",
        "cost": {"amount": "0.000001", "currency": "USD"},
    }
    assert made["latency"]["totalMs"] >= made["latency"]["inferenceMs"] > 0
    assert (made["metadata"], made["attempts"], made["cached"]) == ({"a": [1]}, 1, False)
    fields = "{ nodes { id output { __typename } } totalCount }"
    found = await serving.data(
        caller,
        f"""query ($id: ID!) {{
          node(id: $id) {{ id }} prediction(id: $id) {{ id output {{ __typename }} }}
          predictions {fields}
          model(ref: {{name: "breast-cancer"}}) {{ predictions {fields}
            defaultVersion {{ predictions {fields} }} }} }}""",
        id=made["id"],
    )
    one = {"id": made["id"], "output": {"__typename": "TabularOutput"}}
    listed = {"nodes": [one], "totalCount": 1}
    assert found == {
        "node": {"id": made["id"]},
        "prediction": one,
        "predictions": listed,
        "model": {"predictions": listed, "defaultVersion": {"predictions": listed}},
    }


async def test_what_is_read_again_is_what_was_answered(serving: Graph) -> None:
    caller = await serving.caller()
    asked = tabular(*(example["record"] for example in examples("diabetes")))

    made = await succeed(serving, caller, "diabetes", asked, explain="PERMUTATION")

    selection = PREDICT[PREDICT.index("{ id status") : PREDICT.index("  errors {")]
    again = await serving.data(
        caller, f"query ($id: ID!) {{ prediction(id: $id) {selection} }}", id=made["id"]
    )
    assert again["prediction"] == made
    assert made["input"]["records"] == asked["tabular"]["records"]
    assert len(made["output"]["results"]) == len(examples("diabetes"))


async def test_tensors_are_given_as_json_or_as_bytes(embedded: Graph) -> None:
    caller = await embedded.caller()
    image = examples("digits")[0]["image"]
    flat = [value for row in image for value in row]
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 8, 8]}
    forms: list[dict[str, Any]] = [
        {"json": flat},
        {"json": [image]},
        {"base64": base64.b64encode(struct.pack("<64f", *flat)).decode()},
    ]

    made = [
        await succeed(embedded, caller, "digits", {"tensor": {"tensors": [{**tensor, "values": form}]}})
        for form in forms
    ]

    for each in made:
        (answer,) = each["output"]["tensors"]
        assert (answer["name"], answer["datatype"], answer["shape"]) == ("probabilities", "FP32", [1, 10])
        assert str(max(range(10), key=answer["data"].__getitem__)) == examples("digits")[0]["label"]
    assert made[2]["input"]["tensors"][0]["base64"] == forms[2]["base64"]


async def test_an_explanation_ranks_the_features(embedded: Graph) -> None:
    caller = await embedded.caller()
    asked = tabular(*(example["record"] for example in examples("diabetes")))

    made = await succeed(embedded, caller, "diabetes", asked, explain="OCCLUSION")

    explanation = made["explanation"]
    assert explanation["method"] == "OCCLUSION"
    assert len(explanation["records"]) == len(examples("diabetes"))
    for each, given in zip(explanation["records"], asked["tabular"]["records"], strict=True):
        values = [attribution["value"] for attribution in each["attributions"]]
        assert [abs(value) for value in values] == sorted(map(abs, values), reverse=True)
        assert {a["feature"]: a["featureValue"] for a in each["attributions"]} == given


async def test_every_problem_of_an_input_is_told_and_nothing_is_stored(serving: Graph) -> None:
    caller = await serving.caller()
    bad = {**record("breast-cancer"), "mean_radius": "x", "unknown": 1, "mean_texture": -1}
    del bad["mean_area"]

    answer = await predict(serving, caller, "breast-cancer", tabular(record("breast-cancer"), bad, 5))

    at = ["input", "data", "tabular", "records"]
    assert answer["prediction"] is None
    assert {(tuple(error["path"]), error["constraint"]) for error in answer["errors"]} == {
        ((*at, "1", "mean_radius"), "type"),
        ((*at, "1", "mean_area"), "required"),
        ((*at, "1", "mean_texture"), "minimum"),
        ((*at, "1", "unknown"), "additionalProperties"),
        ((*at, "2"), "type"),
    }
    assert {error["code"] for error in answer["errors"]} == {"INVALID_INPUT"}
    assert {error["__typename"] for error in answer["errors"]} == {"InvalidInputError"}
    assert await stored(serving) == 0


async def test_a_prompt_too_long_for_the_model_is_refused_with_the_number_of_its_tokens(
    embedded: Graph,
) -> None:
    caller = await embedded.caller()

    answer = await predict(embedded, caller, "storyteller", {"text": {"prompt": {"text": "word " * 600}}})

    (error,) = answer["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["input", "data", "text", "prompt", "text"])
    assert (error["constraint"], error["received"] >= 512) == ("maxTokens: 511", True)
    assert await stored(embedded) == 0


REFUSED: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"model": {"name": "none"}}, "NOT_FOUND", ["input", "model", "name"]),
    ({"model": {"name": "\x00"}}, "NOT_FOUND", ["input", "model", "name"]),
    ({"model": {"id": global_id("Model", "0" * 32)}}, "NOT_FOUND", ["input", "model", "id"]),
    ({"model": {"id": global_id("Prediction", "0" * 32)}}, "INVALID_INPUT", ["input", "model", "id"]),
    ({"model": {"id": "garbage"}}, "INVALID_INPUT", ["input", "model", "id"]),
    ({"version": {"version": "9"}}, "NOT_FOUND", ["input", "version", "version"]),
    ({"data": tabular(*[{}] * 1001)}, "PAYLOAD_TOO_LARGE", ["input", "data", "tabular", "records"]),
    ({"data": {"tabular": {"records": {}}}}, "INVALID_INPUT", ["input", "data", "tabular", "records"]),
    ({"data": {"tensor": {"tensors": []}}}, "INVALID_INPUT", ["input", "data", "tensor"]),
    ({"waitMs": -1}, "INVALID_INPUT", ["input", "waitMs"]),
    ({"waitMs": 60001}, "INVALID_INPUT", ["input", "waitMs"]),
    ({"metadata": "m" * 17_000}, "INVALID_INPUT", ["input", "metadata"]),
]


async def test_what_can_not_be_asked_is_refused_by_its_path(embedded: Graph) -> None:
    caller = await embedded.caller()

    for change, code, path in REFUSED:
        asked = {"model": {"name": "diabetes"}, "data": tabular(record("diabetes")), **change}
        answer = (await embedded.data(caller, PREDICT, input=asked))["predict"]

        assert answer["prediction"] is None
        assert [(error["code"], error["path"]) for error in answer["errors"]] == [(code, path)]
    assert await stored(embedded) == 0


async def test_both_times_that_can_not_be_are_told_at_once(embedded: Graph) -> None:
    asked = {
        "model": {"name": "diabetes"},
        "data": tabular(record("diabetes")),
        "waitMs": -1,
        "deadlineMs": -1,
    }

    answer = (await embedded.data(await embedded.caller(), PREDICT, input=asked))["predict"]

    assert [error["path"] for error in answer["errors"]] == [["input", "waitMs"], ["input", "deadlineMs"]]


async def test_who_does_not_wait_gets_a_prediction_that_runs_in_every_field(embedded: Graph) -> None:
    caller = await embedded.caller()

    answer = await predict(
        embedded, caller, "diabetes", tabular(record("diabetes")), waitMs=0, cache="BYPASS"
    )

    made = answer["prediction"]
    assert made["status"] == "RUNNING"
    assert made["startedAt"] is not None
    assert [made[name] for name in ("finishedAt", "output", "error", "usage", "latency")] == [None] * 5
    document = "query ($id: ID!) { prediction(id: $id) { status output { __typename } } }"
    found: Any = answer
    async with asyncio.timeout(10):
        while found["prediction"]["status"] != "SUCCEEDED":
            await asyncio.sleep(0.01)
            found = await embedded.data(caller, document, id=made["id"])
    assert found["prediction"]["output"] == {"__typename": "TabularOutput"}


async def test_a_prediction_carries_the_id_of_its_request(embedded: Graph) -> None:
    caller = await embedded.caller()
    asked = {"model": {"name": "diabetes"}, "data": tabular(record("diabetes"))}

    response = await embedded.client.post(
        "/graphql",
        json={"query": PREDICT, "variables": {"input": asked}},
        headers={"Authorization": f"Bearer {caller.secret}", "X-Request-Id": "my-own-id"},
    )

    assert response.headers["x-request-id"] == "my-own-id"
    assert response.json()["data"]["predict"]["prediction"]["requestId"] == "my-own-id"


async def test_many_at_once_each_get_their_own_answer(serving: Graph) -> None:
    caller = await serving.caller()
    known = examples("breast-cancer")
    asked = [known[turn % len(known)] for turn in range(30)]

    made = await asyncio.gather(
        *(
            succeed(serving, caller, "breast-cancer", tabular(each["record"]), cache="BYPASS")
            for each in asked
        )
    )

    for example, each in zip(asked, made, strict=True):
        (result,) = each["output"]["results"]
        assert (result["label"], result["score"]) == (
            example["label"],
            pytest.approx(example["probability"], abs=1e-3),
        )
    assert await stored(serving) == 30


async def test_predictions_of_the_same_moment_share_calls_of_the_model(
    embedded: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await embedded.caller()
    rows: list[int] = []
    run = InferenceSession.run

    def counted(session: Any, names: Any, feeds: Any, *rest: Any) -> Any:
        rows.append(len(feeds["features"]))
        return run(session, names, feeds, *rest)

    monkeypatch.setattr(InferenceSession, "run", counted)
    means = record("diabetes")
    asked = [{**means, "bmi": means["bmi"] + step / 10} for step in range(40)]

    alone = [
        (await succeed(embedded, caller, "diabetes", tabular(each), cache="BYPASS"))["output"]["results"]
        for each in asked
    ]
    calls_alone = len(rows)
    together = await asyncio.gather(
        *(succeed(embedded, caller, "diabetes", tabular(each), cache="BYPASS") for each in asked)
    )

    assert calls_alone == 40
    assert len(rows) - calls_alone < 20
    assert sum(rows) == 80
    for one, other in zip(alone, together, strict=True):
        assert other["output"]["results"][0]["value"] == pytest.approx(one[0]["value"])


FILTERED = """query ($filter: PredictionFilterInput) {
  predictions(filter: $filter, first: 100) { nodes { id } totalCount } }"""


async def test_predictions_are_filtered(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    colleague = await any_graph.colleague(caller.project_id, ["JOBS_READ"])  # type: ignore[list-item]
    one, other = model("one"), model("other")
    first, second, third = version(one), version(one, 2), version(other)
    await any_graph.add(one, other)
    await any_graph.add(first, second, third)
    rows = {
        "a": prediction(caller, first, at=START),
        "b": prediction(caller, second, at=START + timedelta(seconds=1), status="FAILED"),
        "c": prediction(colleague, third, at=START + timedelta(seconds=2), status="RUNNING", cached=True),
    }
    await any_graph.add(*rows.values())
    names = {global_id("Prediction", row.id): name for name, row in rows.items()}

    async def found(**conditions: Any) -> str:
        page = (await any_graph.data(caller, FILTERED, filter=conditions))["predictions"]
        assert page["totalCount"] == len(page["nodes"])
        return "".join(names[node["id"]] for node in page["nodes"])

    assert await found() == "cba"
    assert await found(status=["FAILED", "RUNNING"]) == "cb"
    assert await found(status=[]) == ""
    assert await found(modelId=[global_id("Model", one.id)]) == "ba"
    assert await found(modelVersionId=[global_id("ModelVersion", row.id) for row in (first, third)]) == "ca"
    assert await found(apiKeyId=[global_id("ApiKey", colleague.key_id)]) == "c"
    assert await found(cached=True) == "c"
    assert await found(cached=False) == "ba"
    assert await found(createdAt={"gte": "2026-01-01T00:00:01.000Z"}) == "cb"
    assert await found(createdAt={"lt": "2026-01-01T00:00:01.000Z"}) == "a"
    assert await found(createdAt={"gte": "2026-01-01T00:00:01Z", "lt": "2026-01-01T00:00:01.001Z"}) == "b"
    assert await found(createdAt={"gte": "1900-01-01T00:00:00Z", "lt": "9999-12-31T23:59:59Z"}) == "cba"
    assert await found(createdAt={}) == "cba"
    assert await found(customId=["\x00"]) == ""
    assert await found(status=["FAILED"], modelId=[global_id("Model", other.id)]) == ""


async def test_a_failed_prediction_says_why(graph: Graph, caller: Caller) -> None:
    its_model = model("failing")
    its_version = version(its_model)
    error = {"code": "MODEL_ERROR", "message": "Down.", "retryable": True, "retryAfterSeconds": 2.5}
    await graph.add(its_model)
    await graph.add(its_version)
    await graph.add(
        prediction(caller, its_version, status="FAILED", error=error, output=None, cost_nanos=None)
    )

    found = await graph.data(
        caller,
        """{ predictions { nodes { status output { __typename } usage { cost { amount } }
             error { code message retryable retryAfterSeconds requestId } } } }""",
    )

    assert found["predictions"]["nodes"] == [
        {
            "status": "FAILED",
            "output": None,
            "usage": {"cost": None},
            "error": {**error, "requestId": "request"},
        }
    ]
