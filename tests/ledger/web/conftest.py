"""One filled ledger for all page tests, and servers in front of it: an honest one, and one that can be made to lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.bundle import TrustRoot
from ledger.checkpoint import LogSigner
from ledger.http.addresses import page_path
from ledger.serve import RunningServer, serve
from ledger.store import Ledger
from ledger.store.ledger import KEY_FILE
from ledger.store.log_key import log_signer
from tests.browser import chromium
from tests.ledger.tea import ORIGIN, UNITS, whole_story
from tests.ledger.web.javascript import Node, Rules, blank_site
from tests.ledger.web.lying import Liar, publish_trust_root

SETTLED = "body[data-verdict]:not([data-verdict=waiting])"


@dataclass(frozen=True)
class House:
    """A ledger with a trust root behind a server that can lie. `log`: its key, for forgers; `page`: a unit's page."""

    ledger: Ledger
    root: TrustRoot
    log: LogSigner
    liar: Liar
    page: str

    @property
    def url(self) -> str:
        """The server's own address."""
        return self.page.partition("/01/")[0]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = whole_story(tmp_path_factory.mktemp("story"))
    ledger.bundle_of = lambda subject, loan: f"bundle of {subject.text}{loan.hex() if loan else ''}".encode()
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def client(story: Ledger) -> TestClient:
    return TestClient(create_app(story), follow_redirects=False)


@pytest.fixture(scope="module")
def server(story: Ledger) -> Iterator[RunningServer]:
    running = serve(create_app(story), port=0)
    yield running
    running.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="package")
def rules(browser: Browser) -> Iterator[Rules]:
    running, node, context = serve(blank_site(), port=0), Node(), browser.new_context()
    shown = context.new_page()
    shown.goto(running.url)
    yield Rules(shown, node)
    context.close()
    node.close()
    running.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    ledger = whole_story(folder)
    ledger.bundle_of = lambda subject, loan: f"bundle of {subject.text}".encode()
    root = publish_trust_root(ledger)
    liar = Liar(create_app(ledger))
    running = serve(liar, port=0)
    log = log_signer(folder / "ledger" / KEY_FILE, ORIGIN)
    yield House(ledger, root, log, liar, running.url + page_path(UNITS[0]))
    running.stop()
    ledger.close()


def settle(shown: Page, address: str) -> str:
    """Open the page, wait for its verdict and return it."""
    shown.goto(address)
    shown.wait_for_selector(SETTLED, timeout=60_000)  # milliseconds, in the worst case
    return str(shown.evaluate("document.body.dataset.verdict"))


def states(shown: Page) -> dict[str, str]:
    """How each step ended."""
    rows = "rows => rows.map(row => [row.dataset.check, row.dataset.state])"
    return dict(shown.locator("[data-check]").evaluate_all(rows))


def more(shown: Page, step: str) -> str:
    """What is said beside a step."""
    return shown.locator(f"[data-check={step}] .more").inner_text()
