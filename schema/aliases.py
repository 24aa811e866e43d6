"""Aliases of models: what they point at, and what they pointed at before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry

from db.tables import AliasChangeRow, ModelAliasRow
from engine.values import AliasPart
from resolvers import aliases as resolvers
from schema.access import NEVER_NULL_ALONE, Info, derived, field
from schema.directives import ListSize
from schema.enums import Scope
from schema.nodes import node_type, shaped
from schema.pages import CONNECTION, After, Before, Connection, First, Last, window
from schema.types import object_type
from schema.usage import USAGE, Range, UsageTotals, usage_of

if TYPE_CHECKING:
    from schema.keys import ApiKey
    from schema.models import ModelVersion

VERSIONS = ListSize(assumed_size=3, require_one_slicing_argument=False)
"""How many targets or fallbacks an alias is taken to have, in an operation's cost."""


@object_type
class AliasTarget:
    """A version that an alias leads to, with its share of the callers."""

    alias_id: strawberry.Private[str]
    version_id: strawberry.Private[str]
    weight: int = strawberry.field(
        description="Its share is this over the sum of all weights; 0 to 10000, and 0 gets nobody."
    )

    @field(Scope.MODELS_READ, "The version.", directives=[NEVER_NULL_ALONE])
    async def version(self, info: Info) -> Annotated[ModelVersion, strawberry.lazy("schema.models")] | None:
        """Loads the version."""
        return shaped("ModelVersion", await info.context.loaders.version.load(self.version_id))

    @field(
        Scope.USAGE_READ,
        "What the project's predictions by this arm used: those that it was drawn for and answered. What a "
        "fallback answered, and what the shadow got, is in no arm.",
        directives=USAGE,
    )
    async def usage(self, info: Info, range: Range) -> UsageTotals | None:
        """Adds up what they used."""
        return await usage_of(info, AliasPart.ARM, resolvers.part_id(self.alias_id, self.version_id), range)


@object_type
class ShadowTarget:
    """A version that gets copies of predictions in the background. It never delays or changes an answer."""

    alias_id: strawberry.Private[str]
    version_id: strawberry.Private[str]
    sample_rate: float = strawberry.field(
        description="The part of the predictions that it gets a copy of; above 0, at most 1."
    )

    @field(Scope.MODELS_READ, "The version.", directives=[NEVER_NULL_ALONE])
    async def version(self, info: Info) -> Annotated[ModelVersion, strawberry.lazy("schema.models")] | None:
        """Loads the version."""
        return shaped("ModelVersion", await info.context.loaders.version.load(self.version_id))

    @field(Scope.USAGE_READ, "What the copies used.", directives=USAGE)
    async def usage(self, info: Info, range: Range) -> UsageTotals | None:
        """Adds up what they used."""
        part = resolvers.part_id(self.alias_id, self.version_id)
        return await usage_of(info, AliasPart.SHADOW, part, range)


@object_type
class ModelAliasChange:
    """What an alias pointed at from one revision to the next."""

    row: strawberry.Private[AliasChangeRow]
    revision: int = strawberry.field(description="The first is 1.")
    changed_at: datetime = strawberry.field(description="When it was moved there, or deleted.")

    @classmethod
    def from_row(cls, row: AliasChangeRow) -> Self:
        """Shapes an entry of the history."""
        return cls(row=row, revision=row.revision, changed_at=row.changed_at)

    @derived("Where it led to; empty from when it was deleted.", directives=[VERSIONS])
    def targets(self) -> list[AliasTarget]:
        """Shapes the targets."""
        return _targets(self.row.alias_id, self.row.targets)

    @derived("Who got copies.")
    def shadow(self) -> ShadowTarget | None:
        """Shapes the shadow."""
        return _shadow(self.row.alias_id, self.row.shadow)

    @field(Scope.MODELS_READ, "What stood in.", directives=[NEVER_NULL_ALONE, VERSIONS])
    async def fallbacks(
        self, info: Info
    ) -> list[Annotated[ModelVersion, strawberry.lazy("schema.models")]] | None:
        """Loads the fallbacks."""
        return await _versions(info, self.row.fallbacks)

    @field(
        Scope.KEYS_ADMIN,
        "The key that moved or deleted it; null for the operator's file, and for a user's token.",
    )
    async def api_key(self, info: Info) -> Annotated[ApiKey, strawberry.lazy("schema.keys")] | None:
        """Loads the key."""
        if self.row.api_key_id is None:
            return None
        return shaped("ApiKey", await info.context.loaders.api_key.load(self.row.api_key_id))


