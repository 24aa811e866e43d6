"""What can go wrong with a database, in terms the engine can act on.

DatabaseError
├── DatabaseUnavailableError   locked, full, down, cut or deadlocked: try again
└── UniqueViolationError       another row has this value already
"""

from __future__ import annotations


class DatabaseError(Exception):
    """The database refused a statement."""


class DatabaseUnavailableError(DatabaseError):
    """The database is locked, full, down or cut off; the same statement may succeed later."""


class UniqueViolationError(DatabaseError):
    """A row with this value exists already."""
