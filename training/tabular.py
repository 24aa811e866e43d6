"""What the tabular models have in common: their ONNX interface, their files, and how features are ranked.

Both take one tensor `features`, FP32 of shape [-1, features], whose columns stand in the order of the
properties of `input.schema.json` (and of the file's own `features` metadata). A classifier answers
`probabilities`, FP32 [-1, classes], in the order of the `labels` metadata; a regressor answers `value`,
FP32 [-1, 1].
"""

from collections.abc import Mapping

import numpy as np
import onnx
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.base import BaseEstimator

from training.artifacts import folder, write_json, write_onnx
from training.records import Array, Table

OPSET = {"": 21, "ai.onnx.ml": 3}


def classifier_graph(estimator: BaseEstimator, features: int, classes: int) -> onnx.ModelProto:
    """A fitted classifier whose only output is `probabilities`: no label, no list of maps."""
    graph = to_onnx(estimator, initial_types=inputs(features), options={"zipmap": False}, target_opset=OPSET)
    return with_output(
        select_model_inputs_outputs(graph, outputs=["probabilities"]), "probabilities", classes
    )


def regressor_graph(estimator: BaseEstimator, features: int) -> onnx.ModelProto:
    """A fitted regressor whose only output is `value`."""
    graph = to_onnx(estimator, initial_types=inputs(features), target_opset=OPSET)
    return with_output(graph, "value", 1)


def inputs(features: int) -> list[tuple[str, FloatTensorType]]:
    """The one input of every tabular model."""
    return [("features", FloatTensorType([None, features]))]


def with_output(graph: onnx.ModelProto, name: str, width: int) -> onnx.ModelProto:
    """The graph with its one output called `name`, FP32 [batch, width], and its input's batch free, too."""
    (old,) = graph.graph.output
    for node in graph.graph.node:
        node.output[:] = [name if output == old.name else output for output in node.output]
    declared = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width])
    old.CopyFrom(declared)
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    return graph


def publish(
    model: str, table: Table, graph: onnx.ModelProto, metadata: Mapping[str, object]
) -> InferenceSession:
    """Writes model, schema and baseline, and opens the model as the service will."""
    path = write_onnx(model, graph, {"features": table.names, **metadata})
    write_json(folder(model) / "input.schema.json", table.schema())
    write_json(folder(model) / "baseline.json", table.baseline)
    return InferenceSession(path, providers=["CPUExecutionProvider"])


def run(session: InferenceSession, rows: Array) -> Array:
    """The model's one output for a batch of rows."""
    (answer,) = session.run(None, {"features": rows.astype(np.float32)})
    return np.asarray(answer, dtype=np.float64)


def occlusion(session: InferenceSession, table: Table) -> Array:
    """Per feature, the mean change of the first output column when it is set to its training mean."""
    whole = run(session, table.test)[:, 0]
    changes = []
    for column, mean in enumerate(table.baseline.values()):
        occluded = table.test.copy()
        occluded[:, column] = mean
        changes.append(np.abs(whole - run(session, occluded)[:, 0]).mean())
    return np.array(changes)


def ranking(session: InferenceSession, table: Table, digits: int) -> str:
    """The five features that matter most on the held-out rows, as the rows of a Markdown table."""
    changes = occlusion(session, table)
    order = np.argsort(-changes)[:5]
    return "\n".join(f"| `{table.names[index]}` | {changes[index]:.{digits}f} |" for index in order)
