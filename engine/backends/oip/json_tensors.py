"""Requests and answers over HTTP: JSON, with the values in it, or after it by the binary tensor extension.

https://github.com/open-inference/open-inference-protocol, and for the extension
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from engine.backends.failures import UnreadableError
from engine.backends.oip.tensors import Tensor, from_bytes, to_bytes
from engine.backends.tensors import decode_tensor
from engine.errors import InvalidInputError
from engine.values import TensorDatatype

HEADER = "Inference-Header-Content-Length"


def request_body(
    inputs: Sequence[Tensor], outputs: Sequence[str], *, binary: bool
) -> tuple[bytes, dict[str, str]]:
    """Returns the body of a request and the headers that go with it."""
    pieces = [to_bytes(tensor) for tensor in inputs] if binary else []
    told: dict[str, Any] = {
        "inputs": [_input(tensor, pieces[at] if binary else None) for at, tensor in enumerate(inputs)]
    }
    if binary:
        told["parameters"] = {"binary_data_output": True}
    if outputs:
        parameters = {"parameters": {"binary_data": True}} if binary else {}
        told["outputs"] = [{"name": name, **parameters} for name in outputs]
    head = orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY)
    if not binary:
        return head, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", HEADER: str(len(head))}
    return b"".join([head, *pieces]), headers


def read_answer(content: bytes, head_bytes: int | None) -> list[Tensor]:
    """Returns the outputs in an answer; `head_bytes` is how long its JSON is where bytes follow.

    Raises:
        UnreadableError: it holds something else.
    """
    try:
        head = content if head_bytes is None else content[:head_bytes]
        at = len(head)
        found = []
        for output in orjson.loads(head)["outputs"]:
            size = (output.get("parameters") or {}).get("binary_data_size")
            if size is None:
                found.append(_output(output))
            else:
                data = content[at : at + size]
                found.append(from_bytes(output["name"], output["datatype"], output["shape"], data))
                at += size
    except (ValueError, TypeError, KeyError, AttributeError, InvalidInputError) as error:
        raise UnreadableError from error
    return found


def _input(tensor: Tensor, data: bytes | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.array.shape),
    }
    if data is not None:
        return told | {"parameters": {"binary_data_size": len(data)}}
    values = tensor.array.ravel()
    return told | {"data": values.tolist() if tensor.datatype is TensorDatatype.BYTES else values}


def _output(output: Mapping[str, Any]) -> Tensor:
    tensor = {name: output[name] for name in ("name", "datatype", "shape", "data")}
    return Tensor(str(output["name"]), TensorDatatype(output["datatype"]), decode_tensor(tensor))
