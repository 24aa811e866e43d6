"""How fast and how fair jobs are, and what they take.

    python -m benchmarks.jobs [ITEMS …] [--database-url postgresql://… --redis-url redis://… --workers 2]

100,000 items by default. Without options the job runs as in `foretell serve` on SQLite, all in this process:
an upload, the check of every line, the work, the results. With `--workers` this process serves, and so many
`foretell worker` run the items. Each is held against floors (`benchmarks.job_floors`) on the same records,
measured in this process before and after it, because the machine is shared:

  alone     read a line, make its row, call the ONNX session with it: what a job's items are, one by one
  together  the same with 500 lines a call, the best that this model can do
  storing   SQLite alone storing the same rows in transactions of 500, and nothing else

`cpu` ratios compare processor time, which other load changes little; `wall` ratios compare the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import uvicorn
import uvloop

from benchmarks.harness.job_service import Service
from benchmarks.job_floors import TOGETHER, Cost, session, storing
from foretell import garbage
from foretell.app import create_app
from foretell.lifespan import first_secret, open_database, prepare
from foretell.settings import Settings


@dataclass
class Processes:
    """This process and its workers: their memory, and the processor time they used."""

    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def resident_mb(self) -> float:
        """The memory of the largest of them."""
        pids = ["self", *(str(worker.pid) for worker in self.workers)]
        return max(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6 for pid in pids)

    def cpu(self) -> float:
        """Seconds of all of them together."""
        return time.process_time() + self.cpu_of_workers()

    def cpu_of_workers(self) -> float:
        """Seconds of the workers alone."""
        return sum(_cpu_of(worker.pid) for worker in self.workers)

    @contextmanager
    def watching_memory(self) -> Iterator[list[float]]:
        """Notes the memory ten times a second while the context lasts."""
        seen = [self.resident_mb()]

        async def watch() -> None:
            while True:
                await asyncio.sleep(0.1)
                seen.append(self.resident_mb())

        task = asyncio.create_task(watch())
        try:
            yield seen
        finally:
            task.cancel()


def _cpu_of(pid: int) -> float:
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Service]:
    database = open_database(settings)
    await prepare(settings, database)
    key = await first_secret(database)
    await database.close()
    config = uvicorn.Config(create_app(settings), port=0, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    served = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    garbage.settle()
    host, port = server.servers[0].sockets[0].getsockname()
    headers = {"authorization": f"Bearer {key}"}
    try:
        async with httpx.AsyncClient(
            base_url=f"http://{host}:{port}", headers=headers, timeout=None
        ) as client:
            yield Service(client)
    finally:
        server.should_exit = True
        await served


@contextmanager
def working(settings: Settings, count: int) -> Iterator[Processes]:
    """Starts workers beside this process, each with half the machine's usual slots."""
    environment = {
        **os.environ,
        "FORETELL_DATABASE_URL": settings.database_url,
        "FORETELL_REDIS_URL": settings.redis_url or "",
        "FORETELL_DATA_DIRECTORY": str(settings.data_directory),
        "FORETELL_WORKER_SLOTS": "2",
    }
    command = [sys.executable, "-m", "foretell", "worker"]
    workers = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, bufsize=0) for _ in range(count)
    ]
    try:
        for worker in workers:
            assert worker.stderr is not None
            while b"Running jobs" not in worker.stderr.readline():
                pass
        yield Processes(workers)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(30)


def _ratios(name: str, floors: list[Cost], job: Cost) -> None:
    wall, cpu = (sum(getattr(each, kind) for each in floors) / len(floors) for kind in ("wall", "cpu"))
    print(f"  {name:9} {wall * 1e6:5.1f} us wall, {cpu * 1e6:5.1f} us cpu; the job has of its speed", end="")
    print(f" {wall / job.wall:.2f} by the clock, {cpu / job.cpu:.2f} by processor time")


async def throughput(service: Service, processes: Processes, count: int, database: Path | None) -> None:
    floors = {"alone": [session(1)], "together": [session(TOGETHER)]}
    idle = processes.resident_mb()
    with processes.watching_memory() as memory:
        job_id, upload_seconds, check_seconds = await service.submit(count)
        wall, cpu = time.perf_counter(), processes.cpu()
        job = await service.until_ended(job_id)
        cost = Cost((time.perf_counter() - wall) / count, (processes.cpu() - cpu) / count)
        started = time.perf_counter()
        found = await service.download(job["resultsUrl"])
        download_seconds = time.perf_counter() - started
    floors["alone"].append(session(1))
    floors["together"].append(session(TOGETHER))
    if database is not None:
        copies = [database.with_name(f"copy-{count}-{number}.db") for number in range(2)]
        floors["storing"] = [storing(database, copy) for copy in copies]
    assert (job["status"], job["counts"]["succeeded"], found) == ("SUCCEEDED", count, count), job
    print(f"{count:,} items: {1 / cost.wall:,.0f} a second; each {cost.wall * 1e6:.1f} us wall", end="")
    print(f", {cost.cpu * 1e6:.1f} us cpu")
    for name, measured in floors.items():
        _ratios(name, measured, cost)
    print(f"  upload {upload_seconds:.1f} s, check of every line {check_seconds:.1f} s", end="")
    print(f", download {download_seconds:.1f} s")
    print(f"  memory: {idle:.0f} MB idle, {max(memory):.0f} MB at most from the upload to the download")


async def main(arguments: argparse.Namespace) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name)
        settings = Settings(
            database_url=arguments.database_url or f"sqlite:///{directory}/foretell.db",
            redis_url=arguments.redis_url,
            data_directory=directory / "data",
            worker_slots=0 if arguments.workers else 4,
        )
        database = None if arguments.database_url else directory / "foretell.db"
        async with serving(settings) as service:
            with working(settings, arguments.workers) as processes:
                for count in arguments.items:
                    await throughput(service, processes, count, database)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How fast and how fair jobs are.")
    parser.add_argument("items", nargs="*", type=int, default=[100_000])
    parser.add_argument("--database-url", help="an empty database of PostgreSQL")
    parser.add_argument("--redis-url")
    parser.add_argument("--workers", type=int, default=0)
    uvloop.run(main(parser.parse_args()))
