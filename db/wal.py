"""Opens a SQLite file in WAL mode, whoever else does so at that moment."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

LOOK_SECONDS = 0.01


def open_wal(database: str, *, timeout: float = 5.0, **options: Any) -> sqlite3.Connection:
    """Returns a connection to a file that is in WAL mode, which the file keeps.

    While another connection writes to a file that is not in it yet, SQLite refuses the change at once,
    whatever the `busy_timeout`: it is asked for again until `timeout` seconds are over.

    Raises:
        sqlite3.OperationalError: the file stays locked, or can not be opened.
        sqlite3.DatabaseError: it is no database.
    """
    connection: sqlite3.Connection = sqlite3.connect(database, timeout=timeout, **options)
    try:
        _set_wal(connection, time.monotonic() + timeout)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_wal(connection: sqlite3.Connection, until: float) -> None:
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(LOOK_SECONDS)
        else:
            return
