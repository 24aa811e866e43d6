"""Where the benchmarks keep what they make and install; git ignores all of it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "benchmarks" / "peers"
"""The peers' sources and locks."""
INSTALLED = ROOT / "benchmarks" / ".peers"
DATA = INSTALLED / "data"
