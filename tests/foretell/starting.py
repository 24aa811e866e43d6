"""A process that starts when it is let go: `python -m tests.foretell.starting URL`, then a line on stdin."""

from __future__ import annotations

import asyncio
import json
import sys

from foretell.lifespan import first_secret, prepare, running
from foretell.opening import open_database
from foretell.settings import Settings


async def main(url: str) -> None:
    """Starts as `foretell serve` does, and prints what it found."""
    settings = Settings(database_url=url, inference_threads=1)
    database = open_database(settings)
    try:
        await prepare(settings, database)
        secret = await first_secret(database)
    finally:
        await database.close()
    async with running(settings) as services:
        statuses = {version.spec.name: version.row.status for version in services.catalog.versions()}
    print(json.dumps({"secret": secret, "statuses": statuses}), flush=True)  # noqa: T201


if __name__ == "__main__":
    print("waiting", flush=True)  # noqa: T201
    sys.stdin.readline()
    asyncio.run(main(sys.argv[1]))
