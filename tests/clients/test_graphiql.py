"""GraphiQL as a reader meets it: in Chromium, with every way out of this machine cut."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocket, expect
from starlette.applications import Starlette

from foretell import graphiql
from foretell.app import create_app
from foretell.graphql import GraphQLEndpoint
from foretell.lifespan import first_secret, open_database, prepare
from foretell.settings import Settings
from tests.clients.browsing import Visits, visiting
from tests.clients.serving import serving_apart
from tests.foretell import graphql_service

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

# The classes of what is in front of an element, at points every 10 pixels.
LIES_OVER = """(element) => {
  const box = element.getBoundingClientRect();
  const over = new Set();
  for (let x = box.left + 5; x < box.right; x += 10)
    for (let y = box.top + 5; y < box.bottom; y += 10)
      for (const found of document.elementsFromPoint(x, y)) {
        if (element.contains(found)) break;
        over.add(found.className);
      }
  return [...over];
}"""
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
SCREENSHOTS = "FORETELL_TEST_SCREENSHOTS"


@dataclass(frozen=True)
class Site:
    """A served Foretell, and a key it lets in."""

    url: str
    key: str

    @property
    def page(self) -> str:
        return f"{self.url}/graphql"


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


@pytest.fixture(scope="module")
def streams() -> Iterator[Site]:
    """The real endpoint over a small schema that counts."""
    service = graphql_service.Service()
    endpoint = GraphQLEndpoint(
        graphql_service.schema,
        authenticate=service.authenticate,
        make_context=service.context,
        page=graphiql.page,
    )
    app = Starlette(routes=[*endpoint.routes("/graphql"), *graphiql.router.routes])
    with serving_apart(app, lifespan=False) as url:
        yield Site(url, graphql_service.KEY)


@pytest.fixture
def visits(browser: Browser) -> Iterator[Visits]:
    with visiting(browser, viewport=DESKTOP) as reader:
        yield reader


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go: somewhere to look at them when FORETELL_TEST_SCREENSHOTS names it."""
    return Path(os.environ.get(SCREENSHOTS, tmp_path))


def key_field(page: Page) -> Locator:
    return page.get_by_label("API key")


def give_key(page: Page, key: str) -> None:
    key_field(page).fill(key)
    key_field(page).press("Enter")
    expect(page.get_by_role("status")).to_have_text("Key accepted")


def operation(page: Page) -> Locator:
    return page.locator(".graphiql-query-editor .view-lines")


def answer(page: Page) -> Locator:
    return page.locator(".graphiql-response .view-lines")


def write(page: Page, text: str) -> None:
    """Writes an operation in the place of the one that is there."""
    operation(page).click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("Delete")  # written over a selection, a bracket would go around it
    page.keyboard.insert_text(text)


def tabs(page: Page) -> Locator:
    return page.locator(".graphiql-tab-button")


def run(page: Page) -> None:
    page.get_by_role("button", name="Execute query").click()


def test_the_page_needs_nothing_from_another_host(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)

    expect(operation(page)).to_contain_text("query Models")
    expect(tabs(page)).to_have_text(["Models", "Predict", "Predictions"])
    assert {urlsplit(request.url).netloc for request in visits.requests} == {urlsplit(site.url).netloc}


def test_without_a_key_the_page_says_how_to_get_one(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)

    expect(page.get_by_role("status")).to_contain_text("foretell keys create")
    expect(key_field(page)).to_have_attribute("type", "password")


def test_the_key_travels_as_a_header_and_never_in_an_address(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)
    give_key(page, site.key)
    visits.requests.clear()

    run(page)

    expect(answer(page)).to_contain_text('"totalCount"')
    sent = [request for request in visits.requests if request.method == "POST"]
    assert [request.headers["authorization"] for request in sent] == [f"Bearer {site.key}"]
    assert sent[0].headers["accept"] == "application/graphql-response+json, application/json;q=0.9"
    assert site.key not in "".join([page.url, *(request.url for request in visits.requests)])


