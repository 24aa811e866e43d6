"""GraphiQL as a reader meets it: in Chromium, with every way out of this machine cut."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Request, WebSocket, expect
from starlette.applications import Starlette

from engine.identity.guesses import PER_NAME
from foretell import graphiql
from foretell.graphql import GraphQLEndpoint
from tests.clients.browsing import Visits
from tests.clients.graphiql_page import Site, answer, give_key, key_field, operation, run, tabs, write
from tests.clients.serving import serving_apart
from tests.foretell import graphql_service

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


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


def asked_for(request: Request) -> str:
    return str(json.loads(request.post_data or "")["operationName"])


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


def test_a_wrong_key_costs_one_request(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)
    expect(answer(page)).to_contain_text("UNAUTHENTICATED")  # without a key
    visits.requests.clear()

    key_field(page).fill("fk_wrong")
    key_field(page).press("Enter")
    expect(page.get_by_role("status")).to_contain_text("not known")
    page.get_by_label("Remember").check()  # the field loses the focus
    run(page)

    expect(answer(page)).to_contain_text("Is it mistyped")
    sent = [request for request in visits.requests if request.method == "POST"]
    assert [asked_for(request) for request in sent] == ["IntrospectionQuery", "Models"]


def test_a_key_that_was_not_looked_at_is_neither_accepted_nor_refused(
    site: Site, visits: Visits, shots: Path
) -> None:
    wrong = {"Authorization": "Bearer fk_tooMany"}
    for _ in range(PER_NAME):
        httpx.post(site.page, json={"query": "{ __typename }"}, headers=wrong)
    page = visits.open(site.page)

    key_field(page).fill("fk_tooMany")
    key_field(page).press("Enter")

    expect(page.get_by_role("status")).to_have_text(re.compile(r"Too many tries: wait \d+ s"))
    expect(answer(page)).to_contain_text("RATE_LIMITED")
    page.screenshot(path=shots / "desktop-too-many.png")
    give_key(page, site.key)


def test_an_accepted_key_stays_so_when_an_operation_fails(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)
    give_key(page, site.key)

    write(page, "{ nothing }")
    run(page)

    expect(answer(page)).to_contain_text('"errors"')
    expect(page.get_by_role("status")).to_have_text("Key accepted")


def test_a_key_that_is_pasted_needs_no_enter(site: Site, visits: Visits) -> None:
    visits.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visits.open(site.page)
    page.evaluate("key => navigator.clipboard.writeText(key)", site.key)

    key_field(page).press("ControlOrMeta+v")

    expect(page.get_by_role("status")).to_have_text("Key accepted")


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


def test_variables_are_checked_as_the_server_takes_them(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)
    give_key(page, site.key)
    tabs(page).get_by_text("Predict", exact=True).click()
    variables = page.locator(".graphiql-editor-tool .view-lines").first
    expect(variables).to_contain_text("breast-cancer")
    variables.click()
    page.keyboard.press("ControlOrMeta+Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.insert_text('"unknown": 1,')

    page.locator(".squiggly-error").first.wait_for()

    expect(page.locator(".squiggly-error")).to_have_count(1)  # the rest is right: defaults, and any JSON
    page.locator(".graphiql-editor-tool").get_by_text("unknown").first.hover()
    expect(page.locator(".monaco-hover:not(.hidden)")).to_contain_text("not allowed")


def test_prettify_sets_the_operation_and_its_variables_in_order(site: Site, visits: Visits) -> None:
    page = visits.open(site.page)
    write(page, "query Q($id:ID!){node(id:$id){id}}")
    page.locator(".graphiql-editor-tool .view-lines").first.click()
    page.keyboard.insert_text('{"id":1}')

    page.get_by_role("button", name=re.compile("Prettify")).click()

    expect(operation(page)).to_contain_text("query Q($id: ID!) {")
    expect(page.locator(".graphiql-editor-tool .view-lines").first).to_contain_text('"id": 1')
