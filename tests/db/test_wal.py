import gc
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from db.wal import open_wal


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that writes to a file that is not in WAL mode yet."""
    connection = sqlite3.connect(tmp_path / "new.db", check_same_thread=False, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def test_a_file_that_another_writes_to_is_waited_for(writing: sqlite3.Connection, tmp_path: Path) -> None:
    timer = Timer(0.2, lambda: writing.execute("COMMIT"))
    timer.start()

    opened = open_wal(str(tmp_path / "new.db"))

    assert opened.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    timer.join()
    opened.close()


def test_it_is_not_waited_for_longer_than_was_said(writing: sqlite3.Connection, tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="database is locked"):
        open_wal(str(tmp_path / "new.db"), timeout=0.05)


def test_a_file_that_can_not_be_opened_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        open_wal(str(tmp_path / "missing" / "new.db"), timeout=60)


def test_a_file_that_is_no_database_is_closed_again(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, " * 100)

    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        open_wal(str(tmp_path / "text.db"))
    gc.collect()  # one that is open would be told as unraisable
