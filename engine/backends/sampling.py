"""Sampling: how the next token is drawn from a text model's logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# What a request that says nothing gets: small models lose the thread when they draw from everything.
TEMPERATURE = 0.8
TOP_P = 0.95

GREEDY_BELOW = 1e-6  # where dividing by the temperature would overflow before it changed anything
SEED_RANGE = 2**64


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much is left to chance: at temperature 0 nothing; `top_p` keeps the likeliest that add up to it."""

    temperature: float = TEMPERATURE
    top_p: float = TOP_P


class Sampler:
    """Draws token ids; the same seed and logits give the same ids. None takes a seed nobody knows."""

    def __init__(self, sampling: Sampling, seed: int | None) -> None:
        self._sampling = sampling
        self._random = np.random.default_rng(None if seed is None else seed % SEED_RANGE)

    def draw(self, logits: NDArray[np.float32]) -> int:
        """Returns one token id by nucleus sampling (arXiv:1904.09751) from logits [vocabulary].

        Takes one uniform number per token, however many tokens are left to choose from.
        """
        if self._sampling.temperature < GREEDY_BELOW:
            return int(logits.argmax())
        order = np.argsort(-logits, kind="stable")
        ordered = logits[order].astype(np.float64)
        weights = np.exp((ordered - ordered[0]) / self._sampling.temperature)
        weights /= weights.sum()
        before = np.cumsum(weights) - weights
        nucleus = weights[before < self._sampling.top_p]
        drawn = np.searchsorted(np.cumsum(nucleus), self._random.random() * nucleus.sum(), side="right")
        return int(order[min(int(drawn), len(nucleus) - 1)])
