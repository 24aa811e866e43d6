"""Split: which of several weighted targets a caller gets, the same one every time.

Weighted rendezvous hashing (Schindelhauer and Schomaker, Weighted Distributed Hash Tables, SPAA 2005;
https://www.snia.org/sites/default/files/SDC15_presentations/dist_sys/Jason_Resch_New_Consistent_Hashings_Rev.pdf):
each target draws a number from the caller's key, scaled by its weight, and the highest wins. Only those
callers move that a changed weight has to move: from 50/50 to 60/40 one in ten.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TypeVar

Target = TypeVar("Target")

BITS = 53
"""As many as a float holds exactly."""


def ranked(alias: str, key: str, targets: Iterable[tuple[Target, str, int]]) -> Sequence[Target]:
    """Returns the targets with a weight above 0, the one that the key draws first.

    A target is given with its id and its weight; the others stand in the order in which the key would
    draw them if those before them were not there.
    """
    scored = [
        (_score(f"{alias}\0{name}\0{key}", weight), target) for target, name, weight in targets if weight
    ]
    return [target for _, target in sorted(scored, key=lambda pair: -pair[0])]


def _score(text: str, weight: int) -> float:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    number = int.from_bytes(digest) >> (64 - BITS)
    return -weight / math.log((number + 0.5) / 2**BITS)  # never 0 or 1, so never the logarithm of either
