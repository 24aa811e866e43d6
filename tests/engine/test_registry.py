from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from db.queries import models as queries
from db.queries import registry as registry_queries
from db.session import Database
from db.tables import ModelRow
from engine.definitions import ModelDefinition, read_definitions
from engine.errors import DefinitionError
from engine.registry import Registry
from engine.registry_changes import Change, Difference

FILE = """
[[models]]
name = "apple"
display_name = "Apple"
task = "TABULAR_REGRESSION"
tags = ["fruit"]

[[models.versions]]
version = "1"
backend = { kind = "ONNX", path = "apple.onnx", sha256 = "%s" }
input_schema = { type = "object", properties = { x = { type = "number" } } }
max_batch_size = 8
price = { per_prediction = "0.5" }
""" % ("0" * 64)


def read(folder: Path, text: str = FILE) -> list[ModelDefinition]:
    path = folder / "models.toml"
    path.write_text(text, encoding="utf-8")
    return read_definitions(path)


async def everything(database: Database) -> Any:
    async with database.read() as connection:
        found = await registry_queries.everything(connection)
    return found.models, found.versions, found.prices


def told(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.what, change.name) for change in changes]


async def test_new_models_are_added_with_their_versions_and_prices(
    any_database: Database, tmp_path: Path
) -> None:
    changes = await Registry(any_database).apply(read(tmp_path))

    assert told(changes) == [("add model", "apple"), ("add version", "apple/1"), ("set price", "apple/1")]
    (model,), (version,), (price,) = await everything(any_database)
    assert (model.name, model.task, model.tags, model.project_id) == (
        "apple",
        "TABULAR_REGRESSION",
        ["fruit"],
        None,
    )
    assert (model.status, model.default_version_id) == ("PENDING", version.id)
    assert (version.backend, version.max_batch_size) == ("ONNX", 8)
    assert version.config == {"path": str(tmp_path / "apple.onnx"), "sha256": "0" * 64}
    assert (price.nanos_per_prediction, price.currency) == (500_000_000, "USD")


async def test_what_is_there_already_changes_nothing(any_database: Database, tmp_path: Path) -> None:
    await Registry(any_database).apply(read(tmp_path))
    before = await everything(any_database)

    assert await Registry(any_database).apply(read(tmp_path)) == []
    assert await everything(any_database) == before


async def test_a_dry_run_tells_all_and_changes_nothing(database: Database, tmp_path: Path) -> None:
    changes = await Registry(database).apply(read(tmp_path), dry_run=True)

    assert len(changes) == 3
    assert await everything(database) == ([], [], [])


async def test_what_a_model_is_called_may_change_and_its_installation_may_move(
    database: Database, tmp_path: Path
) -> None:
    await Registry(database).apply(read(tmp_path))
    (before,), _, _ = await everything(database)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    changes = await Registry(database).apply(
        read(
            elsewhere,
            FILE.replace('"Apple"', '"An apple"').replace("max_batch_size = 8", "max_batch_size = 9"),
        )
    )

    (after,), (version,), _ = await everything(database)
    assert told(changes) == [("change model", "apple"), ("change version", "apple/1")]
    assert (after.id, after.display_name, version.max_batch_size) == (before.id, "An apple", 9)
    assert version.config["path"] == str(elsewhere / "apple.onnx")
    assert after.updated_at >= before.updated_at


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0" * 64, "1" * 64),
        ("TABULAR_REGRESSION", "TENSOR"),
        ('type = "number"', 'type = "integer"'),
        ("backend = { ", 'labels = ["a"]\nbackend = { '),
    ],
)
async def test_what_a_version_is_does_not_change(
    database: Database, tmp_path: Path, old: str, new: str
) -> None:
    await Registry(database).apply(read(tmp_path))
    before = await everything(database)

    with pytest.raises(DefinitionError, match=r"apple.* does not change"):
        await Registry(database).apply(read(tmp_path, FILE.replace(old, new)))

    assert await everything(database) == before


async def test_of_many_definitions_one_that_is_wrong_leaves_all_unchanged(
    database: Database, tmp_path: Path
) -> None:
    await Registry(database).apply(read(tmp_path))
    wrong = FILE.replace("apple", "pear") + FILE.replace("0" * 64, "1" * 64)

    with pytest.raises(DefinitionError):
        await Registry(database).apply(read(tmp_path, wrong))

    rows, _, _ = await everything(database)
    assert [row.name for row in rows] == ["apple"]


async def test_a_new_version_becomes_the_default_one(database: Database, tmp_path: Path) -> None:
    await Registry(database).apply(read(tmp_path))
    second = FILE[FILE.index("[[models.versions]]") :].replace('version = "1"', 'version = "2"')

    changes = await Registry(database).apply(read(tmp_path, FILE + second))

    (model,), versions, _ = await everything(database)
    assert told(changes) == [("add version", "apple/2"), ("set price", "apple/2")]
    assert model.default_version_id == next(row.id for row in versions if row.version == "2")


async def test_a_new_price_holds_from_now_on_and_the_old_one_is_kept(
    database: Database, tmp_path: Path
) -> None:
    await Registry(database).apply(read(tmp_path))

    changes = await Registry(database).apply(read(tmp_path, FILE.replace('"0.5"', '"0.25"')))

    _, _, prices = await everything(database)
    assert told(changes) == [("set price", "apple/1")]
    assert [row.nanos_per_prediction for row in prices] == [500_000_000, 250_000_000]
    assert prices[1].valid_from - prices[0].valid_from < timedelta(minutes=1)


