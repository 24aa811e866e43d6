"""Aliases that the registry file says."""

from pathlib import Path

import pytest
from sqlalchemy import select

from db.session import Database
from db.tables.aliases import alias_changes, aliases
from db.tables.models import model_versions
from engine.definitions import read_definitions
from engine.errors import DefinitionError
from engine.registry import Registry

FILE = """
[[models]]
name = "told"
display_name = "Told"
task = "TABULAR_REGRESSION"

[[models.versions]]
version = "1"
backend = { kind = "ONNX", path = "1.onnx" }

[[models.versions]]
version = "2"
backend = { kind = "ONNX", path = "2.onnx" }

[[models.versions]]
version = "3"
backend = { kind = "ONNX", path = "3.onnx" }

[[models.aliases]]
name = "production"
"""
SPLIT = """targets = [{ version = "1", weight = 90 }, { version = "2", weight = 10 }]
shadow = { version = "3", sample_rate = 0.1 }
fallbacks = ["3"]
"""


async def applied(database: Database, folder: Path, alias: str, *, dry_run: bool = False) -> list[str]:
    """Applies a file with an alias, and returns what changed."""
    file = folder / "models.toml"
    file.write_text(FILE + alias)
    changes = await Registry(database).apply(read_definitions(file), dry_run=dry_run)
    return [f"{change.what} {change.name}" for change in changes]


async def test_an_alias_of_the_file_is_made_and_then_left_as_it_is(
    any_database: Database, tmp_path: Path
) -> None:
    told = await applied(any_database, tmp_path, SPLIT)
    again = await applied(any_database, tmp_path, SPLIT)

    assert (told[-1], again) == ("add alias told/production", [])
    async with any_database.read() as connection:
        (row,) = (await connection.execute(select(aliases))).all()
    assert (row.project_id, row.revision, [each["weight"] for each in row.targets]) == (None, 1, [90, 10])
    assert row.shadow is not None
    assert (row.shadow["sample_rate"], row.fallbacks) == (0.1, [row.shadow["version_id"]])


async def test_an_alias_that_the_file_moves_gets_a_new_revision_and_keeps_the_old_one(
    database: Database, tmp_path: Path
) -> None:
    await applied(database, tmp_path, SPLIT)

    told = await applied(database, tmp_path, 'targets = [{ version = "2" }]')

    assert told == ["move alias told/production"]
    async with database.read() as connection:
        rows = (await connection.execute(select(alias_changes).order_by(alias_changes.c.revision))).all()
    assert [(row.revision, len(row.targets), row.api_key_id) for row in rows] == [(1, 2, None), (2, 1, None)]


async def test_a_dry_run_tells_of_an_alias_and_makes_none(database: Database, tmp_path: Path) -> None:
    told = await applied(database, tmp_path, SPLIT, dry_run=True)

    assert told[-1] == "add alias told/production"
    async with database.read() as connection:
        assert (await connection.execute(select(aliases))).all() == []


@pytest.mark.parametrize(
    ("alias", "problem"),
    [
        ('targets = [{ version = "9" }]', "told/production: the model has no version '9'"),
        ('targets = [{ version = "1" }]\nfallbacks = ["9"]', "the model has no version '9'"),
        ("targets = []", "targets"),
        ('targets = [{ version = "1", weight = 0 }]', "one target at least has a weight"),
        ('targets = [{ version = "1" }, { version = "1" }]', "once"),
        ('targets = [{ version = "1" }]\nfallbacks = ["2", "2"]', "once"),
        ('targets = [{ version = "1" }]\nshadow = { version = "1", sample_rate = 1 }', "no target"),
        ('targets = [{ version = "1" }]\nshadow = { version = "2", sample_rate = 0 }', "sample_rate"),
        (SPLIT + '[[models.aliases]]\nname = "production"\n' + SPLIT, "defined twice"),
    ],
)
async def test_an_alias_that_can_not_be_stops_the_file_with_one_line(
    database: Database, tmp_path: Path, alias: str, problem: str
) -> None:
    with pytest.raises(DefinitionError, match=problem) as refused:
        await applied(database, tmp_path, alias)

    assert "\n" not in str(refused.value)
    async with database.read() as connection:
        assert (await connection.execute(select(aliases))).all() == []


async def test_how_many_predictions_run_at_once_can_be_changed_at_any_time(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "models.toml"
    told = []
    for limits in ("", "max_concurrency = 2\nmax_queue = 0\n", "max_concurrency = 3\n"):
        file.write_text(FILE.partition("[[models.aliases]]")[0] + limits)
        changes = await Registry(database).apply(read_definitions(file))
        told.append([f"{change.what} {change.name}" for change in changes])

    assert told[1:] == [["change version told/3"]] * 2
    async with database.read() as connection:
        rows = (await connection.execute(select(model_versions.c.version, model_versions.c.config))).all()
    config = {row.version: row.config for row in rows}["3"]
    assert {name: config.get(name) for name in ("maxConcurrency", "maxQueue")} == {
        "maxConcurrency": 3,
        "maxQueue": None,
    }
