"""A lock beside a SQLite file: whoever holds it knows that no other process works with the database."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from sqlalchemy import URL


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
