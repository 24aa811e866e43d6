"""Embeddings as servers that speak OpenAI's API send them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.backends.failures import UnreadableError
from engine.backends.openai.reply import usage_in
from engine.values import Usage


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of some texts, in their order, all of the same length."""

    dimensions: int
    vectors: list[list[float]]
    usage: Usage | None


def read_embeddings(content: bytes, count: int) -> Embeddings:
    """Returns the embeddings of `count` texts in the JSON of an answer. Blocks: it may be megabytes.

    Raises:
        UnreadableError: it holds something else, or numbers that are none.
    """
    try:
        answer = orjson.loads(content)
        entries = sorted(answer["data"], key=lambda entry: entry["index"])
        if [entry["index"] for entry in entries] != list(range(count)):
            raise UnreadableError(f"The model server did not send one embedding for each of {count} texts.")
        vectors = np.stack([_vector(entry["embedding"]) for entry in entries])
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableError from error
    if vectors.ndim != 2 or not vectors.shape[1] or not np.isfinite(vectors).all():
        raise UnreadableError
    usage = usage_in(answer)
    return Embeddings(int(vectors.shape[1]), vectors.tolist(), usage and replace(usage, output_tokens=None))


def _vector(embedding: Any) -> NDArray[Any]:
    """Returns a vector that came as a list, or as the base64 of little-endian FP32."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    return np.asarray(embedding, dtype=np.float64)
