import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backends.base import VersionSpec
from engine.errors import ExpectedError, InvalidInputError, ManyErrors, ModelError, PayloadTooLargeError
from engine.flat_records import FlatRecords
from engine.inputs import InputChecker
from engine.values import PredictionData, TensorDatatype, TensorSpec
from tests.engine.specs import embedded_spec, examples, fp32, regression_spec, tabular, tensor_spec, tensors

RECORDS = ("input", "data", "tabular", "records")
TENSORS = ("input", "data", "tensor", "tensors")

SCHEMA = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "name": {"type": "string", "maxLength": 3},
        "address": {
            "type": "object",
            "properties": {"zips": {"type": "array", "items": {"type": "string", "pattern": "^[0-9]+$"}}},
        },
    },
    "required": ["age", "name"],
    "additionalProperties": False,
}


def checker(schema: dict[str, Any] | None = SCHEMA) -> InputChecker:
    return InputChecker(replace(regression_spec(Path("m.onnx"), ["x"]), input_schema=schema))


def problems(check: InputChecker, data: PredictionData) -> list[InvalidInputError]:
    """Returns what is wrong with an input, which must be something."""
    with pytest.raises(ExpectedError) as refused:
        check.check(data)
    found = refused.value.errors if isinstance(refused.value, ManyErrors) else (refused.value,)
    assert all(isinstance(each, InvalidInputError) for each in found)
    return list(found)  # type: ignore[arg-type]


def told(found: list[InvalidInputError]) -> list[tuple[tuple[str, ...], str | None, Any]]:
    """Returns path below the records, constraint and received value of each problem."""
    return [((each.path or ())[len(RECORDS) :], each.constraint, each.received) for each in found]


def test_a_record_that_fits_passes() -> None:
    checker().check(tabular({"age": 1, "name": "Ann"}))


@pytest.mark.parametrize(
    ("record", "path", "constraint", "received"),
    [
        ({"name": "Ann"}, ("0", "age"), "required", None),
        ({"age": "1", "name": "Ann"}, ("0", "age"), "type", "1"),
        ({"age": 1.5, "name": "Ann"}, ("0", "age"), "type", 1.5),
        ({"age": True, "name": "Ann"}, ("0", "age"), "type", True),
        ({"age": None, "name": "Ann"}, ("0", "age"), "type", None),
        ({"age": -1, "name": "Ann"}, ("0", "age"), "minimum", -1),
        ({"age": 121, "name": "Ann"}, ("0", "age"), "maximum", 121),
        ({"age": 1, "name": "Anna"}, ("0", "name"), "maxLength", "Anna"),
        ({"age": 1, "name": "x" * 1000}, ("0", "name"), "maxLength", "x" * 200),
        ({"age": 1, "name": []}, ("0", "name"), "type", None),
        ({"age": 1, "name": "A", "extra": 1}, ("0", "extra"), "additionalProperties", None),
        (
            {"age": 1, "name": "A", "address": {"zips": ["1", "x"]}},
            ("0", "address", "zips", "1"),
            "pattern",
            "x",
        ),
        (5, ("0",), "type", 5),
        ("text", ("0",), "type", "text"),
        (None, ("0",), "type", None),
        ([], ("0",), "type", None),
    ],
)
def test_a_problem_names_its_place_its_rule_and_what_broke_it(
    record: Any, path: tuple[str, ...], constraint: str, received: Any
) -> None:
    assert told(problems(checker(), tabular(record))) == [(path, constraint, received)]


def test_every_problem_of_every_record_is_told_at_once() -> None:
    good = {"age": 1, "name": "Ann"}

    found = problems(checker(), tabular(good, {"age": -1}, good, 5, {"name": 7, "age": 200}))

    assert {(path, constraint) for path, constraint, _ in told(found)} == {
        (("1", "age"), "minimum"),
        (("1", "name"), "required"),
        (("3",), "type"),
        (("4", "name"), "type"),
        (("4", "age"), "maximum"),
    }
    assert [each.message.split(",")[0].split(" is")[0] for each in found] == [
        "Record 2", "Record 2", "Record 4", "Record 5", "Record 5",
    ]  # fmt: skip


def test_each_of_several_unknown_members_is_told() -> None:
    found = problems(checker(), tabular({"age": 1, "name": "Ann", "x": 1, "y": 2}))

    assert {each.path and each.path[-1] for each in found} == {"x", "y"}


