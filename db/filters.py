"""What lists can be narrowed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ModelFilter:
    """Which models: each list means any of these, `search` a part of the name, ignoring case."""

    id: tuple[str, ...] | None = None
    task: tuple[str, ...] | None = None
    status: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class PredictionFilter:
    """Which predictions: each tuple means any of these; times are half open, `since <= t < until`.

    `finished` leaves out what is still open: what is sorted by its end has to have one. `shadow` asks
    for the copies that shadow targets got, which else are left out.
    """

    status: tuple[str, ...] | None = None
    model_id: tuple[str, ...] | None = None
    model_version_id: tuple[str, ...] | None = None
    api_key_id: tuple[str, ...] | None = None
    job_id: str | None = None
    custom_id: tuple[str, ...] | None = None
    cached: bool | None = None
    shadow: bool = False
    finished: bool = False
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs: each tuple means any of these; times are half open; `finished` as of predictions."""

    status: tuple[str, ...] | None = None
    model_id: tuple[str, ...] | None = None
    finished: bool = False
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which usage, by whole hours, `since <= hour < until`; each tuple means any of these."""

    since: datetime
    until: datetime
    model_id: tuple[str, ...] | None = None
    model_version_id: tuple[str, ...] | None = None
    api_key_id: tuple[str, ...] | None = None
    job_id: tuple[str, ...] | None = None
    alias_id: tuple[str, ...] | None = None
    part: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which changes: each tuple means any of these; times are half open, `since <= t < until`."""

    action: tuple[str, ...] | None = None
    actor_id: tuple[str, ...] | None = None
    subject_id: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
