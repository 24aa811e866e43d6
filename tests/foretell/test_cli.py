"""Each command that works on the database, on one of its own."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer import Context
from typer.main import get_command
from typer.testing import Result

from db.migrate import newest_revision
from engine.key_secrets import is_well_formed
from foretell import __version__
from foretell.cli import app
from tests.foretell.commands import ROOT, foretell

Run = Callable[..., Result]


@pytest.fixture
def run(sqlite_url: str) -> Run:
    """Runs a command on a migrated database without rows."""

    def run_on_it(*arguments: str, stdin: str | None = None, **environ: str) -> Result:
        return foretell(*arguments, stdin=stdin, **{"FORETELL_DATABASE_URL": sqlite_url, **environ})

    return run_on_it


def test_the_version_is_that_of_the_package() -> None:
    assert foretell("--version").stdout == f"{__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["keys"], ["projects"], ["models"]])
def test_a_command_without_its_verb_shows_its_help(arguments: list[str]) -> None:
    result = foretell(*arguments)

    assert "Usage:" in result.output
    assert "Traceback" not in result.output


def test_a_wrong_setting_is_one_line_and_exit_code_2() -> None:
    result = foretell("keys", "list", FORETELL_PORT="http")

    assert result.exit_code == 2
    assert result.stderr == "Error: FORETELL_PORT: must be a whole number from 0 to 65535\n"


def test_a_database_that_can_not_be_opened_is_one_line_and_exit_code_1() -> None:
    result = foretell(
        "keys", "list", FORETELL_DATABASE_URL="postgresql://postgres:hunter2@127.0.0.1:1/foretell"
    )

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "hunter2" not in result.stderr


def test_migrate_brings_a_new_database_up_to_date(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"

    results = [
        foretell("migrate", *arguments, FORETELL_DATABASE_URL=url)
        for arguments in (["--check"], [], ["--check"], [])
    ]

    assert [result.exit_code for result in results] == [1, 0, 0, 0]
    assert [result.output.strip() for result in results] == [
        f"Error: The database is at no migration, not at {newest_revision()}.",
        f"The database went from no migration to {newest_revision()}.",
        f"The database is at {newest_revision()}, and has what this version needs.",
        f"The database is at {newest_revision()} already.",
    ]


def test_a_command_on_a_database_that_is_not_migrated_says_what_to_do(tmp_path: Path) -> None:
    result = foretell("projects", "list", FORETELL_DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}")

    assert result.exit_code == 1
    assert "run `foretell migrate` first" in result.stderr


def test_schema_prints_writes_and_compares_the_schema(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "schema.graphql"

    printed = foretell("schema").stdout
    without = foretell("schema", "--check")
    foretell("schema", "--write")
    same = foretell("schema", "--check")
    file.write_text(file.read_text().replace("type Query", "type Queries"))
    other = foretell("schema", "--check")

    assert printed == (ROOT / "schema.graphql").read_text()
    assert [result.exit_code for result in (without, same, other)] == [1, 0, 1]
    assert "-type Queries" in other.stdout
    assert "+type Query" in other.stdout


def test_a_key_is_printed_alone_on_stdout_listed_without_its_secret_and_revoked(run: Run) -> None:
    run("projects", "create", "default")

    made = run("keys", "create", "ci", "--days", "3")
    listed = run("keys", "list")
    revoked = run("keys", "revoke", made.stdout[:11])
    listed_again = run("keys", "list")

    secret = made.stdout.strip()
    assert is_well_formed(secret)
    assert secret not in listed.stdout
    assert f"{secret[:11]}…   ci     active" in listed.stdout
    assert "MODELS_READ PREDICTIONS_READ PREDICTIONS_WRITE" in listed.stdout
    assert revoked.exit_code == 0
    assert f"{secret[:11]}…   ci     revoked" in listed_again.stdout


def test_an_admin_key_may_do_everything_and_others_what_they_are_given(run: Run) -> None:
    run("projects", "create", "default")

    admin = run("keys", "create", "root", "--admin")
    reader = run("keys", "create", "reader", "--scope", "USAGE_READ", "--scope", "JOBS_READ")
    wrong = run("keys", "create", "wrong", "--scope", "EVERYTHING")

    listed = run("keys", "list").stdout
    assert admin.exit_code == reader.exit_code == 0
    assert re.search(r"root\s+active\s+all", listed)
    assert re.search(r"reader\s+active\s+JOBS_READ USAGE_READ", listed)
    assert wrong.exit_code == 2


def test_a_key_is_rotated_and_its_new_secret_printed_alone(run: Run) -> None:
    run("projects", "create", "default")
    old = run("keys", "create", "ci").stdout.strip()

    rotated = run("keys", "rotate", old[:11], "--overlap-hours", "1")
    again = run("keys", "rotate", old[:11])

    new = rotated.stdout.strip()
    assert is_well_formed(new)
    assert new != old
    assert f"{old[:11]}… works until" in rotated.stderr
    assert f"{new[:11]}…   ci     active" in run("keys", "list").stdout
    assert again.exit_code == 1


def test_a_key_is_made_for_a_model_that_is_there(run: Run) -> None:
    run("projects", "create", "default")
    run("models", "apply", str(ROOT / "foretell" / "embedded" / "models.toml"))

    made = run("keys", "create", "ci", "--model", "diabetes", "--model", "storyteller")
    none = run("keys", "create", "ci", "--model", "nothing")

    assert is_well_formed(made.stdout.strip())
    assert none.exit_code == 1
    assert none.stderr.startswith("Error: The project default sees no model 'nothing'")


def test_users_are_made_listed_kept_out_and_let_in_again(run: Run) -> None:
    run("projects", "create", "default")

    made = run("users", "create", "Ann@Example.org", "--admin", "--password-stdin", stdin="a long password\n")
    twice = run("users", "create", "ann@example.org", "--password-stdin", stdin="another password\n")
    short = run("users", "create", "bob@example.org", "--password-stdin", stdin="short\n")
    disabled = run("users", "disable", "ann@example.org")
    listed = run("users", "list").stdout
    enabled = run("users", "enable", "ANN@example.org")
    changed = run("users", "password", "ann@example.org", "--password-stdin", stdin="a new password\n")
    nobody = run("users", "disable", "nobody@example.org")

    assert made.stderr.startswith("Nobody can log in before FORETELL_SECRET is set")
    assert made.stdout.startswith("Made the user ann@example.org of default: JOBS_READ")
    assert [result.exit_code for result in (made, disabled, enabled, changed)] == [0, 0, 0, 0]
    assert re.search(r"ann@example.org\s+disabled\s+all", listed)
    assert twice.stderr == "Error: There is a user ann@example.org already.\n"
    assert short.stderr == "Error: A password has 12 to 256 characters.\n"
    assert nobody.stderr == "Error: There is no user nobody@example.org.\n"


def test_a_password_is_never_taken_from_a_terminal_that_is_not_there(run: Run) -> None:
    refused = run("users", "create", "ann@example.org", stdin="a long password\n")

    assert refused.exit_code == 1
    assert "--password-stdin" in refused.stderr


def test_more_keys_than_a_page_are_all_listed(run: Run) -> None:
    run("projects", "create", "default")
    for number in range(103):
        run("keys", "create", f"number-{number}")

    listed = run("keys", "list").stdout

    assert {f"number-{number}" for number in range(103)} <= set(listed.split())


def test_projects_keep_their_keys_apart(run: Run) -> None:
    run("projects", "create", "one")
    run("projects", "create", "two")
    secret = run("keys", "create", "ci", "--project", "one").stdout

    listed = run("keys", "list", "--project", "two")
    revoked = run("keys", "revoke", secret[:11], "--project", "two")
    projects = run("projects", "list").stdout

    assert "ci" not in listed.stdout
    assert revoked.exit_code == 1
    assert re.search(r"one\s+free\s+1 ", projects)
    assert re.search(r"two\s+free\s+0 ", projects)


def test_budgets_are_set_for_a_project_and_for_a_key_and_taken_away(run: Run) -> None:
    run("projects", "create", "default")
    key = run("keys", "create", "ci").stdout[:11]
    run("budgets", "set", "MONTH", "100", "--currency", "EUR")
    run("budgets", "set", "DAY", "2.50", "--key", key)
    both = run("budgets", "list").stdout

    run("budgets", "set", "MONTH", "none")
    wrong = run("budgets", "set", "DAY", "much")

    assert re.search(r"project\s+MONTH\s+100\s+0\s+0\s+EUR", both)
    assert re.search(rf"{key}…\s+DAY\s+2.5\s+0\s+0\s+USD", both)
    assert "MONTH" not in run("budgets", "list").stdout
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith("Error: 'much' is no amount")


def test_a_project_gets_another_tier(run: Run) -> None:
    run("projects", "create", "one", "--tier", "paid")
    before = run("projects", "list").stdout

    run("projects", "tier", "one", "gold", FORETELL_TIERS='{"gold": {"requests_per_minute": 5}}')

    assert re.search(r"one\s+paid", before)
    assert re.search(r"one\s+gold", run("projects", "list").stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["projects", "create", "p", "--tier", "gold"], "There is no tier 'gold': there are free, paid, "),
        (["projects", "tier", "nobody", "paid"], "There is no project 'nobody'"),
        (["keys", "create", "ci", "--project", "nobody"], "There is no project 'nobody'"),
        (["keys", "list", "--project", "nobody"], "There is no project 'nobody'"),
        (["keys", "revoke", "fk_none"], "There is no project 'default'"),
        (["projects", "create", ""], "A name has 1 to 100 printable characters."),
    ],
)
def test_what_is_not_there_is_one_clear_line(run: Run, arguments: list[str], message: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {message}")
    assert len(result.stderr.splitlines()) == 1


def test_models_are_applied_once_listed_and_tried_before(run: Run) -> None:
    file = str(ROOT / "foretell" / "embedded" / "models.toml")

    tried = run("models", "apply", file, "--dry-run")
    nothing = run("models", "list")
    applied = run("models", "apply", file)
    again = run("models", "apply", file)
    listed = run("models", "list")

    assert tried.stdout == applied.stdout
    assert "add version breast-cancer/1" in applied.stdout
    assert "breast-cancer" not in nothing.stdout
    assert (again.stdout, again.stderr) == ("", "Nothing to change.\n")
    assert re.search(r"breast-cancer\s+1\*\s+TABULAR_CLASSIFICATION\s+ONNX\s+PENDING", listed.stdout)


def test_a_wrong_file_of_models_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(
        '[[models]]\nname = "Not A Name"\ndisplay_name = ""\ntask = "TENSOR"\n'
    )

    result = run("models", "apply", str(tmp_path / "wrong.toml"))

    assert result.exit_code == 1
    assert "models[0].name" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def commands(group: Any, *before: str) -> Iterator[str]:
    """Names every command, as one types it."""
    with Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if hasattr(command, "list_commands"):
                yield from commands(command, *before, name)
            else:
                yield " ".join((*before, name))


@pytest.mark.parametrize("command", list(commands(get_command(app))))
def test_every_command_and_option_is_documented(command: str) -> None:
    documented = (ROOT / "docs" / "cli.md").read_text()
    section = documented.partition(f"## `foretell {command}")[2].partition("\n## ")[0]

    options = set(re.findall(r"(?<=\s)--[a-z-]+", foretell(*command.split(), "--help").stdout)) - {"--help"}

    assert section
    assert {option for option in options if f"| `{option}` |" not in section} == set()


def test_the_version_is_told_without_importing_the_server() -> None:
    imported = ["-X", "importtime", "-m", "foretell", "--version"]

    told = subprocess.run([sys.executable, *imported], cwd=ROOT, capture_output=True, text=True, check=True)

    assert told.stdout == f"{__version__}\n"
    assert "foretell.cli" in told.stderr
    assert "sqlalchemy" not in told.stderr


def test_a_dry_run_shows_each_value_as_it_is_and_as_it_would_be(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text('[[models]]\nname = "pear"\ndisplay_name = "Pear"\ntask = "TENSOR"\n')
    run("models", "apply", str(file))
    file.write_text(file.read_text().replace('"Pear"', '"A pear"') + 'tags = ["fruit"]\n')

    tried = run("models", "apply", str(file), "--dry-run")

    assert tried.stdout.splitlines() == [
        "change model pear",
        '  display_name: "Pear" -> "A pear"',
        '  tags: [] -> ["fruit"]',
    ]
