"""Foretell, asked for jobs over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.job_floors import lines, records

JOB = """query ($id: ID!) { job(id: $id) {
  status itemsPerSecond resultsUrl counts { total succeeded failed canceled running } } }"""
OPEN = ("QUEUED", "RUNNING", "CANCELING")


class Service:
    """Foretell, asked over HTTP."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def ask(self, document: str, **variables: Any) -> Any:
        response = await self._client.post("/graphql", json={"query": document, "variables": variables})
        return response.json()["data"]

    async def submit(self, count: int) -> tuple[str, float, float]:
        """Uploads and submits items; returns the job's id, and the seconds that each took."""
        size = sum(map(len, lines(count)))
        asked = {"filename": "items.jsonl", "byteSize": size}
        document = "mutation ($i: CreateUploadInput!) { createUpload(input: $i) { upload { id url } } }"
        upload = (await self.ask(document, i=asked))["createUpload"]["upload"]
        started = time.perf_counter()

        async def body() -> AsyncIterator[bytes]:
            for block in lines(count):
                yield block

        await self._client.put(_target(upload["url"]), content=body())
        uploaded = time.perf_counter()
        document = "mutation ($i: SubmitBatchInput!) { submitBatch(input: $i) { job { id } } }"
        batch = {"model": {"name": "breast-cancer"}, "source": {"uploadId": upload["id"]}}
        job = (await self.ask(document, i=batch))["submitBatch"]["job"]
        return job["id"], uploaded - started, time.perf_counter() - uploaded

    async def until_ended(self, job_id: str) -> dict[str, Any]:
        """Waits for the end of a job, and returns it."""
        while True:
            job: dict[str, Any] = (await self.ask(JOB, id=job_id))["job"]
            if job["status"] not in OPEN:
                return job
            await asyncio.sleep(0.5)

    async def download(self, address: str) -> int:
        """Returns how many lines the results have."""
        found = 0
        async with self._client.stream("GET", _target(address)) as response:
            async for block in response.aiter_bytes():
                found += block.count(b"\n")
        return found

    async def latencies(self, count: int) -> list[float]:
        """Returns the milliseconds of interactive predictions, one after the other."""
        document = "mutation ($i: PredictInput!) { predict(input: $i) { prediction { status } } }"
        asked = {"model": {"name": "breast-cancer"}, "cache": "BYPASS"}
        known = records()
        taken = []
        for number in range(count):
            data = {"tabular": {"records": [known[number % len(known)]]}}
            started = time.perf_counter()
            answer = await self.ask(document, i={**asked, "data": data})
            taken.append((time.perf_counter() - started) * 1000)
            assert answer["predict"]["prediction"]["status"] == "SUCCEEDED", answer
            await asyncio.sleep(0.01)
        return taken

    async def pause(self, job_id: str) -> None:
        """Pauses a job, and waits until nothing of it runs any more."""
        document = "mutation ($i: PauseJobInput!) { pauseJob(input: $i) { job { id } } }"
        await self.ask(document, i={"id": job_id})
        while (await self.ask(JOB, id=job_id))["job"]["counts"]["running"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def resume(self, job_id: str) -> None:
        """Resumes a job, and waits until it goes on."""
        before = await self.ended(job_id)
        document = "mutation ($i: ResumeJobInput!) { resumeJob(input: $i) { job { id } } }"
        await self.ask(document, i={"id": job_id})
        while await self.ended(job_id) == before:
            job = (await self.ask(JOB, id=job_id))["job"]
            assert job["status"] in OPEN, "the job ended before it was measured: it has too few items"
            await asyncio.sleep(0.05)

    async def ended(self, job_id: str) -> int:
        """Returns how many items of a job have ended."""
        counts = (await self.ask(JOB, id=job_id))["job"]["counts"]
        return int(counts["succeeded"] + counts["failed"])

    async def cancel(self, job_id: str) -> float:
        """Cancels a job and returns after how many seconds it had ended."""
        started = time.perf_counter()
        await self.ask(
            "mutation ($i: CancelJobInput!) { cancelJob(input: $i) { job { id } } }", i={"id": job_id}
        )
        while (await self.ask(JOB, id=job_id))["job"]["status"] != "CANCELED":  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return time.perf_counter() - started


def _target(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"
