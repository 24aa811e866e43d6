"""Registered: models and versions by id, from the catalog, for every edge that leads to one.

Half of all edges end at a model or a version, and those seldom change. So they are not loaded: one small
statement in an operation says whether the catalog is still right, and most are then found without waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from db.pages import Page, Window, page_of
from db.queries.models import VERSIONS_NEWEST_FIRST
from db.tables import ModelRow, ModelVersionRow, PriceRow
from engine.catalog import Catalog, CatalogVersion

Row = TypeVar("Row")
Found = TypeVar("Found")

MaybeLater: TypeAlias = Found | Coroutine[Any, Any, Found]
"""What was found without waiting, or a coroutine of it where the database has to be asked first."""


class Registry:
    """The catalog as one operation sees it: not older than the operation."""

    def __init__(self, catalog: Catalog, project_id: str, seen: frozenset[str] | None) -> None:
        self.catalog = catalog
        self._project_id = project_id
        self._seen = seen
        self._is_right = False
        self._checking: asyncio.Future[Any] | None = None
        self.model: Registered[ModelRow] = Registered(self, self._model)
        self.version: Registered[ModelVersionRow] = Registered(self, self._version)
        self.prices: Registered[list[PriceRow]] = Registered(self, self._prices)

    def is_current(self) -> bool:
        """Tells whether the catalog is known to be right; False: `refreshed` has to be awaited first."""
        self._is_right = self._is_right or self.catalog.is_current()
        return self._is_right

    async def refreshed(self) -> None:
        """Returns when the catalog is right; all fields of an operation share one look at the database.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        if self.is_current():
            return
        if self._checking is None:
            # in no request's context: others wait for it, too
            loop = asyncio.get_running_loop()
            self._checking = loop.create_task(self.catalog.refresh_if_stale(), context=Context())
        await asyncio.shield(self._checking)
        self._is_right = True

    def look_again(self) -> None:
        """Forgets what was found: a mutation may have changed it."""
        self._is_right, self._checking = False, None
        for registered in (self.model, self.version, self.prices):
            registered.forget()

    def versions_page(self, model_id: str, window: Window) -> MaybeLater[Page[ModelVersionRow]]:
        """Returns a page of a model's versions, newest first; the caller may see the model."""
        page = partial(self._versions_page, model_id, window)
        return page() if self.is_current() else self._later(page)

    async def _later(self, find: Callable[[], Found]) -> Found:
        await self.refreshed()
        return find()

    def _versions_page(self, model_id: str, window: Window) -> Page[ModelVersionRow]:
        model = self.catalog.model_by_id(model_id)
        rows = [version.row for version in reversed(model.versions.values())] if model else []
        return page_of(rows, VERSIONS_NEWEST_FIRST, window)

    def _model(self, model_id: str) -> ModelRow | None:
        model = self.catalog.model_by_id(model_id)
        return model.row if model is not None and self._is_visible(model.row) else None

    def _version(self, version_id: str) -> ModelVersionRow | None:
        version = self._catalog_version(version_id)
        return version.row if version is not None else None

    def _prices(self, version_id: str) -> list[PriceRow] | None:
        version = self._catalog_version(version_id)
        return version.prices if version is not None else None

    def _catalog_version(self, version_id: str) -> CatalogVersion | None:
        version = self.catalog.version_by_id(version_id)
        return version if version is not None and self._is_visible(version.model) else None

    def _is_visible(self, model: ModelRow) -> bool:
        in_project = model.project_id is None or model.project_id == self._project_id
        return in_project and (self._seen is None or model.id in self._seen)


class Registered(Generic[Row]):
    """Rows of one kind by id; None where the project sees none."""

    __slots__ = ("_get", "_known", "_registry")

    def __init__(self, registry: Registry, get: Callable[[str], Row | None]) -> None:
        self._registry = registry
        self._get = get
        self._known: dict[str, Row | None] = {}

    def find(self, row_id: str) -> MaybeLater[Row | None]:
        """Returns a row."""
        if not self._registry.is_current():
            return self.load(row_id)
        try:
            return self._known[row_id]
        except KeyError:
            found = self._known[row_id] = self._get(row_id)
            return found

    def forget(self) -> None:
        """Looks at the catalog again: it may be another one."""
        self._known.clear()

    async def load(self, row_id: str) -> Row | None:
        """Returns a row."""
        await self._registry.refreshed()
        return self._get(row_id)

    async def load_many(self, ids: Sequence[str]) -> list[Row | None]:
        """Returns a row, or None, for each id."""
        await self._registry.refreshed()
        return list(map(self._get, ids))
