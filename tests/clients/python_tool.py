"""Python tools in environments of their own: what they need is nobody else's business."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def installed(folder: Path) -> Path:
    """The `bin` of the folder's environment, with what its requirements.txt locks."""
    lock, environment = folder / "requirements.txt", folder / ".venv"
    stamp = environment / "installed.txt"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        assert uv, "not installed: uv, which the development requirements bring"
        python = environment / "bin" / "python"
        subprocess.run(
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True
        )
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock], check=True
        )
        shutil.copyfile(lock, stamp)
    return environment / "bin"
