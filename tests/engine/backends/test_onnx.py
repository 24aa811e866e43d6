import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from engine.backends.base import Result, VersionSpec
from engine.backends.onnx import OnnxBackend
from engine.errors import ModelError
from engine.values import ModelTask, PredictionData, TensorDatatype, TensorSpec
from tests.engine import onnx_files
from tests.engine.backends.contract import opened_onnx
from tests.engine.specs import embedded_spec, examples, fp32, regression_spec, tabular, tensor_spec, tensors


@dataclass
class Calls:
    """What ONNX Runtime was asked: the rows of each call, and the threads that asked."""

    rows: list[int] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Watches the library, not our code: each call goes on to ONNX Runtime."""
    seen = Calls()
    run = ort.InferenceSession.run

    def watched(session: Any, names: Any, feeds: Any, *rest: Any) -> Any:
        seen.rows.append(max(array.shape[0] for array in feeds.values()))
        seen.threads.add(threading.current_thread().name)
        return run(session, names, feeds, *rest)

    monkeypatch.setattr(ort.InferenceSession, "run", watched)
    return seen


async def answer_of(backend: OnnxBackend, data: PredictionData) -> Result:
    (event,) = [event async for event in backend.predict(data)]
    assert isinstance(event, Result)
    return event


async def value_of(backend: OnnxBackend, data: PredictionData) -> float:
    (result,) = (await answer_of(backend, data)).output["results"]
    return result["value"]  # type: ignore[no-any-return]


async def load(spec: VersionSpec) -> None:
    with ThreadPoolExecutor(1) as executor:
        await OnnxBackend(spec, executor).load()


async def test_loading_tells_the_inputs_and_outputs_of_the_file() -> None:
    with ThreadPoolExecutor(1) as executor:
        metadata = await OnnxBackend(embedded_spec("digits"), executor).load()

    assert metadata.inputs == (TensorSpec("image", TensorDatatype.FP32, (-1, 8, 8)),)
    assert metadata.outputs == (TensorSpec("probabilities", TensorDatatype.FP32, (-1, 10)),)


async def test_the_recorded_examples_get_their_recorded_answers() -> None:
    known = examples("breast-cancer")

    async with opened_onnx(embedded_spec("breast-cancer")) as backend:
        answer = await answer_of(backend, tabular(*(example["record"] for example in known)))

    results = answer.output["results"]
    assert [result["label"] for result in results] == [example["label"] for example in known]
    assert [result["score"] for result in results] == pytest.approx(
        [example["probability"] for example in known], abs=1e-3
    )
    assert all(sum(p["probability"] for p in r["probabilities"]) == pytest.approx(1) for r in results)
    assert answer.usage.records == len(known)


async def test_the_order_of_a_records_members_does_not_matter(tmp_path: Path) -> None:
    path = onnx_files.linear(tmp_path / "linear.onnx", [1, 10, 100])

    async with opened_onnx(regression_spec(path, ["a", "b", "c"])) as backend:
        value = await value_of(backend, tabular({"c": 3, "a": 1, "b": 2}))

    assert value == 321


async def test_fifty_concurrent_predictions_are_one_call_and_each_gets_its_own_answer(
    tmp_path: Path, calls: Calls
) -> None:
    path = onnx_files.linear(tmp_path / "linear.onnx", [2], bias=1)

    async with opened_onnx(regression_spec(path, ["x"])) as backend:
        values = await asyncio.gather(*(value_of(backend, tabular({"x": x})) for x in range(50)))

    assert values == [2 * x + 1 for x in range(50)]
    assert calls.rows == [50]


async def test_batches_hold_at_most_the_versions_rows_and_larger_inputs_run_alone(
    tmp_path: Path, calls: Calls
) -> None:
    path = onnx_files.linear(tmp_path / "linear.onnx", [2])
    spec = replace(regression_spec(path, ["x"]), max_batch_size=4)
    sizes = [1, 3, 9, 2, 2]

    async with opened_onnx(spec) as backend:
        answers = await asyncio.gather(*(answer_of(backend, tabular(*[{"x": n}] * n)) for n in sizes))

    assert [len(answer.output["results"]) for answer in answers] == sizes
    assert all(r["value"] == 2 * n for n, a in zip(sizes, answers, strict=True) for r in a.output["results"])
    assert calls.rows == [4, 9, 4]


async def test_a_record_the_runtime_refuses_fails_alone(tmp_path: Path, calls: Calls) -> None:
    path = onnx_files.lookup(tmp_path / "lookup.onnx", [10, 20, 30])
    places = [0, 1, 7, 2]

    async with opened_onnx(regression_spec(path, ["place"])) as backend:
        values = await asyncio.gather(
            *(value_of(backend, tabular({"place": place})) for place in places), return_exceptions=True
        )

    assert values[:2] == [10, 20]
    assert isinstance(values[2], ModelError)
    assert values[3] == 30
    assert calls.rows == [4, 1, 1, 1, 1]


async def test_an_answer_that_is_no_number_fails_alone(tmp_path: Path, calls: Calls) -> None:
    path = onnx_files.lookup(tmp_path / "lookup.onnx", [10, float("nan"), 30])

    async with opened_onnx(regression_spec(path, ["place"])) as backend:
        values = await asyncio.gather(
            *(value_of(backend, tabular({"place": place})) for place in range(3)), return_exceptions=True
        )

    assert [values[0], values[2]] == [10, 30]
    assert isinstance(values[1], ModelError)
    assert calls.rows == [3]


async def test_inference_and_loading_never_run_on_the_event_loops_thread(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening: list[str] = []
    session = ort.InferenceSession

    def watched(*args: Any, **kwargs: Any) -> Any:
        opening.append(threading.current_thread().name)
        return session(*args, **kwargs)

    monkeypatch.setattr(ort, "InferenceSession", watched)
    asked = [tabular(example["record"]) for example in examples("diabetes")]

    async with opened_onnx(embedded_spec("diabetes")) as backend:
        await asyncio.gather(*(answer_of(backend, data) for data in asked))

    assert [name.rpartition("_")[0] for name in opening] == ["inference"]
    assert {name.rpartition("_")[0] for name in calls.threads} == {"inference"}


async def test_no_records_are_answered_without_asking_the_model(calls: Calls) -> None:
    async with opened_onnx(embedded_spec("diabetes")) as backend:
        answer = await answer_of(backend, tabular())

    assert answer.output == {"results": []}
    assert answer.usage.records == 0
    assert calls.rows == []


async def test_tensors_come_back_with_name_type_and_shape(tmp_path: Path) -> None:
    path = onnx_files.doubled(tmp_path / "doubled.onnx", "batch", 2)

    async with opened_onnx(tensor_spec(path)) as backend:
        answer = await answer_of(backend, tensors(once=[[1, 2], [3, 4], [5, 6]]))

    assert answer.output["tensors"] == [
        {"name": "twice", "datatype": "FP32", "shape": [3, 2], "data": [2, 4, 6, 8, 10, 12]}
    ]
    assert answer.usage.records == 3


async def test_a_model_with_a_fixed_first_dimension_is_never_batched(tmp_path: Path, calls: Calls) -> None:
    path = onnx_files.doubled(tmp_path / "doubled.onnx", 1, 2)

    async with opened_onnx(tensor_spec(path)) as backend:
        answers = await asyncio.gather(
            *(answer_of(backend, tensors(once=[[turn, turn]])) for turn in range(5))
        )

    assert [answer.output["tensors"][0]["data"] for answer in answers] == [[2 * t, 2 * t] for t in range(5)]
    assert calls.rows == [1] * 5


async def test_inputs_of_other_inner_shapes_do_not_spoil_each_other(tmp_path: Path) -> None:
    path = onnx_files.doubled(tmp_path / "doubled.onnx", "batch", "width")

    async with opened_onnx(tensor_spec(path)) as backend:
        answers = await asyncio.gather(
            *(answer_of(backend, tensors(once=[[1.0] * width])) for width in (1, 2, 3))
        )

    assert [answer.output["tensors"][0]["shape"] for answer in answers] == [[1, 1], [1, 2], [1, 3]]


async def test_tensors_with_other_numbers_of_rows_than_each_other_are_never_batched(tmp_path: Path) -> None:
    path = onnx_files.addition(tmp_path / "addition.onnx")
    asked = [tensors(a=[1, 2, 3], b=[10]), tensors(a=[100], b=[1000, 2000, 3000])]

    async with opened_onnx(tensor_spec(path)) as backend:
        answers = await asyncio.gather(*(answer_of(backend, data) for data in asked))

    assert [answer.output["tensors"][0]["data"] for answer in answers] == [[11, 12, 13], [1100, 2100, 3100]]


async def test_an_output_that_has_not_one_row_for_each_of_the_batch_is_not_cut_up(tmp_path: Path) -> None:
    path = onnx_files.column_sums(tmp_path / "sums.onnx")

    async with opened_onnx(tensor_spec(path)) as backend:
        answers = await asyncio.gather(
            *(answer_of(backend, tensors(rows=[[row, 10 * row]])) for row in (1, 2))
        )

    assert [answer.output["tensors"][0]["data"] for answer in answers] == [[1, 10], [2, 20]]


async def test_a_tabular_model_that_does_not_answer_each_record_fails(tmp_path: Path) -> None:
    path = onnx_files.column_sums(tmp_path / "sums.onnx")

    async with opened_onnx(regression_spec(path, ["x"])) as backend:
        with pytest.raises(ModelError, match="answered"):
            await answer_of(backend, tabular({"x": 1}, {"x": 2}))


async def test_a_file_that_is_missing_can_not_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        await load(tensor_spec(tmp_path / "missing.onnx"))


async def test_a_file_that_is_no_model_can_not_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a protocol buffer")

    with pytest.raises(ModelError, match="can not load"):
        await load(tensor_spec(path))


async def test_a_file_that_was_changed_can_not_be_loaded(tmp_path: Path) -> None:
    path = onnx_files.doubled(tmp_path / "doubled.onnx", "batch")
    registered = hashlib.sha256(path.read_bytes()).hexdigest()
    onnx_files.doubled(path, "batch", 2)

    with pytest.raises(ModelError, match="sha256 differs"):
        await load(tensor_spec(path, sha256=registered))


async def test_a_file_with_the_registered_checksum_is_loaded(tmp_path: Path) -> None:
    path = onnx_files.doubled(tmp_path / "doubled.onnx", "batch")

    await load(tensor_spec(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest()))


async def test_a_tabular_model_takes_as_many_columns_as_its_schema_has_properties(tmp_path: Path) -> None:
    path = onnx_files.linear(tmp_path / "linear.onnx", [1, 2, 3])

    with pytest.raises(ModelError, match=r"\[-1, 2\]"):
        await load(regression_spec(path, ["a", "b"]))


async def test_a_tabular_model_needs_a_schema_and_a_classifier_labels(tmp_path: Path) -> None:
    path = onnx_files.linear(tmp_path / "linear.onnx", [1])
    spec = regression_spec(path, ["x"])

    with pytest.raises(ModelError, match="inputSchema"):
        await load(replace(spec, input_schema=None))
    with pytest.raises(ModelError, match="labels"):
        await load(replace(spec, task=ModelTask.TABULAR_CLASSIFICATION))


async def test_values_that_are_nan_reach_the_model_as_they_are(tmp_path: Path) -> None:
    path = onnx_files.doubled(tmp_path / "doubled.onnx", "batch")
    given = {"name": "once", "datatype": "FP32", "shape": [1], "base64": "AADAfw=="}

    async with opened_onnx(tensor_spec(path)) as backend:
        answer = await answer_of(backend, PredictionData("tensor", {"tensors": [given]}))

    assert answer.output["tensors"] == [
        {**fp32("twice", [0]), "data": [None]}  # JSON has no NaN
    ]