def test_a_long_value_makes_no_long_message() -> None:
    (refused,) = problems(checker(), tabular({"age": 1, "name": "x" * 100_000}))

    assert len(refused.message) < 300


def test_at_most_a_hundred_problems_are_told() -> None:
    assert len(problems(checker(), tabular(*[{}] * 1000))) == 100


def test_a_thousand_records_pass_and_one_more_is_too_many() -> None:
    record = {"age": 1, "name": "Ann"}
    checker().check(tabular(*[record] * 1000))

    (refused,) = problems(checker(), tabular(*[record] * 1001))

    assert isinstance(refused, PayloadTooLargeError)
    assert (refused.path, refused.constraint, refused.received) == (RECORDS, "maxItems: 1000", 1001)


@pytest.mark.parametrize("records", [None, {}, "text", 1, {"0": {}}])
def test_records_that_are_no_list_are_refused(records: Any) -> None:
    (refused,) = problems(checker(), PredictionData("tabular", {"records": records}))

    assert (refused.path, refused.constraint) == (RECORDS, "array")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_know_are_refused(value: float) -> None:
    spec = embedded_spec("diabetes")
    record = {**examples("diabetes")[0]["record"], "bmi": value}

    found = problems(InputChecker(spec), tabular(record))

    assert [each.path and each.path[-1] for each in found] == ["bmi"]


def test_no_record_at_all_is_refused() -> None:
    (found,) = problems(checker(), PredictionData("tabular", {"records": []}))

    assert (found.path, found.constraint) == (RECORDS, "minItems: 1")
    assert found.message == "Give at least one record."


def test_without_a_schema_records_are_objects() -> None:
    checker(None).check(tabular({"anything": [1]}))

    assert told(problems(checker(None), tabular({}, 1))) == [(("1",), "type", 1)]


def test_a_schema_that_is_none_makes_the_version_fail() -> None:
    with pytest.raises(ModelError, match="not a JSON Schema"):
        checker({"type": "no such type"})


@pytest.mark.parametrize("name", ["breast-cancer", "diabetes"])
def test_the_embedded_examples_pass(name: str) -> None:
    InputChecker(embedded_spec(name)).check(tabular(*(example["record"] for example in examples(name))))


@pytest.mark.parametrize(
    ("data", "spec"),
    [
        (tensors(x=[1]), regression_spec(Path("m.onnx"), ["x"])),
        (tabular({}), tensor_spec(Path("m.onnx"))),
    ],
)
def test_an_input_for_another_task_is_refused(data: PredictionData, spec: VersionSpec) -> None:
    (refused,) = problems(InputChecker(spec), data)

    assert refused.path == ("input", "data", data.member)


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.booleans()
bounded = st.fixed_dictionaries(
    {"type": st.sampled_from(["number", "integer"])},
    optional={"minimum": st.integers(-9, 9), "maximum": st.integers(-9, 9)},
)
values = numbers | st.none() | st.text(max_size=2) | st.lists(st.integers(), max_size=1)


@given(
    st.dictionaries(st.sampled_from("abc"), bounded, min_size=1),
    st.dictionaries(st.sampled_from("abcd"), st.integers(-12, 12) | values),
    st.booleans(),
)
def test_the_quick_yes_is_never_said_where_the_schema_says_no(
    properties: dict[str, Any], record: dict[str, Any], required: bool
) -> None:
    schema = {"type": "object", "properties": properties, "required": sorted(properties) if required else []}
    flat = FlatRecords.of(schema)
    assert flat is not None

    if flat.surely_hold(record):
        assert jsonschema_rs.is_valid(schema, record)
        assert all(math.isfinite(value) for value in record.values())


IMAGE = TensorSpec("image", TensorDatatype.FP32, (-1, 2))
MASK = TensorSpec("mask", TensorDatatype.INT8, (2,))


def tensor_checker(*specs: TensorSpec) -> InputChecker:
    return InputChecker(replace(tensor_spec(Path("m.onnx")), inputs=specs or (IMAGE,)))


def one(**changes: Any) -> PredictionData:
    """Returns an input of one image, changed."""
    tensor = {**fp32("image", [[1, 2]]), **changes}
    return PredictionData("tensor", {"tensors": [{k: v for k, v in tensor.items() if v is not ...}]})


