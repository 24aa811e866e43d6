"""How GraphiQL looks: in light and dark, and on a phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.clients.browsing import Visits, visiting
from tests.clients.graphiql_page import Site, answer, give_key, run

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
