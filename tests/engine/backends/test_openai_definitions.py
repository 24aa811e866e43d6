from pathlib import Path

import pytest

from db.queries import registry as queries
from db.session import Database
from db.tables import ModelVersionRow
from engine.backends.openai.config import OpenAIConfig
from engine.definitions import read_definitions
from engine.errors import DefinitionError
from engine.registry import Registry
from engine.values import BackendKind

FILE = """
[[models]]
name = "story"
display_name = "Story"
task = "TEXT_GENERATION"

[[models.versions]]
version = "1"
{version}
backend = {{ kind = "OPENAI", base_url = "https://host/v1", model = "story-large"{backend} }}
"""


def written(folder: Path, backend: str = "", version: str = "") -> Path:
    path = folder / "models.toml"
    path.write_text(FILE.format(backend=backend and f", {backend}", version=version))
    return path


async def applied(database: Database, path: Path) -> tuple[list[str], ModelVersionRow]:
    """Applies a file, and returns what changed and the stored version."""
    changes = await Registry(database).apply(read_definitions(path))
    async with database.read() as connection:
        (version,) = (await queries.everything(connection)).versions
    return [change.what for change in changes], version


async def test_a_server_is_stored_as_its_config_names_it(database: Database, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'api_key_env = "STORY_KEY", api = "completions", timeouts = { first_token = 5 }',
        'max_tokens = 99\ntokenizer = "tokenizer.json"'.replace("\\\n", "\n"),
    )

    _, version = await applied(database, path)

    assert version.backend == BackendKind.OPENAI
    assert version.config == {
        "baseUrl": "https://host/v1",
        "model": "story-large",
        "apiKeyEnv": "STORY_KEY",
        "api": "completions",
        "timeouts": {"firstToken": 5.0},
        "maxTokens": 99,
        "tokenizer": str(tmp_path / "tokenizer.json"),
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('base = "https://host"', "base: is not permitted: there is no such member"),
        ('api_key = "sk-123"', "api_key: is not permitted: there is no such member"),
        ('api_key_env = "sk-123"', "api_key_env: must be the name of an environment variable"),
        ('api_key_env = "FORETELL_SECRET"', "api_key_env: must not begin with FORETELL_"),
        ('path = "model.onnx"', "path: is not permitted: there is no such member"),
        ("timeouts = { first = 5 }", "timeouts.first: is not permitted: there is no such member"),
        ("max_connections = 0", "max_connections: must be greater than or equal to 1"),
    ],
)
def test_what_a_server_can_not_be_told_is_named_in_one_line(tmp_path: Path, wrong: str, message: str) -> None:
    path = written(tmp_path, wrong)

    with pytest.raises(DefinitionError) as caught:
        read_definitions(path)

    assert str(caught.value).startswith(f"{path}: models[0].versions[0].backend: {message}")
    assert "\n" not in str(caught.value)
    assert "sk-123" not in str(caught.value)


def test_a_file_can_not_be_told_what_a_server_can(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace('"OPENAI"', '"ONNX"'))

    with pytest.raises(DefinitionError, match="backend: base_url: is not permitted"):
        read_definitions(path)


async def test_how_a_server_is_asked_may_change(database: Database, tmp_path: Path) -> None:
    await applied(database, written(tmp_path, 'api_key_env = "OLD_KEY"'))

    backend = 'api_key_env = "NEW_KEY", timeouts = { total = 60 }, max_connections = 5'
    changes, version = await applied(database, written(tmp_path, backend, "max_tokens = 9"))

    assert changes == ["change version"]
    assert version.config["apiKeyEnv"] == "NEW_KEY"


@pytest.mark.parametrize(
    "other", ['api = "completions"', 'model = "story-small"', 'base_url = "https://other/v1"']
)
async def test_what_is_asked_may_not_change(database: Database, tmp_path: Path, other: str) -> None:
    path = written(tmp_path)
    await applied(database, path)
    name = other.split(" ")[0]
    kept = [
        part
        for part in ('base_url = "https://host/v1"', 'model = "story-large"')
        if not part.startswith(name)
    ]
    parts = ", ".join(['kind = "OPENAI"', *kept, other])
    head, _, _ = path.read_text().partition("backend = ")
    path.write_text(f"{head}backend = {{ {parts} }}\n")

    with pytest.raises(DefinitionError, match="story/1: a version does not change"):
        await applied(database, path)


async def test_the_same_file_changes_nothing(database: Database, tmp_path: Path) -> None:
    path = written(tmp_path, 'api_key_env = "KEY", stream_usage = true')
    await applied(database, path)

    changes, _ = await applied(database, path)

    assert changes == []


def documented() -> dict[str, str]:
    """Returns the names and defaults in the table of `docs/backends.md`."""
    page = (Path(__file__).parents[3] / "docs" / "backends.md").read_text()
    section = page.partition("## OPENAI")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    return {name.strip().strip("`"): default.strip().strip("`") for _, name, default, *_ in rows}


def test_everything_a_server_can_be_told_is_documented_with_its_default() -> None:
    usual = OpenAIConfig(base_url="https://host", model="m").model_dump(exclude={"base_url", "model"})
    usual |= {f"timeouts.{name}": value for name, value in usual.pop("timeouts").items()}

    told = {name: "none" if value is None else str(value).lower() for name, value in usual.items()}

    defaults = {name: value.removesuffix(".0") for name, value in told.items()}
    assert documented() == {"base_url": "", "model": "", **defaults}