@node_type
class ModelAlias:
    """A movable name for one or more versions of a model; several targets are an A/B split.

    A request that names neither version nor alias takes the alias `default`, where the model has one.
    """

    row: strawberry.Private[ModelAliasRow]
    name: str = strawberry.field(description="Unique among the aliases of the model: `production`.")
    is_own: bool = strawberry.field(
        description="Whether it is the project's own: those of the operator only the registry file moves; "
        "one of its own of that name goes before them."
    )
    revision: int = strawberry.field(
        description="Raised by one at each change; setModelAlias and deleteModelAlias can demand the one "
        "that was read."
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was moved last, or deleted.")
    deleted_at: datetime | None = strawberry.field(
        description="When it was deleted: it is in no list and leads nowhere then, but what came by it still "
        "leads to it, with what it pointed at last."
    )

    @classmethod
    def from_row(cls, row: ModelAliasRow) -> Self:
        """Shapes an alias."""
        return cls(
            row=row,
            name=row.name,
            is_own=row.project_id is not None,
            revision=row.revision,
            created_at=row.created_at,
            updated_at=row.updated_at,
            deleted_at=row.deleted_at,
        )

    @derived(
        "The versions that it leads to. Each caller gets the same one every time, by a hash of the alias and "
        "the stickyKey, or the API key; a changed weight moves the fewest callers.",
        directives=[VERSIONS],
    )
    def targets(self) -> list[AliasTarget]:
        """Shapes the targets."""
        return _targets(self.row.id, self.row.targets)

    @derived("Gets copies of predictions.")
    def shadow(self) -> ShadowTarget | None:
        """Shapes the shadow."""
        return _shadow(self.row.id, self.row.shadow)

    @field(
        Scope.MODELS_READ,
        "Tried in this order when no target can answer, or the last one failed in a way that another version "
        "may not.",
        directives=[NEVER_NULL_ALONE, VERSIONS],
    )
    async def fallbacks(
        self, info: Info
    ) -> list[Annotated[ModelVersion, strawberry.lazy("schema.models")]] | None:
        """Loads the fallbacks."""
        return await _versions(info, self.row.fallbacks)

    @field(Scope.MODELS_READ, "What it pointed at at each revision, newest first.", directives=CONNECTION)
    async def history(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection[ModelAliasChange] | None:
        """Loads a page of its history."""
        at = window(first, after, last, before, order=resolvers.CHANGES)
        page = await resolvers.history_page(info.context, self.row.id, at)

        async def count() -> int:
            return self.revision  # each revision is one change

        return Connection(page=page, shape=ModelAliasChange.from_row, count=count)


def _targets(alias_id: str, targets: Sequence[dict[str, Any]]) -> list[AliasTarget]:
    return [
        AliasTarget(alias_id=alias_id, version_id=each["version_id"], weight=each["weight"])
        for each in targets
    ]


def _shadow(alias_id: str, shadow: dict[str, Any] | None) -> ShadowTarget | None:
    if shadow is None:
        return None
    rate = shadow["sample_rate"]
    return ShadowTarget(alias_id=alias_id, version_id=shadow["version_id"], sample_rate=rate)


async def _versions(info: Info, ids: Sequence[str]) -> list[Any]:
    found = await info.context.loaders.version.load_many(ids)
    return [shaped("ModelVersion", row) for row in found if row is not None]
