"""A Redis of a test's own, for tests that kill it, hold it and start it again."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.services import free_port, missing


class OwnRedis:
    """A Redis on a port that stays the same, and is nobody's while it does not run."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Runs it, and kills it."""
        program = shutil.which("redis-server")
        if program is None:
            missing("not installed: redis-server")
        options = ["--port", str(self.port), "--dir", str(self._folder), "--save", ""]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            self._until_it_answers()
            yield process
        finally:
            process.kill()
            process.wait()

    def _until_it_answers(self) -> None:
        with Redis(port=self.port) as client:
            for _ in range(200):
                try:
                    client.ping()
                except RedisError:
                    subprocess.run(["sleep", "0.05"], check=True)
                else:
                    return
