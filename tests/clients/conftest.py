"""What the tests with real clients need: a browser, or the name of what to install."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, sync_playwright

from foretell.app import create_app
from foretell.lifespan import first_secret, prepare
from foretell.opening import open_database
from foretell.settings import Settings
from tests.clients.browsing import Visits, visiting
from tests.clients.graphiql_page import Site
from tests.clients.serving import serving_apart

CHROMIUM = "FORETELL_TEST_CHROMIUM"
SCREENSHOTS = "FORETELL_TEST_SCREENSHOTS"
DESKTOP = {"width": 1280, "height": 800}
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The real application, on an empty SQLite file."""
    folder = tmp_path_factory.mktemp("foretell")
    settings = Settings(database_url=f"sqlite:///{folder}/foretell.db", data_directory=folder)
    with ThreadPoolExecutor(1) as threads:  # Playwright's loop runs in this one
        key = threads.submit(asyncio.run, _first_key(settings)).result()
    with serving_apart(create_app(settings)) as url:
        yield Site(url, key)


async def _first_key(settings: Settings) -> str:
    database = open_database(settings)
    await prepare(settings, database)
    secret = await first_secret(database)
    await database.close()
    assert secret is not None
    return secret


@pytest.fixture
def visits(browser: Browser) -> Iterator[Visits]:
    with visiting(browser, viewport=DESKTOP) as reader:
        yield reader


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go: somewhere to look at them when FORETELL_TEST_SCREENSHOTS names it."""
    return Path(os.environ.get(SCREENSHOTS, tmp_path))
