"""The catalog: what a process knows of the registry."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from db.queries import registry as queries
from db.session import Database
from engine.catalog import Catalog
from engine.registry import Registry
from tests.engine import onnx_files
from tests.engine.test_serving import onnx


async def test_a_reading_that_began_before_a_change_does_not_undo_one_that_saw_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, everything = Catalog(database), queries.everything
    has_read, may_end = asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> queries.Everything:
        found = await everything(connection)
        if not has_read.is_set():
            has_read.set()
            await may_end.wait()
        return found

    monkeypatch.setattr(queries, "everything", slow)
    early = asyncio.create_task(catalog.refresh())
    await has_read.wait()
    await Registry(database).apply([onnx("later", onnx_files.doubled(tmp_path / "later.onnx", "batch"))])
    late = asyncio.create_task(catalog.refresh())
    await asyncio.sleep(0.05)
    may_end.set()
    await asyncio.gather(early, late)

    assert [version.spec.name for version in catalog.versions()] == ["later/1"]