def ones(*given: dict[str, Any]) -> PredictionData:
    return PredictionData("tensor", {"tensors": list(given)})


@pytest.mark.parametrize(
    "data",
    [
        one(),
        one(data=[1, 2]),
        one(data=[[[1], [2]]]),
        one(shape=[0, 2], data=[]),
        one(data=..., base64="AACAPwAAAEA="),
        one(data=[1.5, -3e38]),
    ],
)
def test_tensors_that_fit_pass(data: PredictionData) -> None:
    tensor_checker().check(data)


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (one(name="img"), ("0", "name")),
        (one(datatype="FP64"), ("0", "datatype")),
        (one(shape=[2]), ("0", "shape")),
        (one(shape=[1, 3], data=[1, 2, 3]), ("0", "shape")),
        (one(shape=[-1, 2]), ("0", "shape")),
        (one(data=[1]), ("0", "values")),
        (one(data=[1, 2, 3]), ("0", "values")),
        (one(data=[[1], [2, 3]]), ("0", "values", "json")),
        (one(data=["a", "b"]), ("0", "values", "json")),
        (one(data=[True, False]), ("0", "values", "json")),
        (one(data=[None, 1]), ("0", "values", "json")),
        (one(data=[{}, 1]), ("0", "values", "json")),
        (one(data=[1, 10**400]), ("0", "values", "json")),
        (one(data=[1, 1e39]), ("0", "values", "json")),
        (one(data=[1, math.nan]), ("0", "values", "json")),
        (one(data=1), ("0", "values", "json")),
        (one(data=None), ("0", "values", "json")),
        (one(data="12"), ("0", "values", "json")),
        (one(data=..., base64="AAAA"), ("0", "values", "base64")),
        (one(data=..., base64="not base64"), ("0", "values", "base64")),
        (one(data=..., base64="💥"), ("0", "values", "base64")),
        (one(data=..., base64="AACAPw=="), ("0", "values")),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused_by_its_path(
    data: PredictionData, path: tuple[str, ...]
) -> None:
    found = problems(tensor_checker(), data)

    assert path in [(each.path or ())[len(TENSORS) :] for each in found]


def test_a_shape_too_large_to_count_is_refused() -> None:
    check = tensor_checker(TensorSpec("image", TensorDatatype.FP32, (-1, -1, -1, -1)))

    found = problems(check, one(shape=[65_536] * 4, data=[]))

    assert (found[0].path or ())[len(TENSORS) :] == ("0", "values")


@pytest.mark.parametrize(
    ("datatype", "value", "fits"),
    [
        ("INT8", 127, True),
        ("INT8", 128, False),
        ("INT8", -128, True),
        ("INT8", 1.0, True),
        ("INT8", 1.5, False),
        ("UINT8", -1, False),
        ("UINT64", 2**64 - 1, True),
        ("UINT64", 2**64, False),
        ("INT64", 2**63 - 1, True),
        ("INT64", 2**63, False),
        ("INT64", 9.3e18, False),
        ("INT64", 2.0**63, False),
        ("BOOL", True, True),
        ("BOOL", 1, False),
        ("FP16", 65_504, True),
        ("FP16", 1e6, False),
        ("FP64", 1e300, True),
        ("BYTES", "text", True),
        ("BYTES", 1, False),
    ],
)
def test_values_are_within_their_type(datatype: str, value: Any, fits: bool) -> None:
    check = tensor_checker(TensorSpec("x", TensorDatatype(datatype), (1,)))
    data = ones({"name": "x", "datatype": datatype, "shape": [1], "data": [value]})

    if fits:
        check.check(data)
    else:
        assert problems(check, data)


def test_missing_unknown_and_repeated_tensors_are_all_told() -> None:
    image = fp32("image", [[1, 2]])

    found = problems(tensor_checker(IMAGE, MASK), ones(image, image, fp32("other", [1])))

    assert sorted((each.path or ())[len(TENSORS) :] for each in found) == [(), ("1", "name"), ("2", "name")]


def test_everything_that_is_wrong_with_a_tensor_is_told() -> None:
    found = problems(tensor_checker(), one(datatype="INT8", shape=[3], data=["a"]))

    assert {(each.path or ())[len(TENSORS) + 1 :][:1] for each in found} >= {("datatype",), ("shape",)}
