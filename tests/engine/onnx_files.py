"""Small ONNX models whose answers can be reckoned by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
Dimensions = Sequence[int | str]


def linear(path: Path, weights: Sequence[float], bias: float = 0.0) -> Path:
    """Writes `value = weights · features + bias`: one FP32 input [batch, features], one output [batch, 1]."""
    constants = [
        numpy_helper.from_array(np.asarray(weights, np.float32)[:, None], "weights"),
        numpy_helper.from_array(np.asarray([bias], np.float32), "bias"),
    ]
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["value"]),
    ]
    ends = tensor("features", "batch", len(weights)), tensor("value", "batch", 1)
    return save(path, nodes, [ends[0]], [ends[1]], constants)


def lookup(path: Path, table: Sequence[float]) -> Path:
    """Writes `value = table[place]`, which ONNX Runtime refuses for a place that is not in the table."""
    constants = [
        numpy_helper.from_array(np.asarray(table, np.float32), "table"),
    ]
    nodes = [
        helper.make_node("Cast", ["place"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["value"], axis=0),
    ]
    return save(path, nodes, [tensor("place", "batch", 1)], [tensor("value", "batch", 1)], constants)


def addition(path: Path) -> Path:
    """Writes `sum = a + b` of two FP32 inputs [batch]; one of length 1 is added to every entry."""
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"])]
    return save(path, nodes, [tensor("a", "batch"), tensor("b", "batch")], [tensor("sum", "batch")])


def column_sums(path: Path) -> Path:
    """Writes `sums = rows.sum(axis=0)`: an output [any] whose first dimension is not the batch."""
    axes = numpy_helper.from_array(np.asarray([0], np.int64), "axes")
    nodes = [helper.make_node("ReduceSum", ["rows", "axes"], ["sums"], keepdims=0)]
    return save(path, nodes, [tensor("rows", "batch", "columns")], [tensor("sums", "columns")], [axes])


def doubled(path: Path, *shape: int | str) -> Path:
    """Writes `twice = 2 · once` for FP32 tensors of a shape."""
    nodes = [helper.make_node("Add", ["once", "once"], ["twice"])]
    return save(path, nodes, [tensor("once", *shape)], [tensor("twice", *shape)])


def tensor(name: str, *shape: int | str) -> ValueInfoProto:
    """Returns the declaration of an FP32 tensor; a dimension that is a name is free."""
    return helper.make_tensor_value_info(name, FLOAT, list(shape))


def save(
    path: Path,
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    constants: Sequence[TensorProto] = (),
) -> Path:
    """Writes a model of an operator set that every ONNX Runtime of the last years reads."""
    graph = helper.make_graph(list(nodes), path.stem, list(inputs), list(outputs), list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path
