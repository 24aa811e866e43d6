"""Audit: who changed what. A change and its note are one transaction: neither is there without the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import audit as queries
from db.tables import AuditRow
from engine.values import Viewer

MAX_ACTOR = 100
MAX_SUBJECT = 200


class Action(StrEnum):
    """What is noted. `docs/access.md` lists them; what has been noted is never renamed."""

    BUDGET_SET = "budget.set"
    KEY_CREATED = "api_key.created"
    KEY_ROTATED = "api_key.rotated"
    KEY_REVOKED = "api_key.revoked"
    MODEL_DELETED = "model.deleted"
    MODEL_REGISTERED = "model.registered"
    MODEL_UPDATED = "model.updated"
    PRICE_SET = "model_version.price_set"
    PROJECT_CREATED = "project.created"
    TIER_SET = "project.tier_set"
    ALIAS_DELETED = "model_alias.deleted"
    ALIAS_MOVED = "model_alias.moved"
    SESSION_BEGUN = "session.begun"
    SESSION_ENDED = "session.ended"
    SESSION_REUSED = "session.reused"
    USER_CREATED = "user.created"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_PASSWORD = "user.password"  # noqa: S105  (it is the name of an action)
    WEBHOOK_SECRET_ROTATED = "webhook_secret.rotated"  # noqa: S105  (it is the name of an action)
    USAGE_REPRICED = "usage.reprice"
    VERSION_CREATED = "model_version.created"
    VERSION_RETIRED = "model_version.retired"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change, in words, and the key's id or the user's where there is one."""

    name: str
    id: str | None = None
    request_id: str | None = None


OPERATOR = Actor("operator")
"""Whoever has the command line and with it the database."""


def actor_of(viewer: Viewer, request_id: str) -> Actor:
    """Returns who makes the changes of a request."""
    kind = "user" if viewer.api_key_id is None else "key"
    name = f"{kind} {viewer.display_name}"[:MAX_ACTOR]
    return Actor(name, viewer.api_key_id or viewer.user_id, request_id)


async def note(
    connection: AsyncConnection,
    actor: Actor,
    action: Action,
    subject: str,
    *,
    project_id: str | None,
    subject_id: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Notes a change in the transaction that makes it.

    `subject` names what was changed, `subject_id` is its global id; `details` is any JSON, without secrets.
    Without a project it is the operator's, and no project sees it.
    """
    row = AuditRow(
        project_id=project_id,
        actor=actor.name,
        actor_id=actor.id,
        action=action,
        subject=subject[:MAX_SUBJECT],
        subject_id=subject_id,
        request_id=actor.request_id,
        details=dict(details or {}),
    )
    await queries.add(connection, row)
