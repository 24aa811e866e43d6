"""Viewers: who asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What an API key may do."""

    MODELS_READ = "MODELS_READ"
    MODELS_WRITE = "MODELS_WRITE"
    PREDICTIONS_READ = "PREDICTIONS_READ"
    PREDICTIONS_WRITE = "PREDICTIONS_WRITE"
    JOBS_READ = "JOBS_READ"
    JOBS_WRITE = "JOBS_WRITE"
    USAGE_READ = "USAGE_READ"
    KEYS_ADMIN = "KEYS_ADMIN"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is asking: the project and the key or the user of a request, and what they may do."""

    project_id: str
    api_key_id: str | None
    display_name: str
    scopes: frozenset[Scope]
    expires_at: datetime | None = None
    models: frozenset[str] | None = None
    """The ids of the models that exist for a key; None: all that the project sees."""
    credential: str = ""
    """What can be revoked: the visible start of a key's secret, or the id of a user's session."""
    user_id: str | None = None

    @property
    def holder(self) -> str:
        """Whom limits are counted for: the id of the key or of the user."""
        return self.api_key_id or self.user_id or self.project_id

    def sees(self, model_id: str) -> bool:
        """Whether a model of the project exists for the viewer, and all that was made with it."""
        return self.models is None or model_id in self.models


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key that somebody wants: for all models where `models`, their ids, is None."""

    name: str
    scopes: tuple[Scope, ...]
    models: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    idempotency_key: str | None = None
