"""Batches: taking in jobs, whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from db.queries import jobs as queries
from db.queries import uploads as upload_queries
from db.session import Database
from db.tables import ChunkRow, JobRow, UploadRow
from db.types import new_id, now
from engine import tracing
from engine.backends.base import ManyBackend
from engine.bus.base import Bus
from engine.errors import InvalidInputError, NotFoundError
from engine.explanations import check_explainable
from engine.idempotency import AlreadyDoneError, Claim, check_key, claiming, fingerprint
from engine.jobs.checks import check_request
from engine.jobs.control import find_job
from engine.jobs.feeder import TOPIC
from engine.jobs.lines import Item, line_of
from engine.jobs.source import CHUNK_BYTES, Blocks, Part, Place, Survey, survey
from engine.routing.router import Router
from engine.routing.routes import Route
from engine.serving import Served
from engine.storage.base import Storage, write_whole
from engine.values import BatchRequest, PredictionData, Viewer
from engine.webhooks.addresses import check_url

CHUNK_ITEMS = 500
"""Items of a chunk for a backend that takes many at once: its writing keeps others waiting for 5 ms or so."""
UNAWAITED_CHUNK_ITEMS = 2000
UNAWAITED_CHUNK_BYTES = 2 * CHUNK_BYTES
"""The same on PostgreSQL, where nobody waits for it: a chunk of any size takes some twenty statements, and a
dozen trips to Redis."""
SLOW_CHUNK_ITEMS = 8
"""Items of a chunk for other backends, all of which are in flight at once."""
SURVEYS = 2
SOURCE = ("input", "source")
OPERATION = "submitBatch"


class Batches:
    """Checks every item of a batch and stores it as a job."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        router: Router,
        storage: Storage,
        *,
        allowed_hosts: Collection[str] = (),
    ) -> None:
        self._database = database
        self._bus = bus
        self._router = router
        self._storage = storage
        self._allowed_hosts = allowed_hosts
        self._surveys = asyncio.Semaphore(SURVEYS)

    async def submit(self, viewer: Viewer, request: BatchRequest, request_id: str) -> tuple[JobRow, bool]:
        """Checks every item, stores a job, and returns it; True with it if an earlier request had made it.

        Raises:
            NotFoundError: the project sees no such model, version or upload.
            ModelNotReadyError: no version of the route can be asked now.
            InvalidInputError, ManyErrors: something is wrong; nothing runs.
            IdempotencyKeyReusedError: the key stands for another request.
            StorageError, DatabaseUnavailableError: it could not be stored, so it was not accepted.
        """
        check_request(request)
        if request.callback_url is not None:
            check_url(request.callback_url, self._allowed_hosts)
        route = self._router.route(viewer, request.model, request.version, request.sticky_key)
        served = self._served(route, request)
        job_id = new_id()
        upload = await self._upload(viewer, request.upload_id) if request.upload_id is not None else None
        source = upload.key if upload is not None else f"jobs/{job_id}.jsonl"
        size = self._chunk_items(served, request)
        found = await self._survey(request, served, source, size)
        job = self._row(viewer, request, request_id, route, job_id, source, found, size)
        claim = _claim(viewer, request, request_id, upload)
        try:
            if request.items is not None:
                await asyncio.to_thread(write_whole, self._storage, source, _lines(request))
            async with claiming(self._database, claim, job_id) as connection:
                await queries.add(connection, job, [_chunk(job_id, part) for part in found.parts])
                if upload is not None:
                    await upload_queries.use(connection, upload.id, job_id)
        except AlreadyDoneError as done:
            return await find_job(self._database, viewer, done.result_id), True
        self._bus.announce(TOPIC, job_id)
        return job, False

    def _served(self, route: Route, request: BatchRequest) -> Served:
        served = self._router.first(route, for_job=True)
        if request.explain is not None:
            check_explainable(served.version.spec, PredictionData("tabular", {"records": []}))
        return served

    async def _upload(self, viewer: Viewer, upload_id: str) -> UploadRow:
        path = (*SOURCE, "uploadId")
        async with self._database.read() as connection:
            row = await upload_queries.by_id(connection, viewer.project_id, upload_id)
        if row is None:
            raise NotFoundError("There is no such upload.", path=path)
        if row.stored_at is None:
            raise InvalidInputError("Nothing was put there yet.", path=path, constraint="stored")
        return row

    def _chunk_items(self, served: Served, request: BatchRequest) -> int:
        together = isinstance(served.backend, ManyBackend) and request.explain is None
        many = CHUNK_ITEMS if self._database.is_sqlite else UNAWAITED_CHUNK_ITEMS
        usual = many if together else SLOW_CHUNK_ITEMS
        return min(usual, request.max_concurrency or usual)

    async def _survey(self, request: BatchRequest, served: Served, source: str, size: int) -> Survey:
        """Reads the whole source beside the event loop."""
        if request.items is not None:
            lines = _lines(request)
            place, blocks = Place((*SOURCE, "items"), "Item", 0), _blocks_of(lines)
        else:
            place = Place((*SOURCE, "uploadId"))

            def blocks() -> Any:
                return self._storage.blocks(source)

        def check(data: PredictionData) -> None:
            served.checker.check(data)
            if request.explain is not None:
                check_explainable(served.version.spec, data)

        async with self._surveys:
            most = CHUNK_BYTES if self._database.is_sqlite else UNAWAITED_CHUNK_BYTES
            found = await asyncio.to_thread(survey, blocks, check, place, chunk_items=size, chunk_bytes=most)
        found.require_sound(place.path)
        return found

    def _row(
        self,
        viewer: Viewer,
        request: BatchRequest,
        request_id: str,
        route: Route,
        job_id: str,
        source: str,
        found: Survey,
        size: int,
    ) -> JobRow:
        at = now()
        limit = request.max_concurrency
        return JobRow(
            id=job_id,
            project_id=viewer.project_id,
            api_key_id=viewer.api_key_id,
            model_id=route.asked.model.id,
            model_version_id=route.asked.row.id,
            alias_id=route.alias_id,
            fallbacks=[version.row.id for version in route.others],
            request_id=request_id,
            traceparent=tracing.traceparent(),
            name=request.name,
            priority=request.priority,
            max_chunks=None if limit is None else max(1, limit // size),
            explain=request.explain,
            callback_url=request.callback_url,
            meta=request.metadata,
            source=source,
            total=found.total,
            open_chunks=len(found.parts),
            created_at=at,
            deadline_at=at + timedelta(seconds=request.completion_window_seconds),
        )


def _chunk(job_id: str, part: Part) -> ChunkRow:
    return ChunkRow(
        job_id=job_id,
        first=part.first,
        size=part.size,
        start_byte=part.start,
        end_byte=part.end,
        items_left=part.size,
    )


def _lines(request: BatchRequest) -> bytes:
    items = request.items or ()
    return b"".join(line_of(Item(each.custom_id, each.data)) + b"\n" for each in items)


def _blocks_of(data: bytes) -> Blocks:
    return lambda: iter([data])


def _claim(viewer: Viewer, request: BatchRequest, request_id: str, upload: UploadRow | None) -> Claim:
    """The same file put there again is the same request: who tries again does not know the first upload."""
    key = request.idempotency_key
    if key is None:
        return Claim(viewer.project_id, OPERATION, None, request_id)
    check_key(key)
    file = None if upload is None else upload.sha256
    asked = asdict(request) | {"idempotency_key": None, "upload_id": file}
    return Claim(viewer.project_id, OPERATION, key, request_id, fingerprint(asked))
