"""Artifacts: the model files that projects uploaded, fetched from the storage and checked before use."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.storage.base import MissingFileError, Storage, StorageError
from engine.turns import Turns

MAX_TOLD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """What the check of a file may take: bytes of address space, and seconds of a core."""

    memory: int
    seconds: int


class Artifacts:
    """Keeps files under their sha256 in a folder of this machine; any process can fetch them again."""

    def __init__(self, storage: Storage, folder: Path, limits: CheckLimits) -> None:
        self._storage = storage
        self._folder = folder.absolute()
        self._limits = limits
        self._checks = Turns()

    def has(self, config: Mapping[str, Any]) -> bool:
        """Tells whether the file of a version's config is here and need not be fetched."""
        return self._path(config).exists()

    async def fetch(self, config: Mapping[str, Any], project_id: str | None, *, check: bool) -> Path:
        """Returns where the file of a version's config is; with `check`, it has been found harmless.

        One file is checked at a time, and projects take turns: none waits for all the files of another.

        Raises:
            ModelError: it is gone, is another, or is not to be served; or the storage does not work now,
                which is retryable.
        """
        path = self._path(config)
        try:
            if not await asyncio.to_thread(self.has, config):
                await asyncio.to_thread(self._copy, config, path)
        except MissingFileError as error:
            raise ModelError("The model file is gone from the storage.") from error
        except (StorageError, OSError) as error:
            raise ModelError("The model file can not be fetched now.", retryable=True) from error
        if check:
            async with self._checks.turn(project_id):  # one at a time: they may take what the limits say
                await self._check(path, config["sha256"])
        return path

    def _path(self, config: Mapping[str, Any]) -> Path:
        return self._folder / f"{config['sha256']}.onnx"

    def _copy(self, config: Mapping[str, Any], path: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        digest, size = hashlib.sha256(), 0
        try:
            with partial.open("wb") as file:
                for block in self._storage.blocks(config["key"]):
                    size += len(block)
                    if size > config["byteSize"]:
                        break
                    digest.update(block)
                    file.write(block)
            if digest.hexdigest() != config["sha256"]:
                raise ModelError("The model file is not the one that was registered: its sha256 differs.")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    async def _check(self, path: Path, sha256: str) -> None:
        limits = self._limits
        told = [str(path), sha256, str(limits.memory), str(limits.seconds)]
        with tempfile.TemporaryDirectory() as empty:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", "engine.backends.onnx_check", *told),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=empty,
                env={"OPENBLAS_NUM_THREADS": "1"},  # none of ours: there are keys in it
                start_new_session=True,
            )
            assert process.stdout is not None
            try:
                async with asyncio.timeout(2 * limits.seconds):
                    answer = await process.stdout.read(MAX_TOLD_BYTES)
                    code = await process.wait()
            except TimeoutError:
                raise ModelError("The model takes more time to load than it may.") from None
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    await process.wait()
        if code:
            raise ModelError(f"The model breaks ONNX Runtime, or takes more than it may: {_ending(code)}.")
        if (error := json.loads(answer).get("error")) is not None:
            raise ModelError(str(error))


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
