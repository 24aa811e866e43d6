"""Opens everything a process needs, in order, and closes it in the reverse one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from db.errors import UniqueViolationError
from db.lock import only_process, try_lock
from db.migrate import upgrade
from db.session import Database
from engine.answers import Answers
from engine.artifacts import Artifacts, CheckLimits
from engine.bus.base import Bus
from engine.cache.base import Cache
from engine.cache.memory import MemoryCache
from engine.cache.redis import RedisCache
from engine.catalog import Catalog
from engine.definitions import ModelDefinition, read_definitions
from engine.health import Health
from engine.identity.authenticator import Authenticator
from engine.identity.guesses import Guesses
from engine.identity.passwords import Passwords
from engine.identity.revocations import Revocations
from engine.identity.sessions import Sessions
from engine.identity.tokens import Tokens
from engine.jobs.engine import Engine, LocalEngine
from engine.jobs.service import Foundation, Jobs, begin_alone, working
from engine.keys import Keys
from engine.limits.base import Buckets
from engine.limits.budgets import Budgets
from engine.limits.ceilings import Ceilings
from engine.limits.guarded import GuardedBuckets
from engine.limits.memory import MemoryBuckets
from engine.limits.projects import Projects
from engine.limits.redis import RedisBuckets
from engine.limits.service import Limits
from engine.model_servers import ModelServers
from engine.models import Models
from engine.observer import UNOBSERVED, Observer
from engine.predict import Predictor
from engine.recovery import Recovery
from engine.registry import Registry
from engine.retention import Retention
from engine.routing.aliases import Aliases
from engine.routing.base import Board
from engine.routing.circuits import Circuits
from engine.routing.gates import Gates
from engine.routing.memory import MemoryBoard
from engine.routing.redis import RedisBoard
from engine.routing.router import Router
from engine.runs import Runs
from engine.serving import Serving
from engine.shadows import Shadows
from engine.signing import Links, link_secret
from engine.storage.base import Storage
from engine.storage.opened import open_storage
from engine.usage.ledger import Folding
from engine.versions import Versions
from engine.webhooks.outbox import Webhooks
from engine.webhooks.sender import Sender
from foretell.oidc import issuer_of
from foretell.opening import open_bus, open_database
from foretell.settings import Settings
from foretell.tiers import all_tiers
from foretell.tracing import recording
from resolvers.context import Services

EMBEDDED = Path(__file__).parent / "embedded" / "models.toml"
TRIES = 3


async def prepare(settings: Settings, database: Database) -> None:
    """Brings the tables and the registered models up to date; any number of processes may do so at once.

    Raises:
        DefinitionError: the operator's registry file is wrong.
        DatabaseUnavailableError: the database does not answer.
    """
    await upgrade(database)
    registry = Registry(database)
    wanted = definitions(settings)
    for _ in range(TRIES - 1):
        with suppress(UniqueViolationError):  # another process registered the same just now
            await registry.apply(wanted)
            return
    await registry.apply(wanted)


def definitions(settings: Settings) -> list[ModelDefinition]:
    """Returns the models that the settings name: the embedded ones, and those of the operator's file."""
    files = [EMBEDDED] if settings.embedded_models else []
    if settings.models_file is not None:
        files.append(settings.models_file)
    return [definition for file in files for definition in read_definitions(file)]


async def first_secret(database: Database) -> str | None:
    """Makes the first project and its admin key where there is no key yet; returns the secret, or None."""
    return await Keys(database).create_first("default", "admin")


