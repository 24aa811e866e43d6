"""What the tests with real clients need: a browser, or the name of what to install."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "FORETELL_TEST_CHROMIUM"
# Quiet as well as headless: none of its own calls home, and no sandbox, which a container's root cannot have.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Skips without one, and fails where nothing may be skipped (CI=true)."""
    named = os.environ.get(CHROMIUM)
    found = [
        shutil.which(name) for name in ([named] if named else ["chromium", "chromium-browser", "chrome"])
    ]
    return next(filter(None, found), None) or _missing(
        f"not installed: Chromium: apt-get install chromium, or its path in {CHROMIUM}"
    )


def _missing(what: str) -> NoReturn:
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless Chromium, for one module: Playwright's loop would be in the way of later async tests."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=FLAGS) as browser,
    ):
        yield browser
