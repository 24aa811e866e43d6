"""Cache: exact answers, per project and version, kept for a while; and who is finding one out now.

Only whole, successful answers are kept. A cache may lose everything at any time.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import orjson

from engine.values import PredictionData

CachedAnswer = dict[str, Any]
"""`output`, `explanation` and `usage` (`records`, `input_tokens`, …) of a prediction, as JSON."""


class Cache(Protocol):
    """Keeps answers."""

    async def get(self, key: str) -> CachedAnswer | None:
        """Returns the answer of a key; None where there is none, or the cache is not there."""

    async def put(self, key: str, answer: CachedAnswer) -> None:
        """Keeps an answer; a cache that is not there keeps nothing."""

    async def lead(self, key: str) -> bool:
        """Tells whether the caller is the one to find the answer out; others wait for it to be put.

        The lead is lost by itself when nothing is put or given up for a while.
        """

    async def give_up(self, key: str) -> None:
        """Lets somebody else find it out."""

    async def wait(self, key: str, seconds: float) -> CachedAnswer | None:
        """Waits until the leader puts an answer, and returns it; None when it gave up or takes longer."""

    async def close(self) -> None:
        """Lets go of everything."""


def cache_key(project_id: str, version_id: str, data: PredictionData, explain: str | None) -> str:
    """Returns the key of an input: equal only for equal JSON, never for two projects or versions."""
    text = orjson.dumps(
        [project_id, version_id, data.member, data.value, explain], option=orjson.OPT_SORT_KEYS
    )
    return hashlib.sha256(text).hexdigest()
