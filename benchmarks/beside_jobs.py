"""What a running job takes from interactive predictions, and they from it.

    python -m benchmarks.beside_jobs [--rounds 5] [--database-url … --redis-url … --workers 2]

`foretell serve` is asked over HTTP by this process, and has one large job that is paused and resumed. A round
has three parts: predictions, one after the other, while the job is paused; the job alone for two seconds; and
predictions while it runs. So what else the machine does hits all three alike, and they are compared within
their round. The milliseconds are what a caller waits, the processor time is the server's and its workers'.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx
import uvloop

from benchmarks.harness.job_service import Service
from benchmarks.harness.ours import command
from benchmarks.harness.places import ROOT
from benchmarks.harness.processes import running
from benchmarks.harness.rounds import Spread, percentile, ratios, table
from benchmarks.jobs import working
from foretell.lifespan import first_secret, prepare
from foretell.opening import open_database
from foretell.settings import Settings

PORT = 8411
PREDICTIONS = 300
ALONE_SECONDS = 2.0
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
ITEMS_A_ROUND = 150_000
"""More than a round works off."""

CpuSeconds = Callable[[], float]


class Rounds:
    """What was measured, round by round."""

    def __init__(self, service: Service, cpu_seconds: CpuSeconds) -> None:
        self._service = service
        self._cpu_seconds = cpu_seconds
        self.without: list[list[float]] = []
        """The milliseconds of each prediction while the job was paused."""
        self.beside: list[list[float]] = []
        """The same while it ran."""
        self.alone: list[tuple[float, float]] = []
        """Items a second of the job alone, and the seconds of the processor that each took."""
        self.accompanied: list[float] = []
        """Items a second of the job beside predictions."""

    async def add(self, job_id: str) -> None:
        """Measures a round of a job that is paused, and leaves it so."""
        self.without.append(await self._service.latencies(PREDICTIONS))
        await self._service.resume(job_id)
        used, (speed, ended) = self._cpu_seconds(), await self._speed(job_id, asyncio.sleep(ALONE_SECONDS))
        self.alone.append((speed, (self._cpu_seconds() - used) / ended))
        self.accompanied.append((await self._speed(job_id, self._predict()))[0])
        await self._service.pause(job_id)

    async def _predict(self) -> None:
        self.beside.append(await self._service.latencies(PREDICTIONS))

    async def _speed(self, job_id: str, meanwhile: object) -> tuple[float, int]:
        """Returns how many items ended a second while something went on, and how many in all."""
        started, before = time.perf_counter(), await self._service.ended(job_id)
        await meanwhile  # type: ignore[misc]
        ended = await self._service.ended(job_id) - before
        return ended / (time.perf_counter() - started), ended

    def told(self) -> str:
        """Returns what was measured as a table, and what the job did."""
        rows = []
        for name, share in SHARES.items():
            calm, busy = ([percentile(each, share) for each in part] for part in (self.without, self.beside))
            spread = ratios(calm, busy)
            rows.append([name, f"{median(calm):.1f} ms", f"{median(busy):.1f} ms", _told(spread)])
        speeds = [speed for speed, _ in self.alone]
        kept = Spread.of([beside / alone for beside, alone in zip(self.accompanied, speeds, strict=True)])
        job = f"the job alone: {median(speeds):,.0f} items a second"
        job += f", {median(cpu for _, cpu in self.alone) * 1e6:.1f} us of processor time each"
        job += f"; beside predictions it kept of its speed {_told(kept)}"
        return f"{table(['predict', 'without', 'beside the job', 'times'], rows)}\n{job}"


def _told(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.least:.2f} to {spread.most:.2f})"


async def measure(key: str, rounds: int, cpu_seconds: CpuSeconds) -> str:
    """Returns what a server at `PORT` was measured to do."""
    headers = {"authorization": f"Bearer {key}"}
    address = f"http://127.0.0.1:{PORT}"
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=None) as client:
        service = Service(client)
        await service.latencies(PREDICTIONS)
        job_id, _, _ = await service.submit(ITEMS_A_ROUND * (rounds + 1))
        await service.pause(job_id)
        measured = Rounds(service, cpu_seconds)
        for _ in range(rounds):
            await measured.add(job_id)
        await service.resume(job_id)
        seconds = await service.cancel(job_id)
    return f"{measured.told()}\ncancel of the running job: it had ended after {seconds:.2f} s"


async def _prepared(settings: Settings) -> str:
    database = open_database(settings)
    await prepare(settings, database)
    key = await first_secret(database)
    await database.close()
    if key is None:
        raise SystemExit("The database has to be empty.")
    return key


def main(arguments: argparse.Namespace) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(
            database_url=arguments.database_url or f"sqlite:///{folder}/foretell.db",
            redis_url=arguments.redis_url,
            data_directory=folder / "data",
        )
        key = asyncio.run(_prepared(settings))
        environment = {
            "PYTHONPATH": str(ROOT),
            "FORETELL_DATABASE_URL": settings.database_url,
            "FORETELL_DATA_DIRECTORY": str(settings.data_directory),
            "FORETELL_LOG_LEVEL": "warning",
            **({"FORETELL_REDIS_URL": settings.redis_url} if settings.redis_url else {}),
            **({"FORETELL_WORKER_SLOTS": "0"} if arguments.workers else {}),
        }
        ready = f"http://127.0.0.1:{PORT}/ready"
        with (
            running("serve", command(PORT), folder=folder, ready=ready, environment=environment) as server,
            working(settings, arguments.workers) as workers,
        ):

            def cpu_seconds() -> float:
                return server.precise_cpu_seconds() + workers.cpu_of_workers()

            print(uvloop.run(measure(key, arguments.rounds, cpu_seconds)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="What jobs and interactive predictions take from each other."
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database-url", help="an empty database of PostgreSQL")
    parser.add_argument("--redis-url")
    parser.add_argument("--workers", type=int, default=0)
    main(parser.parse_args())