def test_a_wrong_key_is_told_and_the_right_one_reads_the_schema(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)
    key_field(page).fill("fk_wrong")
    key_field(page).press("Enter")
    expect(page.get_by_role("status")).to_contain_text("not known")
    expect(answer(page)).to_contain_text("UNAUTHENTICATED")

    give_key(page, site.key)

    expect(answer(page)).to_have_text("")
    page.get_by_role("button", name="Show Documentation Explorer").click()
    expect(page.locator(".graphiql-doc-explorer")).to_contain_text("Mutation")


def test_the_key_is_forgotten_with_the_tab_unless_it_is_to_be_remembered(site: Site, visits: Visits) -> None:
    first = visits.open(site.page)
    give_key(first, site.key)
    forgetful = visits.open(site.page)
    expect(key_field(forgetful)).to_have_value("")

    first.get_by_label("Remember").check()

    second = visits.open(site.page)
    expect(key_field(second)).to_have_value(site.key)
    assert first.evaluate("sessionStorage.length") == 0
    second.get_by_label("Remember").uncheck()
    expect(key_field(visits.open(site.page))).to_have_value("")


def test_the_key_is_kept_over_a_reload_and_so_are_the_tabs(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)
    give_key(page, site.key)

    page.reload()

    expect(page.get_by_role("status")).to_have_text("Key accepted")
    expect(tabs(page)).to_have_text(["Models", "Predict", "Predictions"])


def test_every_example_runs_as_it_is(site: Site, visits: Visits, shots: Path) -> None:
    page = visits.open(site.page)
    give_key(page, site.key)
    expected = {"Models": '"versions"', "Predict": '"malignant"', "Predictions": '"breast-cancer"'}

    for tab, text in expected.items():
        tabs(page).get_by_text(tab, exact=True).click()
        run(page)
        expect(answer(page)).to_contain_text(text)
        expect(answer(page)).not_to_contain_text('"message"')
        page.screenshot(path=shots / f"desktop-{tab.lower()}.png")


def test_a_subscription_runs_over_a_websocket_with_the_key(streams: Site, visits: Visits) -> None:
    sockets: list[WebSocket] = []
    frames: list[str | bytes] = []
    page = visits.open(streams.page)

    def watch(socket: WebSocket) -> None:
        sockets.append(socket)
        socket.on("framesent", lambda frame: frames.append(frame))

    page.on("websocket", watch)
    give_key(page, streams.key)

    write(page, "subscription { count(to: 3, seconds: 0.05) }")
    assert sockets == []  # it is opened when it is needed
    run(page)

    expect(answer(page)).to_contain_text('"count": 3')
    assert [socket.url for socket in sockets] == [streams.page.replace("http:", "ws:")]
    first = json.loads(frames[0])
    assert first == {"type": "connection_init", "payload": {"Authorization": f"Bearer {streams.key}"}}


def test_a_subscription_can_be_stopped(streams: Site, visits: Visits) -> None:
    page = visits.open(streams.page)
    give_key(page, streams.key)
    write(page, "subscription { count(to: 1000, seconds: 0.02) }")
    run(page)
    expect(answer(page)).to_contain_text('"count"')

    page.get_by_role("button", name="Stop query").click()

    expect(page.get_by_role("button", name="Execute query")).to_be_visible()
    seen = answer(page).inner_text()
    page.wait_for_timeout(200)
    assert answer(page).inner_text() == seen


def test_a_key_refused_by_the_socket_is_told(streams: Site, visits: Visits) -> None:
    page = visits.open(streams.page)
    give_key(page, streams.key)
    write(page, "subscription { count(to: 3) }")

    key_field(page).fill("fk_wrong")
    run(page)

    expect(page.get_by_role("status")).to_contain_text("not known")


def test_the_documentation_the_explorer_and_the_history_open(site: Site, visits: Visits, shots: Path) -> None:
    page = visits.open(site.page)
    give_key(page, site.key)
    run(page)
    expect(answer(page)).to_contain_text("totalCount")
    plugin = page.locator(".graphiql-plugin")

    page.get_by_role("button", name="Show Documentation Explorer").click()
    page.get_by_role("link", name="Query", exact=True).click()
    expect(plugin).to_contain_text("predictions")
    page.screenshot(path=shots / "desktop-docs.png")
    page.get_by_role("button", name="Show History").click()
    expect(plugin).to_contain_text("Models")
    page.get_by_role("button", name="Show Explorer").click()
    expect(plugin).to_contain_text("displayName")
    page.screenshot(path=shots / "desktop-explorer.png")


