"""The console's page and its files: the policy, the cache, and a build that is the one of its sources."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from foretell import console
from foretell.app import create_app
from foretell.settings import Settings

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "frontend" / "console"
VERSION = json.loads((console.FILES / "VERSION.json").read_text(encoding="utf-8"))
ASSETS = sorted((console.FILES / "assets").iterdir())
KILOBYTE = 1000


async def get(path: str, **headers: str) -> httpx.Response:
    app = FastAPI()
    app.include_router(console.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.get(path, headers=headers)


async def test_the_policy_lets_in_this_origin_only_and_nothing_inline() -> None:
    answer = await get("/")

    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "<style" not in answer.text
    assert not re.search(r"<script(?! type=\"module\" src=)|\sstyle=|\son[a-z]+=", answer.text)


async def test_the_page_names_files_that_are_there_and_may_be_kept() -> None:
    names = re.findall(r'(?:src|href)="(console/[^"]+)"', (await get("/")).text)

    answers = [await get(f"/{name}") for name in names]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {answer.headers["cache-control"] for answer in answers} == {"public, max-age=31536000, immutable"}


@pytest.mark.parametrize("path", ["", "../index.html", "%2e%2e/index.html", "absent.js"])
async def test_nothing_else_is_served(path: str) -> None:
    assert (await get(f"/console/assets/{path}")).status_code == 404


@pytest.mark.parametrize(("on", "status"), [(True, 200), (False, 404)])
async def test_it_can_be_switched_off(on: bool, status: int) -> None:
    transport = httpx.ASGITransport(create_app(Settings(console=on)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/")).status_code == status


def test_the_build_is_the_one_of_its_sources() -> None:
    files = [file for folder in ("src", "build") for file in (SOURCES / folder).rglob("*") if file.is_file()]
    names = [file.relative_to(SOURCES).as_posix() for file in files]

    digest = hashlib.sha256()
    for name in sorted([*names, "package-lock.json", "../graphiql/src/key.ts"]):
        digest.update(f"{name}\n".encode() + (SOURCES / name).read_bytes())

    assert VERSION["sources"] == digest.hexdigest(), "npm run build in frontend/console"


def test_the_versions_are_those_of_the_lock_and_every_licence_is_there() -> None:
    wanted = json.loads((SOURCES / "package.json").read_text(encoding="utf-8"))["dependencies"]
    licences = (console.FILES / "LICENSES.txt").read_text(encoding="utf-8")

    assert VERSION["packages"] == wanted
    for name, version in wanted.items():
        assert f"{name} {version}\nLicence: MIT" in licences


def test_the_build_is_small_and_has_no_source_maps() -> None:
    assert sum(file.stat().st_size for file in ASSETS) < 100 * KILOBYTE
    assert not [file for file in ASSETS if b"sourceMappingURL=" in file.read_bytes()]


@pytest.mark.parametrize("folder", ["frontend/console", "tests/clients/accessibility"])
def test_the_locks_name_no_registry(folder: str) -> None:
    lock = json.loads((ROOT / folder / "package-lock.json").read_text(encoding="utf-8"))

    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry]
