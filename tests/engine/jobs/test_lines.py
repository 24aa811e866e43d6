import orjson
import pytest

from engine.jobs.lines import Item, checked_item, line_of, stored_item
from engine.values import PredictionData

TENSOR = {"name": "x", "datatype": "FP32", "shape": [2]}


@pytest.mark.parametrize(
    ("written", "member", "value"),
    [
        ({"tabular": {"records": [{"a": 1}]}}, "tabular", {"records": [{"a": 1}]}),
        (
            {"tensor": {"tensors": [{**TENSOR, "values": {"json": [1, 2]}}]}},
            "tensor",
            {"tensors": [{**TENSOR, "data": [1, 2]}]},
        ),
        (
            {"tensor": {"tensors": [{**TENSOR, "values": {"base64": "AAA="}}]}},
            "tensor",
            {"tensors": [{**TENSOR, "base64": "AAA="}]},
        ),
        (
            {"text": {"prompt": {"text": "Once"}, "parameters": {"maxTokens": 3}}},
            "text",
            {"prompt": "Once", "parameters": {"maxTokens": 3}},
        ),
        (
            {"text": {"prompt": {"messages": [{"role": "USER", "content": "Hi"}]}, "parameters": {}}},
            "text",
            {"messages": [{"role": "USER", "content": "Hi"}], "parameters": {}},
        ),
        ({"embedding": {"texts": ["a", "b"]}}, "embedding", {"texts": ["a", "b"]}),
    ],
)
def test_a_line_is_an_item_and_an_item_a_line(
    written: dict[str, object], member: str, value: dict[str, object]
) -> None:
    line = orjson.dumps({"customId": "c", "data": written})
    item = Item("c", PredictionData(member, value))

    assert checked_item(line) == stored_item(line) == item
    assert orjson.loads(line_of(item)) == orjson.loads(line)


def test_a_name_may_be_left_out_or_null() -> None:
    data: dict[str, object] = {"tabular": {"records": []}}

    assert checked_item(orjson.dumps({"data": data})).custom_id is None
    assert checked_item(orjson.dumps({"data": data, "customId": None})).custom_id is None


def test_parameters_may_be_left_out() -> None:
    item = checked_item(b'{"data": {"text": {"prompt": {"text": "Once"}}}}')

    assert item.data.value == {"prompt": "Once", "parameters": {}}
