"""The drivers' errors, turned into those of `db.errors`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from db.errors import DatabaseUnavailableError, UniqueViolationError


@contextmanager
def translated() -> Iterator[None]:
    """Turns the drivers' errors into ours.

    Raises:
        UniqueViolationError: a unique index refused a row.
        DatabaseUnavailableError: the server is not there, or does not do its work now.
    """
    try:
        yield
    except IntegrityError as error:
        if "unique" in str(error.orig).lower():
            raise UniqueViolationError(str(error.orig)) from error
        raise
    except (OperationalError, InterfaceError, PoolTimeoutError, OSError) as error:
        raise DatabaseUnavailableError(str(error)) from error
    except DBAPIError as error:
        connecting = error.statement is None  # asyncpg has no common class for what stops a connection
        if connecting or error.connection_invalidated:
            raise DatabaseUnavailableError(str(error)) from error
        raise
