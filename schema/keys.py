"""Keys, projects and the viewer: their types."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from db.tables import ApiKeyRow, ProjectRow
from engine import values
from resolvers import budgets as budget_resolvers
from resolvers import keys as resolvers
from resolvers import limits as limit_resolvers
from schema.access import ANYONE, Info, field
from schema.budgets import Budget
from schema.directives import ListSize
from schema.enums import Scope
from schema.nodes import Node, global_id, node_type, shaped
from schema.pages import CONNECTION, After, Before, Connection, First, Last, window
from schema.rate_limits import RateLimit
from schema.usage import USAGE, Range, UsageTotals, usage_of

if TYPE_CHECKING:
    from schema.models import Model

MODELS = 5
"""How many models a key that is for some of them is taken to have, in an operation's cost."""


@node_type
class ApiKey(Node):
    """A key that acts for a project. Its secret is shown once, when it is made."""

    row: strawberry.Private[ApiKeyRow]
    name: str = strawberry.field(description="What it is for, in words of who made it.")
    prefix: str = strawberry.field(description="The visible start of the secret.")
    scopes: list[Scope] = strawberry.field(description="What it may do.")
    created_at: datetime = strawberry.field(description="When it was made.")
    last_used_at: datetime | None = strawberry.field(description="When it was used last, to the minute.")
    expires_at: datetime | None = strawberry.field(description="When it stops working; null is never.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked.")
    rotated_at: datetime | None = strawberry.field(description="When it got the secret it has now.")

    @classmethod
    def from_row(cls, row: ApiKeyRow) -> Self:
        """Shapes a key."""
        return cls(
            row=row,
            id=global_id("ApiKey", row.id),
            name=row.name,
            prefix=row.prefix,
            scopes=[Scope(scope) for scope in row.scopes],
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            rotated_at=row.rotated_at,
        )

    @field(
        ANYONE,
        "The models that exist for it, at most 100; null is all that the project sees.",
        directives=[ListSize(assumed_size=MODELS)],
    )
    async def models(self, info: Info) -> list[Annotated[Model, strawberry.lazy("schema.models")]] | None:
        """Loads its models."""
        if self.row.models is None:
            return None
        return [shaped("Model", row) for row in await resolvers.models_of(info.context, self.row.models)]

    @field(Scope.USAGE_READ, "Its own budgets; those of the project hold for it too.")
    async def budgets(self, info: Info) -> list[Budget]:
        """Looks how its budgets stand."""
        found = await budget_resolvers.budgets_of(info.context, self.row.id)
        return [Budget.from_value(each) for each in found]

    @field(Scope.USAGE_READ, "What the project's predictions that it asked for used.", directives=USAGE)
    async def usage(self, info: Info, range: Range) -> UsageTotals | None:
        """Adds up what they used."""
        return await usage_of(info, "api_key_id", self.row.id, range)


@node_type
class Project(Node):
    """A tenant: rows of one project are invisible to every other."""

    name: str = strawberry.field(description="Unique among the projects.")
    tier: str = strawberry.field(description="Which limits it has.")

    @classmethod
    def from_row(cls, row: ProjectRow) -> Self:
        """Shapes a project."""
        return cls(id=global_id("Project", row.id), name=row.name, tier=row.tier)

    @field(Scope.KEYS_ADMIN, "Its keys, newest first.", directives=CONNECTION)
    async def api_keys(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[ApiKey] | None:
        """Loads a page of its keys."""
        page = await resolvers.keys_page(info.context, window(first, after, last, before))

        async def count() -> int:
            return await resolvers.count_keys(info.context)

        return Connection(page=page, shape=ApiKey.from_row, count=count)


@node_type
class Viewer(Node):
    """Who is asking."""

    viewer: strawberry.Private[values.Viewer]
    display_name: str = strawberry.field(description="The name of the key, or the email address of the user.")
    scopes: list[Scope] = strawberry.field(description="What the viewer may do.")

    @classmethod
    def from_row(cls, row: values.Viewer) -> Self:
        """Shapes the viewer; its id is that of the key or of the user."""
        return cls(
            viewer=row,
            id=global_id("Viewer", row.holder),
            display_name=row.display_name,
            scopes=sorted(row.scopes),
        )

    @field(ANYONE, "The project that the viewer acts for.")
    async def project(self, info: Info) -> Project:
        """Loads the project."""
        return Project.from_row(await resolvers.own_project(info.context))

    @field(ANYONE, "Every limit that holds for the viewer; empty where nothing is limited.")
    async def rate_limits(self, info: Info) -> list[RateLimit]:
        """Looks how the limits stand."""
        return [RateLimit.from_value(each) for each in await limit_resolvers.rate_limits(info.context)]

    @field(ANYONE, "Every budget that the viewer spends from: those of the project, then those of the key.")
    async def budgets(self, info: Info) -> list[Budget]:
        """Looks how the budgets stand."""
        return [Budget.from_value(each) for each in await budget_resolvers.own_budgets(info.context)]

    @field(ANYONE, "The key of this request; null for a user's token.")
    async def api_key(self, info: Info) -> ApiKey | None:
        """Loads the key."""
        if self.viewer.api_key_id is None:
            return None
        return shaped("ApiKey", await info.context.loaders.api_key.load(self.viewer.api_key_id))
