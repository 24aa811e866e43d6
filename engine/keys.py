"""Keys: API keys and the projects they act for; making, rotating and revoking them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from db.errors import UniqueViolationError
from db.queries import keys as queries
from db.session import Database
from db.tables import ApiKeyRow, ProjectRow, RetiredSecretRow
from db.types import now
from engine.audit import OPERATOR, Action, Actor, actor_of, note
from engine.bus.base import Bus
from engine.errors import ConflictError, InvalidInputError, NotFoundError
from engine.idempotency import AlreadyDoneError, Claim, check_key, claiming, fingerprint
from engine.ids import global_id
from engine.key_secrets import hash_of, new_secret, prefix_of
from engine.names import is_title
from engine.standing import FIRST_TIER, USUAL_TIER
from engine.together import raise_together
from engine.values import KeyRequest, Scope, Viewer

MAX_NAME = 100
MAX_MODELS = 100
MAX_OVERLAP = timedelta(days=30)
CREDENTIALS = "credentials"
"""The topic that tells every process to look at once which credentials still work."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A key that was made, now or by an earlier request with the same idempotency key.

    The secret is known to the first request only: the database has no more than its hash.
    """

    row: ApiKeyRow
    secret: str | None

    @property
    def replayed(self) -> bool:
        """Whether an earlier request made it."""
        return self.secret is None


@dataclass(frozen=True, slots=True)
class Rotated:
    """A key with its new secret, and until when the one before works."""

    row: ApiKeyRow
    secret: str
    previous_expires_at: datetime


class Keys:
    """Makes, rotates and revokes keys; `bus` tells the processes that keep sockets open."""

    def __init__(self, database: Database, bus: Bus | None = None) -> None:
        self._database = database
        self._bus = bus

    async def create_project(self, name: str, tier: str = USUAL_TIER) -> ProjectRow:
        """Stores a new project.

        Raises:
            ConflictError: there is a project of that name.
            InvalidInputError: the name is empty or longer than 100 characters.
        """
        row = ProjectRow(name=_checked_name(name), tier=tier)
        try:
            async with self._database.write() as connection:
                await queries.add_project(connection, row)
                await note(connection, OPERATOR, Action.PROJECT_CREATED, row.name, project_id=row.id)
        except UniqueViolationError as error:
            message = f"There is a project {row.name!r} already."
            raise ConflictError(message, path=("input", "name")) from error
        return row

    async def create(
        self,
        project_id: str,
        name: str,
        scopes: Iterable[Scope],
        expires_at: datetime | None = None,
        *,
        models: Iterable[str] | None = None,
    ) -> tuple[ApiKeyRow, str]:
        """Stores a new key for the operator and returns it with its secret, which nothing can show again.

        Raises:
            InvalidInputError, ManyErrors: the name, scopes or models are empty, or the expiry is past.
        """
        only = None if models is None else tuple(models)
        row, secret = _new_key(project_id, KeyRequest(name, tuple(scopes), only, expires_at))
        async with self._database.write() as connection:
            await queries.add_key(connection, row)
            await _note(connection, OPERATOR, Action.KEY_CREATED, row)
        return row, secret

    async def grant(self, viewer: Viewer, wanted: KeyRequest, request_id: str) -> Granted:
        """Stores a new key of the viewer's project; nobody hands out what it does not hold.

        Raises:
            InvalidInputError: as `create`, or the viewer lacks a scope, or sees fewer models.
            IdempotencyKeyReusedError: the idempotency key stands for another request.
        """
        _require_held(viewer, wanted.scopes, wanted.models, path="scopes")
        row, secret = _new_key(viewer.project_id, wanted)
        try:
            async with claiming(self._database, _claim(viewer, wanted, request_id), row.id) as connection:
                await queries.add_key(connection, row)
                await _note(connection, actor_of(viewer, request_id), Action.KEY_CREATED, row)
        except AlreadyDoneError as done:
            async with self._database.read() as connection:
                (earlier,) = await queries.keys_by_id(connection, viewer.project_id, [done.result_id])
            return Granted(earlier, None)
        return Granted(row, secret)

    async def create_first(self, project_name: str, name: str) -> str | None:
        """Stores a project and a key with every scope, unless there is any key; returns its secret, or None.

        Of processes that do so at once, one gets the secret.
        """
        try:
            async with self._database.write() as connection:
                if await queries.count_keys(connection):
                    return None
                project = await queries.project_by_name(connection, project_name, lock=True)
                if project is None:
                    project = ProjectRow(name=project_name, tier=FIRST_TIER)
                    await queries.add_project(connection, project)
                elif await queries.count_keys(connection):  # another process had the lock until now
                    return None
                row, secret = _new_key(project.id, KeyRequest(name, tuple(Scope)))
                await queries.add_key(connection, row)
                await _note(connection, OPERATOR, Action.KEY_CREATED, row)
        except UniqueViolationError:
            return None
        return secret

    async def rotate(
        self,
        project_id: str,
        key_id: str,
        overlap: timedelta,
        *,
        rotated_by: Viewer | None = None,
        actor: Actor = OPERATOR,
    ) -> Rotated:
        """Gives a key a new secret; the one it has works on for the overlap, and then no more.

        The key stays what it is: its id, scopes, models, limits, usage and expiry.

        Raises:
            NotFoundError: the project has no such key.
            ConflictError: it was revoked, or has expired.
            InvalidInputError: the overlap is longer than 30 days, or the key may do more than `rotated_by`.
        """
        if not timedelta() <= overlap <= MAX_OVERLAP:
            most = int(MAX_OVERLAP.total_seconds())
            raise InvalidInputError(
                f"The overlap is from 0 to {most} seconds.",
                path=("input", "overlapSeconds"),
                constraint=f"minimum: 0, maximum: {most}",
            )
        secret, at = new_secret(), now()
        async with self._database.write() as connection:
            row = await queries.lock_key(connection, project_id, key_id)
            if row is None:
                raise _no_such_key()
            if (reason := why_dead(row, at)) is not None:
                raise ConflictError(reason, path=("input", "id"))
            if rotated_by is not None:
                _require_held(rotated_by, map(Scope, row.scopes), row.models, path="id")
            retired = RetiredSecretRow(
                prefix=row.prefix, api_key_id=row.id, secret_hash=row.secret_hash, expires_at=at + overlap
            )
            await queries.change_secret(connection, row.id, prefix_of(secret), hash_of(secret), at)
            await queries.retire_secret(connection, retired, at)
            rows = await queries.keys_by_id(connection, project_id, [key_id])
            await _note(connection, actor, Action.KEY_ROTATED, rows[0])
        self._tell()
        return Rotated(rows[0], secret, retired.expires_at)

    async def revoke(self, project_id: str, key_id: str, *, actor: Actor = OPERATOR) -> ApiKeyRow:
        """Revokes a key at once, with all its secrets; one that is revoked already stays as it is.

        Raises:
            NotFoundError: the project has no such key.
        """
        async with self._database.write() as connection:
            revoked = await queries.revoke_key(connection, project_id, key_id, now())
            rows = await queries.keys_by_id(connection, project_id, [key_id])
            if not rows:
                raise _no_such_key()
            if revoked:
                await _note(connection, actor, Action.KEY_REVOKED, rows[0])
        self._tell()
        return rows[0]

    def _tell(self) -> None:
        if self._bus is not None:
            self._bus.announce(CREDENTIALS, "changed")


def _new_key(project_id: str, wanted: KeyRequest) -> tuple[ApiKeyRow, str]:
    raise_together(list(_problems(wanted)))
    secret = new_secret()
    row = ApiKeyRow(
        project_id=project_id,
        name=_checked_name(wanted.name),
        prefix=prefix_of(secret),
        secret_hash=hash_of(secret),
        scopes=[str(scope) for scope in sorted(set(wanted.scopes))],
        models=None if wanted.models is None else sorted(set(wanted.models)),
        expires_at=wanted.expires_at,
    )
    return row, secret


def _problems(wanted: KeyRequest) -> Iterator[InvalidInputError]:
    try:
        _checked_name(wanted.name)
    except InvalidInputError as error:
        yield error
    if not wanted.scopes:
        yield InvalidInputError("A key needs at least one scope.", path=("input", "scopes"))
    if wanted.models is not None and not 1 <= len(wanted.models) <= MAX_MODELS:
        message = f"A key is for 1 to {MAX_MODELS} models; leave them out for all."
        yield InvalidInputError(message, path=("input", "models"), constraint=f"maxItems: {MAX_MODELS}")
    if wanted.expires_at is not None and wanted.expires_at <= now():
        yield InvalidInputError("The expiry is in the past.", path=("input", "expiresAt"))


def _require_held(
    viewer: Viewer, scopes: Iterable[Scope], models: Iterable[str] | None, *, path: str
) -> None:
    missing = sorted(set(scopes) - viewer.scopes)
    if missing:
        message = f"Your key can not grant {', '.join(missing)}: it has not got that itself."
        raise InvalidInputError(message, path=("input", path), received=[str(scope) for scope in missing])
    if viewer.models is not None and (models is None or not viewer.models.issuperset(models)):
        where = "models" if path == "scopes" else path
        message = "Your key can not grant more models than it has itself: name them."
        raise InvalidInputError(message, path=("input", where), constraint="models")


def _claim(viewer: Viewer, wanted: KeyRequest, request_id: str) -> Claim:
    key = wanted.idempotency_key
    if key is None:
        return Claim(viewer.project_id, "createApiKey", None, request_id)
    check_key(key)
    asked = asdict(wanted) | {"idempotency_key": None}
    return Claim(viewer.project_id, "createApiKey", key, request_id, fingerprint(asked))


def why_dead(row: ApiKeyRow, at: datetime, expires_at: datetime | None = None) -> str | None:
    """Returns why a key, or a secret of it that ends earlier, does not work at a time; None if it does."""
    if row.revoked_at is not None:
        return "This API key was revoked."
    ends = expires_at or row.expires_at
    return "This API key has expired." if ends is not None and ends <= at else None


async def _note(connection: AsyncConnection, actor: Actor, action: Action, row: ApiKeyRow) -> None:
    await note(
        connection,
        actor,
        action,
        f"{row.prefix} {row.name}",
        project_id=row.project_id,
        subject_id=global_id("ApiKey", row.id),
        details={"scopes": row.scopes, "models": row.models, "expiresAt": row.expires_at},
    )


def _no_such_key() -> NotFoundError:
    return NotFoundError("There is no such API key.", path=("input", "id"))


def _checked_name(name: str) -> str:
    name = name.strip()
    if not is_title(name, MAX_NAME):
        message = f"A name has 1 to {MAX_NAME} printable characters."
        raise InvalidInputError(message, path=("input", "name"), constraint=f"maxLength: {MAX_NAME}")
    return name
