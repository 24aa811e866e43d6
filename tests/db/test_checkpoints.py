import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import insert

from db import checkpoints
from db.checkpoints import Checkpoints
from db.session import Database
from db.tables import ProjectRow
from db.tables.base import table_of
from db.types import new_id

MANY = checkpoints.ROWS + 1


def path_of(database: Database) -> Path:
    return Path(str(database.url.database))


def in_the_file(database: Database) -> int:
    """Counts the projects that are in the file itself, whatever its WAL has."""
    alone = path_of(database).with_name("alone.db")
    shutil.copyfile(path_of(database), alone)
    with closing(sqlite3.connect(alone)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM project").fetchone()
    return int(count)


async def add_many(database: Database) -> None:
    rows = [ProjectRow(name=f"project {number}").model_dump() for number in range(MANY)]
    async with database.write() as connection:
        await connection.execute(insert(table_of(ProjectRow)), rows)


async def add_one(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(table_of(ProjectRow)).values(ProjectRow(name=new_id()).model_dump()))


async def test_what_many_rows_made_of_the_wal_comes_into_the_file_while_others_write(
    database: Database,
) -> None:
    await add_many(database)

    async with asyncio.timeout(20):
        while in_the_file(database) < MANY:
            await add_one(database)
            await asyncio.sleep(0.05)


async def test_the_wal_begins_anew_after_that(database: Database) -> None:
    wal = path_of(database).with_name(f"{path_of(database).name}-wal")
    await add_many(database)
    long = 0

    async with asyncio.timeout(20):
        while wal.stat().st_size > long:
            long = wal.stat().st_size
            await asyncio.sleep(0.2)
            await add_one(database)


async def test_few_rows_are_not_worth_a_copy_and_many_are_one_at_most_each_half_second(
    tmp_path: Path,
) -> None:
    made = Checkpoints(str(tmp_path / "some.db"), [])
    await asyncio.sleep(checkpoints.SECONDS)

    assert not made.are_due(MANY - 2)
    assert made.are_due(1)
    assert not made.are_due(MANY)
    await asyncio.sleep(checkpoints.SECONDS)
    assert made.are_due(0)
    await made.close()


async def test_a_copy_that_fails_is_told_and_raises_nothing(tmp_path: Path) -> None:
    made = Checkpoints(str(tmp_path / "missing" / "some.db"), [])

    await made.copy()
    await made.close()
