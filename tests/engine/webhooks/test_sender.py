"""Delivering webhooks to a real receiver on this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import update
from standardwebhooks.webhooks import Webhook

from db.queries import keys, webhooks
from db.session import Database
from db.tables import ProjectRow, WebhookDeliveryRow
from db.tables.webhooks import webhook_deliveries
from db.types import now
from engine.ids import global_id
from engine.webhooks import sender
from engine.webhooks.addresses import host_of
from engine.webhooks.outbox import Webhooks
from engine.webhooks.room import PER_HOST
from engine.webhooks.sender import SCHEDULE, Attempt, Sender, after

LOCAL = ("127.0.0.1",)


@dataclass
class Receiver:
    """Answers every request with the next of its statuses, and keeps what came."""

    statuses: list[bytes]
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answering: list[asyncio.Future[None]] = field(default_factory=list)
    port: int = 0

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Is what a server calls for a connection."""
        self.answering.append(asyncio.ensure_future(self.answer(reader, writer)))

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")[1:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self.bodies.append(await reader.readexactly(int(headers["content-length"])))
        self.headers.append(headers)
        async with self.came:
            self.came.notify_all()
        await self.gate.wait()
        status = self.statuses.pop(0) if self.statuses else b"204 No Content"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async def has(self, count: int) -> None:
        """Returns when so many requests have come."""
        async with asyncio.timeout(20), self.came:
            await self.came.wait_for(lambda: len(self.bodies) >= count)


@asynccontextmanager
async def receiving(*statuses: bytes, held: bool = False, host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """Yields a receiver; one that is held answers nobody until its gate is set."""
    receiver = Receiver(list(statuses))
    if not held:
        receiver.gate.set()
    server = await asyncio.start_server(receiver, host, 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield receiver
        finally:
            receiver.gate.set()
            await asyncio.gather(*receiver.answering)


async def add_project(database: Database) -> ProjectRow:
    project = ProjectRow(name="hooks")
    async with database.write() as connection:
        await keys.add_project(connection, project)
    return project


async def add_deliveries(database: Database, project_id: str, *urls: str) -> list[WebhookDeliveryRow]:
    payload = {"type": "prediction.succeeded"}
    rows = [
        WebhookDeliveryRow(
            project_id=project_id, event="prediction.succeeded", url=url, host=host_of(url), payload=payload
        )
        for url in urls
    ]
    async with database.write() as connection:
        for row in rows:
            await webhooks.add(connection, row)
    return rows


async def add_delivery(database: Database, url: str) -> WebhookDeliveryRow:
    project = await add_project(database)
    return (await add_deliveries(database, project.id, url))[0]


async def deliver_due(sender: Sender) -> int:
    """Lets a sender attempt what is due, and returns how many that were once all have ended."""
    async with asyncio.TaskGroup() as deliveries:
        return await sender.begin_due(deliveries)


async def read_back(database: Database, row: WebhookDeliveryRow) -> WebhookDeliveryRow:
    async with database.read() as connection:
        return (await webhooks.by_id(connection, row.project_id, [row.id]))[0]


async def make_due(database: Database, row: WebhookDeliveryRow) -> None:
    statement = update(webhook_deliveries).where(webhook_deliveries.c.id == row.id)
    async with database.write() as connection:
        await connection.execute(statement.values(next_attempt_at=now() - timedelta(seconds=1)))


async def test_a_delivery_carries_a_signature_that_the_reference_library_accepts(database: Database) -> None:
    secret = ""
    async with receiving() as receiver:
        row = await add_delivery(database, f"http://127.0.0.1:{receiver.port}/hook")
        secret = await Webhooks(database).rotate_secret(row.project_id)

        assert await deliver_due(Sender(database, allowed_hosts=LOCAL)) == 1

    assert Webhook(secret).verify(receiver.bodies[0], receiver.headers[0]) == row.payload
    assert receiver.headers[0]["webhook-id"] == global_id("WebhookDelivery", row.id)
    assert (await read_back(database, row)).status == "DELIVERED"


async def test_while_a_secret_is_being_replaced_both_sign(database: Database) -> None:
    async with receiving() as receiver:
        row = await add_delivery(database, f"http://127.0.0.1:{receiver.port}/hook")
        secrets = [await Webhooks(database).rotate_secret(row.project_id) for _ in range(2)]

        await deliver_due(Sender(database, allowed_hosts=LOCAL))

    for secret in secrets:
        assert Webhook(secret).verify(receiver.bodies[0], receiver.headers[0]) == row.payload


async def test_a_receiver_that_fails_for_a_while_gets_the_same_id_again(database: Database) -> None:
    async with receiving(b"500 Oops", b"302 Found", b"200 OK") as receiver:
        row = await add_delivery(database, f"http://127.0.0.1:{receiver.port}/hook")
        sender = Sender(database, allowed_hosts=LOCAL)
        seen = []
        for _ in range(3):
            await deliver_due(sender)
            seen.append(await read_back(database, row))
            await make_due(database, row)

        assert await deliver_due(sender) == 0

    assert [each.status for each in seen] == ["PENDING", "PENDING", "DELIVERED"]
    assert [each.last_status_code for each in seen] == [500, 302, 200]
    assert len({headers["webhook-id"] for headers in receiver.headers}) == 1


async def test_a_receiver_that_answers_byte_by_byte_is_left_in_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "TIMEOUT_SECONDS", 0.2)

    left = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"H")
            await asyncio.sleep(0.02)
        left.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        row = await add_delivery(database, f"http://127.0.0.1:{port}/")
        await deliver_due(Sender(database, allowed_hosts=LOCAL))
        await asyncio.wait_for(left.wait(), 20)

    found = await read_back(database, row)
    assert (found.status, found.attempts, found.last_status_code) == ("PENDING", 1, None)
    assert found.last_error is not None


