"""Which media type the client gets, by the rules of GraphQL over HTTP (https://http-spec.graphql.org)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
EVENT_STREAM = "text/event-stream"
HTML = "text/html"

_WILDCARDS = ("*/*", "application/*")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One part of an Accept header; `quality` from 0, never, to 1."""

    name: str
    quality: float


@dataclass(frozen=True, slots=True)
class Accepted:
    """The media type to answer in; `legacy` when the client named application/json and nothing newer."""

    media_type: str
    legacy: bool = False


def media_ranges(accept: str) -> list[MediaRange]:
    """Return the header's parts, those the client likes best first, equals in the order it gave them."""
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    return sorted(ranges, key=lambda part: -part.quality)


def _media_range(part: str) -> MediaRange:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "q":
            quality = _quality(value)
        elif key == "charset" and value.strip('"') not in ("utf-8", "utf8"):
            quality = 0.0
    return MediaRange(name, quality)


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


@lru_cache(maxsize=64)  # clients are few, and each sends the same header every time
def negotiate(accept: str | None) -> Accepted | None:
    """Return what the client likes best of what we have; None when it accepts nothing of it (406).

    A client that names no type gets application/json. An event stream is sent only to those who ask for it
    first: urql lists it last on every query.
    """
    ranges = media_ranges(accept) if accept and accept.strip() else [MediaRange("*/*", 1.0)]
    refused = {part.name for part in ranges if part.quality == 0}
    for part in ranges:
        if part.quality == 0:
            continue
        if part.name in (GRAPHQL_RESPONSE, EVENT_STREAM):
            return Accepted(part.name)
        if part.name == JSON:
            return Accepted(JSON, legacy=True)
        if part.name in _WILDCARDS:
            return next((Accepted(name) for name in (JSON, GRAPHQL_RESPONSE) if name not in refused), None)
    return None


def prefers_html(accept: str | None) -> bool:
    """Tell whether a person's browser asks: it names text/html before everything we could answer else."""
    for part in media_ranges(accept or ""):
        if part.quality and part.name == HTML:
            return True
        if part.quality and part.name in (GRAPHQL_RESPONSE, JSON, EVENT_STREAM):
            return False
    return False
