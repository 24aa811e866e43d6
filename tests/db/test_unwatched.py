"""Rows that SQLAlchemy does not watch: they have what the others have."""

from __future__ import annotations

from typing import Any

import pytest

from db.queries.predictions import COLUMNS
from db.tables import NewPrediction, PredictionRow
from db.tables.base import with_changes
from db.types import now

GIVEN: dict[str, Any] = {
    "project_id": "p",
    "model_id": "m",
    "model_version_id": "v",
    "request_id": "r",
    "input": {"records": []},
}


def columns(row: PredictionRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS}


def test_they_have_the_columns_and_the_defaults_of_their_table() -> None:
    same: dict[str, Any] = {"id": "1", "created_at": now()}

    assert columns(NewPrediction(**GIVEN, **same)) == columns(PredictionRow(**GIVEN, **same))
    assert len(NewPrediction(**GIVEN).id) == 32
    assert NewPrediction(**GIVEN).id != NewPrediction(**GIVEN).id


def test_they_need_what_has_no_default_and_take_nothing_else() -> None:
    incomplete: dict[str, Any] = {"project_id": "p"}

    with pytest.raises(TypeError):
        NewPrediction(**{**GIVEN, "unknown": 1})
    with pytest.raises(TypeError):
        NewPrediction(**incomplete)
    with pytest.raises(AttributeError):
        object.__setattr__(NewPrediction(**GIVEN), "unknown", 1)


def test_a_copy_with_changes_leaves_the_row_as_it_was() -> None:
    row = NewPrediction(**GIVEN)

    changed = with_changes(row, {"status": "FAILED"})

    assert (row.status, changed.status) == ("QUEUED", "FAILED")
    assert columns(changed) == {**columns(row), "status": "FAILED"}
