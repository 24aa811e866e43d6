"""Sight: lists narrowed to the models that exist for the viewer's key."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from db.filters import JobFilter, ModelFilter, PredictionFilter, UsageFilter
from engine.values import Viewer

Wanted = TypeVar("Wanted", PredictionFilter, JobFilter, UsageFilter)


def seen_models(viewer: Viewer, wanted: ModelFilter) -> ModelFilter:
    """Returns a filter that leaves in only what the viewer sees."""
    return wanted if viewer.models is None else replace(wanted, id=_both(viewer.models, wanted.id))


def seen(viewer: Viewer, wanted: Wanted) -> Wanted:
    """Returns the same for what was made with models."""
    if viewer.models is None:
        return wanted
    return replace(wanted, model_id=_both(viewer.models, wanted.model_id))


def _both(allowed: frozenset[str], asked: tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(sorted(allowed if asked is None else allowed.intersection(asked)))