@asynccontextmanager
async def running(settings: Settings, observer: Observer = UNOBSERVED) -> AsyncIterator[Services]:
    """Opens the services of a process for as long as the context lasts."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(recording(settings))
        database = open_database(settings)
        stack.push_async_callback(database.close)
        await prepare(settings, database)
        executor = stack.enter_context(ThreadPoolExecutor(settings.inference_threads, "inference"))
        catalog = Catalog(database)
        await catalog.refresh()
        bus = open_bus(settings)
        await bus.open()
        stack.push_async_callback(bus.close)
        servers = ModelServers(settings.model_servers)
        storage = open_storage(settings.storage_url, settings.data_directory)
        artifacts = open_artifacts(settings, storage)
        serving = Serving(database, catalog, executor, bus, servers, artifacts)
        stack.push_async_callback(serving.close)
        await serving.load_all()
        cache = open_cache(settings)
        stack.push_async_callback(cache.close)
        board = open_board(settings, bus)
        stack.push_async_callback(board.close)
        await stack.enter_async_context(_in_background(board.run()))
        router = open_router(settings, board, catalog, serving)
        answers = Answers(cache, router)
        buckets = open_buckets(settings)
        stack.push_async_callback(buckets.close)
        projects = Projects(database, all_tiers(settings.tiers))
        limits = Limits(projects, buckets)
        allows_unpriced = settings.budgets_unknown_price == "allow"
        budgets = Budgets(database, projects, allows_unpriced=allows_unpriced)
        runs = Runs(
            database,
            bus,
            answers,
            limits=limits,
            budgets=budgets,
            lease_seconds=settings.lease_seconds,
            observer=observer,
        )
        hosts = settings.webhook_allowed_hosts
        shadows = Shadows(database, router, runs, budgets, settings.shadow_concurrency, observer)
        predictor = Predictor(
            database,
            catalog,
            serving,
            router,
            bus,
            answers,
            runs,
            shadows,
            limits=limits,
            budgets=budgets,
            allowed_hosts=hosts,
        )
        await runs.clock.agree()
        recovery = Recovery(database, predictor, runs, lease_seconds=settings.lease_seconds)
        alone = try_lock(database.url)
        if alone is not None:
            stack.callback(alone.release)
            await recovery.take_over_everything()
        await stack.enter_async_context(_in_background(recovery.run()))
        await stack.enter_async_context(_in_background(serving.run()))
        health = Health(serving, every_seconds=settings.health_check_seconds)
        await stack.enter_async_context(_in_background(health.run()))
        await stack.enter_async_context(_in_background(runs.listen()))
        await stack.enter_async_context(_in_background(projects.run(bus)))
        await stack.enter_async_context(_in_background(limits.run()))
        await stack.enter_async_context(_in_background(Folding(database).run()))
        sweeper = Retention(database, settings.retention_days)
        await stack.enter_async_context(_in_background(sweeper.run()))
        sender = Sender(database, allowed_hosts=hosts, observer=observer)
        await stack.enter_async_context(_in_background(sender.run()))
        stack.push_async_callback(runs.drain, settings.shutdown_grace_seconds)
        links = await open_links(settings, database)
        jobs_engine = open_engine(settings)
        stack.push_async_callback(jobs_engine.close)
        guesses, passwords = Guesses(), Passwords()
        stack.callback(passwords.close)
        lifetime = timedelta(days=settings.session_days)
        sessions = Sessions(database, bus, passwords, guesses, open_tokens(settings), lifetime)
        authenticator = Authenticator(database, guesses, sessions, issuer_of(settings.oidc))
        stack.push_async_callback(authenticator.last_used.write)
        await stack.enter_async_context(_in_background(authenticator.last_used.run()))
        revocations = Revocations(database, bus, lease_seconds=settings.lease_seconds)
        await stack.enter_async_context(_in_background(revocations.run()))
        jobs = Foundation(
            database, bus, router, storage, jobs_engine, links, limits, budgets, hosts, observer
        )
        await stack.enter_async_context(_jobs(settings, jobs, alone=alone is not None))
        yield Services(
            database=database,
            bus=bus,
            catalog=catalog,
            registry=Catalog(database),
            router=router,
            aliases=Aliases(database, bus, catalog, serving),
            predictor=predictor,
            keys=Keys(database, bus),
            authenticator=authenticator,
            sessions=sessions,
            revocations=revocations,
            jobs=Jobs.on(jobs),
            webhooks=Webhooks(database),
            runs=runs,
            limits=limits,
            ceilings=Ceilings(database, projects, bus, allowed_hosts=hosts),
            models=Models(database, bus, serving),
            versions=Versions(
                database, bus, serving, servers, settings.project_max_versions, settings.max_model_bytes
            ),
        )


async def open_links(settings: Settings, database: Database) -> Links:
    """Returns what signs links to this server, at the address of the settings."""
    secret = None if settings.secret is None else settings.secret.get_secret_value()
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base_url = settings.public_url or f"http://{host}:{settings.port}"
    return Links(await link_secret(database, secret), base_url)


def open_tokens(settings: Settings) -> Tokens | None:
    """Returns what signs users' access tokens; None without the operator's secret."""
    if settings.secret is None:
        return None
    lifetime = timedelta(seconds=settings.access_token_seconds)
    return Tokens(settings.secret.get_secret_value(), settings.public_url or "foretell", lifetime)


@asynccontextmanager
async def _jobs(settings: Settings, jobs: Foundation, *, alone: bool) -> AsyncIterator[None]:
    """Works off jobs where this process may: without Redis, no other does so with the same database."""
    async with AsyncExitStack() as stack:
        shared = settings.redis_url is not None
        if not shared and not jobs.database.is_sqlite:
            alone = await stack.enter_async_context(only_process(jobs.database))
        if settings.worker_slots and (shared or alone):
            if not shared:
                await begin_alone(jobs.database)
            await stack.enter_async_context(working(jobs, slots=settings.worker_slots))
        yield


def open_engine(settings: Settings) -> Engine:
    """Returns what hands out the chunks of jobs: within the process, or over Redis where there is one."""
    if settings.redis_url is None:
        return LocalEngine()
    from engine.jobs.docket import DocketEngine  # noqa: PLC0415  (needs the extra `cluster`)

    return DocketEngine(settings.redis_url, slots=settings.worker_slots, lease_seconds=settings.lease_seconds)


def open_artifacts(settings: Settings, storage: Storage) -> Artifacts:
    """Returns what fetches and checks the model files of projects, within the limits of the settings."""
    limits = CheckLimits(settings.model_check_memory, settings.model_check_seconds)
    return Artifacts(storage, settings.data_directory / "models", limits)


def open_board(settings: Settings, bus: Bus) -> Board:
    """Returns where open circuits stand, by the settings: in the process, or in Redis where there is one."""
    return MemoryBoard() if settings.redis_url is None else RedisBoard(settings.redis_url, bus)


def open_router(settings: Settings, board: Board, catalog: Catalog, serving: Serving) -> Router:
    """Returns what asks versions, with the circuits and the concurrency of the settings."""
    circuits = Circuits(
        board,
        failures=settings.circuit_failures,
        error_rate=settings.circuit_error_rate,
        pause_seconds=settings.circuit_seconds,
    )
    return Router(catalog, serving, circuits, Gates(settings.batch_share, settings.inference_threads))


def open_cache(settings: Settings) -> Cache:
    """Returns the cache of the settings, likewise."""
    return MemoryCache() if settings.redis_url is None else RedisCache(settings.redis_url)


def open_buckets(settings: Settings) -> Buckets:
    """Returns where it is kept how much of each limit is left, likewise."""
    if settings.redis_url is None:
        return MemoryBuckets()
    fails_open = settings.limits_on_redis_failure == "open"
    return GuardedBuckets(RedisBuckets(settings.redis_url), fails_open=fails_open)


@asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        while not task.done():  # redis-py loses a cancellation that comes just as an answer does
            task.cancel()
            await asyncio.wait([task], timeout=1)
        if not task.cancelled():
            task.result()
