"""What the loaders of aliases do: those of many models, and the histories of many, by one statement each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db.pages import Page, Window
from db.queries import aliases as queries
from db.session import Database
from db.tables import AliasChangeRow, ModelAliasRow


@dataclass(frozen=True, slots=True)
class HistoryOf:
    """A page of the history of an alias."""

    alias_id: str
    window: Window

    def split(self) -> tuple[str, Window]:
        """Parts the id from what questions that go together have in common."""
        return self.alias_id, self.window


class AliasLoads:
    """Reads aliases for one project, which sees its own and those of the operator."""

    def __init__(self, database: Database, project_id: str) -> None:
        self._database = database
        self._project_id = project_id

    async def of_models(self, model_ids: list[str]) -> list[list[ModelAliasRow]]:
        """Returns the aliases of each model by name; an own one hides the operator's of the same name."""
        async with self._database.read() as connection:
            rows = await queries.of_models(connection, self._project_id, model_ids)
        found: dict[str, dict[str, ModelAliasRow]] = {model_id: {} for model_id in model_ids}
        for row in rows:  # own ones first
            found[row.model_id].setdefault(row.name, row)
        return [list(found[model_id].values()) for model_id in model_ids]

    async def histories(self, window: Window, alias_ids: Sequence[str]) -> list[Page[AliasChangeRow]]:
        """Returns a page of the history of each alias, which the viewer is known to see."""
        async with self._database.read() as connection:
            return await queries.history_pages(connection, alias_ids, window)
