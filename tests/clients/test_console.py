"""The console as a reader meets it: in Chromium, with every way out of this machine cut."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, expect
from sqlalchemy import insert, select

from db.tables import PredictionRow
from db.tables.keys import api_keys, projects
from db.tables.models import models
from db.tables.predictions import predictions
from db.types import now
from engine.identity.guesses import PER_NAME
from engine.usage import ledger
from foretell.app import create_app
from foretell.lifespan import first_secret, prepare
from foretell.opening import open_database
from foretell.settings import Settings
from tests.clients.browsing import Visits, visiting
from tests.clients.node import installed
from tests.clients.serving import serving_apart

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
AXE = Path(__file__).parent / "accessibility"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

SUBMIT = "mutation Submit($input: SubmitBatchInput!) { submitBatch(input: $input) { job { id } } }"
PAUSE = "mutation Pause($id: ID!) { pauseJob(input: { id: $id }) { job { status } } }"
RESUME = "mutation Resume($id: ID!) { resumeJob(input: { id: $id }) { job { status } } }"
CANCEL = "mutation Cancel($id: ID!) { cancelJob(input: { id: $id }) { job { status } } }"
COUNTS = "query Counts($id: ID!) { job(id: $id) { counts { succeeded canceled } } }"
CREATE_KEY = (
    "mutation Create($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { id } } }"
)
REVOKE_KEY = "mutation Revoke($id: ID!) { revokeApiKey(input: { id: $id }) { apiKey { id } } }"
MODELS = "{ models(first: 100) { nodes { name displayName } } }"


@dataclass(frozen=True)
class Site:
    """A served Foretell, and an admin key."""

    url: str
    key: str

    def ask(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.key}"},
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The real application with the embedded models, and a month of predictions."""
    folder = tmp_path_factory.mktemp("foretell")
    settings = Settings(database_url=f"sqlite:///{folder}/foretell.db", data_directory=folder)
    with ThreadPoolExecutor(1) as threads:  # Playwright's loop runs in this one
        key = threads.submit(asyncio.run, _fill(settings)).result()
    with serving_apart(create_app(settings)) as url:
        yield Site(url, key)


async def _fill(settings: Settings) -> str:
    database = open_database(settings)
    await prepare(settings, database)
    secret = await first_secret(database)
    assert secret is not None
    async with database.write() as connection:
        project = (await connection.execute(select(projects))).one()
        key = (await connection.execute(select(api_keys))).one()
        rows = [
            _prediction(project.id, key.id, model, number)
            for place, model in enumerate((await connection.execute(select(models))).all())
            for number in range(40 + 25 * place)
        ]
        await connection.execute(insert(predictions), [row.model_dump() for row in rows])
        await ledger.record(connection, rows)
    await database.close()
    return secret


def _prediction(project_id: str, key_id: str, model: Any, number: int) -> PredictionRow:
    ended = now() - timedelta(hours=number * number % 700)
    return PredictionRow(
        project_id=project_id,
        api_key_id=key_id if number % 3 else None,
        model_id=model.id,
        model_version_id=model.default_version_id,
        status="FAILED" if number % 17 == 0 else "SUCCEEDED",
        request_id="request",
        finished_at=ended,
        cost_nanos=1_500_000 * (number % 7 + 1),
        currency="USD",
        records=1,
        total_ms=1.0 + number % 40,
    )


@pytest.fixture
def visits(browser: Browser) -> Iterator[Visits]:
    with visiting(browser, viewport=DESKTOP) as reader:
        yield reader