async def test_a_price_with_a_time_finer_than_a_millisecond_is_found_again(
    database: Database, tmp_path: Path
) -> None:
    dated = FILE.replace("price = { ", "price = { valid_from = 2026-01-01T00:00:00.123456Z, ")

    await Registry(database).apply(read(tmp_path, dated))

    assert await Registry(database).apply(read(tmp_path, dated)) == []


async def test_a_projects_model_of_the_same_name_stays_its_own(database: Database, tmp_path: Path) -> None:
    async with database.write() as connection:
        await connection.exec_driver_sql(
            f"INSERT INTO project (id, name, tier, created_at) VALUES ('{'a' * 32}', 'p', 'free', 0)"
        )
        await queries.add_model(
            connection,
            ModelRow(name="apple", project_id="a" * 32, display_name="Mine", task="TENSOR"),
        )

    changes = await Registry(database).apply(read(tmp_path))

    rows, _, _ = await everything(database)
    assert changes[0] == Change("add model", "apple")
    assert sorted(row.display_name for row in rows) == ["Apple", "Mine"]


async def test_a_name_that_comes_twice_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="apple"):
        await Registry(database).apply(read(tmp_path) + read(tmp_path))
    with pytest.raises(DefinitionError, match="apple/1"):
        await Registry(database).apply(read(tmp_path, FILE + FILE[FILE.index("[[models.versions]]") :]))

    assert await everything(database) == ([], [], [])


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('name = "apple"', 'name = "Apple!"', "models[0].name"),
        ('name = "apple"', "", "models[0].name"),
        ('display_name = "Apple"', f'display_name = "{"n" * 201}"', "models[0].display_name"),
        ("TABULAR_REGRESSION", "GUESSING", "models[0].task"),
        ('version = "1"', f'version = "{"1" * 65}"', "models[0].versions[0].version"),
        ('kind = "ONNX"', 'kind = "MAGIC"', "models[0].versions[0].backend"),
        ("0" * 64, "zero", "models[0].versions[0].backend"),
        ("max_batch_size = 8", "max_batch_size = 0", "models[0].versions[0].max_batch_size"),
        ("max_batch_size = 8", "max_batches = 8", "models[0].versions[0].max_batches"),
        ('"0.5"', '"-0.5"', "models[0].versions[0].price.per_prediction"),
        ('"0.5"', '"free"', "models[0].versions[0].price.per_prediction"),
        ('"0.5"', '"0.0000000001"', "models[0].versions[0].price.per_prediction"),
        ('"0.5"', '"99999999999"', "models[0].versions[0].price.per_prediction"),
        ("[[models]]", "[[models", "models.toml"),
    ],
)
def test_a_file_that_is_wrong_names_the_place_in_one_line(
    tmp_path: Path, old: str, new: str, place: str
) -> None:
    with pytest.raises(DefinitionError) as wrong:
        read(tmp_path, FILE.replace(old, new, 1))

    assert place in str(wrong.value)
    assert "models.toml" in str(wrong.value)
    assert len(str(wrong.value).splitlines()) == 1


def test_all_that_is_wrong_with_a_file_is_told_at_once(tmp_path: Path) -> None:
    wrong = FILE.replace('name = "apple"', 'name = "Apple!"', 1).replace(
        "max_batch_size = 8", "max_batches = 8", 1
    )

    with pytest.raises(DefinitionError) as caught:
        read(tmp_path, wrong)

    told = str(caught.value)
    assert "models[0].name: must be 1 to 100 lower-case letters" in told
    assert "models[0].versions[0].max_batches: is not permitted: there is no such member" in told


def test_files_that_are_missing_or_no_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"nowhere\.toml"):
        read_definitions(tmp_path / "nowhere.toml")
    schema = 'input_schema = { type = "object", properties = { x = { type = "number" } } }'
    by_path = FILE.replace(schema, 'input_schema = "schema.json"')
    with pytest.raises(DefinitionError, match=r"schema\.json"):
        read(tmp_path, by_path)
    (tmp_path / "schema.json").write_text("{")
    with pytest.raises(DefinitionError, match=r"schema\.json"):
        read(tmp_path, by_path)
    (tmp_path / "schema.json").write_text("[]")
    with pytest.raises(DefinitionError, match=r"schema\.json"):
        read(tmp_path, by_path)
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    assert read(tmp_path, by_path)[0].versions[0].input_schema == {"type": "object"}


async def test_each_value_that_changes_is_told(database: Database, tmp_path: Path) -> None:
    alias = """
[[models.aliases]]
name = "production"
targets = [{ version = "1", weight = 1 }]
"""
    await Registry(database).apply(read(tmp_path, FILE + alias))
    changed = (FILE + alias).replace("max_batch_size = 8", "max_batch_size = 16").replace('"0.5"', '"0.25"')
    moved = changed.replace("weight = 1 }", "weight = 2 }").replace('"Apple"', '"An apple"')

    changes = await Registry(database).apply(read(tmp_path, moved), dry_run=True)

    one, two = ([{"version_id": "1", "weight": weight}] for weight in (1, 2))
    assert changes == [
        Change("change model", "apple", (Difference("display_name", "Apple", "An apple"),)),
        Change("change version", "apple/1", (Difference("max_batch_size", 8, 16),)),
        Change("set price", "apple/1", (Difference("nanos_per_prediction", 500_000_000, 250_000_000),)),
        Change("move alias", "apple/production", (Difference("targets", one, two),)),
    ]
