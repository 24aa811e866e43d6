"""`foretell usage`: verified, repriced, exported."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from sqlalchemy import insert, update
from typer.testing import Result

from db.session import Database
from db.tables.models import prices
from db.tables.usage import usage
from engine.usage.export import COLUMNS
from schema.nodes import parse_id
from tests.engine.usage.bookkeeping import NOON, Books, hours, opened_books
from tests.foretell.commands import foretell
from tests.services import run

Run = Callable[..., Result]
DAY = ("--project", "books", "--from", "2026-11-20", "--to", "2026-11-21")


@pytest.fixture
def booked(sqlite_url: str) -> Run:
    """Runs a command on a database with three predictions; the next day has a fourth."""
    run(_fill(sqlite_url))

    def run_on_it(*arguments: str) -> Result:
        return foretell("usage", *arguments, FORETELL_DATABASE_URL=sqlite_url)

    return run_on_it


async def _fill(url: str) -> None:
    database = Database(url)
    books: Books = await opened_books(database)
    await books.book(
        books.used(NOON, cost_nanos=1),
        books.used(NOON + hours(1), cost_nanos=None, currency=None, status="FAILED", total_ms=None),
        books.used(NOON + hours(2), cost_nanos=2_500_000_000, input_tokens=12, time_to_first_token_ms=0.5),
        books.used(NOON + hours(13)),
    )
    async with database.write() as connection:
        values = {"model_version_id": books.version.id, "valid_from": NOON, "nanos_per_prediction": 7}
        await connection.execute(insert(prices).values(id="0" * 32, currency="USD", **values))
    await database.close()


async def _spoil(url: str) -> None:
    database = Database(url)
    async with database.write() as connection:
        await connection.execute(update(usage).where(usage.c.cost_nanos == 1).values(cost_nanos=2))
    await database.close()


def test_verify_says_that_all_is_equal(booked: Run) -> None:
    result = booked("verify")

    assert (result.exit_code, result.stdout) == (0, "Predictions, ledger and rollups have the same sums.\n")


def test_verify_prints_what_differs_and_fails(booked: Run, sqlite_url: str) -> None:
    run(_spoil(sqlite_url))

    result = booked("verify")

    assert result.exit_code == 1
    assert result.stdout.split()[-7:] == [
        "books", "USD", "cost_nanos", "2500001501", "2500001502", "2500001502", "2500001502",
    ]  # fmt: skip
    assert result.stderr == "Error: 1 sums differ.\n"


def test_a_time_of_another_form_is_answered_with_an_example(booked: Run) -> None:
    result = booked("reprice", "--from", "20.11.2026")

    assert result.exit_code == 2
    assert "is no date or time like 2026-11-20" in result.stderr


def test_reprice_tells_what_it_cost_before_and_costs_now(booked: Run) -> None:
    first, second, verified = booked("reprice", *DAY), booked("reprice", *DAY), booked("verify")

    assert first.stdout == "Repriced 3 predictions: 2.500000001 USD before, 0.000000014 USD now.\n"
    assert second.stdout == "Nothing to change.\n"
    assert verified.exit_code == 0


def test_reprice_of_a_version_that_is_not_there_fails(booked: Run) -> None:
    result = booked("reprice", *DAY, "--version", "told/9")

    assert result.exit_code == 1
    assert "foretell models list" in result.stderr


def test_reprice_can_be_of_one_version(booked: Run) -> None:
    assert booked("reprice", *DAY, "--version", "told/1").stdout.startswith("Repriced 3 predictions")


def test_export_writes_csv_with_every_digit_and_nothing_for_what_is_not_known(booked: Run) -> None:
    result = booked("export", *DAY)

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == list(COLUMNS)
    assert [(row["cost"], row["currency"], row["status"]) for row in rows] == [
        ("0.000000001", "USD", "SUCCEEDED"),
        ("", "", "FAILED"),
        ("2.5", "USD", "SUCCEEDED"),
    ]
    assert rows[0]["finished_at"] == "2026-11-20T12:00:00.000Z"
    assert (rows[2]["input_tokens"], rows[2]["model"], rows[2]["version"]) == ("12", "told", "1")
    assert result.stderr == "3 rows.\n"


def test_export_writes_a_json_object_a_line(booked: Run) -> None:
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in booked("export", *DAY, "--format", "jsonl").stdout.splitlines()
    ]

    assert [row["cost"] for row in rows] == ["0.000000001", None, "2.5"]
    assert {parse_id(row["prediction_id"])[0] for row in rows} == {"Prediction"}
    assert {parse_id(row["job_id"])[0] if row["job_id"] else None for row in rows} <= {"Job", None}
    assert (rows[1]["latency_ms"], rows[2]["time_to_first_token_ms"], rows[0]["cached"]) == (None, 0.5, False)


def test_export_writes_parquet_with_types(booked: Run, tmp_path: Path) -> None:
    file = tmp_path / "usage.parquet"

    result = booked("export", *DAY, "--format", "parquet", "--output", str(file))

    rows = parquet.read_table(file).to_pylist()
    assert result.exit_code == 0
    assert [row["cost"] for row in rows] == [Decimal("0.000000001"), None, Decimal("2.5")]
    assert rows[0]["finished_at"] == datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_export_of_an_empty_day_is_a_header(booked: Run) -> None:
    result = booked("export", "--project", "books", "--from", "2020-01-01", "--to", "2020-01-02")

    assert result.stdout.strip() == ",".join(COLUMNS)


def test_export_to_a_file_that_can_not_be_written_fails(booked: Run, tmp_path: Path) -> None:
    result = booked("export", *DAY, "--output", str(tmp_path / "absent" / "usage.csv"))

    assert result.exit_code == 1
    assert "can not be written" in result.stderr


def test_a_project_is_told_how_long_to_keep(sqlite_url: str, booked: Run) -> None:
    said = [
        foretell("projects", "retention", "books", *days, FORETELL_DATABASE_URL=sqlite_url).stdout
        for days in (["--days", "7"], ["--days", "0"], [])
    ]

    assert said == [
        "books keeps inputs and outputs for 7 days.\n",
        "books keeps inputs and outputs for ever.\n",
        "books keeps inputs and outputs as the setting says.\n",
    ]
