"""Registered: models and versions by id, from the catalog, for every edge that leads to one.

Half of all edges end at a model or a version, and those seldom change. So they are not loaded: one small
statement in an operation says whether the catalog is still right, and most are then found without waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextvars import Context
from typing import Any, Generic, TypeAlias, TypeVar

from engine.catalog import Catalog
from resolvers.view import Kind, Lookup, View, view_of

Row = TypeVar("Row")
Found = TypeVar("Found")

MaybeLater: TypeAlias = Found | Coroutine[Any, Any, Found]
"""What was found without waiting, or a coroutine of it where the database has to be asked first."""


class Registry:
    """The catalog as one operation sees it: not older than the operation."""

    __slots__ = ("_checking", "_project_id", "_seen", "_view", "catalog")

    def __init__(self, catalog: Catalog, project_id: str, seen: frozenset[str] | None) -> None:
        self.catalog = catalog
        self._project_id = project_id
        self._seen = seen
        self._view: View | None = None
        self._checking: asyncio.Future[Any] | None = None

    @property
    def is_known(self) -> bool:
        """Whether the operation has looked at the catalog already."""
        return self._view is not None

    def view(self) -> View | None:
        """Returns what is seen of the catalog if it is known to be right; None: await `refreshed` first."""
        if self._view is None and self.catalog.is_current():
            self._view = view_of(self.catalog, self._project_id, self._seen)
        return self._view

    async def refreshed(self) -> View:
        """Returns the same when the catalog is right; all fields of an operation share one look at it.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        view = self.view()
        if view is not None:
            return view
        if self._checking is None:
            # in no request's context: others wait for it, too
            loop = asyncio.get_running_loop()
            self._checking = loop.create_task(self.catalog.refresh_if_stale(), context=Context())
        await asyncio.shield(self._checking)
        self._view = self._view or view_of(self.catalog, self._project_id, self._seen)
        return self._view

    def look_again(self) -> None:
        """Forgets what was found: a mutation may have changed it."""
        self._view = self._checking = None


class Registered(Generic[Row]):
    """Rows of one kind by id; None where the project sees none."""

    __slots__ = ("_kind", "_registry")

    def __init__(self, registry: Registry, kind: Kind) -> None:
        self._registry = registry
        self._kind = kind

    def find(self, row_id: str) -> MaybeLater[Row | None]:
        """Returns a row."""
        view = self._registry.view()
        return self.load(row_id) if view is None else self._rows(view)[row_id]

    async def load(self, row_id: str) -> Row | None:
        """Returns a row."""
        return self._rows(await self._registry.refreshed())[row_id]

    async def load_many(self, ids: Sequence[str]) -> list[Row | None]:
        """Returns a row, or None, for each id."""
        rows = self._rows(await self._registry.refreshed())
        return [rows[row_id] for row_id in ids]

    def _rows(self, view: View) -> Lookup[Row]:
        return view.rows(self._kind)
