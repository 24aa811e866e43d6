"""Statements about uploads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.jobs import UploadRow, jobs, uploads


async def add(connection: AsyncConnection, row: UploadRow) -> None:
    """Stores the leave to put a file."""
    await connection.execute(insert(uploads).values(row.model_dump()))


async def whole(connection: AsyncConnection, upload_id: str) -> UploadRow | None:
    """Finds an upload whatever project it belongs to; for who has shown a signature for it."""
    statement = select(uploads).where(uploads.c.id == upload_id)
    return cast(UploadRow | None, (await connection.execute(statement)).first())


async def by_id(connection: AsyncConnection, project_id: str, upload_id: str) -> UploadRow | None:
    """Finds an upload of a project."""
    statement = select(uploads).where(uploads.c.project_id == project_id, uploads.c.id == upload_id)
    return cast(UploadRow | None, (await connection.execute(statement)).first())


async def stored(connection: AsyncConnection, upload_id: str, key: str, sha256: str, at: datetime) -> bool:
    """Notes where the file is; returns whether there was none before."""
    statement = update(uploads).where(uploads.c.id == upload_id, uploads.c.stored_at.is_(None))
    changes = statement.values(key=key, sha256=sha256, stored_at=at)
    return (await connection.execute(changes)).rowcount == 1


async def use(connection: AsyncConnection, upload_id: str, job_id: str) -> None:
    """Notes that a job needs the file from now on."""
    await connection.execute(update(uploads).where(uploads.c.id == upload_id).values(job_id=job_id))


async def unused(connection: AsyncConnection, before: datetime, limit: int = 100) -> Sequence[UploadRow]:
    """Finds uploads that expired before a time and that no job needs."""
    old = (uploads.c.expires_at < before, uploads.c.job_id.is_(None))
    return cast(
        Sequence[UploadRow], (await connection.execute(select(uploads).where(*old).limit(limit))).all()
    )


async def forget(connection: AsyncConnection, upload_id: str) -> bool:
    """Deletes an upload that no job needs; returns whether it was there."""
    free = (uploads.c.id == upload_id, uploads.c.job_id.is_(None))
    return (await connection.execute(delete(uploads).where(*free))).rowcount == 1


async def old_sources(connection: AsyncConnection, before: datetime, limit: int = 100) -> Sequence[str]:
    """Finds the sources of which every job ended before a time."""
    ended = func.count(jobs.c.finished_at) == func.count()
    statement = select(jobs.c.source).where(jobs.c.source != "").group_by(jobs.c.source)
    old = statement.having(ended, func.max(jobs.c.finished_at) < before).limit(limit)
    return (await connection.execute(old)).scalars().all()


async def forget_source(connection: AsyncConnection, source: str) -> None:
    """Notes that a source is gone, and forgets the upload that it came with."""
    await connection.execute(update(jobs).where(jobs.c.source == source).values(source=""))
    await connection.execute(delete(uploads).where(uploads.c.key == source))
