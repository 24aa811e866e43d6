import math
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from db.queries import keys as queries
from db.session import Database
from db.tables import ModelRow, ProjectRow
from db.tables.keys import projects
from db.tables.models import models
from db.types import ID_LENGTH, Json, created_at, epoch_ms, from_epoch_ms, new_id, now

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=10,
)


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [new_id() for _ in range(10_000)]

    assert ids == sorted(set(ids))
    assert {len(each) for each in ids} == {ID_LENGTH}


def test_an_id_tells_when_it_was_made() -> None:
    before = now()
    made = created_at(new_id())
    after = now()

    assert before <= made <= after


def test_ids_made_later_are_greater() -> None:
    first = new_id()
    time.sleep(0.002)

    assert first < new_id()


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)))
def test_a_time_keeps_its_milliseconds(moment: datetime) -> None:
    kept = from_epoch_ms(epoch_ms(moment))

    assert kept == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    moment = datetime(2026, 11, 20, 18, 0, tzinfo=timezone(timedelta(hours=2)))

    assert from_epoch_ms(epoch_ms(moment)) == datetime(2026, 11, 20, 16, 0, tzinfo=UTC)


@given(JSON)
def test_json_comes_back_as_it_was_stored(value: Any) -> None:
    column: Any = Json()

    stored = column.process_bind_param(value, None)

    assert column.process_result_value(stored, None) == value


def test_what_is_no_json_number_becomes_null() -> None:
    column: Any = Json()

    stored = column.process_bind_param([math.nan, math.inf, -math.inf], None)

    assert column.process_result_value(stored, None) == [None, None, None]


async def test_rows_come_back_as_they_were_stored(any_database: Database) -> None:
    row = ModelRow(name="n", display_name="ñ 🜛", task="TENSOR", tags=["a", '"', "\\"], updated_at=now())

    async with any_database.write() as connection:
        await connection.execute(models.insert().values(row.model_dump()))
    async with any_database.read() as connection:
        found = (await connection.execute(select(models))).one()

    assert found._asdict() == row.model_dump()


async def test_ids_compare_byte_by_byte_on_every_database(any_database: Database) -> None:
    ids = [letter + "0" * 31 for letter in "0aAzZ9"]
    async with any_database.write() as connection:
        for each in ids:
            await queries.add_project(connection, ProjectRow(id=each, name=each))

    async with any_database.read() as connection:
        found = (await connection.execute(select(projects.c.id).order_by(projects.c.id))).scalars().all()

    assert list(found) == sorted(ids)


@pytest.mark.parametrize(
    "moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, 23, 59, 59, 999000, UTC)]
)
async def test_times_far_apart_are_stored(any_database: Database, moment: datetime) -> None:
    async with any_database.write() as connection:
        await queries.add_project(connection, ProjectRow(name="p", created_at=moment))
    async with any_database.read() as connection:
        found = await queries.project_by_name(connection, "p")

    assert found is not None
    assert found.created_at == moment
