"""Locks that tell a process that no other works with its database."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import URL, text

from db.session import Database

ONLY_PROCESS = 0x666F7270


class FileLock:
    """An exclusive lock that the kernel lets go of when its process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Lets another process take it."""
        os.close(self._descriptor)


def try_lock(url: URL) -> FileLock | None:
    """Takes the lock of a SQLite database; None where another process has it, or on PostgreSQL."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    path = Path(f"{url.database}.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return FileLock(descriptor)


@asynccontextmanager
async def only_process(database: Database) -> AsyncIterator[bool]:
    """Tells whether no other process has entered this context with a PostgreSQL database, while it lasts.

    The server forgets it with the connection: one that is cut for a moment may leave two who were told so.
    """
    async with database.engines[0].connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        locked = await connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": ONLY_PROCESS})
        try:
            yield bool(locked.scalar_one())
        finally:
            await connection.invalidate()  # the session ends, and the lock with it
