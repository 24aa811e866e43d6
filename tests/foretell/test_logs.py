"""How logs look, and what of an error they leave out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from engine import log_ids, tracing
from foretell import logs
from foretell.settings import Settings

LOUD = ("openai", "aiosqlite", "httpcore", "websockets", "sqlalchemy.engine")


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    named = [logging.getLogger(name) for name in ("", *logs.OURS, *logs.CHATTY)]
    levels, handlers = [each.level for each in named], logging.getLogger().handlers[:]
    yield
    for each, level in zip(named, levels, strict=True):
        each.setLevel(level)
    logging.getLogger().handlers[:] = handlers


def fail() -> None:
    prompt = "planted-local-variable"
    raise RuntimeError(f"it has {len(prompt)} letters")


def logged(form: str, capsys: pytest.CaptureFixture[str]) -> str:
    logs.configure(Settings.model_validate({"log_format": form}))
    try:
        fail()
    except RuntimeError:
        logging.getLogger("engine.test").exception("it failed")
    return capsys.readouterr().err


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_where_and_no_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    written = logged(form, capsys)

    assert "it has 22 letters" in written
    assert "test_logs.py" in written
    assert "planted" not in written


def test_a_line_of_json_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = logged("json", capsys).splitlines()

    found = json.loads(line)
    assert (found["message"], found["level"], found["logger"]) == ("it failed", "error", "engine.test")
    assert found["exception"][0]["exc_type"] == "RuntimeError"


def test_those_of_others_say_nothing_at_debug(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings.model_validate({"log_level": "debug", "log_format": "json"}))

    for name in LOUD:
        logging.getLogger(name).debug("planted body")
    logging.getLogger("engine.predict").debug("ours")

    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["ours"]


def test_a_line_carries_the_ids_of_what_its_task_works_for(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings.model_validate({"log_format": "json"}))

    with log_ids.named(request_id="r", job_id="j"):
        logging.getLogger("engine.jobs").warning("within")
    logging.getLogger("engine.jobs").warning("after")

    within, after = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (within["request_id"], within["job_id"]) == ("r", "j")
    assert "request_id" not in after


def test_a_line_names_the_trace_it_belongs_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "traceparent", lambda: f"00-{'a' * 32}-{'b' * 16}-01")
    logs.configure(Settings.model_validate({"log_format": "json"}))

    logging.getLogger("engine").warning("here")

    found = json.loads(capsys.readouterr().err)
    assert (found["trace_id"], found["span_id"]) == ("a" * 32, "b" * 16)


@pytest.mark.parametrize(
    ("credential", "named"), [("fk_1a2b3c4dSECRET", "fk_1a2b3c4d"), ("eyJhbGciOi", None)]
)
def test_a_caller_is_named_by_the_visible_start_of_its_key(
    credential: str, named: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Settings.model_validate({"log_format": "json"}))

    with log_ids.named():
        logs.name_caller(credential)
        logging.getLogger("engine").warning("here")
    log_ids.forget()

    assert json.loads(capsys.readouterr().err).get("key") == named
