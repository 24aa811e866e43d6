"""`serve` and `predict`, as two processes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from engine.key_secrets import is_well_formed
from foretell.cli import app
from tests.foretell.commands import ROOT, foretell, serving

EXAMPLES = json.loads((ROOT / "foretell" / "embedded" / "examples.json").read_text())
PATIENT = json.dumps(EXAMPLES["diabetes"][0]["record"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables of a client, for a server with the embedded models."""
    with serving(tmp_path_factory.mktemp("served")) as (address, printed, _):
        yield {"FORETELL_URL": address, "FORETELL_API_KEY": printed[0]}


def test_the_first_start_prints_one_admin_key_and_later_ones_none(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, first, process):
        modes = {oct(file.stat().st_mode & 0o77) for file in tmp_path.glob("foretell.db*")}
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with serving(tmp_path) as (address, second, _):
        ready = httpx.get(f"{address}/ready")

    assert [is_well_formed(line) for line in first] == [True]
    assert second == []
    assert modes == {"0o0"}
    assert ready.status_code == 200


def test_a_port_that_is_taken_ends_the_start_with_one_line(served: dict[str, str], tmp_path: Path) -> None:
    port = served["FORETELL_URL"].rpartition(":")[2]
    command = [sys.executable, "-m", "foretell", "serve", "--port", port]

    process = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert process.returncode == 1
    assert re.fullmatch(r"Error: --port or FORETELL_PORT: .*ddress already in use\n", process.stderr)
    assert process.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_predict_answers_with_a_value_and_what_it_took(served: dict[str, str]) -> None:
    result = foretell("predict", "diabetes", "--record", PATIENT, **served)

    assert result.exit_code == 0, result.output
    assert f"{EXAMPLES['diabetes'][0]['value']:.1f}" in result.stdout
    assert re.match(r"SUCCEEDED by diabetes/1 in [\d.]+ ms, prediction \S+\n", result.stderr)


def test_predict_explains_what_spoke_for_the_value(served: dict[str, str]) -> None:
    result = foretell("predict", "diabetes", "--record", PATIENT, "--explain", **served)

    assert re.search(r"why record 1 +its value +attribution", result.stdout)
    assert re.search(r"bmi +23\.6 +-\d+\.\d+", result.stdout)


@pytest.mark.parametrize("form", ["array", "lines", "stdin"])
def test_predict_reads_many_records(served: dict[str, str], tmp_path: Path, form: str) -> None:
    records = [example["record"] for example in EXAMPLES["breast-cancer"]]
    lines = "\n".join(json.dumps(record) for record in records)
    file = tmp_path / "records"
    file.write_text(json.dumps(records) if form == "array" else lines)
    where = "-" if form == "stdin" else str(file)

    result = CliRunner().invoke(app, ["predict", "breast-cancer", "--file", where], input=lines, env=served)

    labels = re.findall(r"^ \d +(\w+) ", result.stdout, flags=re.MULTILINE)
    assert labels == [example["label"] for example in EXAMPLES["breast-cancer"]]


def test_predict_sends_any_other_input_as_it_is_and_prints_json(served: dict[str, str]) -> None:
    tensor = {
        "name": "image",
        "datatype": "FP32",
        "shape": [1, 8, 8],
        "values": {"json": EXAMPLES["digits"][0]["image"]},
    }
    data = json.dumps({"tensor": {"tensors": [tensor]}})

    result = foretell("predict", "digits", "--data", data, "--json", **served)

    prediction: Any = json.loads(result.stdout)
    probabilities = prediction["output"]["tensors"][0]["data"]
    assert prediction["status"] == "SUCCEEDED"
    assert str(probabilities.index(max(probabilities))) == EXAMPLES["digits"][0]["label"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["diabetes", "--record", "{"], "--record is not JSON"),
        (["diabetes", "--file", "/there/is/none"], "/there/is/none: "),
        (["nothing", "--record", "{}"], "There is no model 'nothing'."),
        (
            ["diabetes", "--record", PATIENT.replace("23.6", '"slim"')],
            'Record 1, bmi: "slim" is not of type "number".',
        ),
        (["diabetes", "--record", PATIENT, "--key", "fk_wrong"], "This is not an API key"),
        (["diabetes", "--record", PATIENT, "--key", ""], "Send an API key"),
        (
            ["diabetes", "--record", PATIENT, "--url", "http://127.0.0.1:1"],
            "http://127.0.0.1:1/graphql does not answer",
        ),
        (["diabetes", "--record", PATIENT, "--url", "nonsense"], "nonsense/graphql"),
    ],
)
def test_a_prediction_that_can_not_be_is_one_clear_line(
    served: dict[str, str], arguments: list[str], message: str
) -> None:
    result = foretell("predict", *arguments, **served)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {message}")
    assert len(result.stderr.splitlines()) == 1


def test_predict_needs_exactly_one_source_of_input(served: dict[str, str]) -> None:
    result = foretell("predict", "diabetes", **served)

    assert result.exit_code == 2
    assert "--record, --file, --text" in result.stderr


def test_the_readme_shows_requests_that_work(served: dict[str, str]) -> None:
    readme = (ROOT / "README.md").read_text()
    body = re.findall(r"-d '(.*?)'\n", readme, flags=re.DOTALL)[0]
    record = re.findall(r"--record \\\n *'(.*?)'\n", readme)[0]

    answer = httpx.post(
        served["FORETELL_URL"] + "/graphql",
        content=body,
        headers={"Authorization": f"Bearer {served['FORETELL_API_KEY']}", "Content-Type": "application/json"},
    ).json()
    printed = foretell("predict", "diabetes", "--explain", "--record", record, **served)

    value = answer["data"]["predict"]["prediction"]["output"]["results"][0]["value"]
    assert f"{value:.6g}" in printed.stdout


def test_an_address_that_is_no_server_is_told_in_one_line(served: dict[str, str]) -> None:
    wrong = {**served, "FORETELL_URL": served["FORETELL_URL"] + "/graphql"}

    result = foretell("predict", "diabetes", "--record", PATIENT, **wrong)

    assert result.exit_code == 1
    assert re.fullmatch(r"Error: .*/graphql/graphql is no GraphQL server: .*FORETELL_URL\n", result.stderr)
