"""The drivers' errors, turned into those of `db.errors`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from db.errors import DatabaseError, DatabaseUnavailableError, UniqueViolationError

# What passes, of https://www.postgresql.org/docs/current/errcodes-appendix.html: the classes of connections,
# of transactions that lost to others, of resources, of what operators do, and of the disk; a lock that was
# waited for too long, a server that may only be read.
PASSING = ("08", "40", "53", "57", "58", "55P03", "25006")


@contextmanager
def translated() -> Iterator[None]:
    """Turns the drivers' errors into ours.

    Raises:
        UniqueViolationError: a unique index refused a row.
        DatabaseUnavailableError: the server is not there, or does not do its work now.
    """
    try:
        yield
    except Exception as error:
        ours = translation(error)
        if ours is None:
            raise
        raise ours from error


def translation(error: BaseException) -> DatabaseError | None:
    """Returns our error for a driver's; None for one that is to be raised as it is."""
    if isinstance(error, IntegrityError):
        return UniqueViolationError(str(error.orig)) if "unique" in str(error.orig).lower() else None
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError | OSError):
        return DatabaseUnavailableError(_first_line(error))
    if isinstance(error, DBAPIError):
        connecting = error.statement is None  # asyncpg has no common class for what stops a connection
        if connecting or error.connection_invalidated or _passes(error):
            return DatabaseUnavailableError(_first_line(error))
    return None


def _passes(error: DBAPIError) -> bool:
    return str(getattr(error.orig, "sqlstate", None) or "").startswith(PASSING)


def _first_line(error: BaseException) -> str:
    """Returns what happened, without the statement, which SQLAlchemy puts below."""
    return str(error).partition("\n")[0]
