"""Tensors between JSON and NumPy, by the Open Inference Protocol v2.

https://github.com/open-inference/open-inference-protocol, "Tensor Data": flat row-major values,
or nested lists, or (our addition for speed) base64 of the little-endian bytes.
"""

from __future__ import annotations

import base64
import binascii
import math
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidInputError
from engine.values import TensorDatatype, TensorSpec

Array = NDArray[Any]

DTYPES: dict[TensorDatatype, Any] = {
    TensorDatatype.BOOL: np.dtype(np.bool_),
    TensorDatatype.INT8: np.dtype("<i1"),
    TensorDatatype.INT16: np.dtype("<i2"),
    TensorDatatype.INT32: np.dtype("<i4"),
    TensorDatatype.INT64: np.dtype("<i8"),
    TensorDatatype.UINT8: np.dtype("<u1"),
    TensorDatatype.UINT16: np.dtype("<u2"),
    TensorDatatype.UINT32: np.dtype("<u4"),
    TensorDatatype.UINT64: np.dtype("<u8"),
    TensorDatatype.FP16: np.dtype("<f2"),
    TensorDatatype.FP32: np.dtype("<f4"),
    TensorDatatype.FP64: np.dtype("<f8"),
    TensorDatatype.BYTES: np.dtype(object),
}
DATATYPES = {dtype: datatype for datatype, dtype in DTYPES.items()}


def decode_tensor(tensor: dict[str, Any]) -> Array:
    """Returns the array of a tensor's JSON (`name`, `datatype`, `shape`, and `data` or `base64`).

    Raises:
        InvalidInputError: the values do not fit the type or the shape; `path` is within the tensor.
    """
    datatype, shape = TensorDatatype(tensor["datatype"]), tuple(tensor["shape"])
    if any(dimension < 0 for dimension in shape):
        raise InvalidInputError("A dimension is negative.", path=("shape",), received=list(shape))
    if tensor.get("base64") is not None:
        values = _from_base64(tensor["base64"], datatype)
    else:
        values = _from_json(tensor.get("data"), datatype)
    expected = prod(shape)
    if values.size != expected:
        raise InvalidInputError(
            f"{values.size} values do not fill the shape {list(shape)}, which takes {expected}.",
            path=("values",),
            constraint=f"values == {expected}",
            received=values.size,
        )
    return values.reshape(shape)


def encode_tensor(name: str, array: Array) -> dict[str, Any]:
    """Returns the JSON of an array: flat row-major `data`; NaN and infinities become null."""
    values = array.ravel()
    if values.dtype.kind in "OSU":
        data: list[Any] = [_text(value) for value in values.tolist()]
        datatype = TensorDatatype.BYTES
    else:
        data = values.tolist()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            data = [value if math.isfinite(value) else None for value in data]
        datatype = DATATYPES[values.dtype.newbyteorder("<")]
    return {"name": name, "datatype": datatype, "shape": list(array.shape), "data": data}


def check_tensors(tensors: list[dict[str, Any]], specs: tuple[TensorSpec, ...]) -> list[InvalidInputError]:
    """Returns every way in which tensors do not fit a version's inputs; paths start at the list."""
    problems: list[InvalidInputError] = []
    wanted = {spec.name: spec for spec in specs}
    named = {tensor["name"] for tensor in tensors}
    problems += [
        InvalidInputError(
            f"The tensor {name!r} is missing.", path=(), constraint="required", received=sorted(named)
        )
        for name in wanted.keys() - named
    ]
    seen: set[str] = set()
    for index, tensor in enumerate(tensors):
        name = tensor["name"]
        if name in seen:
            problems.append(InvalidInputError(f"The tensor {name!r} is there twice.", path=(index, "name")))
        elif name not in wanted:
            problems.append(
                InvalidInputError(
                    f"The model has no input {name!r}; it has {', '.join(wanted)}.",
                    path=(index, "name"),
                    constraint="enum",
                    received=name,
                )
            )
        else:
            problems += _check_tensor(tensor, wanted[name], index)
        seen.add(name)
    return problems


def _check_tensor(tensor: dict[str, Any], spec: TensorSpec, index: int) -> list[InvalidInputError]:
    problems = [
        *_check_datatype(tensor["datatype"], spec, index),
        *_check_shape(tensor["shape"], spec, index),
    ]
    return problems or _check_values(tensor, index)


def _check_datatype(datatype: str, spec: TensorSpec, index: int) -> list[InvalidInputError]:
    if datatype == spec.datatype:
        return []
    message = f"The input {spec.name!r} is {spec.datatype}, not {datatype}."
    path = (index, "datatype")
    return [InvalidInputError(message, path=path, constraint=spec.datatype, received=datatype)]


def _check_shape(shape: list[int], spec: TensorSpec, index: int) -> list[InvalidInputError]:
    if len(shape) == len(spec.shape) and all(map(_fits, spec.shape, shape)):
        return []
    message = f"The input {spec.name!r} has the shape {list(spec.shape)}, where -1 is any size."
    path = (index, "shape")
    return [InvalidInputError(message, path=path, constraint=str(list(spec.shape)), received=shape)]


def _fits(wanted: int, got: int) -> bool:
    return wanted in (-1, got)


def _check_values(tensor: dict[str, Any], index: int) -> list[InvalidInputError]:
    try:
        decode_tensor(tensor)
    except InvalidInputError as error:
        path: tuple[str | int, ...] = (index, *(error.path or ()))
        return [
            InvalidInputError(error.message, path=path, constraint=error.constraint, received=error.received)
        ]
    return []


def _from_base64(text: str, datatype: TensorDatatype) -> Array:
    if datatype is TensorDatatype.BYTES:
        raise InvalidInputError("BYTES are given as JSON strings, not as base64.", path=("values", "base64"))
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype=DTYPES[datatype])
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(
            f"This is not base64 of {datatype} values: {error}.", path=("values", "base64")
        ) from None


def _from_json(values: Any, datatype: TensorDatatype) -> Array:
    path = ("values", "json")
    dtype = DTYPES[datatype]
    if not isinstance(values, list):
        raise InvalidInputError("The values are a list, flat or nested.", path=path, constraint="array")
    try:
        array = np.asarray(values)
    except ValueError:
        raise InvalidInputError("The nested lists are of different lengths.", path=path) from None
    if datatype is TensorDatatype.BYTES:
        if not all(isinstance(value, str) for value in array.ravel().tolist()):
            raise InvalidInputError("BYTES are given as JSON strings.", path=path, constraint="string")
        return array.astype(object)
    if array.size == 0:
        return array.astype(dtype)
    if array.dtype.kind not in ("b" if datatype is TensorDatatype.BOOL else "iuf"):
        raise InvalidInputError(f"A value is not {datatype}.", path=path, constraint=datatype)
    return _cast(array, datatype, dtype, path)


def _cast(array: Array, datatype: TensorDatatype, dtype: Any, path: tuple[str, ...]) -> Array:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        whole = array.dtype.kind in "iu" or bool(np.all(array == np.floor(array)))
        # Python's numbers, for NumPy would round the limits of 64 bits to a float before it compares.
        if not whole or array.min().item() < limits.min or array.max().item() > limits.max:
            raise InvalidInputError(
                f"A value is not a whole number from {limits.min} to {limits.max}.",
                path=path,
                constraint=datatype,
            )
        return array.astype(dtype)
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if cast.dtype.kind == "f" and not np.isfinite(cast).all():
        most = float(np.finfo(dtype).max)
        raise InvalidInputError(f"A value is not from {-most} to {most}.", path=path, constraint=datatype)
    return cast


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
