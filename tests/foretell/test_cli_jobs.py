"""The commands for jobs, against a server as a newcomer runs it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from typer.testing import Result

from tests.engine.specs import examples
from tests.foretell.commands import foretell, serving

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a command that asks a server of the module's own."""
    with serving(tmp_path_factory.mktemp("server")) as (address, lines, _):
        environ = {"FORETELL_URL": address, "FORETELL_API_KEY": lines[0]}

        def run_on_it(*arguments: str) -> Result:
            return foretell(*arguments, **environ)

        yield run_on_it


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of 300 items."""
    records = [example["record"] for example in examples("breast-cancer")]
    lines = [
        {
            "customId": f"item {number}",
            "data": {"tabular": {"records": [records[number % len(records)]]}},
        }
        for number in range(300)
    ]
    file = tmp_path / "items.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    return file


def test_a_file_is_submitted_watched_and_its_results_are_fetched(run: Run, file: Path) -> None:
    submitted = run("batch", "submit", str(file), "--model", "breast-cancer", "--name", "three hundred")
    job_id = submitted.stdout.strip()
    watched = run("jobs", "watch", job_id)
    results = run("jobs", "results", job_id)

    assert submitted.exit_code == 0
    assert "300 items" in submitted.stderr
    assert (watched.exit_code, watched.stdout) == (0, "")
    assert "SUCCEEDED: 300 of 300 succeeded" in watched.stderr
    lines = [json.loads(line) for line in results.stdout.splitlines()]
    assert [line["index"] for line in lines] == list(range(300))
    assert {line["status"] for line in lines} == {"SUCCEEDED"}


def test_a_job_can_be_watched_as_it_is_submitted(run: Run, file: Path) -> None:
    result = run("batch", "submit", str(file), "--model", "breast-cancer", "--watch", "--metadata", "[1]")

    assert result.exit_code == 0
    assert "SUCCEEDED: 300 of 300 succeeded" in result.stderr


def test_jobs_are_listed_and_steered(run: Run, file: Path) -> None:
    job_id = run("batch", "submit", str(file), "--model", "storyteller", "--name", "refused").stdout.strip()
    assert job_id == ""  # records are nothing to write a text from
    line = {"data": {"text": {"prompt": {"text": "One day"}, "parameters": {"maxTokens": 200}}}}
    file.write_bytes(b"\n".join([orjson.dumps(line)] * 50))
    submitted = run("batch", "submit", str(file), "--model", "storyteller", "--name", "fifty")
    job_id = submitted.stdout.strip()
    paused, resumed, canceled = (run("jobs", each, job_id) for each in ("pause", "resume", "cancel"))
    again = run("jobs", "pause", job_id)
    listed = run("jobs", "list", "--status", "CANCELED", "--status", "canceling")
    others = run("jobs", "list", "--status", "FAILED")

    assert paused.stderr == "The job is PAUSED.\n"
    assert resumed.stderr in {"The job is RUNNING.\n", "The job is QUEUED.\n"}
    assert canceled.stderr in {"The job is CANCELED.\n", "The job is CANCELING.\n"}
    assert (again.exit_code, again.stdout) == (1, "")
    row = next(line for line in listed.stdout.splitlines() if job_id in line)
    assert {"fifty", "storyteller", "50"} <= set(row.split())
    assert job_id not in others.stdout


def test_what_failed_is_run_again(run: Run, file: Path) -> None:
    job_id = run("batch", "submit", str(file), "--model", "breast-cancer", "--watch").stdout.strip()

    result = run("jobs", "retry", job_id)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")


def test_what_is_wrong_with_a_file_is_told_line_by_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "wrong.jsonl"
    file.write_text("nonsense\n{}\n")

    result = run("batch", "submit", str(file), "--model", "breast-cancer")

    assert result.exit_code == 1
    assert "Error: Line 1: This is not JSON" in result.stderr
    assert "Line 2: data: is required." in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("batch", "submit", "nowhere.jsonl", "--model", "a"), "nowhere.jsonl: No such file"),
        (("jobs", "watch", "x"), "is not an id of this server"),
        (("jobs", "results", "x"), "is not an id of this server"),
    ],
)
def test_what_can_not_be_done_is_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 1
    assert said in result.stderr


def test_a_server_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foretell.live.FIRST_TRIES", 0)

    result = foretell("jobs", "watch", "x", FORETELL_URL="http://127.0.0.1:1", FORETELL_API_KEY="fk_x")

    assert result.exit_code == 1
    assert "http://127.0.0.1:1 does not answer" in result.stderr


def test_a_wrong_key_is_told_at_once(run: Run) -> None:
    result = run("jobs", "watch", "x", "--key", "fk_wrong")

    assert result.exit_code == 1
    assert " refuses: " in result.stderr


def test_a_worker_needs_redis() -> None:
    result = foretell("worker")

    assert result.exit_code == 1
    assert "set FORETELL_REDIS_URL" in result.stderr
