"""What a client asks while something is broken, and what it hears."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select

from db.session import Database
from db.tables.predictions import predictions
from db.tables.usage import usage
from foretell.settings import Settings
from tests.clients.served import Served
from tests.engine.specs import examples

RECORDS = [example["record"] for example in examples("breast-cancer")]
PREDICT = """mutation ($record: JSON!) {
  predict(input: {
    model: {name: "breast-cancer"}, cache: BYPASS, data: {tabular: {records: [$record]}}
  }) { prediction { id status } errors { message } }
}"""
CACHED = PREDICT.replace("BYPASS", "USE")
SUBMIT = """mutation ($items: [BatchItemInput!]!) { submitBatch(input: {
  model: {name: "breast-cancer"}, source: {items: $items}
}) { job { id } errors { message } } }"""
JOB = "query ($id: ID!) { job(id: $id) { status counts { succeeded } } }"
COUNT = "{ predictions { totalCount } }"


class Client:
    """Asks one server, and keeps what it was told."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.succeeded: list[str] = []
        self.refused: list[dict[str, Any]] = []

    async def ask(self, document: str, **variables: Any) -> tuple[int, Any]:
        """Returns the status and the body of an answer."""
        headers = {
            "Authorization": f"Bearer {self.server.key}",
            "Accept": "application/graphql-response+json",
        }
        async with httpx.AsyncClient(timeout=60) as client:
            body = {"query": document, "variables": variables}
            answer = await client.post(f"{self.server.url}/graphql", json=body, headers=headers)
        return answer.status_code, answer.json()

    async def predict(self, number: int = 0, document: str = PREDICT) -> bool:
        """Asks for a prediction; tells whether it succeeded."""
        _, body = await self.ask(document, record=RECORDS[number % len(RECORDS)])
        if "errors" in body:
            self.refused.extend(each["extensions"] for each in body["errors"])
            return False
        payload = body["data"]["predict"]
        assert payload["errors"] == [], payload
        if payload["prediction"]["status"] == "SUCCEEDED":
            self.succeeded.append(payload["prediction"]["id"])
        return True

    async def submit(self, count: int) -> str:
        """Submits a job, and returns its id."""
        items = [{"data": {"tabular": {"records": [RECORDS[0]]}}} for _ in range(count)]
        _, body = await self.ask(SUBMIT, items=items)
        return str(body["data"]["submitBatch"]["job"]["id"])

    async def has_ended(self, job_id: str) -> bool:
        """Tells whether a job has SUCCEEDED."""
        _, body = await self.ask(JOB, id=job_id)
        return "data" in body and body["data"]["job"]["status"] == "SUCCEEDED"

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Returns the status and the body of `/ready`."""
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(f"{self.server.url}/ready")
        return answer.status_code, answer.json()


def settings(folder: Path, database_url: str, **more: Any) -> Settings:
    """The settings of a server with the embedded models and a short lease."""
    given = {"database_url": database_url, "data_directory": folder / "data", "inference_threads": 1}
    return Settings.model_validate(given | {"lease_seconds": 1.0} | more)


def all_may_be_tried_again(refused: Sequence[dict[str, Any]]) -> bool:
    """Whether every refusal said so, and why."""
    return all(each["retryable"] and each["code"] == "UNAVAILABLE" for each in refused)


async def stored(url: str) -> tuple[int, int, int]:
    """How many predictions a database has, how many of them are open, and how many the ledger has."""
    database = Database(url)
    try:
        async with database.read() as connection:
            every = select(func.count()).select_from(predictions)
            open_ = every.where(predictions.c.status.in_(("QUEUED", "RUNNING")))
            counts = [
                (await connection.execute(each)).scalar_one()
                for each in (every, open_, select(func.count()).select_from(usage))
            ]
    finally:
        await database.close()
    return counts[0], counts[1], counts[2]


async def all_closed(url: str) -> bool:
    """Whether every prediction of a database is terminal."""
    return (await stored(url))[1] == 0
