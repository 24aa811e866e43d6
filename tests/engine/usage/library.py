"""Stored sketches as their library writes and reads them."""

from __future__ import annotations

from collections.abc import Iterable

from ddsketch import DDSketch
from ddsketch.pb.ddsketch_pb2 import DDSketch as Message
from ddsketch.pb.proto import DDSketchProto

from engine.usage.sketches import RELATIVE_ACCURACY


def sketch(durations: Iterable[float]) -> DDSketch:
    made = DDSketch(RELATIVE_ACCURACY)
    for duration in durations:
        made.add(duration)
    return made


def dumps(durations: Iterable[float]) -> bytes:
    data: bytes = DDSketchProto.to_proto(sketch(durations)).SerializeToString()  # type: ignore[no-untyped-call]
    return data


def loads(data: bytes) -> DDSketch:
    message = Message()
    message.ParseFromString(data)
    found: DDSketch = DDSketchProto.from_proto(message)  # type: ignore[no-untyped-call]
    return found
