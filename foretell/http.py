"""The routes beside GraphQL: whether the process lives, and whether it can work."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter, Request, Response

from db.errors import DatabaseUnavailableError
from db.migrate import current_revision, is_behind, newest_revision
from db.queries.health import write_something
from engine.values import ServingStatus
from resolvers.context import Services

log = logging.getLogger(__name__)
router = APIRouter()


@router.get("/health")
async def health() -> dict[str, str]:
    """Answers while the process lives."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(request: Request, response: Response) -> dict[str, Any]:
    """Answers 200 when it can work, else 503; `checks` names each part and what it lacks.

    Without its bus a process works on, so it is `degraded` and not 503: to take all of them out of service at
    once, because they share one Redis, would turn a small fault into an outage. The same goes for limits that
    can not be shared, unless they are set to refuse everything then.
    """
    services: Services = request.app.state.services
    checks = {"database": await _database(services), "models": _models(services)}
    if request.app.state.shutdown.is_set():
        checks["shutdown"] = "the process is stopping"
    limits = await services.limits.problem()
    is_ready = all(problem is None for problem in checks.values()) and not (limits and limits.refuses)
    response.status_code = 200 if is_ready else 503
    checks["bus"] = services.bus.state().problem
    checks["limits"] = limits.message if limits else None
    checks["circuits"] = _circuits(services)  # a hint: others may stand in, and it is tried again by itself
    return {
        "status": _status(is_ready, is_whole=checks["bus"] is None and limits is None),
        "checks": {name: problem or "ok" for name, problem in checks.items()},
    }


def _status(is_ready: bool, *, is_whole: bool) -> str:
    if not is_ready:
        return "not ready"
    return "ready" if is_whole else "degraded"


async def _database(services: Services) -> str | None:
    try:
        revision = await current_revision(services.database)
    except Exception as error:  # whatever is wrong with it, the answer is that it is not ready
        log.warning("the database does not answer: %s", error)
        return f"the database does not answer: {type(error).__name__}"
    if services.database.write_problem is not None:
        problem = await _writing(services)
        if problem is not None:
            return problem
    if is_behind(revision):
        return f"the database is at migration {revision}, this version needs {newest_revision()}"
    return None


async def _writing(services: Services) -> str | None:
    """Tries whether the database can be written again, after something could not be."""
    try:
        async with services.database.write() as connection:
            await write_something(connection)
    except DatabaseUnavailableError as error:
        log.warning("the database can not be written: %s", error)
        return "the database can not be written"
    return None


def _circuits(services: Services) -> str | None:
    """Names versions that failed so often of late that they are left alone."""
    circuits = services.router.circuits
    found = [version for version in services.catalog.versions() if circuits.is_open(version.row.id)]
    return f"open: {', '.join(version.spec.name for version in found)}" if found else None


def _models(services: Services) -> str | None:
    """Names versions of the operator that are on their way; one that failed, or lacks its server, stops none.

    Those of projects are left out: who uploads files could take every process out of service.
    """
    waiting = (ServingStatus.PENDING, ServingStatus.LOADING)
    shared = [version for version in services.catalog.versions() if version.model.project_id is None]
    rows = [(version.spec.name, version.row) for version in shared]
    names = [name for name, row in rows if row.status in waiting and row.status_reason is None]
    return f"loading: {', '.join(names)}" if names else None
