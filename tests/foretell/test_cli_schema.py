"""`foretell schema`: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.foretell.commands import ROOT, foretell


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working directory with a schema, its reference and a release."""
    monkeypatch.chdir(tmp_path)
    foretell("schema", "--write")
    foretell("schema", "--release")
    return tmp_path


def test_what_was_written_and_released_is_right(folder: Path) -> None:
    released = (folder / "releases" / "schema.graphql").read_text()

    assert foretell("schema", "--check").exit_code == 0
    assert released == (folder / "schema.graphql").read_text() == (ROOT / "schema.graphql").read_text()
    assert (folder / "docs" / "schema.md").read_text() == foretell("schema", "--docs").stdout


def test_a_reference_of_another_schema_is_refused(folder: Path) -> None:
    (folder / "docs" / "schema.md").write_text("# Old\n")

    checked = foretell("schema", "--check")

    assert checked.exit_code == 1
    assert "-# Old" in checked.stdout
    assert "docs/schema.md is not the schema any more" in checked.stderr


def test_what_the_release_had_and_the_schema_has_not_is_refused(folder: Path) -> None:
    released = folder / "releases" / "schema.graphql"
    released.write_text(released.read_text() + "extend type Query { lost: Int }\n")

    checked = foretell("schema", "--check")

    assert checked.exit_code == 1
    assert checked.stderr == "Error: Breaks clients of the last release: Field Query.lost was removed.\n"


def test_what_may_surprise_clients_is_refused_until_it_is_accepted(folder: Path) -> None:
    released = folder / "releases" / "schema.graphql"
    released.write_text(released.read_text().replace("  BYPASS\n", ""))

    refused = foretell("schema", "--check")
    (folder / "releases" / "accepted.txt").write_text(refused.stderr.partition("meant: ")[2])
    accepted = foretell("schema", "--check")

    assert refused.exit_code == 1
    assert "BYPASS" in refused.stderr
    assert accepted.exit_code == 0, accepted.output
