"""Lines: the JSON Lines form of a job's items, one object a line, as `BatchItemInput` has it.

{"customId": "a", "data": {"tabular": {"records": [{…}]}}}
{"data": {"tensor": {"tensors": [{"name", "datatype", "shape", "values": {"json" | "base64"}}]}}}
{"data": {"text": {"prompt": {"text" | "messages"}, "parameters": {…}}}}
{"data": {"embedding": {"texts": ["…"]}}}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired

import orjson
from pydantic import AfterValidator, ConfigDict, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from engine.broken_json import told_broken
from engine.errors import InvalidInputError
from engine.plain_words import in_plain_words
from engine.values import PredictionData, TensorDatatype

MAX_CUSTOM_ID = 128

_EXACT = ConfigDict(extra="forbid", strict=True)


def _one_of(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) != 1:
        raise ValueError("exactly one member must be given")
    return value


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("NUL characters can not be stored")
    return value


class _Tabular(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    records: list[Any]


class _Values(TypedDict, total=False):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    json: Any
    base64: str


class _Tensor(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    name: str
    datatype: Literal[tuple(str(each) for each in TensorDatatype)]  # type: ignore[valid-type]
    shape: list[int]
    values: Annotated[_Values, AfterValidator(_one_of)]


class _Tensors(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    tensors: list[_Tensor]


class _Prompt(TypedDict, total=False):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    text: str
    messages: list[Any]


class _Text(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    prompt: Annotated[_Prompt, AfterValidator(_one_of)]
    parameters: NotRequired[dict[str, Any] | None]


class _Embedding(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    texts: list[str]


class _Data(TypedDict, total=False):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    tabular: _Tabular
    tensor: _Tensors
    text: _Text
    embedding: _Embedding


CustomId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CUSTOM_ID), AfterValidator(_no_nul)]


class _Line(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    customId: NotRequired[CustomId | None]
    data: Annotated[_Data, AfterValidator(_one_of)]


_LINE: TypeAdapter[Any] = TypeAdapter(_Line)


@dataclass(frozen=True, slots=True)
class Item:
    """One item: what to predict from, and its name in the source."""

    custom_id: str | None
    data: PredictionData


def checked_item(line: bytes) -> Item:
    """Returns the item of a line that anybody may have written. Its data are not checked against a model.

    Raises:
        InvalidInputError: it is not such an object; `path` leads to what is wrong with it.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(told_broken(error, "This"), path=(), constraint="json") from None
    try:
        _LINE.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = in_plain_words(first)
        where = ".".join(str(step) for step in first["loc"])
        message = f"{where}: {message}." if where else f"It {message}."
        raise InvalidInputError(message, path=first["loc"], constraint=str(first["type"])) from None
    return _item(value)


def stored_item(line: bytes) -> Item:
    """Returns the item of a line that was checked before."""
    return _item(orjson.loads(line))


def line_of(item: Item) -> bytes:
    """Returns an item as a line, without its end."""
    return orjson.dumps({"customId": item.custom_id, "data": {item.data.member: _written(item.data)}})


def _item(value: dict[str, Any]) -> Item:
    ((member, given),) = value["data"].items()
    if member == "tensor":
        given = {"tensors": [_tensor(tensor) for tensor in given["tensors"]]}
    elif member == "text":
        prompt = given["prompt"]
        asked = {"prompt": prompt["text"]} if "text" in prompt else {"messages": prompt["messages"]}
        given = {**asked, "parameters": given.get("parameters") or {}}
    return Item(value.get("customId"), PredictionData(member, given))


def _tensor(tensor: dict[str, Any]) -> dict[str, Any]:
    values = tensor["values"]
    named = {name: tensor[name] for name in ("name", "datatype", "shape")}
    return {**named, "base64": values["base64"]} if "base64" in values else {**named, "data": values["json"]}


def _written(data: PredictionData) -> Any:
    value = data.value
    if data.member == "tensor":
        return {"tensors": [_written_tensor(tensor) for tensor in value["tensors"]]}
    if data.member == "text":
        prompt = {"text": value["prompt"]} if "prompt" in value else {"messages": value["messages"]}
        return {"prompt": prompt, "parameters": value["parameters"]}
    return value


def _written_tensor(tensor: dict[str, Any]) -> dict[str, Any]:
    named = {name: tensor[name] for name in ("name", "datatype", "shape")}
    given = {"base64": tensor["base64"]} if "base64" in tensor else {"json": tensor["data"]}
    return {**named, "values": given}