def give_key(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_label("API key").press("Enter")
    expect(page.get_by_role("status")).to_have_text("Key accepted")


def asked(visits: Visits) -> list[Request]:
    return [request for request in visits.requests if request.method == "POST"]


def breaches(page: Page) -> list[str]:
    """What axe finds wrong with the page, each with the elements that have it."""
    page.evaluate((installed(AXE) / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate(f"axe.run(document, {{runOnly: {json.dumps(RULES)}}})")
    assert found["passes"]
    return [
        f"{each['id']}: {[(node['html'], node['failureSummary']) for node in each['nodes']]}"
        for each in found["violations"]
    ]


def test_the_page_needs_nothing_from_another_host_and_says_how_to_get_a_key(
    site: Site, visits: Visits
) -> None:
    page = visits.open(site.url)

    expect(page.get_by_role("main")).to_contain_text("foretell keys create")
    expect(page.locator("#models")).to_be_hidden()
    assert {urlsplit(request.url).netloc for request in visits.requests} == {urlsplit(site.url).netloc}


def test_a_wrong_key_is_told_after_one_request(site: Site, visits: Visits) -> None:
    visits.context.clock.install()
    page = visits.open(site.url)

    page.get_by_label("API key").fill("fk_wrong")
    page.get_by_label("API key").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("not known")
    page.get_by_label("Remember").check()  # the field loses the focus
    page.clock.run_for(30_000)
    page.get_by_label("API key").press("Enter")

    expect(page.locator("#models")).to_be_hidden()
    assert len(asked(visits)) == 1


def test_a_server_that_wants_to_be_left_alone_is(site: Site, visits: Visits, shots: Path) -> None:
    wrong = {"Authorization": "Bearer fk_tooMany"}
    for _ in range(PER_NAME):
        httpx.post(f"{site.url}/graphql", json={"query": "{ __typename }"}, headers=wrong)
    visits.context.clock.install()
    page = visits.open(site.url)
    with page.expect_response("**/graphql") as told:
        page.get_by_label("API key").fill("fk_tooMany")
        page.get_by_label("API key").press("Enter")
    wait = int(told.value.headers["retry-after"])

    expect(page.get_by_role("status")).to_have_text(re.compile(r"Too many tries: wait \d+ s"))
    expect(page.locator("#models")).to_be_hidden()
    page.screenshot(path=shots / "console-too-many.png")
    page.clock.run_for((wait - 10) * 1000)
    assert len(asked(visits)) == 1
    with page.expect_response("**/graphql"):
        page.clock.run_for(15_000)
    assert len(asked(visits)) == 2


def test_a_key_that_is_pasted_needs_no_enter(site: Site, visits: Visits) -> None:
    visits.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visits.open(site.url)
    page.evaluate("key => navigator.clipboard.writeText(key)", site.key)

    page.get_by_label("API key").press("ControlOrMeta+v")

    expect(page.get_by_role("status")).to_have_text("Key accepted")


def test_a_key_that_is_revoked_asks_once_more(site: Site, visits: Visits) -> None:
    made = site.ask(CREATE_KEY, input={"name": "short", "scopes": ["MODELS_READ"]})["createApiKey"]
    visits.context.clock.install()
    page = visits.open(site.url)
    refused: list[int] = []
    page.on("response", lambda response: refused.append(response.status) if not response.ok else None)
    give_key(page, made["secret"])

    site.ask(REVOKE_KEY, id=made["apiKey"]["id"])
    page.clock.run_for(5_000)
    expect(page.get_by_role("status")).to_contain_text("not known")
    page.clock.run_for(30_000)

    expect(page.locator("#models")).to_be_hidden()
    assert refused == [401]


def test_models_are_shown_with_their_health(site: Site, visits: Visits) -> None:
    page = visits.open(site.url)
    give_key(page, site.key)

    rows = page.locator("#models li")

    names = {model["displayName"] for model in site.ask(MODELS)["models"]["nodes"]}
    expect(rows).to_have_count(len(names))
    assert {rows.nth(place).locator("strong").inner_text() for place in range(len(names))} == names
    expect(rows.first.locator(".status")).to_have_text("ready")


def test_a_key_that_may_read_models_alone_sees_them_and_what_it_lacks(site: Site, visits: Visits) -> None:
    secret = site.ask(CREATE_KEY, input={"name": "models", "scopes": ["MODELS_READ"]})["createApiKey"][
        "secret"
    ]
    page = visits.open(site.url)

    give_key(page, secret)

    expect(page.locator("#models .status").first).to_have_text("ready")
    expect(page.locator("#jobs")).to_contain_text("JOBS_READ")
    expect(page.locator("#tiles")).to_contain_text("USAGE_READ")


def test_usage_is_that_of_the_api_by_model_and_by_key(site: Site, visits: Visits) -> None:
    page = visits.open(site.url)
    give_key(page, site.key)
    page.get_by_label("Time").select_option("month")
    gte = (now() - timedelta(days=29)).replace(hour=0, minute=0, second=0, microsecond=0)
    query = "query ($range: DateTimeRangeInput!) { usage(range: $range) { totals { predictions failed } } }"
    totals = site.ask(query, range={"gte": gte.isoformat()})["usage"]["totals"]

    expect(page.locator("#tiles dd").first).to_contain_text(totals["predictions"])
    expect(page.locator("#tiles dd").nth(1)).to_contain_text(totals["failed"])
    expect(page.locator("#chart-predictions canvas")).to_be_visible()
    by_model = [int(text) for text in page.locator("#legend b").all_inner_texts()]
    page.get_by_label("By").select_option("API_KEY")
    expect(page.locator("#legend")).to_contain_text("Without a key")
    by_key = [int(text) for text in page.locator("#legend b").all_inner_texts()]

    assert sum(by_model) == sum(by_key) == int(totals["predictions"])
    page.get_by_text("The numbers").click()
    expect(page.locator("#numbers tbody tr")).to_have_count(30)


def test_the_bars_of_a_chart_are_drawn_in_the_colours_of_the_legend(site: Site, visits: Visits) -> None:
    page = visits.open(site.url)
    give_key(page, site.key)
    page.get_by_label("Time").select_option("month")
    expect(page.locator("#legend li").first).to_be_visible()

    # One look at both, until they agree: the page draws them anew with each answer.
    page.wait_for_function(
        """() => {
          const canvas = document.querySelector("#chart-predictions canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const drawn = new Set();
          for (let at = 0; at < data.length; at += 4)
            if (data[at + 3] === 255) drawn.add(`rgb(${data[at]}, ${data[at + 1]}, ${data[at + 2]})`);
          const told = [...document.querySelectorAll("#legend i")];
          return told.length && told.every(e => drawn.has(getComputedStyle(e).backgroundColor));
        }"""
    )


def test_a_job_is_followed_to_its_end(site: Site, visits: Visits, shots: Path) -> None:
    text = {"prompt": {"text": "One day"}, "parameters": {"maxTokens": 40}}
    job = {
        "model": {"name": "storyteller"},
        "name": "Nightly",
        "source": {"items": [{"data": {"text": text}}] * 40},
    }
    job_id = site.ask(SUBMIT, input=job)["submitBatch"]["job"]["id"]
    site.ask(PAUSE, id=job_id)
    page = visits.open(site.url)
    told: list[str | bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: told.append(frame)))
    give_key(page, site.key)
    row = page.locator("#jobs li").filter(has_text="Nightly")
    expect(row.locator(".status")).to_have_text("paused")
    page.screenshot(path=shots / "console-job.png", full_page=True)

    site.ask(RESUME, id=job_id)

    expect(row.locator(".status")).to_have_text("succeeded", timeout=60_000)
    expect(row).to_contain_text("40 of 40 succeeded")
    expect(row.get_by_role("progressbar")).to_have_attribute("value", "1")
    progress = [
        json.loads(frame)["payload"]["data"]["jobProgress"] for frame in told if "jobProgress" in str(frame)
    ]
    assert (progress[0]["status"], progress[-1]["status"]) == ("PAUSED", "SUCCEEDED")


def test_a_canceled_job_tells_what_succeeded_and_what_did_not(
    site: Site, visits: Visits, shots: Path
) -> None:
    text = {"prompt": {"text": "One day"}, "parameters": {"maxTokens": 1000}}
    items = [{"data": {"text": text | {"parameters": {"maxTokens": 2}}}}] * 4 + [
        {"data": {"text": text}}
    ] * 40
    job = {
        "model": {"name": "storyteller"},
        "name": "Halfway",
        "source": {"items": items},
        "maxConcurrency": 1,
    }
    job_id = site.ask(SUBMIT, input=job)["submitBatch"]["job"]["id"]
    page = visits.open(site.url)
    give_key(page, site.key)
    row = page.locator("#jobs li").filter(has_text="Halfway")
    expect(row).to_contain_text(re.compile(r"[1-9]\d* of 44 succeeded"), timeout=60_000)

    site.ask(CANCEL, id=job_id)

    expect(row.locator(".status")).to_have_text("canceled", timeout=60_000)
    counts = site.ask(COUNTS, id=job_id)["job"]["counts"]
    assert counts["canceled"] > 0
    expect(row).to_contain_text(f"{counts['succeeded']} of 44 succeeded · {counts['canceled']} canceled")
    expect(row.get_by_role("progressbar")).to_have_attribute("value", str(counts["succeeded"] / 44))
    page.screenshot(path=shots / "console-canceled.png", full_page=True)


def test_the_key_is_the_one_that_graphiql_keeps(site: Site, visits: Visits) -> None:
    page = visits.open(site.url)
    give_key(page, site.key)
    assert site.key not in page.url

    page.get_by_role("link", name="GraphiQL").click()

    expect(page.get_by_label("API key")).to_have_value(site.key)
    assert not [request.url for request in visits.requests if site.key in request.url]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_light_and_dark(browser: Browser, site: Site, shots: Path, scheme: str) -> None:
    with visiting(browser, viewport=DESKTOP, color_scheme=scheme) as visits:
        page = visits.open(site.url)
        assert breaches(page) == []
        give_key(page, site.key)
        page.get_by_label("Time").select_option("month")
        expect(page.locator("#legend li").first).to_be_visible()
        page.screenshot(path=shots / f"console-{scheme}.png", full_page=True)
        page.get_by_text("The numbers").click()

        assert breaches(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_everything_fits(browser: Browser, site: Site, shots: Path, scheme: str) -> None:
    options = {"viewport": PHONE, "is_mobile": True, "has_touch": True, "color_scheme": scheme}
    with visiting(browser, **options) as visits:
        page = visits.open(site.url)
        page.screenshot(path=shots / f"console-phone-{scheme}-first.png")
        give_key(page, site.key)
        page.get_by_label("Time").select_option("month")
        expect(page.locator("#legend li").first).to_be_visible()
        page.screenshot(path=shots / f"console-phone-{scheme}.png", full_page=True)

        page.get_by_text("The numbers").tap()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert breaches(page) == []
