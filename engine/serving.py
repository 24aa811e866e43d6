"""Serving: the backends that are loaded in this process, and the status of the versions they serve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from typing import Any

from db.errors import DatabaseUnavailableError
from db.queries import models as queries
from db.session import Database
from db.types import now
from engine.backends.base import Backend, Metadata, VersionSpec
from engine.backends.gone import GoneBackend
from engine.backends.registry import BACKENDS
from engine.catalog import Catalog, CatalogVersion, require_ready
from engine.errors import ForetellError, ModelError, ModelNotReadyError
from engine.inputs import InputChecker
from engine.values import BackendKind, ServingStatus, TensorSpec

log = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 5.0


@dataclass(slots=True)
class Served:
    """A version that answers in this process."""

    version: CatalogVersion
    backend: Backend
    checker: InputChecker


class Serving:
    """Loads a backend for every version that is not retired, and tells which can be asked."""

    def __init__(self, database: Database, catalog: Catalog, executor: Executor) -> None:
        self._database = database
        self._catalog = catalog
        self._executor = executor
        self._served: dict[str, Served] = {}

    async def load_all(self) -> None:
        """Loads what is not loaded yet, all at once; a version that fails is FAILED and says why.

        One whose server is not there now stays LOADING and says why; `run` tries it again.
        """
        await self._load_those(set(ServingStatus) - {ServingStatus.RETIRED})

    async def run(self) -> None:
        """Goes on trying what could not be loaded for want of a server, until it is cancelled."""
        while True:
            await asyncio.sleep(TRY_AGAIN_SECONDS)
            try:
                await self._load_those({ServingStatus.PENDING, ServingStatus.LOADING})
            except DatabaseUnavailableError as error:
                log.warning("models were not loaded: %s", error)

    def get(self, version: CatalogVersion) -> Served:
        """Returns a version that can be asked, with its backend.

        Raises:
            ModelNotReadyError: it can not be asked, or not yet.
        """
        require_ready(version)
        served = self._served.get(version.row.id)
        if served is None:
            raise ModelNotReadyError(
                f"{version.spec.name} is loading.", status=ServingStatus.LOADING, retry_after_seconds=1.0
            )
        return served

    def get_or_gone(self, version: CatalogVersion) -> Served:
        """Returns a version for a prediction that was accepted before, be there a model behind it or not.

        Raises:
            ModelNotReadyError: it is still loading.
        """
        try:
            return self.get(version)
        except ModelNotReadyError as error:
            if error.retryable:
                raise
            unchecked = InputChecker(replace(version.spec, input_schema=None))
            return Served(version, GoneBackend(error.message), unchecked)

    async def close(self) -> None:
        """Closes every backend."""
        await asyncio.gather(*(served.backend.close() for served in self._served.values()))
        self._served.clear()

    async def _load_those(self, statuses: Collection[ServingStatus]) -> None:
        wanted = [
            version
            for version in self._catalog.versions()
            if version.row.status in statuses and version.row.id not in self._served
        ]
        await asyncio.gather(*(self._load(version) for version in wanted))
        if wanted:
            await self._catalog.refresh()

    async def _load(self, version: CatalogVersion) -> None:
        if version.row.status == ServingStatus.PENDING:
            await self._begin(version)
        backend = BACKENDS[BackendKind(version.row.backend)](version.spec, self._executor)
        try:
            metadata = await backend.load()
            spec = _completed(version.spec, metadata)
            self._served[version.row.id] = Served(version, backend, InputChecker(spec))
        except Exception as error:
            log.warning("model version %s can not be served: %s", version.spec.name, error)
            known = error if isinstance(error, ForetellError) else ModelError()
            status = ServingStatus.LOADING if known.retryable else ServingStatus.FAILED
            await self._note(version, status=status, status_reason=known.message)
        else:
            await self._note(
                version,
                status=ServingStatus.READY,
                status_reason=None,
                inputs=_as_json(spec.inputs),
                outputs=_as_json(spec.outputs),
            )

    async def _begin(self, version: CatalogVersion) -> None:
        """Stores that a version is loading, unless another process has it ready by now."""
        async with self._database.write() as connection:
            await queries.begin_loading(connection, version.row.id)
            await queries.change_model_status(connection, version.row.model_id, now())

    async def _note(self, version: CatalogVersion, **changes: Any) -> None:
        """Stores what is new about a version; a restart that finds everything as it was writes nothing."""
        if all(getattr(version.row, name) == value for name, value in changes.items()):
            return
        async with self._database.write() as connection:
            await queries.change_version(connection, version.row.id, **changes)
            await queries.change_model_status(connection, version.row.model_id, now())


def _completed(spec: VersionSpec, metadata: Metadata) -> VersionSpec:
    return VersionSpec(
        id=spec.id,
        name=spec.name,
        task=spec.task,
        config=spec.config,
        inputs=metadata.inputs or spec.inputs,
        outputs=metadata.outputs or spec.outputs,
        input_schema=spec.input_schema,
        max_batch_size=spec.max_batch_size,
    )


def _as_json(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [{**asdict(spec), "shape": list(spec.shape)} for spec in specs]
