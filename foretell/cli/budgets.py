"""`foretell budgets`."""

from __future__ import annotations

import asyncio
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from db.queries import keys as key_queries
from db.session import Database
from db.tables import BudgetRow, ProjectRow
from db.types import now
from engine.audit import OPERATOR
from engine.limits.ceilings import BudgetRequest, Ceilings
from engine.limits.windows import standing
from engine.money import DEFAULT_CURRENCY, Cost, from_nanos, to_nanos
from engine.standing import BudgetWindow
from foretell.cli.failures import CommandError
from foretell.cli.opened import migrated_database, project_named
from foretell.cli.output import moment, show_table
from foretell.configuration import load_settings

NO_LIMIT = "none"

app = typer.Typer(help="How much money projects and keys may spend.", no_args_is_help=True)

Project = Annotated[str, typer.Option("--project", help="The project.")]
Key = Annotated[
    str | None,
    typer.Option("--key", help="A key's start, as `keys list` shows it: a budget of its own."),
]


@app.command("set")
def set_budget(
    window: Annotated[BudgetWindow, typer.Argument(help="A day, a month, or all time.")],
    amount: Annotated[str, typer.Argument(help="As 12.50; `none` takes the budget away.")],
    project: Project = "default",
    key: Key = None,
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217.")] = DEFAULT_CURRENCY,
    callback_url: Annotated[
        str | None, typer.Option("--callback-url", help="Gets webhooks at 50, 80 and 100 percent.")
    ] = None,
) -> None:
    """Set a budget of a project, or of one of its keys; servers know of it within five seconds."""
    asyncio.run(_set(project, key, window, _limit(amount, currency), callback_url))


@app.command("list")
def list_all(project: Project = "default") -> None:
    """List the budgets of a project and of its keys."""
    asyncio.run(_list(project))


def _limit(amount: str, currency: str) -> Cost | None:
    if amount == NO_LIMIT:
        return None
    if len(currency) != 3 or not currency.isalpha() or not currency.isupper():
        raise CommandError("A currency has three capital letters, as USD.")
    try:
        return Cost(to_nanos(Decimal(amount)), currency)
    except (InvalidOperation, ValueError, OverflowError):
        message = f"{amount!r} is no amount with at most nine decimals, and not `{NO_LIMIT}`."
        raise CommandError(message) from None


async def _set(
    project: str, key: str | None, window: BudgetWindow, limit: Cost | None, callback_url: str | None
) -> None:
    async with migrated_database() as database:
        owner = await project_named(database, project)
        key_id = None if key is None else await _key_id(database, owner, key)
        ceilings = Ceilings(database, allowed_hosts=load_settings().webhook_allowed_hosts)
        await ceilings.set(BudgetRequest(owner.id, key_id, window, limit, callback_url), OPERATOR)
    whose = project if key is None else f"the key {key}"
    if limit is None:
        typer.echo(f"{whose} has no {window} budget any more.")
    else:
        typer.echo(f"{whose} may spend {from_nanos(limit.nanos):f} {limit.currency}: {window}.")


async def _key_id(database: Database, owner: ProjectRow, key: str) -> str:
    async with database.read() as connection:
        row = await key_queries.key_by_prefix(connection, key.rstrip("…"))
    if row is None or row.project_id != owner.id:
        raise CommandError(f"The project {owner.name} has no key {key}: `foretell keys list` shows its keys.")
    return row.id


async def _list(project: str) -> None:
    async with migrated_database() as database:
        owner = await project_named(database, project)
        rows = await Ceilings(database).of_project(owner.id)
        async with database.read() as connection:
            keys = await key_queries.keys_by_id(connection, owner.id, [row.holder_id for row in rows])
    prefixes = {key.id: f"{key.prefix}…" for key in keys}
    columns = ("of", "window", "limit", "spent", "reserved", "currency", "begins anew")
    show_table(columns, [_shown(row, prefixes.get(row.holder_id, "project")) for row in rows])


def _shown(row: BudgetRow, whose: str) -> tuple[str, ...]:
    budget = standing(row, now())
    amounts = (budget.limit_nanos, budget.spent_nanos, budget.reserved_nanos)
    shown = [f"{from_nanos(nanos):f}" for nanos in amounts]
    return (whose, budget.window, *shown, budget.currency, moment(budget.reset_at))
