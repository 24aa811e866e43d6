"""Audit: who changed what, as its admins see it."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from db.filters import AuditFilter
from db.tables import AuditRow
from resolvers import audit as resolvers
from schema.access import Info, derived, field
from schema.enums import Scope
from schema.nodes import Node, global_id, node_type, row_ids, shaped
from schema.pages import Connection, window
from schema.prediction_lists import DateTimeRangeInput, Place
from schema.scalars import JSON
from schema.types import given, given_tuple, input_type

if TYPE_CHECKING:
    from schema.keys import ApiKey


@node_type
class AuditEvent(Node):
    """A change that somebody made. It never changes itself, and none is ever deleted."""

    row: strawberry.Private[AuditRow]
    created_at: datetime = strawberry.field(description="When it was made.")
    action: str = strawberry.field(description="What was done: `api_key.revoked`; docs/access.md lists them.")
    actor: str = strawberry.field(description="Who did it, by name: `key ci`, `operator` (the command line).")
    subject: str = strawberry.field(description="What was changed, by name.")
    request_id: str | None = strawberry.field(
        description="Finds the request in logs and traces; null for what the operator did."
    )

    @classmethod
    def from_row(cls, row: AuditRow) -> Self:
        """Shapes a change."""
        return cls(
            row=row,
            id=global_id("AuditEvent", row.id),
            created_at=row.at,
            action=row.action,
            actor=row.actor,
            subject=row.subject,
            request_id=row.request_id,
        )

    @derived("The global id of what was changed; null where it has none.")
    def subject_id(self) -> strawberry.ID | None:
        """Returns the id."""
        return None if self.row.subject_id is None else strawberry.ID(self.row.subject_id)

    @derived("What it is since then; which members there are depends on the action.")
    def details(self) -> JSON:
        """Returns the details."""
        return JSON(self.row.details)

    @field(Scope.KEYS_ADMIN, "The key that asked for it; null for others.")
    async def api_key(self, info: Info) -> Annotated[ApiKey, strawberry.lazy("schema.keys")] | None:
        """Loads the key."""
        if self.row.actor_id is None:
            return None
        return shaped("ApiKey", await info.context.loaders.api_key.load(self.row.actor_id))


@input_type
class AuditFilterInput:
    """Which changes; all conditions hold at once, and a list means any of its entries."""

    action: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="Any of these: `api_key.created`, …"
    )
    api_key_id: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Asked for with any of these keys."
    )
    subject_id: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Of any of these objects."
    )
    created_at: DateTimeRangeInput | None = strawberry.field(
        default=strawberry.UNSET, description="Made within."
    )

    def value(self) -> AuditFilter:
        """Returns the filter.

        Raises:
            InvalidInputError: an id is none, or one of another type.
        """
        return AuditFilter(
            action=given_tuple(self.action),
            actor_id=row_ids(self.api_key_id, "ApiKey"),
            subject_id=given_tuple(self.subject_id),
            since=given(self.created_at.gte) if self.created_at else None,
            until=given(self.created_at.lt) if self.created_at else None,
        )


AuditFilterArgument = Annotated[AuditFilterInput | None, strawberry.argument(description="Only these.")]


async def events_page(info: Info, filter: AuditFilterInput | None, place: Place) -> Connection[AuditEvent]:
    """Loads a page of the project's changes, and shapes it."""
    wanted = filter.value() if filter else AuditFilter()
    page = await resolvers.events_page(info.context, wanted, window(*place))
    count = partial(resolvers.count_events, info.context, wanted)
    return Connection(page=page, shape=AuditEvent.from_row, count=count)
