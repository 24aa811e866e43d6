from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.backends.base import VersionSpec, drain
from engine.backends.onnx import OnnxBackend
from engine.errors import InvalidInputError
from engine.explanations import PERMUTATIONS, check_explainable, explain
from engine.values import ExplanationMethod, PredictionData
from tests.engine import onnx_files
from tests.engine.backends.contract import opened_onnx
from tests.engine.specs import Record, embedded_spec, examples, regression_spec, tabular

WEIGHTS = {"small": 1.0, "large": -10.0, "none": 0.0, "middle": 3.0}
MEANS = {"small": 1.0, "large": 2.0, "none": 3.0, "middle": 4.0}

both_methods = pytest.mark.parametrize("method", ExplanationMethod)


@pytest.fixture
async def linear(tmp_path: Path) -> AsyncIterator[OnnxBackend]:
    """A model whose attributions are known: weight * (value - mean), by either method."""
    path = onnx_files.linear(tmp_path / "linear.onnx", list(WEIGHTS.values()), bias=100)
    async with opened_onnx(regression_spec(path, list(WEIGHTS), baseline=MEANS)) as backend:
        yield backend


async def explained(
    backend: OnnxBackend, spec: VersionSpec, method: ExplanationMethod, *records: Record
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Returns the answers for some records, and their explanation."""
    results = (await drain(backend.predict(tabular(*records)))).output["results"]
    return results, await explain(method, backend, spec, list(records), results)


def linear_spec() -> VersionSpec:
    return regression_spec(Path("linear.onnx"), list(WEIGHTS), baseline=MEANS)


@both_methods
async def test_a_linear_model_is_explained_exactly(linear: OnnxBackend, method: ExplanationMethod) -> None:
    record = {"small": 3, "large": 2.5, "none": 99, "middle": -1}

    _, explanation = await explained(linear, linear_spec(), method, record)

    (found,) = explanation["records"]
    assert {each["feature"]: each["value"] for each in found["attributions"]} == pytest.approx(
        {name: WEIGHTS[name] * (record[name] - MEANS[name]) for name in WEIGHTS}, abs=1e-4
    )
    assert [each["feature"] for each in found["attributions"]] == ["middle", "large", "small", "none"]
    assert {each["feature"]: each["featureValue"] for each in found["attributions"]} == record
    assert explanation["baseline"] == pytest.approx(100 + sum(WEIGHTS[n] * MEANS[n] for n in WEIGHTS))
    assert explanation["method"] == method


@both_methods
async def test_every_record_gets_its_own_explanation(linear: OnnxBackend, method: ExplanationMethod) -> None:
    records = [{**MEANS, name: MEANS[name] + 1} for name in WEIGHTS]

    _, explanation = await explained(linear, linear_spec(), method, *records)

    for name, found in zip(WEIGHTS, explanation["records"], strict=True):
        values = {each["feature"]: each["value"] for each in found["attributions"]}
        assert values == pytest.approx({**dict.fromkeys(WEIGHTS, 0), name: WEIGHTS[name]}, abs=1e-4)


@both_methods
async def test_the_mean_record_owes_nothing_to_any_feature(
    linear: OnnxBackend, method: ExplanationMethod
) -> None:
    _, explanation = await explained(linear, linear_spec(), method, MEANS)

    assert [each["value"] for each in explanation["records"][0]["attributions"]] == [0, 0, 0, 0]


@pytest.mark.parametrize("name", ["breast-cancer", "diabetes"])
async def test_permutation_attributions_sum_to_the_answer_minus_the_baseline(name: str) -> None:
    spec = embedded_spec(name)

    async with opened_onnx(spec) as backend:
        for example in examples(name):
            (result,), explanation = await explained(
                backend, spec, ExplanationMethod.PERMUTATION, example["record"]
            )

            total = sum(each["value"] for each in explanation["records"][0]["attributions"])
            answer = result.get("value", result.get("score"))
            assert total == pytest.approx(answer - explanation["baseline"], abs=1e-3)


@both_methods
@pytest.mark.parametrize(
    ("name", "dominant"),
    [
        ("breast-cancer", {"worst_perimeter", "worst_area", "worst_concave_points", "mean_concave_points"}),
        ("diabetes", {"bmi", "s5"}),
    ],
)
async def test_a_known_dominant_feature_ranks_first(
    method: ExplanationMethod, name: str, dominant: set[str]
) -> None:
    spec = embedded_spec(name)
    records = [example["record"] for example in examples(name)]

    async with opened_onnx(spec) as backend:
        _, explanation = await explained(backend, spec, method, *records)

    moved = {
        feature: sum(
            abs(each["value"])
            for found in explanation["records"]
            for each in found["attributions"]
            if each["feature"] == feature
        )
        for feature in spec.config["baseline"]
    }
    assert max(moved, key=moved.__getitem__) in dominant


@both_methods
async def test_the_largest_attribution_comes_first_in_either_sign(method: ExplanationMethod) -> None:
    spec = embedded_spec("diabetes")

    async with opened_onnx(spec) as backend:
        _, explanation = await explained(backend, spec, method, examples("diabetes")[0]["record"])

    sizes = [abs(each["value"]) for each in explanation["records"][0]["attributions"]]
    assert sizes == sorted(sizes, reverse=True)
    assert any(each["value"] < 0 for each in explanation["records"][0]["attributions"])


async def test_the_same_records_get_the_same_explanation() -> None:
    spec = embedded_spec("breast-cancer")
    record = examples("breast-cancer")[0]["record"]

    async with opened_onnx(spec) as backend:
        _, one = await explained(backend, spec, ExplanationMethod.PERMUTATION, record)
        _, other = await explained(backend, spec, ExplanationMethod.PERMUTATION, record)

    assert one == other


async def test_an_explanation_asks_in_large_calls(linear: OnnxBackend) -> None:
    asked: list[int] = []

    class Counting:
        is_repeatable = True

        def predict(self, data: PredictionData) -> Any:
            asked.append(len(data.value["records"]))
            return linear.predict(data)

    records = [MEANS] * 100
    results = (await drain(linear.predict(tabular(*records)))).output["results"]

    await explain(ExplanationMethod.PERMUTATION, Counting(), linear_spec(), records, results)  # type: ignore[arg-type]

    assert sum(asked) == 1 + 100 * PERMUTATIONS * len(WEIGHTS)
    assert max(asked) == 1000
    assert len(asked) == 5


async def test_no_records_have_an_explanation_without_a_baseline(linear: OnnxBackend) -> None:
    _, explanation = await explained(linear, linear_spec(), ExplanationMethod.OCCLUSION)

    assert explanation == {"method": ExplanationMethod.OCCLUSION, "baseline": None, "records": []}


def test_a_version_without_means_can_not_explain() -> None:
    with pytest.raises(InvalidInputError, match="can not explain") as refused:
        check_explainable(embedded_spec("digits"), PredictionData("tensor", {"tensors": []}))

    assert refused.value.path == ("input", "explain")


def test_at_most_a_hundred_records_are_explained() -> None:
    check_explainable(linear_spec(), tabular(*[MEANS] * 100))

    with pytest.raises(InvalidInputError, match="100 records"):
        check_explainable(linear_spec(), tabular(*[MEANS] * 101))
