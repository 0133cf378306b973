"""A real browser for tests: Debian's Chromium, driven by Playwright, at the width of a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Request, sync_playwright

PHONE = (390, 844)
DESK = (1440, 900)
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; `make test` installs it where it is missing, so a test without it fails and is not skipped."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page(browser: Browser, *, locale: str, size: tuple[int, int] = PHONE) -> Iterator[tuple[Page, list[str]]]:
    """A page in a context of its own, and what it complained about: console errors, refused content, exceptions."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, locale=locale)
    complaints: list[str] = []
    opened = context.new_page()
    opened.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("requestfailed", lambda request: _note_failure(complaints, request))
    try:
        yield opened, complaints
    finally:
        context.close()


def _note_failure(complaints: list[str], request: Request) -> None:
    # A page that is left while a video still loads cancels the load; that is the browser's doing and no fault.
    cancelled = request.resource_type == "media" and "ERR_ABORTED" in str(request.failure)
    if not cancelled:
        complaints.append(f"failed: {request.url} {request.failure}")
