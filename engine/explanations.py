"""Explanations: how much each feature of a record moved the answer, from calls of the model alone.

OCCLUSION hides one feature at a time behind its training mean and measures what the answer loses
(Zeiler & Fergus, ECCV 2014, for tables). PERMUTATION reveals the features in random orders and
averages what each adds, which estimates Shapley values (Štrumbelj & Kononenko, JMLR 2010).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from engine.backends.base import Backend, VersionSpec, drain
from engine.errors import InvalidInputError
from engine.values import ExplanationMethod, PredictionData

Record = dict[str, Any]

MAX_EXPLAINED_RECORDS = 100
PERMUTATIONS = 10
CHUNK = 1000


def check_explainable(spec: VersionSpec, data: PredictionData) -> None:
    """Returns if predictions of a version can be explained.

    Raises:
        InvalidInputError: the version has no `baseline`, or there are more than 100 records.
    """
    path = ("input", "explain")
    if not spec.config.get("baseline"):
        raise InvalidInputError(
            f"{spec.name} can not explain: it is not tabular or has no baseline (the features' means).",
            path=path,
        )
    if len(data.value["records"]) > MAX_EXPLAINED_RECORDS:
        message = f"At most {MAX_EXPLAINED_RECORDS} records can be explained at once."
        raise InvalidInputError(message, path=path, constraint=f"maxItems: {MAX_EXPLAINED_RECORDS}")


async def explain(
    method: ExplanationMethod,
    backend: Backend,
    spec: VersionSpec,
    records: Sequence[Record],
    results: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Returns `{"method", "baseline", "records"}`, each record `{"attributions": [{"feature", "value", …}]}`.

    An attribution is in units of the answer: the probability of the predicted label, or the predicted
    value. The largest, by absolute value, comes first. `baseline` is the answer for the mean record
    (for the first record's label).

    Raises:
        ProcessingError: the model failed on one of the changed records.
    """
    means: Record = spec.config["baseline"]
    features = list(means)
    rng = random.Random(0)  # noqa: S311 - the same records get the same explanation
    plans = [_orders(method, features, rng) for _ in records]
    asked = [means]
    for record, orders in zip(records, plans, strict=True):
        for order in orders:
            asked += _variants(method, record, means, order)
    answers = iter(await _ask(backend, asked))
    at_means = next(answers)
    explained = []
    for record, result, orders in zip(records, results, plans, strict=True):
        totals = dict.fromkeys(features, 0.0)
        for order in orders:
            scores = [_score(next(answers), result) for _ in order]
            for feature, change in zip(order, _changes(method, scores, at_means, result), strict=True):
                totals[feature] += change / len(orders)
        explained.append({"attributions": _ranked(totals, record)})
    baseline = _score(at_means, results[0]) if results else None
    return {"method": method, "baseline": baseline, "records": explained}


def _orders(method: ExplanationMethod, features: list[str], rng: random.Random) -> list[list[str]]:
    if method is ExplanationMethod.OCCLUSION:
        return [features]
    return [rng.sample(features, len(features)) for _ in range(PERMUTATIONS)]


def _variants(method: ExplanationMethod, record: Record, means: Record, order: Sequence[str]) -> list[Record]:
    """Returns a changed record for each feature: only it hidden, or all up to it revealed."""
    if method is ExplanationMethod.OCCLUSION:
        return [{**record, feature: means[feature]} for feature in order]
    revealed = dict(means)
    variants = []
    for feature in order:
        revealed[feature] = record.get(feature, means[feature])
        variants.append(dict(revealed))
    return variants


def _changes(
    method: ExplanationMethod, scores: Sequence[float], at_means: dict[str, Any], result: dict[str, Any]
) -> list[float]:
    if method is ExplanationMethod.OCCLUSION:
        whole = _score(result, result)
        return [whole - score for score in scores]
    before = [_score(at_means, result), *scores[:-1]]
    return [score - previous for previous, score in zip(before, scores, strict=True)]


def _score(answer: dict[str, Any], result: dict[str, Any]) -> float:
    """Returns the answer's value, or its probability of the label that `result` has."""
    if "value" in answer:
        return float(answer["value"])
    label = result["label"]
    return float(next(p["probability"] for p in answer["probabilities"] if p["label"] == label))


async def _ask(backend: Backend, records: Sequence[Record]) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    for start in range(0, len(records), CHUNK):
        data = PredictionData("tabular", {"records": list(records[start : start + CHUNK])})
        answers += (await drain(backend.predict(data))).output["results"]
    return answers


def _ranked(attributions: dict[str, float], record: Record) -> list[dict[str, Any]]:
    largest_first = sorted(attributions.items(), key=lambda pair: -abs(pair[1]))
    return [
        {"feature": feature, "value": value, "featureValue": record.get(feature)}
        for feature, value in largest_first
    ]
