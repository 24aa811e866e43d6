"""Measures the storyteller as it is shipped, token by token through ONNX Runtime, for its model card."""

import statistics
import time

import numpy as np

from training.sample import TextModel


def shipped_loss(model: TextModel, ids: list[int]) -> float:
    """Nats per token of `ids`, in windows of one context, every token read by itself as in generation."""
    context = model.config["context_length"]
    total = 0.0
    for begin in range(0, len(ids) - 1, context):
        past = model.empty_past()
        for token, following in zip(
            ids[begin : begin + context], ids[begin + 1 : begin + context + 1], strict=False
        ):
            logits, past = model.read([token], past)
            total += float(np.logaddexp.reduce(logits.astype(np.float64)) - logits[following])
    return total / (len(ids) - 1)


def tokens_per_second(model: TextModel, ids: list[int]) -> float:
    """The speed of single tokens around half of the context, by the median step."""
    half = model.config["context_length"] // 2
    _, past = model.read(ids[: half - 50], model.empty_past())
    seconds = []
    for token in ids[half - 50 : half + 50]:
        began = time.perf_counter()
        _, past = model.read([token], past)
        seconds.append(time.perf_counter() - began)
    return 1 / statistics.median(seconds)
