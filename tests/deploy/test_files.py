"""The files of deploy/: well formed, as those who read them say, and about metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from foretell.configuration import fields, variable
from foretell.metrics import Metrics
from tests.clients.python_tool import installed
from tests.services import missing

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
MANIFESTS = [file for file in KUBERNETES if file.name != "kustomization.yaml"]
READ_OFF = {"foretell_connections_open", "foretell_predictions_running"}
"""Metrics that are there once a process has opened everything."""


def documents(file: Path) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(file.read_text()) if found]


def pods() -> dict[str, dict[str, Any]]:
    """The pod templates, by what they belong to."""
    return {
        found["metadata"]["name"]: found["spec"]["template"]["spec"]
        for file in MANIFESTS
        for found in documents(file)
        if "template" in found.get("spec", {})
    }


def run(*command: object) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_dockerfile_breaks_no_rule() -> None:
    run(installed(Path(__file__).parent) / "hadolint", DEPLOY / "Dockerfile")


@pytest.mark.slow
def test_the_compose_file_is_one() -> None:
    check = installed(Path(__file__).parent) / "check-jsonschema"

    run(check, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


@pytest.mark.slow
def test_kubernetes_would_take_the_manifests() -> None:
    run(installed(Path(__file__).parent) / "kubernetes-validate", "--strict", *MANIFESTS)


def test_the_kustomization_names_every_manifest_but_the_example() -> None:
    (listed,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")

    assert set(listed["resources"]) == {file.name for file in MANIFESTS if "example" not in file.name}


@pytest.mark.parametrize("name", pods())
def test_pods_have_no_more_rights_than_they_need(name: str) -> None:
    pod = pods()[name]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("name", ["foretell-api", "foretell-worker"])
def test_pods_that_serve_are_probed_and_may_take_their_time_to_end(name: str) -> None:
    (config,) = documents(DEPLOY / "kubernetes" / "config.yaml")
    grace = float(config["data"]["FORETELL_SHUTDOWN_GRACE_SECONDS"])
    (container,) = pods()[name]["containers"]

    paths = {each: container[each]["httpGet"]["path"] for each in container if each.endswith("Probe")}
    assert paths == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}
    assert pods()[name]["terminationGracePeriodSeconds"] >= 2 * grace + 10


def test_every_variable_of_ours_is_a_setting() -> None:
    text = "".join(file.read_text() for file in [*KUBERNETES, DEPLOY / "compose.yaml", DEPLOY / "Dockerfile"])

    known = {variable(*path) for path in fields()}
    assert set(re.findall(r"\bFORETELL_[A-Z_]*[A-Z]\b", text)) - known == set()


@pytest.mark.parametrize("file", ["prometheus/alerts.yml", "grafana/dashboards/foretell.json"])
def test_only_metrics_that_there_are_are_asked_for(file: str) -> None:
    known = {sample.name for family in Metrics().registry.collect() for sample in family.samples}
    families = {family.name for family in Metrics().registry.collect()}
    suffixes = ("", "_total", "_bucket", "_count", "_sum")
    known |= {f"{family}{suffix}" for family in families for suffix in suffixes} | READ_OFF
    known |= {f"foretell_database_{name}_total" for name in ("commits", "transactions")}
    known |= {f"foretell_bus_{name}" for name in ("up", "unsent", "lag_seconds")}

    asked = set(re.findall(r"\b(?:foretell|process)_[a-z_]+", (DEPLOY / file).read_text()))

    assert asked - known == set()


def test_every_alert_has_its_section_in_the_runbook() -> None:
    (rules,) = documents(DEPLOY / "prometheus" / "alerts.yml")
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    sections = re.findall(r"^### (\w+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)

    assert sections == alerts


def test_every_metric_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    names = {family.name for family in Metrics().registry.collect() if family.name.startswith("foretell")}

    assert [
        name
        for name in names
        if name not in text
        and name.replace("foretell_prediction_", "…_") not in text
        and name.replace("foretell_executor_", "…_") not in text
    ] == []


def test_the_dashboard_is_json_whose_panels_have_numbers_of_their_own() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "foretell.json").read_text())

    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
)
def test_prometheus_takes_its_files(arguments: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool") or missing("not installed: promtool, of Debian's package prometheus")

    done = subprocess.run(
        [promtool, *arguments], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