async def test_two_senders_make_one_attempt_between_them(database: Database) -> None:
    async with receiving() as receiver:
        await add_delivery(database, f"http://127.0.0.1:{receiver.port}/hook")
        senders = [Sender(database, allowed_hosts=LOCAL) for _ in range(2)]

        await asyncio.gather(*(deliver_due(sender) for sender in senders))

    assert len(receiver.bodies) == 1


@asynccontextmanager
async def at_work(sender: Sender) -> AsyncIterator[None]:
    """Lets a sender run."""
    task = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_slow_receiver_delays_nobody_else_and_gets_ten_at_once(any_database: Database) -> None:
    project = await add_project(any_database)
    async with receiving(held=True) as slow, receiving(host="127.0.0.2") as fast:
        slow_url, fast_url = f"http://127.0.0.1:{slow.port}/", f"http://127.0.0.2:{fast.port}/"
        await add_deliveries(any_database, project.id, *[slow_url] * (PER_HOST + 2))
        async with at_work(Sender(any_database, allowed_hosts=("127.0.0.1", "127.0.0.2"))):
            await slow.has(PER_HOST)
            await add_deliveries(any_database, project.id, fast_url, fast_url)
            await fast.has(2)
            at_once = len(slow.bodies)
            slow.gate.set()
            await slow.has(PER_HOST + 2)

    assert (at_once, len(slow.bodies), len(fast.bodies)) == (PER_HOST, PER_HOST + 2, 2)


async def test_what_is_asked_for_again_while_it_is_sent_is_sent_again(any_database: Database) -> None:
    async with receiving(held=True) as receiver:
        row = await add_delivery(any_database, f"http://127.0.0.1:{receiver.port}/hook")
        sender = Sender(any_database, allowed_hosts=LOCAL)
        async with asyncio.TaskGroup() as deliveries:
            await sender.begin_due(deliveries)
            await receiver.has(1)
            await Webhooks(any_database).redeliver(row.project_id, row.id)
            receiver.gate.set()
        between = await read_back(any_database, row)

        assert await deliver_due(sender) == 1

    assert (between.status, between.attempts) == ("PENDING", 0)
    assert (await read_back(any_database, row)).status == "DELIVERED"


async def test_an_address_that_is_none_is_an_attempt_that_failed(database: Database) -> None:
    row = await add_delivery(database, "http://127.0.0.1/\x7f")

    assert await deliver_due(Sender(database, allowed_hosts=LOCAL)) == 1

    found = await read_back(database, row)
    assert (found.status, found.attempts) == ("PENDING", 1)
    assert "InvalidURL" in (found.last_error or "")


async def test_a_delivery_to_a_private_address_is_never_connected(database: Database) -> None:
    async with receiving() as receiver:
        row = await add_delivery(database, f"http://127.0.0.1:{receiver.port}/hook")

        await deliver_due(Sender(database))

    stored = await read_back(database, row)
    assert receiver.bodies == []
    assert stored.status == "PENDING"
    assert "not a public address" in (stored.last_error or "")


async def test_redelivering_starts_the_schedule_again(database: Database) -> None:
    async with receiving(b"410 Gone", b"200 OK") as receiver:
        row = await add_delivery(database, f"http://127.0.0.1:{receiver.port}/hook")
        sender = Sender(database, allowed_hosts=LOCAL)
        await deliver_due(sender)
        assert (await read_back(database, row)).status == "FAILED"

        await Webhooks(database).redeliver(row.project_id, row.id)
        await deliver_due(sender)

    assert (await read_back(database, row)).status == "DELIVERED"
    assert len(receiver.bodies) == 2


def test_attempts_go_on_for_72_hours_and_then_end() -> None:
    start = now()
    waits = [after(Attempt(500), tried, start)["next_attempt_at"] - start for tried in range(1, 10)]

    total = sum(waits, timedelta())
    assert timedelta(hours=64) < total < timedelta(hours=80)
    assert after(Attempt(500), len(SCHEDULE) + 1, start)["status"] == "FAILED"


@pytest.mark.parametrize("seconds", [30.0, 90.0])
def test_a_receiver_may_ask_for_more_time(seconds: float) -> None:
    start = now()

    columns = after(Attempt(503, retry_after_seconds=seconds), 1, start)

    assert columns["next_attempt_at"] - start >= timedelta(seconds=seconds)
