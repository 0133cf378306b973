"""In a real Chromium: axe's rules find nothing on any public page, on a phone, in both colour schemes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, FilePayload, Page

from ledger.web.verifier import stand_alone
from tests.browser import PHONE
from tests.ledger.bundle.stamped import STAMPED
from tests.ledger.bundle.test_pledge import PLEDGED
from tests.ledger.bundle.test_seals import HONEST as SEALED
from tests.ledger.bundle.test_tampering import HONEST, flipped
from tests.ledger.web.conftest import SETTLED, House
from tests.ledger.web.lying import about

RULES = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
_FOUND = """() => axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`))"""


def _verifier(shown: Page, house: House, kept: str) -> None:
    shown.goto(kept)


def _held(shown: Page, house: House, kept: str, file: bytes = PLEDGED) -> None:
    shown.goto(kept)
    shown.set_input_files("#file", FilePayload(name="tea", mimeType="application/octet-stream", buffer=file))
    shown.wait_for_selector(f"{SETTLED}:not([data-verdict=idle])", timeout=60_000)


def _red(shown: Page, house: House, kept: str) -> None:
    _held(shown, house, kept, flipped(HONEST, 900, 1))


def _unit(shown: Page, house: House, kept: str) -> None:
    shown.goto(house.page)
    shown.wait_for_selector(SETTLED, timeout=60_000)


def _red_unit(shown: Page, house: House, kept: str) -> None:
    with house.liar.telling(about("/media/", lambda body: body + b"x")):
        _unit(shown, house, kept)


def _portal(shown: Page, house: House, kept: str) -> None:
    shown.goto(f"{house.url}/portal")


PAGES: dict[str, Callable[[Page, House, str], None]] = {
    "the proof page": _verifier,
    "a file that holds": _held,
    "a false file": _red,
    "a file with a timestamp": partial(_held, file=STAMPED),
    "a file with seals": partial(_held, file=SEALED),
    "a unit's page": _unit,
    "a unit's page in front of a liar": _red_unit,
    "the portal": _portal,
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, house: House, tmp_path: Path, scheme: Literal["light", "dark"]) -> None:
    assert RULES.exists(), "axe is not there: run .ci/setup-axe"
    kept = tmp_path / "verify.html"
    kept.write_bytes(stand_alone().page)
    width, height = PHONE
    # The pages' own policy would keep the rules out.
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale="zh-CN", color_scheme=scheme, bypass_csp=True
    )
    context.add_init_script(path=RULES)
    shown = context.new_page()
    found: dict[str, list[str]] = {}
    for name, show in PAGES.items():
        show(shown, house, kept.as_uri())
        found[name] = shown.evaluate(_FOUND)
    context.close()
    assert {name: said for name, said in found.items() if said} == {}
    assert found.keys() == PAGES.keys()
