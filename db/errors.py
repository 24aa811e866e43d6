"""What can go wrong with a database, in terms the engine can act on.

DatabaseError
├── DatabaseUnavailableError   locked, full, down or cut: try again
└── UniqueViolationError       another row has this value already
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class DatabaseError(Exception):
    """The database refused a statement."""


class DatabaseUnavailableError(DatabaseError):
    """The database is locked, full, down or cut off; the same statement may succeed later."""


class UniqueViolationError(DatabaseError):
    """A row with this value exists already."""


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
