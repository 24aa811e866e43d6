"""The GraphiQL page and its files: the policy, the cache, and a build that is the one of its sources."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI
from graphql import parse

from foretell import graphiql

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "frontend" / "graphiql"
INPUT_SCHEMA = ROOT / "foretell" / "embedded" / "breast-cancer" / "input.schema.json"
VERSION = json.loads((graphiql.FILES / "VERSION.json").read_text(encoding="utf-8"))
ASSETS = sorted((graphiql.FILES / "assets").iterdir())
EXAMPLES = sorted((graphiql.FILES / "examples").glob("*.graphql"))
MEGABYTE = 1_000_000


async def get(path: str, **headers: str) -> httpx.Response:
    app = FastAPI()
    app.include_router(graphiql.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.get(path, headers=headers)


def policy() -> dict[str, list[str]]:
    parts = graphiql.page().headers["content-security-policy"].split("; ")
    return {name: sources for name, *sources in map(str.split, parts)}


def test_the_policy_lets_in_this_origin_only() -> None:
    found = policy()

    assert found.pop("style-src")[0] == "'self'"
    assert found == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "worker-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }


def test_every_page_has_a_nonce_of_its_own_for_styles_and_nothing_else() -> None:
    pages = [graphiql.page() for _ in range(2)]

    nonces = [re.findall(r"'nonce-([\w-]{22})'", page.headers["content-security-policy"]) for page in pages]

    assert [len(found) for found in nonces] == [1, 1]
    assert nonces[0] != nonces[1]
    for page, (nonce,) in zip(pages, nonces, strict=True):
        assert bytes(page.body).decode().count(nonce) == 1
        assert page.headers["cache-control"] == "no-store"


async def test_the_page_names_files_that_are_there() -> None:
    names = re.findall(r'(?:src|href)="([^"]+)"', bytes(graphiql.page().body).decode())

    answers = [await get(f"/{name}") for name in names]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [(".js", "javascript"), (".css", "text/css"), (".ttf", "font/ttf"), (".svg", "image/svg+xml")],
)
async def test_files_have_their_type_and_may_be_kept(suffix: str, media_type: str) -> None:
    name = next(file.name for file in ASSETS if file.suffix == suffix)

    answer = await get(f"/graphiql/assets/{name}")

    assert media_type in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_script_travels_compressed() -> None:
    script = next(file for file in ASSETS if re.fullmatch(r"graphiql-\w+\.js", file.name))

    answer = await get(f"/graphiql/assets/{script.name}", **{"Accept-Encoding": "gzip"})

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.num_bytes_downloaded < script.stat().st_size / 2
    assert answer.content == script.read_bytes()


@pytest.mark.parametrize("path", ["", "../index.html", "%2e%2e/index.html", "absent.js"])
async def test_nothing_else_is_served(path: str) -> None:
    assert (await get(f"/graphiql/assets/{path}")).status_code == 404


def test_the_build_is_the_one_of_its_sources() -> None:
    files = [file for folder in ("src", "examples", "build") for file in (SOURCES / folder).rglob("*")]
    names = [file.relative_to(SOURCES).as_posix() for file in files if file.is_file()]

    digest = hashlib.sha256()
    for name in sorted([*names, "package-lock.json"]):
        digest.update(f"{name}\n".encode() + (SOURCES / name).read_bytes())

    assert VERSION["sources"] == digest.hexdigest(), "npm run build in frontend/graphiql"


def test_the_versions_are_those_of_the_lock_and_every_licence_is_there() -> None:
    wanted = json.loads((SOURCES / "package.json").read_text(encoding="utf-8"))["dependencies"]
    licences = (graphiql.FILES / "LICENSES.txt").read_text(encoding="utf-8")

    assert {name: VERSION["packages"][name] for name in wanted} == wanted
    for name, versions in VERSION["packages"].items():
        for version in versions.split(", "):
            assert f"\n{name} {version}\nLicence: " in licences


def test_the_build_is_small_and_has_no_source_maps() -> None:
    assert sum(file.stat().st_size for file in ASSETS) < 7.5 * MEGABYTE
    assert {file.suffix for file in ASSETS} == {".js", ".css", ".ttf", ".svg"}
    assert not [file for file in ASSETS if b"sourceMappingURL=" in file.read_bytes()]


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text(encoding="utf-8"))

    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_one_operation_and_the_same_as_its_source(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert len(parse(text).definitions) == 1
    assert text == (SOURCES / "examples" / file.name).read_text(encoding="utf-8")


def test_the_record_of_the_example_is_one_the_model_accepts() -> None:
    variables = json.loads((graphiql.FILES / "examples" / "predict.variables.json").read_bytes())
    schema = json.loads(INPUT_SCHEMA.read_bytes())

    (record,) = variables["input"]["data"]["tabular"]["records"]

    assert jsonschema_rs.is_valid(schema, record)
    assert set(record) == set(schema["properties"])
