"""Routes: from what a request names to the versions it may be answered by, in order."""

from __future__ import annotations

from dataclasses import dataclass

from db.tables import PredictionRow
from engine.catalog import Catalog, CatalogAlias, CatalogModel, CatalogVersion
from engine.errors import InvalidInputError, NotFoundError
from engine.routing.split import ranked
from engine.values import ModelRef, VersionRef, Viewer

DEFAULT = "default"
"""The alias that a request takes which names neither version nor alias, where a model has it."""
MAX_STICKY_KEY = 256


@dataclass(frozen=True, slots=True)
class Route:
    """The version that a request is for, and those that stand in for it, in the order of trying."""

    asked: CatalogVersion
    others: tuple[CatalogVersion, ...] = ()
    alias: CatalogAlias | None = None

    @property
    def versions(self) -> tuple[CatalogVersion, ...]:
        """All of them."""
        return (self.asked, *self.others)

    @property
    def alias_id(self) -> str | None:
        """The id of the alias that led here."""
        return None if self.alias is None else self.alias.row.id


def find_route(
    catalog: Catalog, viewer: Viewer, model: ModelRef, version: VersionRef | None, sticky_key: str | None
) -> Route:
    """Finds where a request goes.

    An alias with several targets is drawn by `sticky_key`, else by the key or user that asks, so that
    the same caller gets the same target. Only an alias leads to more than one version.

    Raises:
        NotFoundError: the project sees no such model, version or alias.
        ModelNotReadyError: the request names no version, and the model has none.
        InvalidInputError: the sticky key is empty or longer than 256 characters.
    """
    if sticky_key is not None and not 1 <= len(sticky_key) <= MAX_STICKY_KEY:
        message = f"A sticky key has 1 to {MAX_STICKY_KEY} characters."
        constraint = f"minLength: 1, maxLength: {MAX_STICKY_KEY}"
        raise InvalidInputError(message, path=("input", "stickyKey"), constraint=constraint)
    found = catalog.model(viewer, model)
    alias = _alias(found, viewer.project_id, version)
    if alias is None:
        return Route(catalog.version(found, version))
    caller = sticky_key or viewer.holder
    return _drawn(alias, caller)


def route_again(catalog: Catalog, row: PredictionRow, version: CatalogVersion) -> Route:
    """Returns the route of a prediction that was accepted before, to be asked of a version, which it names.

    What stands in is what its alias says now; nothing does for a shadow.
    """
    asked = catalog.version_by_id(row.asked_version_id or "") or version
    alias = None if row.alias_id is None else catalog.alias_by_id(row.alias_id)
    if alias is None or row.shadow_of is not None:
        return Route(version, (), alias)
    return Route(asked, _without(asked, (version, *alias.fallbacks)), alias)


def _alias(model: CatalogModel, project_id: str, ref: VersionRef | None) -> CatalogAlias | None:
    if ref is None:
        return model.alias(project_id, DEFAULT)
    if ref.alias is None:
        return None
    found = model.alias(project_id, ref.alias)
    if found is None:
        message = f"The model {model.row.name!r} has no alias {ref.alias!r}."
        raise NotFoundError(message, path=("input", "version", "alias"))
    return found


def _drawn(alias: CatalogAlias, caller: str) -> Route:
    targets = [(version, version.row.id, weight) for version, weight in alias.targets]
    asked, *others = ranked(alias.row.id, caller, targets)
    return Route(asked, _without(asked, (*others, *alias.fallbacks)), alias)


def _without(asked: CatalogVersion, versions: tuple[CatalogVersion, ...]) -> tuple[CatalogVersion, ...]:
    others = {version.row.id: version for version in versions if version.row.id != asked.row.id}
    return tuple(others.values())
