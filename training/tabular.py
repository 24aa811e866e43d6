"""Trains the two tabular models on data that ships inside scikit-learn, and writes all that belongs to them.

Both take one tensor `features`, FP32 of shape [-1, features], whose columns stand in the order of the
properties of `input.schema.json` (and of the file's own `features` metadata). The classifier answers
`probabilities`, FP32 [-1, classes], in the order of the `labels` metadata; the regressor answers `value`,
FP32 [-1, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss, mean_absolute_error, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.artifacts import folder, write_card, write_examples, write_json, write_onnx

SEED = 0
TEST_SHARE = 0.25
OPSET = {"": 21, "ai.onnx.ml": 3}

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of the data: its name in a record, its meaning, and bounds where the data's will not do."""

    name: str
    meaning: str
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Records kept apart: the model is fitted on `train` and every figure is measured on `test`."""

    train: Array
    test: Array
    train_target: Array
    test_target: Array


DIABETES = [
    Feature("age", "Age in years.", (18, 100)),
    Feature("sex", "Sex, coded 1 or 2; the source does not say which is which.", (1, 2)),
    Feature("bmi", "Body mass index in kg/m²."),
    Feature("bp", "Average blood pressure in mm Hg."),
    Feature("s1", "Total serum cholesterol in mg/dl."),
    Feature("s2", "Low-density lipoproteins in mg/dl."),
    Feature("s3", "High-density lipoproteins in mg/dl."),
    Feature("s4", "Total cholesterol divided by high-density lipoproteins."),
    Feature("s5", "Natural logarithm of the serum triglycerides level."),
    Feature("s6", "Blood sugar level in mg/dl."),
]

NUCLEUS = {
    "radius": "distance from the centre to the outline",
    "texture": "standard deviation of the grey values",
    "perimeter": "perimeter",
    "area": "area",
    "smoothness": "local variation of the radius",
    "compactness": "perimeter² / area - 1",
    "concavity": "depth of the concave parts of the outline",
    "concave points": "number of concave parts of the outline",
    "symmetry": "symmetry",
    "fractal dimension": "fractal dimension of the outline - 1",
}
STATISTIC = {"mean": "Mean", "error": "Standard error", "worst": "Mean of the three largest values"}


def nucleus_feature(name: str) -> Feature:
    """The feature of one of scikit-learn's column names, such as "worst area" or "texture error"."""
    statistic = next(word for word in STATISTIC if word in name.split())
    quantity = name.replace(statistic, "").strip()
    meaning = f"{STATISTIC[statistic]}, over the cell nuclei of one image, of the {NUCLEUS[quantity]}."
    return Feature(name.replace(" ", "_"), meaning)


def bounds_around(column: Array, feature: Feature) -> tuple[float, float]:
    """The feature's own bounds, or the data's range widened by half its span (not below 0 if no value is)."""
    if feature.bounds is not None:
        return feature.bounds
    low, high = float(column.min()), float(column.max())
    margin = (high - low) / 2
    floor = low - margin if low < 0 else max(0.0, low - margin)
    return float(f"{floor:.2g}"), float(f"{high + margin:.2g}")


def record_schema(title: str, features: Sequence[Feature], data: Array) -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of one record; its properties stand in column order."""
    properties = {}
    for feature, column in zip(features, data.T, strict=True):
        low, high = bounds_around(column, feature)
        seen = f"The data has {column.min():.4g} to {column.max():.4g}"
        note = seen + ("; wider bounds are accepted." if low < column.min() or high > column.max() else ".")
        properties[feature.name] = {
            "type": "number",
            "description": f"{feature.meaning} {note}",
            "minimum": low,
            "maximum": high,
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "examples": [record_of(features, data[0])],
    }


def record_of(features: Sequence[Feature], row: Array) -> dict[str, float]:
    """A row of the data as a client would send it."""
    return {feature.name: float(value) for feature, value in zip(features, row, strict=True)}


def converted(
    estimator: BaseEstimator, columns: int, source: str, output: str, width: int
) -> onnx.ModelProto:
    """The fitted estimator as ONNX with one input `features`, and one output [-1, width]."""
    is_classifier = source == "probabilities"
    graph = to_onnx(
        estimator,
        initial_types=[("features", FloatTensorType([None, columns]))],
        options={"zipmap": False} if is_classifier else None,
        target_opset=OPSET,
    )
    kept = select_model_inputs_outputs(graph, outputs=[source])
    for node in kept.graph.node:
        node.output[:] = [output if name == source else name for name in node.output]
    del kept.graph.output[:]
    kept.graph.output.append(
        onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, ["batch", width])
    )
    kept.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    return kept


def occlusion(session: InferenceSession, rows: Array, baseline: Array) -> Array:
    """Mean change of the first output column when a feature is set to its training mean, per feature."""
    whole = run(session, rows)[:, 0]
    changes = []
    for column, mean in enumerate(baseline):
        occluded = rows.copy()
        occluded[:, column] = mean
        changes.append(np.abs(whole - run(session, occluded)[:, 0]).mean())
    return np.array(changes)


def run(session: InferenceSession, rows: Array) -> Array:
    """The model's one output for a batch of rows."""
    (answer,) = session.run(None, {"features": rows.astype(np.float32)})
    return np.asarray(answer, dtype=np.float64)


