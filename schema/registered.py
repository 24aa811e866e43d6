"""Models and versions as objects that last: one for each row of the registry, as long as it stays as it is.

Requests show the same few of them again and again, so their edges are bound, and what is selected of one is
completed once. See `executor.bound` and `executor.Unchanging`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from db.pages import Page, Window
from db.tables import ModelVersionRow
from executor import Bind, Reading, keyed
from resolvers.context import Context
from resolvers.view import Kind, View
from schema.access import Info
from schema.nodes import shape_of
from schema.pages import Connection

if TYPE_CHECKING:
    from schema.models import ModelVersion

KINDS: Mapping[str, Kind] = {"Model": "model", "ModelVersion": "version"}


def registered(type_name: str, column: str) -> Bind:
    """Returns how an edge is bound that leads to a model or a version; `column` is the row's with its id."""

    @keyed(Reading("row", column))
    def bind(info: Info) -> Mapping[str, Any] | None:
        return lasting(info.context, type_name)

    return bind


def version_pages(view: View, at: Window) -> Mapping[str, Connection[ModelVersion] | None]:
    """Returns the pages of the models' versions, newest first, by the model's id."""
    return view.version_pages(at, _connection)


def _connection(view: View, model_id: str, page: Page[ModelVersionRow]) -> Connection[ModelVersion]:
    async def count() -> int:
        return len(view.versions_of(model_id))

    made = Connection(page=page, shape=partial(view.lasting, "version", _shape("ModelVersion")), count=count)
    made.completed = {}
    return made


def lasting(context: Context, type_name: str) -> Mapping[str, Any] | None:
    """Returns the models or versions that exist for the viewer, by id; an id of none gives None.

    None instead of a mapping: whether the catalog is right has to be awaited first.
    """
    view = context.loaders.registry.view()
    return None if view is None else view.shown(KINDS[type_name], _shape(type_name))


def shape_of_models(context: Context) -> Callable[[Any], Any]:
    """Returns what makes objects of rows: those that last, if the operation has looked at the catalog."""
    shape = shape_of("Model")
    known = lasting(context, "Model") if context.loaders.registry.is_known else None
    if known is None:
        return shape
    return lambda row: known[row.id] or shape(row)  # it may have been made since


@cache
def _shape(type_name: str) -> Callable[[Any], Any]:
    shape = shape_of(type_name)

    def lasting_shape(row: Any) -> Any:
        made = shape(row)
        made.completed = {}
        return made

    return lasting_shape
