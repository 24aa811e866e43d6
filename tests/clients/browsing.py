"""A browser page that may reach this machine only, and everything it did that it should not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route

# What a policy stopped is told to the document, and named in the console, which is all a worker does.
_REPORT_BREACHES = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`Content Security Policy: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Visits:
    """The pages of one reader, with what went over the wire."""

    context: BrowserContext
    outside: list[str] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def open(self, url: str) -> Page:
        page = self.context.new_page()
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.crashes.append(str(error)))
        page.on("request", lambda request: self.requests.append(request))  # Playwright wants a function
        page.goto(url)
        return page

    def _on_console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.breaches.append(message.text)

    def guard(self, route: Route) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()


@contextmanager
def visiting(browser: Browser, **options: Any) -> Iterator[Visits]:
    """One reader with empty storage; fails when a page left this machine, broke its policy, or threw."""
    context = browser.new_context(**options)
    visits = Visits(context)
    context.add_init_script(_REPORT_BREACHES)
    context.route("**/*", visits.guard)
    try:
        yield visits
        assert (visits.outside, visits.breaches, visits.crashes) == ([], [], [])
    finally:
        context.close()