def test_the_editor_completes_under_the_policy(site: Site, visits: Visits, shots: Path) -> None:
    page = visits.open(site.page)
    give_key(page, site.key)
    write(page, "{ mo")

    page.keyboard.press("Control+Space")
    expect(page.locator(".suggest-widget")).to_contain_text("models")
    expect(operation(page)).to_contain_text("{ mo")
    page.screenshot(path=shots / "desktop-suggest.png")
    page.keyboard.press("Enter")
    expect(operation(page)).to_contain_text("{ model")


def test_the_editor_checks_the_operation_under_the_policy(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)
    give_key(page, site.key)
    write(page, "{ nothing }")

    page.locator(".squiggly-error").wait_for()
    page.get_by_text("nothing", exact=True).hover()

    expect(page.locator(".monaco-hover:not(.hidden)")).to_contain_text("Cannot query field")


def test_the_editor_searches_and_has_a_menu_under_the_policy(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)
    operation(page).click()

    page.keyboard.press("ControlOrMeta+f")
    expect(page.locator(".find-widget")).to_be_visible()
    page.keyboard.press("Escape")
    operation(page).click(button="right")
    expect(page.locator(".monaco-menu")).to_contain_text("Run Operation")


def test_prettify_sets_the_operation_and_its_variables_in_order(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)
    write(page, "query Q($id:ID!){node(id:$id){id}}")
    page.locator(".graphiql-editor-tool .view-lines").first.click()
    page.keyboard.insert_text('{"id":1}')

    page.get_by_role("button", name=re.compile("Prettify")).click()

    expect(operation(page)).to_contain_text("query Q($id: ID!) {")
    expect(page.locator(".graphiql-editor-tool .view-lines").first).to_contain_text('"id": 1')


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_system_in_light_and_dark(
    site: Site, visits: Visits, shots: Path, scheme: str
) -> None:
    page = visits.open("about:blank")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(site.page)
    give_key(page, site.key)
    run(page)
    expect(answer(page)).to_contain_text("totalCount")

    grounds = [
        brightness(page, selector) for selector in ("body", ".graphiql-container", ".graphiql-editors")
    ]
    inks = [
        brightness(page, selector, "color") for selector in (".foretell-name", ".graphiql-response .mtk1")
    ]

    page.screenshot(path=shots / f"desktop-{scheme}.png")
    if scheme == "light":
        assert min(grounds) > 200
        assert max(inks) < 120
    else:
        assert max(grounds) < 80
        assert min(inks) > 160


def test_the_theme_of_the_settings_stands_over_the_system(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)
    assert brightness(page, "body") > 200

    page.get_by_role("button", name="Open settings dialog").click()
    page.get_by_role("button", name="Dark", exact=True).click()

    assert brightness(page, "body") < 80
    assert brightness(page, ".graphiql-editors") < 80


def brightness(page: Page, selector: str, prop: str = "background-color") -> float:
    """The mean of red, green and blue, 0 to 255."""
    colour = page.locator(selector).first.evaluate("(e, p) => getComputedStyle(e).getPropertyValue(p)", prop)
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_everything_is_within_reach(
    browser: Browser, site: Site, shots: Path, scheme: str
) -> None:
    with visiting(browser, viewport=PHONE, is_mobile=True, has_touch=True, color_scheme=scheme) as visits:
        page = visits.open(site.page)
        expect(page.get_by_role("status")).to_contain_text("foretell keys create")
        page.screenshot(path=shots / f"phone-{scheme}-first.png")
        give_key(page, site.key)
        page.get_by_role("button", name="Execute query").tap()
        expect(answer(page)).to_contain_text("totalCount")

        page.screenshot(path=shots / f"phone-{scheme}.png")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        for part in (".graphiql-query-editor", ".graphiql-response", ".foretell-key"):
            expect(page.locator(part)).to_be_in_viewport(ratio=1)
        page.get_by_role("button", name="Show Documentation Explorer").tap()
        expect(page.locator(".graphiql-doc-explorer")).to_be_in_viewport()
        assert page.locator(".graphiql-plugin").evaluate(LIES_OVER) == []
        page.screenshot(path=shots / f"phone-{scheme}-docs.png")
