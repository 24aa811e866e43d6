from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.flat_records import FlatRecords
from tests.engine.specs import embedded_spec, examples

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": {"type": "number", "minimum": 0, "maximum": 10, "description": "…"},
        "b": {"type": "integer"},
        "c": {"type": "number", "minimum": -1.5},
    },
    "required": ["a"],
    "additionalProperties": False,
}

VALUES = st.one_of(
    st.integers(-3, 12), st.floats(-3, 12), st.booleans(), st.none(), st.text(max_size=1), st.just([])
)


@given(st.one_of(st.dictionaries(st.sampled_from("abcd"), VALUES), VALUES))
def test_what_surely_fits_is_valid(record: Any) -> None:
    flat = FlatRecords.of(SCHEMA)
    assert flat is not None

    if flat.surely_hold(record):
        assert jsonschema_rs.validator_for(SCHEMA).is_valid(record)


@given(st.fixed_dictionaries({"a": st.floats(0, 10), "b": st.integers(), "c": st.floats(-1.5, 1e9)}))
def test_a_whole_record_within_its_bounds_surely_fits(record: dict[str, Any]) -> None:
    flat = FlatRecords.of(SCHEMA)

    assert flat is not None
    assert flat.surely_hold(record)


@pytest.mark.parametrize("name", ["breast-cancer", "diabetes"])
def test_the_embedded_tables_are_known(name: str) -> None:
    flat = FlatRecords.of(embedded_spec(name).input_schema or {})

    assert flat is not None
    assert all(flat.surely_hold(example["record"]) for example in examples(name))


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {**SCHEMA, "minProperties": 4},
        {**SCHEMA, "required": ["z"]},
        {**SCHEMA, "properties": {"a": {"type": "string"}}},
        {**SCHEMA, "properties": {"a": {"type": "number", "multipleOf": 2}}},
        {**SCHEMA, "properties": {"a": True}},
    ],
)
def test_a_schema_that_says_more_is_left_to_the_validator(schema: dict[str, Any]) -> None:
    assert FlatRecords.of(schema) is None
