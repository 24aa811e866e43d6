"""Sender: delivers what waits in the outbox, at least once each, over 72 hours at most.

Headers and signature by https://github.com/standard-webhooks/standard-webhooks. The id stays the same
over all attempts, so that a receiver can tell a repetition; timestamp and signature are new each time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson
from standardwebhooks.webhooks import Webhook

from db.errors import DatabaseUnavailableError
from db.queries import webhooks as queries
from db.session import Database
from db.tables import WebhookDeliveryRow, WebhookSecretRow
from db.types import now
from engine import log_ids
from engine.ids import global_id
from engine.observer import UNOBSERVED, Observer
from engine.webhooks.addresses import ForbiddenAddressError, resolve
from engine.webhooks.outbox import new_secret
from engine.webhooks.room import Room

log = logging.getLogger(__name__)

# Seconds from one attempt to the next: ten attempts within 72 hours.
SCHEDULE = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 64_800, 79_200)
TIMEOUT_SECONDS = 15.0
TAKEN_FOR = timedelta(seconds=60)
LOOK_SECONDS = 1.0
GONE = 410
MOST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt."""

    status_code: int | None = None
    error: str | None = None
    retry_after_seconds: float | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took it: 2xx and nothing else."""
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def outcome(self) -> str:
        """It in a word: `delivered`, `refused` or `unreachable`."""
        if self.succeeded:
            return "delivered"
        return "unreachable" if self.status_code is None else "refused"


class Sender:
    """Looks for due deliveries every second, in any number of processes; each then ends by itself."""

    def __init__(
        self,
        database: Database,
        *,
        allowed_hosts: Collection[str] = (),
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._database = database
        self._observer = observer
        self._room = Room()
        self._allowed_hosts = frozenset(allowed_hosts)
        self._client = httpx.AsyncClient(
            timeout=None,  # noqa: S113 - each attempt has one, as a whole
            follow_redirects=False,
            trust_env=False,
            # A connection that is kept is found again by its address alone: another name at the same address
            # would be told over a connection whose certificate is not its own.
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"User-Agent": "Foretell"},
        )

    async def run(self) -> None:
        """Delivers until it is cancelled; what is being sent then is sent again by who looks next."""
        try:
            async with asyncio.TaskGroup() as deliveries:
                while True:
                    try:
                        begun = await self.begin_due(deliveries)
                    except DatabaseUnavailableError as error:
                        log.warning("webhooks were not delivered: %s", error)
                        begun = 0
                    if not begun:
                        await self._room.freed(LOOK_SECONDS)
        finally:
            await self._client.aclose()

    async def begin_due(self, deliveries: asyncio.TaskGroup) -> int:
        """Begins to attempt what is due and has room, in tasks of their own, and returns how many that are.

        Raises:
            DatabaseUnavailableError: nothing was begun.
        """
        if not self._room.free:
            return 0
        async with self._database.read() as connection:
            due = await queries.due(connection, now(), self._room.free, self._room.full_hosts())
        entered = [each for each in due if self._room.enter(each.host)]
        taken: list[WebhookDeliveryRow] = []
        try:
            taken = await self._take(entered) if entered else []
        finally:
            begun = {row.id for row in taken}
            for each in entered:
                if each.id not in begun:
                    self._room.leave(each.host)
        for row in taken:
            deliveries.create_task(self._deliver(row))
        return len(taken)

    async def _take(self, entered: Sequence[queries.Due]) -> list[WebhookDeliveryRow]:
        """Returns those that no other process was faster to take."""
        async with self._database.write() as connection:
            found = [await queries.take(connection, each, now() + TAKEN_FOR) for each in entered]
        return [row for row in found if row is not None]

    async def _deliver(self, row: WebhookDeliveryRow) -> None:
        asked_by = row.payload.get("data", {}).get("requestId", "")
        log_ids.name(request_id=asked_by, delivery_id=row.id)
        try:
            secrets = await self._secrets(row.project_id)
            attempt = await self._attempt(row, [secret.secret for secret in secrets])
            self._observer.webhook_attempted(attempt.outcome)
            async with self._database.write() as connection:
                await queries.change(connection, row, after(attempt, row.attempts + 1, now()))
        except DatabaseUnavailableError as error:
            log.warning("what came of a webhook was not noted, it is sent again: %s", error)
        finally:
            self._room.leave(row.host)

    async def _attempt(self, row: WebhookDeliveryRow, secrets: list[str]) -> Attempt:
        body = orjson.dumps(row.payload)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):  # httpx's own begins anew with every byte
                request = await self._request(row.url, body, signed(row.id, body, secrets))
                response = await self._client.send(request, stream=True)
                await response.aclose()  # nobody reads what it says
        except TimeoutError:
            return Attempt(error=f"There was no answer within {TIMEOUT_SECONDS:.0f} seconds.")
        except ForbiddenAddressError as error:
            return Attempt(error=str(error))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Attempt(error=f"{type(error).__name__}: {error}"[:MOST_ERROR])
        return Attempt(response.status_code, retry_after_seconds=_retry_after(response))

    async def _request(self, url: str, body: bytes, headers: dict[str, str]) -> httpx.Request:
        """Returns the request to the judged address, with the name in Host and TLS."""
        target = httpx.URL(url)
        port = target.port or (443 if target.scheme == "https" else 80)
        address = await resolve(target.host, port, self._allowed_hosts)
        return self._client.build_request(
            "POST",
            target.copy_with(host=address),
            content=body,
            headers={**headers, "Host": target.netloc.decode("ascii").rpartition("@")[2]},
            extensions={"sni_hostname": target.host},
        )

    async def _secrets(self, project_id: str) -> list[WebhookSecretRow]:
        """Returns the project's secrets; its first is made when it is first needed."""
        async with self._database.write() as connection:
            found = list(await queries.secrets(connection, project_id, now()))
            if not found:
                found = [WebhookSecretRow(project_id=project_id, secret=new_secret())]
                await queries.replace_secret(connection, found[0], now())
        return found


def signed(delivery_id: str, body: bytes, secrets: list[str]) -> dict[str, str]:
    """Returns the headers of an attempt, with a signature for every secret; `webhook-id` is the global id."""
    time, webhook_id = now(), global_id("WebhookDelivery", delivery_id)
    signatures = [Webhook(secret).sign(webhook_id, time, body.decode()) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(time.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def after(attempt: Attempt, attempts: int, at: datetime) -> dict[str, Any]:
    """Returns the columns of a delivery after its so-manieth attempt: delivered, given up, or when next."""
    columns: dict[str, Any] = {
        "attempts": attempts,
        "last_status_code": attempt.status_code,
        "last_error": attempt.error,
    }
    if attempt.succeeded:
        return columns | {"status": "DELIVERED", "delivered_at": at, "next_attempt_at": None}
    if attempt.status_code == GONE or attempts > len(SCHEDULE):
        return columns | {"status": "FAILED", "next_attempt_at": None}
    wait = SCHEDULE[attempts - 1] * random.uniform(0.9, 1.1)  # noqa: S311 - spreads attempts, guards nothing
    wait = max(wait, attempt.retry_after_seconds or 0.0)
    return columns | {"next_attempt_at": at + timedelta(seconds=wait)}


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return min(float(value), float(SCHEDULE[-1])) if value.isdigit() else None
