"""Logs: everything that any library logs, on stderr, as lines for people or as JSON for machines.

What was bound to the task that logs goes along: the request's id, the visible start of the key, the
prediction, job or delivery; and the trace, where there is one. Nobody's prompts, outputs or secrets do:
variables of a traceback are not shown, nor what other libraries say only to those who debug them.
"""

from __future__ import annotations

import logging
import sys

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from engine import tracing
from engine.log_ids import name
from foretell.settings import Settings

# What they say at INFO, a person who starts a server does not want to read.
CHATTY = ("alembic", "docket", "httpx", "httpx2", "uvicorn")
OURS = ("db", "engine", "executor", "foretell", "resolvers", "schema")
KEY_START = "fk_"
PREFIX_LENGTH = len(KEY_START) + 8


def add_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Adds the ids of the current span, by which a collector finds it."""
    current = tracing.traceparent()
    if current is not None:
        _, event["trace_id"], event["span_id"], _ = current.split("-")
    return event


SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    add_trace,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(settings: Settings) -> None:
    """Sends the logs of this process to stderr in the format of the settings.

    At DEBUG only our own loggers speak up: those of others write down bodies, headers and statements.
    """
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
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    logging.basicConfig(handlers=[handler], level=max(logging.INFO, level), force=True)
    for ours in OURS:
        logging.getLogger(ours).setLevel(level)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, level))


def name_caller(credential: str) -> None:
    """Lets what the current task logs from now on name the API key that asks, by its visible start."""
    if credential.startswith(KEY_START):
        name(key=credential[:PREFIX_LENGTH])


def _rendered(log_format: str) -> list[Processor]:
    if log_format == "console":
        colors = sys.stderr.isatty()
        return [
            structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
        ]
    return [
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(
            serializer=lambda event, **_: orjson.dumps(event, default=str).decode()
        ),
    ]
