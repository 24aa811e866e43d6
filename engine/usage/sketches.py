"""Sketches of durations: small, mergeable, and right to 1 % of the value at every quantile.

DDSketch (Masson, Rim & Lee, VLDB 2019), with the relative accuracy of 0.01 that its authors take, stored as
the library's own message. The library reads one in 600 µs, bin by bin; here bins are added up as arrays,
20 µs a sketch, because a range has thousands of them.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from ddsketch.mapping import LogarithmicMapping
from ddsketch.pb.ddsketch_pb2 import DDSketch as Message
from ddsketch.pb.proto import KeyMappingProto
from numpy.typing import NDArray

RELATIVE_ACCURACY = 0.01
MAPPING = LogarithmicMapping(RELATIVE_ACCURACY)


class Pooled:
    """The durations of any number of stored sketches, and single ones, together."""

    def __init__(self) -> None:
        self._zeros = 0.0
        self._keys: Counter[int] = Counter()
        self._parts: list[tuple[int, NDArray[np.float64]]] = []

    def add_stored(self, data: bytes) -> None:
        """Adds what `dumps` made."""
        if data:
            message = Message()
            message.ParseFromString(data)
            bins = message.positiveValues
            self._zeros += message.zeroCount
            self._parts.append((bins.contiguousBinIndexOffset, np.asarray(bins.contiguousBinCounts)))

    def add(self, duration: float, times: int = 1) -> None:
        """Adds a duration, which is never negative."""
        if duration <= 0:
            self._zeros += times
        else:
            self._keys[MAPPING.key(duration)] += times

    def include(self, other: Pooled) -> None:
        """Adds everything that another one holds."""
        self._zeros += other._zeros
        self._keys.update(other._keys)
        self._parts.extend(other._parts)

    def dumps(self) -> bytes:
        """Returns everything as one stored sketch; nothing as no bytes."""
        first, counts = self._counts()
        if not self._zeros and not len(counts):
            return b""
        mapping = KeyMappingProto.to_proto(MAPPING)  # type: ignore[no-untyped-call]
        message = Message(mapping=mapping, zeroCount=self._zeros)
        message.positiveValues.contiguousBinCounts.extend(counts.tolist())
        message.positiveValues.contiguousBinIndexOffset = first
        data: bytes = message.SerializeToString()
        return data

    def quantiles(self, *wanted: float) -> list[float | None]:
        """Returns quantiles, 0 to 1, each within 1 % of its value; None where there is no duration."""
        first, counts = self._counts()
        total = self._zeros + float(counts.sum())
        if not total:
            return [None for _ in wanted]
        up_to = np.cumsum(counts)
        return [self._value(q * (total - 1) - self._zeros, first, up_to) for q in wanted]

    def _value(self, rank: float, first: int, up_to: NDArray[np.float64]) -> float:
        if rank < 0 or not len(up_to):
            return 0.0
        place = min(int(np.searchsorted(up_to, rank, side="right")), len(up_to) - 1)
        return float(MAPPING.value(first + place))

    def _counts(self) -> tuple[int, NDArray[np.float64]]:
        """Returns the bins of everything added up, and the key of the first."""
        ends = [(key, key + len(part)) for key, part in self._parts]
        ends += [(key, key + 1) for key in self._keys]
        if not ends:
            return 0, np.zeros(0)
        first = min(start for start, _ in ends)
        counts = np.zeros(max(end for _, end in ends) - first)
        for key, part in self._parts:
            counts[key - first : key - first + len(part)] += part
        for key, number in self._keys.items():
            counts[key - first] += number
        return first, counts
