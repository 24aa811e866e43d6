"""The model that waits, and what it waits for: see `tests.system.waiting_server`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.system.processes import LEASE_SECONDS


class Gate:
    """What the waiting backend waits for."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "closed"
        self._calls = folder / "closed.calls"
        self.close()

    def close(self) -> None:
        """Lets predictions wait."""
        self._file.touch()

    def open(self) -> None:
        """Lets them end."""
        self._file.unlink()

    def calls(self) -> list[str]:
        """Returns the process of each call of the backend."""
        return self._calls.read_text().split() if self._calls.exists() else []

    async def calls_come_to(self, count: int) -> None:
        """Waits until the backend was called so many times."""
        async with asyncio.timeout(30):
            while len(self.calls()) < count:  # noqa: ASYNC110  # other processes call
                await asyncio.sleep(0.02)

    def models_file(self) -> Path:
        """Writes the registry file of the model that waits."""
        file = self._file.with_name("models.toml")
        file.write_text(
            f"""
            [[models]]
            name = "waiting"
            display_name = "Waiting"
            task = "TABULAR_REGRESSION"
            [[models.versions]]
            version = "1"
            backend = {{ kind = "ONNX", path = "{self._file}" }}
            input_schema = {{ type = "object", properties = {{ x = {{ type = "number" }} }} }}
            max_concurrency = 100
            price = {{ per_prediction = "0.5" }}
            """
        )
        return file


def environment(url: str, gate: Gate, tmp_path: Path) -> dict[str, str]:
    """Returns the settings of a process that has no other model."""
    return {
        "FORETELL_DATABASE_URL": url,
        "FORETELL_DATA_DIRECTORY": str(tmp_path / "data"),
        "FORETELL_EMBEDDED_MODELS": "false",
        "FORETELL_MODELS_FILE": str(gate.models_file()),
        "FORETELL_LEASE_SECONDS": str(LEASE_SECONDS),
    }
