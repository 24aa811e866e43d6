"""Logs: everything that any library logs, on stderr, as lines for people or as JSON for machines."""

from __future__ import annotations

import logging
import sys

import orjson
import structlog
from structlog.typing import Processor

from foretell.settings import Settings

# What they say at INFO, a person who starts a server does not want to read.
CHATTY = ("alembic", "docket", "httpx", "httpx2", "uvicorn")

SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(settings: Settings) -> None:
    """Sends the logs of this process to stderr in the format of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendered(settings.log_format),
            ],
        )
    )
    level = settings.log_level.upper()
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(
            "DEBUG" if level == "DEBUG" else max(logging.WARNING, logging.getLevelName(level))
        )


def _rendered(log_format: str) -> list[Processor]:
    if log_format == "console":
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [
        structlog.processors.dict_tracebacks,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(
            serializer=lambda event, **_: orjson.dumps(event, default=str).decode()
        ),
    ]
