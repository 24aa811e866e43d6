"""How a database is named: the URLs that are understood, with the drivers that serve them."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

ALLOWED = "must be sqlite:///file or postgresql://user:password@host:port/database"

DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


def with_driver(url: str) -> str:
    """Returns the URL of the same database with its asynchronous driver: `sqlite+aiosqlite:///foretell.db`.

    Raises:
        ValueError: it is no URL of a SQLite file or a PostgreSQL database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(ALLOWED) from None  # the first error repeats the URL, and so its password
    driver = DRIVERS.get(parsed.drivername)
    if driver is None or not parsed.database:
        raise ValueError(ALLOWED)
    if parsed.database == ":memory:":
        raise ValueError(f"{ALLOWED}; a database in memory has no readers beside its writer")
    return _for_asyncpg(parsed.set(drivername=driver)).render_as_string(hide_password=False)


def _for_asyncpg(url: URL) -> URL:
    """Renames `sslmode`, which every hosted PostgreSQL's URL carries and asyncpg calls `ssl`."""
    if "sslmode" not in url.query:
        return url
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": url.query["sslmode"]})