def ranking(features: Sequence[Feature], changes: Array, digits: int) -> str:
    """The five most important features as the rows of a Markdown table."""
    order = np.argsort(-changes)[:5]
    return "\n".join(f"| `{features[index].name}` | {changes[index]:.{digits}f} |" for index in order)


def publish(
    model: str, title: str, features: Sequence[Feature], data: Array, split: Split, graph: onnx.ModelProto,
    metadata: dict[str, object],
) -> InferenceSession:  # fmt: skip
    """Writes model, schema and baseline, and opens the model as the service will."""
    names = [feature.name for feature in features]
    path = write_onnx(model, graph, {"features": names, **metadata})
    write_json(folder(model) / "input.schema.json", record_schema(title, features, data))
    means = [float(f"{mean:.6g}") for mean in split.train.mean(axis=0)]
    write_json(folder(model) / "baseline.json", dict(zip(names, means, strict=True)))
    return InferenceSession(path, providers=["CPUExecutionProvider"])


def breast_cancer() -> None:
    """The classifier: extremely randomised trees, which rank the features as the literature does.

    A logistic regression is half a point more accurate in cross-validation, but shares the weight of a strong
    feature among its many near copies (radius, perimeter, area), so that no single one matters when occluded.
    """
    source = load_breast_cancer()
    features = [nucleus_feature(name) for name in source.feature_names]
    labels = [str(name) for name in source.target_names]
    split = Split(
        *train_test_split(
            source.data, source.target, test_size=TEST_SHARE, random_state=SEED, stratify=source.target
        )
    )
    trees = ExtraTreesClassifier(100, max_features=None, min_samples_leaf=2, random_state=SEED)
    trees.fit(split.train.astype(np.float32), split.train_target)
    graph = converted(trees, len(features), "probabilities", "probabilities", len(labels))
    title = "Measurements of the cell nuclei in one fine-needle aspirate of a breast mass"
    session = publish(
        "breast-cancer",
        title,
        features,
        source.data,
        split,
        graph,
        {"labels": labels, "task": "TABULAR_CLASSIFICATION"},
    )

    answers = run(session, split.test)
    is_right = answers.argmax(axis=1) == split.test_target
    malignant = split.test_target == 0
    write_card(
        "breast-cancer",
        {
            "train": len(split.train),
            "test": len(split.test),
            "accuracy": f"{is_right.mean():.3f}",
            "auc": f"{roc_auc_score(malignant, answers[:, 0]):.3f}",
            "log_loss": f"{log_loss(split.test_target, answers / answers.sum(axis=1, keepdims=True)):.3f}",
            "sensitivity": f"{is_right[malignant].mean():.3f}",
            "specificity": f"{is_right[~malignant].mean():.3f}",
            "ranking": ranking(features, occlusion(session, split.test, split.train.mean(axis=0)), 3),
        },
    )
    sureness = np.where(is_right, answers.max(axis=1), np.nan)
    chosen = [median_of(sureness, malignant), median_of(sureness, ~malignant), int(np.nanargmin(sureness))]
    write_examples(
        "breast-cancer",
        [
            {
                "record": record_of(features, split.test[index]),
                "label": labels[int(split.test_target[index])],
                "probability": round(float(answers[index].max()), 4),
            }
            for index in chosen
        ],
    )


def median_of(sureness: Array, is_candidate: NDArray[np.bool_]) -> int:
    """The index of the candidate in the middle: neither a textbook case nor a riddle."""
    candidates = np.flatnonzero(is_candidate & ~np.isnan(sureness))
    return int(candidates[np.argsort(sureness[candidates], kind="stable")[len(candidates) // 2]])


def diabetes() -> None:
    """The regressor: a ridge regression, as accurate here as boosted trees and with exact attributions."""
    source = load_diabetes(scaled=False)
    split = Split(*train_test_split(source.data, source.target, test_size=TEST_SHARE, random_state=SEED))
    line = make_pipeline(StandardScaler(), Ridge(30)).fit(split.train.astype(np.float32), split.train_target)
    graph = converted(line, len(DIABETES), "variable", "value", 1)
    title = "One diabetes patient at the start of the study"
    session = publish("diabetes", title, DIABETES, source.data, split, graph, {"task": "TABULAR_REGRESSION"})

    answers = run(session, split.test)[:, 0]
    constant = np.full_like(answers, split.train_target.mean())
    write_card(
        "diabetes",
        {
            "train": len(split.train),
            "test": len(split.test),
            "mae": f"{mean_absolute_error(split.test_target, answers):.1f}",
            "constant_mae": f"{mean_absolute_error(split.test_target, constant):.1f}",
            "r2": f"{r2_score(split.test_target, answers):.3f}",
            "spread": f"{split.test_target.std():.1f}",
            "ranking": ranking(DIABETES, occlusion(session, split.test, split.train.mean(axis=0)), 1),
        },
    )
    by_target = np.argsort(split.test_target)
    chosen = [int(by_target[round(share * (len(by_target) - 1))]) for share in (0.2, 0.5, 0.8)]
    write_examples(
        "diabetes",
        [
            {
                "record": record_of(DIABETES, split.test[index]),
                "target": float(split.test_target[index]),
                "value": round(float(answers[index]), 2),
            }
            for index in chosen
        ],
    )


if __name__ == "__main__":
    breast_cancer()
    diabetes()
