"""Ceilings: setting budgets, and reading how they stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import budgets as queries
from db.queries import keys as key_queries
from db.session import Database
from db.tables import BudgetRow
from db.types import now
from engine.audit import Action, Actor, note
from engine.bus.base import Bus
from engine.errors import InvalidInputError, NotFoundError
from engine.ids import global_id
from engine.limits.projects import TOPIC, Projects
from engine.limits.windows import start_of
from engine.money import Cost, from_nanos
from engine.standing import BudgetWindow
from engine.webhooks.addresses import check_url

MAX_NANOS = 10**18
"""A billion of a currency's unit: sums of a few such amounts fit 64 bits."""


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """A budget that somebody wants for a project, or for one of its keys; no limit takes it away."""

    project_id: str
    api_key_id: str | None
    window: BudgetWindow
    limit: Cost | None
    callback_url: str | None = None


class Ceilings:
    """Sets budgets, and tells other processes of them."""

    def __init__(
        self,
        database: Database,
        projects: Projects | None = None,
        bus: Bus | None = None,
        *,
        allowed_hosts: Collection[str] = (),
    ) -> None:
        self._database = database
        self._projects = projects
        self._bus = bus
        self._allowed_hosts = allowed_hosts

    async def set(self, wanted: BudgetRequest, actor: Actor) -> BudgetRow | None:
        """Sets a budget, or takes it away, and returns it as it then is.

        A new one counts what begins from now on; of one that is there, what was spent stays spent, unless
        the currency is another.

        Raises:
            NotFoundError: the project has no such key.
            InvalidInputError: the limit is below 0 or above a billion, or the address is none to call.
        """
        self._check(wanted)
        async with self._database.write() as connection:
            if wanted.api_key_id is not None:
                keys = await key_queries.keys_by_id(connection, wanted.project_id, [wanted.api_key_id])
                if not keys:
                    raise NotFoundError("There is no such API key.", path=("input", "apiKeyId"))
            await _put(connection, wanted)
            await _note(connection, wanted, actor)
            row = await queries.find(connection, wanted.api_key_id or wanted.project_id, wanted.window)
        if self._projects is not None:
            await self._projects.refresh()
        if self._bus is not None:
            self._bus.announce(TOPIC, wanted.project_id)
        return row

    async def of_project(self, project_id: str) -> Sequence[BudgetRow]:
        """Lists the budgets of a project and of its keys."""
        async with self._database.read() as connection:
            return await queries.of_project(connection, project_id)

    def _check(self, wanted: BudgetRequest) -> None:
        if wanted.limit is not None and not 0 <= wanted.limit.nanos <= MAX_NANOS:
            message = f"A budget is from 0 to {from_nanos(MAX_NANOS):f}."
            path = ("input", "limit", "amount")
            raise InvalidInputError(message, path=path, constraint="minimum: 0, maximum: 1000000000")
        if wanted.callback_url is not None:
            check_url(wanted.callback_url, self._allowed_hosts)


async def _put(connection: AsyncConnection, wanted: BudgetRequest) -> None:
    holder_id = wanted.api_key_id or wanted.project_id
    found = await queries.find(connection, holder_id, wanted.window)
    if wanted.limit is None:
        if found is not None:
            await queries.remove(connection, found.id)
        return
    if found is not None and found.currency == wanted.limit.currency:
        changes = {"limit_nanos": wanted.limit.nanos, "callback_url": wanted.callback_url, "told": 0}
        await queries.change(connection, found.id, **changes)
        return
    if found is not None:
        await queries.remove(connection, found.id)
    row = BudgetRow(
        project_id=wanted.project_id,
        holder_id=holder_id,
        api_key_id=wanted.api_key_id,
        period=wanted.window,
        period_start=start_of(wanted.window, now()),
        currency=wanted.limit.currency,
        limit_nanos=wanted.limit.nanos,
        callback_url=wanted.callback_url,
    )
    await queries.add(connection, row)


async def _note(connection: AsyncConnection, wanted: BudgetRequest, actor: Actor) -> None:
    of_key = wanted.api_key_id is not None
    kind, row_id = ("ApiKey", wanted.api_key_id or "") if of_key else ("Project", wanted.project_id)
    limit = None
    if wanted.limit is not None:
        limit = {"amount": f"{from_nanos(wanted.limit.nanos):f}", "currency": wanted.limit.currency}
    await note(
        connection,
        actor,
        Action.BUDGET_SET,
        f"{wanted.window} budget of the {'key' if of_key else 'project'}",
        project_id=wanted.project_id,
        subject_id=global_id(kind, row_id),
        details={"limit": limit},
    )
