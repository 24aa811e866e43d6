"""Cleanup: deletes the files that no job and no model version needs any more."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from db.errors import DatabaseUnavailableError
from db.queries import models as model_queries
from db.queries import uploads as queries
from db.session import Database
from db.types import now
from engine.storage.base import Storage, StorageError

log = logging.getLogger(__name__)

KEPT = timedelta(days=7)
"""How long after its end the source of a job is kept, for retries; the file of a version that was retired;
and one that nobody ever used."""
SWEEP_SECONDS = 600.0


class Cleanup:
    """Sweeps in any number of processes: what two of them delete is deleted."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage

    async def run(self) -> None:
        """Sweeps every ten minutes, until it is cancelled."""
        while True:
            try:
                await self.sweep()
            except (DatabaseUnavailableError, StorageError) as error:
                log.warning("files that are not needed any more were not deleted: %s", error)
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Deletes what is old enough. An upload is forgotten first, so that no job takes it up meanwhile.

        Raises:
            DatabaseUnavailableError, StorageError: some are not deleted yet.
        """
        before = now() - KEPT
        async with self._database.read() as connection:
            unused = await queries.unused(connection, before)
            sources = await queries.old_sources(connection, before)
            versions = await model_queries.with_old_files(connection, before)
        for upload in unused:
            async with self._database.write() as connection:
                is_free = await queries.forget(connection, upload.id)
            if is_free and upload.key:
                await asyncio.to_thread(self._storage.delete, upload.key)
        for source in sources:
            await asyncio.to_thread(self._storage.delete, source)
            async with self._database.write() as connection:
                await queries.forget_source(connection, source)
        for version in versions:
            await asyncio.to_thread(self._storage.delete, version.config["key"])
            config = {name: value for name, value in version.config.items() if name != "key"}
            async with self._database.write() as connection:
                await model_queries.change_version(connection, version.id, config=config)
