"""View: the catalog as the keys of a project see it, looked at once for all their operations.

A view belongs to one reading of the catalog. What is made of its rows, for those who show them, is kept as
long: an object for each row, the same for all who see it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, Literal, TypeVar

from db.pages import Order, Page, Place, Window, page_of
from db.queries.models import VERSIONS_NEWEST_FIRST
from db.tables import ModelRow, ModelVersionRow, PriceRow
from engine.catalog import Catalog

Found = TypeVar("Found")
Kind = Literal["model", "version", "prices"]
Shape = Callable[[Any], Any]
Connect = Callable[["View", str, Page[ModelVersionRow]], Any]
"""From a view, a model's id and a page of its versions to what shows them."""

MAX_VIEWS = 1000
MAX_WINDOWS = 8
"""How many sizes of pages are kept of each model's versions."""


class Lookup(dict[str, "Found | None"], Generic[Found]):
    """Finds by id, and remembers what is there; what is not there is looked for each time."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[str], Found | None]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, key: str) -> Found | None:
        found = self._find(key)
        if found is not None:
            self[key] = found
        return found


class View:
    """What exists for the keys of a project that see `seen` models; None: all."""

    def __init__(self, catalog: Catalog, project_id: str, seen: frozenset[str] | None) -> None:
        self._catalog = catalog
        self._project_id = project_id
        self._seen = seen
        self._derived = catalog.derived
        self._rows: dict[Kind, Lookup[Any]] = {
            "model": Lookup(self._model),
            "version": Lookup(self._version),
            "prices": Lookup(self._prices),
        }
        self._shown: dict[tuple[Kind, Shape], Lookup[Any]] = {}
        self._sorted: dict[str, tuple[list[ModelRow], list[Place]]] = {}
        self._versions_of: Lookup[list[ModelVersionRow]] = Lookup(self._its_versions)

    def rows(self, kind: Kind) -> Lookup[Any]:
        """Returns the rows of one kind, the prices by the id of their version."""
        return self._rows[kind]

    def shown(self, kind: Kind, shape: Shape) -> Lookup[Any]:
        """Returns what `shape` makes of the rows of a kind, once for each row, whoever sees it."""
        found = self._shown.get((kind, shape))
        if found is None:
            found = self._shown[kind, shape] = Lookup(partial(self._show, kind, shape))
        return found

    def models_page(self, order: Order, window: Window) -> Page[ModelRow]:
        """Returns a page of the models that are not deleted."""
        found = self._sorted.get(order.name)
        if found is None:
            found = self._sorted[order.name] = self._sort(order)
        rows, places = found
        down = order.descending != window.backwards
        if window.place is None:
            at = len(rows) if down else 0
        else:
            at = (bisect_left if down else bisect_right)(places, window.place)
        near = rows[max(0, at - window.size - 1) : at] if down else rows[at : at + window.size + 1]
        return page_of(near[::-1] if order.descending else near, order, window)

    def _sort(self, order: Order) -> tuple[list[ModelRow], list[Place]]:
        models = [model.row for model in self._catalog.models()]
        shown = [row for row in models if row.deleted_at is None and self._is_visible(row)]
        rows = sorted(shown, key=order.place)
        return rows, [order.place(row) for row in rows]

    def version_pages(self, window: Window, connect: Connect) -> Lookup[Any]:
        """Returns what `connect` makes of the page of a model's versions, newest first, by the model's id.

        It is the same for all who see the model. The first pages of some sizes are kept.
        """
        pages: dict[tuple[Window, Connect], Lookup[Any]] = self._derived.setdefault(Window, {})
        found = pages.get((window, connect))
        if found is None:
            found = Lookup(partial(self._versions_page, window, connect))
            if window.place is None:
                if len(pages) >= MAX_WINDOWS:
                    pages.clear()
                pages[window, connect] = found
        return found

    def _versions_page(self, window: Window, connect: Connect, model_id: str) -> Any:
        return connect(self, model_id, page_of(self.versions_of(model_id), VERSIONS_NEWEST_FIRST, window))

    def versions_of(self, model_id: str) -> Sequence[ModelVersionRow]:
        """Returns a model's versions, newest first, whoever may see it."""
        return self._versions_of[model_id] or []

    def _its_versions(self, model_id: str) -> list[ModelVersionRow] | None:
        model = self._catalog.model_by_id(model_id)
        return [version.row for version in reversed(model.versions.values())] if model else None

    def _model(self, model_id: str) -> ModelRow | None:
        model = self._catalog.model_by_id(model_id)
        return model.row if model is not None and self._is_visible(model.row) else None

    def _version(self, version_id: str) -> ModelVersionRow | None:
        version = self._catalog.version_by_id(version_id)
        return version.row if version is not None and self._is_visible(version.model) else None

    def _prices(self, version_id: str) -> list[PriceRow] | None:
        version = self._catalog.version_by_id(version_id)
        return version.prices if version is not None and self._is_visible(version.model) else None

    def _is_visible(self, model: ModelRow) -> bool:
        in_project = model.project_id is None or model.project_id == self._project_id
        return in_project and (self._seen is None or model.id in self._seen)

    def _show(self, kind: Kind, shape: Shape, row_id: str) -> Any:
        row = self._rows[kind][row_id]
        return None if row is None else self.lasting(kind, shape, row)

    def lasting(self, kind: Kind, shape: Shape, row: Any) -> Any:
        """Returns what `shape` makes of a row, once, for whoever may see it."""
        everyones = self._derived.setdefault((kind, shape), {})
        if row.id not in everyones:
            everyones[row.id] = shape(row)
        return everyones[row.id]


def view_of(catalog: Catalog, project_id: str, seen: frozenset[str] | None) -> View:
    """Returns the view of a project's keys on what the catalog has read last."""
    views: dict[Any, View] = catalog.derived.setdefault(View, {})
    key = project_id, seen
    view = views.get(key)
    if view is None:
        if len(views) >= MAX_VIEWS:
            views.clear()
        view = views[key] = View(catalog, project_id, seen)
    return view
