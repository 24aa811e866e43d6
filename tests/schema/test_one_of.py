"""Inputs of which exactly one member is given."""

from tests.schema.graph import Graph


async def test_an_input_of_two_kinds_is_refused_at_its_place(idle: Graph) -> None:
    caller = await idle.caller()
    document = "mutation ($input: PredictInput!) { predict(input: $input) { prediction { id } } }"
    both = {"tabular": {"records": []}, "text": {"prompt": {"text": "a"}}}

    answer = await idle.answer(caller, document, input={"model": {"name": "a"}, "data": both})

    (error,) = answer["errors"]
    assert "at .data: Within OneOf Input Object type 'PredictionDataInput', exactly one" in error["message"]
    assert error["locations"] == [{"line": 1, "column": 11}]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
