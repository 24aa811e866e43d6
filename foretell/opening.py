"""What a process and a command of the settings open alike: the database, and the bus."""

from __future__ import annotations

from db.session import Database
from engine.bus.base import Bus
from engine.bus.memory import MemoryBus
from engine.bus.redis import RedisBus
from foretell.settings import Settings


def open_database(settings: Settings) -> Database:
    """Returns the database of the settings; nothing is opened before its first use."""
    return Database(settings.database_url, synchronous=settings.database_synchronous)


def open_bus(settings: Settings) -> Bus:
    """Returns the bus of the settings: within the process, or over Redis where there is one."""
    return MemoryBus() if settings.redis_url is None else RedisBus(settings.redis_url)
