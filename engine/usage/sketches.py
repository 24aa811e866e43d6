"""Sketches of durations: small, mergeable, and right to 1 % of the value at every quantile.

DDSketch (Masson, Rim & Lee, VLDB 2019), with the relative accuracy of 0.01 that its authors take.
"""

from __future__ import annotations

from ddsketch import DDSketch
from ddsketch.pb.ddsketch_pb2 import DDSketch as Message
from ddsketch.pb.proto import DDSketchProto

RELATIVE_ACCURACY = 0.01


def new_sketch() -> DDSketch:
    """Returns an empty sketch."""
    return DDSketch(RELATIVE_ACCURACY)


def dumps(sketch: DDSketch) -> bytes:
    """Returns a sketch as bytes; an empty one as none."""
    if not sketch.count:
        return b""
    data: bytes = DDSketchProto.to_proto(sketch).SerializeToString()  # type: ignore[no-untyped-call]
    return data


def loads(data: bytes) -> DDSketch:
    """Returns the sketch of some bytes."""
    if not data:
        return new_sketch()
    message = Message()
    message.ParseFromString(data)
    sketch: DDSketch = DDSketchProto.from_proto(message)  # type: ignore[no-untyped-call]
    return sketch


def quantile(sketch: DDSketch, q: float) -> float | None:
    """Returns a quantile, 0 to 1, within 1 % of its value; None of an empty sketch."""
    return sketch.get_quantile_value(q) if sketch.count else None
