"""MLServer in a process of its own: a server of the Open Inference Protocol that we did not write.

`python mlserver.py FOLDER`, with MLServer's own Python, trains the models that it serves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BIN = Path(__file__).parents[2] / ".venv-peers" / "mlserver" / "bin"
START_SECONDS = 180

IRIS = [("predict", "INT64", [-1, 1]), ("predict_proba", "FP64", [-1, 3])]
MODELS: dict[str, dict[str, Any]] = {
    "iris": {"inputs": [("flowers", "FP64", [-1, 4])], "outputs": IRIS},
    "diabetes": {"inputs": [("patients", "FP64", [-1, 10])], "outputs": [("predict", "FP64", [-1, 1])]},
}


@dataclass
class MLServer:
    """Where it is asked over HTTP and gRPC, and its process."""

    url: str
    grpc_url: str
    process: subprocess.Popen[bytes]


@contextmanager
def running_mlserver(folder: Path, port: int | None = None) -> Iterator[MLServer]:
    """Yields a server of `MODELS`, trained in a folder unless they are there, on a free port if none is told.

    The test is skipped if it is not installed, and fails if FORETELL_TEST_PEERS says that it should be.
    """
    # MLServer's own Python, which trains, has neither.
    import pytest  # noqa: PLC0415

    from tests.services import free_port  # noqa: PLC0415

    if not (BIN / "mlserver").exists():
        told = "MLServer is not installed: run tests/servers/install.sh"
        if os.environ.get("FORETELL_TEST_PEERS"):
            pytest.fail(told)
        pytest.skip(told)
    if not (folder / "settings.json").exists():
        subprocess.run([BIN / "python", __file__, str(folder)], check=True)
    http, rpc, metrics = port or free_port(), free_port(), free_port()
    environ = {
        **os.environ,
        "MLSERVER_HTTP_PORT": str(http),
        "MLSERVER_GRPC_PORT": str(rpc),
        "MLSERVER_METRICS_PORT": str(metrics),
    }
    with (folder / f"log-{http}").open("wb") as log:
        process = subprocess.Popen(
            [BIN / "mlserver", "start", str(folder)], env=environ, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            if not _starts(f"http://127.0.0.1:{http}/v2/health/ready", process):
                pytest.fail(f"MLServer did not start:\n{(folder / f'log-{http}').read_text()[-2000:]}")
            yield MLServer(f"http://127.0.0.1:{http}", f"http://127.0.0.1:{rpc}", process)
        finally:
            process.terminate()
            process.wait()


def _starts(url: str, process: subprocess.Popen[bytes]) -> bool:
    import httpx  # noqa: PLC0415  (likewise)

    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if httpx.get(url, timeout=1).status_code == 200:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    return False


def _train(folder: Path) -> None:
    import joblib  # noqa: PLC0415
    from sklearn.datasets import load_diabetes, load_iris  # noqa: PLC0415
    from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: PLC0415

    trained = {
        "iris": LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True)),
        "diabetes": LinearRegression().fit(*load_diabetes(return_X_y=True)),
    }
    for name, model in trained.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        joblib.dump(model, place / "model.joblib")
        told = {
            side: [
                {"name": tensor, "datatype": kind, "shape": shape}
                for tensor, kind, shape in MODELS[name][side]
            ]
            for side in ("inputs", "outputs")
        }
        settings = {
            "name": name,
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": "./model.joblib", "version": "v1"},
        }
        (place / "model-settings.json").write_text(json.dumps(settings | told))
    server: dict[str, Any] = {
        "host": "127.0.0.1",
        "parallel_workers": 0,
        "debug": False,
        "metrics_endpoint": None,
    }
    (folder / "settings.json").write_text(json.dumps(server))


if __name__ == "__main__":
    _train(Path(sys.argv[1]))
