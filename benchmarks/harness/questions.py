"""What every GraphQL server is asked, word for word the same; the floors answer the same by URL."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.dataset import RECORD, Dataset

Q1 = """query Q1($first: Int!) {
  predictions(first: $first) {
    nodes {
      id status createdAt finishedAt cached attempts
      latency { queueMs inferenceMs totalMs }
      modelVersion { id version }
      model { id name }
    }
    pageInfo { hasNextPage endCursor }
  }
}"""
Q2 = """query Q2($id: ID!) {
  prediction(id: $id) {
    id status requestId createdAt finishedAt cached attempts
    latency { queueMs inferenceMs totalMs }
  }
}"""
Q3 = """query Q3($first: Int!) {
  models(first: $first) {
    nodes {
      id name displayName task status
      versions(first: 5) { nodes { id version status createdAt } }
    }
  }
}"""
M1 = """mutation M1($input: PredictInput!) {
  predict(input: $input) {
    prediction { id status output { ... on TabularOutput { results { value } } } }
    errors { code message }
  }
}"""

Body = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Question:
    """One kind of request."""

    name: str
    about: str
    body: Body
    """The GraphQL request of a number."""


def questions(data: Dataset) -> list[Question]:
    """Returns the four kinds."""

    def one(number: int) -> bytes:
        row_id = data.prediction_ids[number * 7919 % len(data.prediction_ids)]
        return graphql(Q2, {"id": global_id("Prediction", row_id)})

    def predict(number: int) -> bytes:
        return graphql(M1, {"input": predict_input(number)})

    page, models = graphql(Q1, {"first": 50}), graphql(Q3, {"first": 20})
    return [
        Question("Q1", "50 predictions, each with its version and model", lambda _: page),
        Question("Q2", "one prediction by id", one),
        Question("Q3", "20 models with their versions", lambda _: models),
        Question("M1", "predict: an ONNX model, the answer stored", predict),
    ]


def predict_input(number: int) -> dict[str, Any]:
    """Returns the input of a prediction that was never asked for before, so that no cache answers."""
    record = {**RECORD, "bmi": 18 + number % 240_000 / 10_000, "s6": 87 + number // 240_000 % 50 / 10}
    return {"model": {"name": "diabetes"}, "data": {"tabular": {"records": [record]}}}


def graphql(query: str, variables: dict[str, Any]) -> bytes:
    """Returns the body of a GraphQL request."""
    return json.dumps({"query": query, "variables": variables}).encode()


def global_id(type_name: str, row_id: str) -> str:
    """Returns an id as clients see it."""
    return base64.b64encode(f"{type_name}:{row_id}".encode()).decode().rstrip("=")
