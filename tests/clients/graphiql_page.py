"""GraphiQL's page: where it is, and what a reader does there."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect


@dataclass(frozen=True)
class Site:
    """A served Foretell, and a key it lets in."""

    url: str
    key: str

    @property
    def page(self) -> str:
        return f"{self.url}/graphql"


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
