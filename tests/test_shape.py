"""Guards of the project's shape: what a reviewer would otherwise have to look for, every time."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from foretell.cli.schema import sdl

ROOT = Path(__file__).parents[1]
OURS = ("foretell", "schema", "resolvers", "engine", "db", "executor")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = {name: (ROOT / "requirements" / f"{name}.txt").read_text() for name in ("build", "run", "dev")}
MOST_LINES = 400


def python_files() -> list[Path]:
    folders = [ROOT / name for name in (*OURS, "tests", "benchmarks", "training")]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    return [
        file
        for file in files
        if not any(part.startswith(".") or part == "node_modules" for part in file.parts)
    ]


def pinned(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", LOCKS[lock], flags=re.MULTILINE))


def declared(lock: str) -> list[Requirement]:
    groups = PROJECT["dependency-groups"]
    extras = PROJECT["project"]["optional-dependencies"]
    run = PROJECT["project"]["dependencies"] + extras["cluster"] + extras["otel"]
    lines = {"build": groups["build"], "run": run, "dev": run + groups["dev"]}[lock]
    return [Requirement(line) for line in lines]


def test_folders_import_only_what_stands_below_them() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")

    linted = subprocess.run(
        [lint_imports, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert linted.returncode == 0, linted.stdout


def test_schema_graphql_is_the_schema() -> None:
    assert (ROOT / "schema.graphql").read_text(encoding="utf-8") == sdl(), "run `make schema`"


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in python_files()}

    assert {file: lines for file, lines in lengths.items() if lines > MOST_LINES} == {}


@pytest.mark.parametrize("folder", OURS)
def test_every_folder_says_in_a_sentence_what_it_is(folder: str) -> None:
    first = (ROOT / folder / "__init__.py").read_text().splitlines()[0]

    assert re.fullmatch(r'"""[A-Z].*[.:](""")?', first)


def test_no_dependency_brings_a_package_of_a_folders_name() -> None:
    tops = {
        (file.parts[0], distribution.name)
        for distribution in distributions()
        for file in distribution.files or []
        if len(file.parts) > 1 and distribution.name != "foretell"
    }

    assert {(name, owner) for name, owner in tops if name in {*OURS, "tests", "benchmarks"}} == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_name_no_host_and_hash_every_package(lock: str) -> None:
    lines = [line for line in LOCKS[lock].splitlines() if line and not line.lstrip().startswith("#")]
    hashed = re.findall(r"^[a-z0-9-]+==[^\\]+\\\n    --hash=sha256:", LOCKS[lock], flags=re.MULTILINE)

    assert [line for line in lines if "://" in line or line.startswith("-")] == []
    assert len(hashed) == len(re.findall(r"^[a-z0-9-]+==", LOCKS[lock], flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_hold_what_the_project_declares(lock: str) -> None:
    versions = pinned(lock)

    stale = [
        str(wanted)
        for wanted in declared(lock)
        if not wanted.specifier.contains(versions.get(wanted.name.lower().replace("_", "-"), "0"))
    ]

    assert stale == [], "run `make lock`"


def test_locks_agree_on_every_version() -> None:
    both = [(name, pinned("dev")[name], version) for name, version in pinned("run").items()]
    build = [
        (name, pinned("run")[name], version)
        for name, version in pinned("build").items()
        if name in pinned("run")
    ]

    assert [each for each in both + build if each[1] != each[2]] == []


def test_the_wheel_holds_every_folder_of_code() -> None:
    assert tuple(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == OURS
