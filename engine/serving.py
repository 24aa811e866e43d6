"""Serving: the backends that are loaded in this process, and the status of the versions they serve."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from db.errors import DatabaseUnavailableError
from db.queries import models as queries
from db.session import Database
from db.types import now
from engine.artifacts import Artifacts
from engine.backends.base import Backend, Metadata, VersionSpec
from engine.backends.gone import GoneBackend
from engine.backends.registry import BACKENDS
from engine.bus.base import Bus
from engine.catalog import Catalog, CatalogVersion, require_ready
from engine.errors import ForetellError, ModelError, ModelNotReadyError
from engine.inputs import InputChecker
from engine.model_servers import ModelServers
from engine.model_versions import check_backend
from engine.revision import TOPIC, changing_registry
from engine.values import BackendKind, ServingStatus, TensorSpec

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""How long a change may go unnoticed that the bus did not tell of."""
TRY_AGAIN_SECONDS = 5.0
MOST_SECONDS = 60.0
NOT_RETIRED = frozenset(ServingStatus) - {ServingStatus.RETIRED}


@dataclass(slots=True, weakref_slot=True)
class Served:
    """A version that answers in this process.

    `version` is always the catalog's newest; `loaded_as` is what its backend was told when it was made.
    """

    version: CatalogVersion
    backend: Backend
    checker: InputChecker
    loaded_as: VersionSpec | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a version could not be loaded in this process, and when (by the loop's clock) it is tried again."""

    error: ForetellError
    tries: int
    try_again_at: float


class Serving:
    """Loads a backend for every version that is not retired, and tells which can be asked."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        executor: Executor,
        bus: Bus,
        servers: ModelServers | None = None,
        artifacts: Artifacts | None = None,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._executor = executor
        self._bus = bus
        self._servers = servers or ModelServers()
        self._artifacts = artifacts
        self._served: dict[str, Served] = {}
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._failures: dict[str, Failure] = {}

    async def load_all(self) -> None:
        """Loads what is not loaded yet, all at once; a version that fails is FAILED and says why.

        One whose server is not there now stays LOADING and says why; `run` tries it again. A file of a
        project that has to be fetched or checked first loads on in the background.
        """
        self._begin_loading(NOT_RETIRED)
        soon = [task for version_id, task in self._loading.items() if not self._takes_long(version_id)]
        if soon:
            await asyncio.gather(*soon)

    async def run(self) -> None:
        """Takes up what changes in the registry, and tries again what lacked its server, until cancelled."""
        with self._bus.watch(TOPIC) as news:
            while True:
                await news.next(LOOK_SECONDS)
                try:
                    await self.look()
                except DatabaseUnavailableError as error:
                    log.warning("the registry was not read: %s", error)

    async def look(self) -> None:
        """Takes up what has changed in the registry; what is new loads in the background.

        Raises:
            DatabaseUnavailableError: the registry can not be read; all stays as it was.
        """
        await self._catalog.refresh_if_stale()
        self._follow_catalog()
        self._begin_loading(NOT_RETIRED - {ServingStatus.FAILED})

    def get(self, version: CatalogVersion) -> Served:
        """Returns a version that can be asked, with its backend.

        Raises:
            ModelNotReadyError: it can not be asked, or not yet.
        """
        require_ready(version)
        served = self._served.get(version.row.id)
        if served is None:
            raise self._not_here(version)
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

    def loaded(self) -> Sequence[Served]:
        """Returns the versions that answer in this process."""
        return list(self._served.values())

    async def note(self, version: CatalogVersion, **changes: Any) -> None:
        """Stores what was found out about a version, and tells every process, if it is news.

        Raises:
            DatabaseUnavailableError: it is not stored.
        """
        if all(getattr(version.row, name) == value for name, value in changes.items()):
            return
        async with changing_registry(self._database, self._bus) as connection:
            if await queries.note_version(connection, version.row.id, **changes):
                if changes.get("status") == ServingStatus.READY:
                    await queries.make_default_if_wanted(connection, version.row)
                await queries.change_model_status(connection, version.row.model_id, now())
        await self._catalog.refresh()
        self._follow_catalog()

    async def close(self) -> None:
        """Ends what loads, and closes every backend."""
        for task in self._loading.values():
            task.cancel()
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        await asyncio.gather(*self._closing, *(served.backend.close() for served in self._served.values()))
        self._served.clear()

    def _follow_catalog(self) -> None:
        """Gives what is served its newest row and prices, and lets go of what is retired."""
        for version_id, served in list(self._served.items()):
            version = self._catalog.version_by_id(version_id)
            if version is None or version.row.status == ServingStatus.RETIRED:
                del self._served[version_id]
                self._close_when_unused(served)
            else:
                served.version = version

    def _begin_loading(self, statuses: Collection[ServingStatus]) -> None:
        clock = asyncio.get_running_loop().time()
        for version in self._catalog.versions():
            version_id = version.row.id
            failure = self._failures.get(version_id)
            if (
                version.row.status in statuses
                and not _was_refused(version)
                and version_id not in self._loading
                and not self._is_up_to_date(version)
                and (failure is None or clock >= failure.try_again_at)
            ):
                task = asyncio.create_task(self._load(version), name=f"load {version.spec.name}")
                self._loading[version_id] = task
                task.add_done_callback(partial(self._loaded, version_id))

    def _takes_long(self, version_id: str) -> bool:
        """Tells whether a version waits for its file: how many such there are is up to projects."""
        version = self._catalog.version_by_id(version_id)
        if version is None or "key" not in version.spec.config or self._artifacts is None:
            return False
        return not (_was_ready(version) and self._artifacts.has(version.spec.config))

    def _loaded(self, version_id: str, task: asyncio.Task[None]) -> None:
        del self._loading[version_id]
        if not task.cancelled() and (error := task.exception()):
            log.error("a model version was not loaded", exc_info=error)

    def _is_up_to_date(self, version: CatalogVersion) -> bool:
        """Tells whether a version is loaded as it is registered now: how it is asked may change."""
        served = self._served.get(version.row.id)
        return served is not None and _told(served.loaded_as) == _told(version.spec)

    async def _load(self, version: CatalogVersion) -> None:
        try:
            if version.row.status == ServingStatus.PENDING:
                await self._begin(version)
            kind = BackendKind(version.row.backend)
            if version.model.project_id is not None:  # what was allowed once may not be so any more
                check_backend(kind, version.spec.config, self._servers)
            backend = BACKENDS[kind](await self._with_file(version), self._executor)
            found = await backend.load()
            spec = completed(version.spec, found)
            served = Served(version, backend, InputChecker(spec, found.room), version.spec)
        except DatabaseUnavailableError as error:
            log.warning("%s was not loaded: %s", version.spec.name, error)
        except Exception as error:
            log.warning("model version %s can not be served: %s", version.spec.name, error)
            known = error if isinstance(error, ForetellError) else ModelError()
            await self._note_failure(version, known)
        else:
            self._replace(served)
            await self.note(
                version,
                status=ServingStatus.READY,
                status_reason=None,
                inputs=_as_json(spec.inputs),
                outputs=_as_json(spec.outputs),
            )

    def _replace(self, served: Served) -> None:
        version_id = served.version.row.id
        before = self._served.get(version_id)
        self._served[version_id] = served
        self._failures.pop(version_id, None)
        if before is not None:
            self._close_when_unused(before)

    async def _with_file(self, version: CatalogVersion) -> VersionSpec:
        """Returns a version's spec, with where its file is if that was uploaded, once it was checked."""
        spec = version.spec
        if "key" not in spec.config or self._artifacts is None:
            return spec
        project_id, check = version.model.project_id, not _was_ready(version)
        path = await self._artifacts.fetch(spec.config, project_id, check=check)
        return replace(spec, config={**spec.config, "path": str(path)})

    async def _begin(self, version: CatalogVersion) -> None:
        """Stores that a version is loading, unless another process has it ready by now."""
        async with changing_registry(self._database, self._bus) as connection:
            if await queries.begin_loading(connection, version.row.id):
                await queries.change_model_status(connection, version.row.model_id, now())

    async def _note_failure(self, version: CatalogVersion, error: ForetellError) -> None:
        """Stores why a version can not be loaded; where another process has it ready it is DEGRADED."""
        version_id = version.row.id
        tries = self._failures[version_id].tries + 1 if version_id in self._failures else 1
        wait = min(TRY_AGAIN_SECONDS * 2 ** (tries - 1), MOST_SECONDS) if error.retryable else MOST_SECONDS
        clock = asyncio.get_running_loop().time()
        self._failures[version_id] = Failure(error, tries, clock + wait)
        await self._catalog.refresh_if_stale()
        newest = self._catalog.version_by_id(version_id) or version
        if newest.row.status in (ServingStatus.READY, ServingStatus.DEGRADED):
            status = ServingStatus.DEGRADED
        else:
            status = ServingStatus.LOADING if error.retryable else ServingStatus.FAILED
        await self.note(newest, status=status, status_reason=error.message)

    def _not_here(self, version: CatalogVersion) -> ModelNotReadyError:
        failure = self._failures.get(version.row.id)
        if failure is None or failure.error.retryable:
            message = f"{version.spec.name} is loading."
            return ModelNotReadyError(message, status=ServingStatus.LOADING, retry_after_seconds=1.0)
        message = f"{version.spec.name} can not be served here: {failure.error.message}"
        return ModelNotReadyError(message, status=ServingStatus.FAILED, retryable=False)

    def _close_when_unused(self, served: Served) -> None:
        """Closes a backend when the last prediction that holds it has ended."""
        loop = asyncio.get_running_loop()
        weakref.finalize(served, loop.call_soon_threadsafe, self._close_now, served.backend).atexit = False

    def _close_now(self, backend: Backend) -> None:
        task = asyncio.create_task(backend.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _told(spec: VersionSpec | None) -> tuple[object, ...]:
    """Returns what an operator says of a version; its inputs and outputs are what its backend says."""
    return () if spec is None else (spec.config, spec.input_schema, spec.max_batch_size)


def _was_ready(version: CatalogVersion) -> bool:
    return version.row.status in (ServingStatus.READY, ServingStatus.DEGRADED)


def _was_refused(version: CatalogVersion) -> bool:
    """Tells whether a version's uploaded file was found bad: it stays the same file, and stays refused."""
    return version.row.status == ServingStatus.FAILED and "key" in version.spec.config


def completed(spec: VersionSpec, metadata: Metadata) -> VersionSpec:
    """Returns a spec with what its backend found out."""
    return replace(spec, inputs=metadata.inputs or spec.inputs, outputs=metadata.outputs or spec.outputs)


def _as_json(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [{**asdict(spec), "shape": list(spec.shape)} for spec in specs]
