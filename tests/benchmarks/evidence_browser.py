"""What checking costs the reader's browser: the longest it does not answer to a finger, against what people notice.

Chromium reports every task over 50 ms; a page that had none is told as 50. Wall-clock: a busy machine makes it longer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page

from ledger.api.app import create_app
from ledger.capture.camera import Camera, Shot
from ledger.capture.spool import Spool
from ledger.http.addresses import page_path
from ledger.serve import serve
from ledger.web.verifier import stand_alone
from tests.benchmarks.relay_figures import Figure
from tests.browser import chromium, page
from tests.ledger.bundle.estate import CAMERA as ESTATE_CAMERA
from tests.ledger.bundle.estate import CAMERA_KEY as ESTATE_KEY
from tests.ledger.bundle.estate import TEA as ESTATE_TEA
from tests.ledger.bundle.estate import Estate, evidence_entries, film
from tests.ledger.tea import CAMERA, CAMERA_KEY, NOW, TEA, WORKSHOP, Direct, cosign_log, document, footage, open_ledger
from tests.ledger.web.lying import publish_trust_root

ROUNDS = 3
SEGMENTS, STATEMENTS = 50, 220
LEAST, BUDGET = 50.0, 200.0  # milliseconds
_WATCH = """window.tasks = [];
new PerformanceObserver(seen => tasks.push(...seen.getEntries().map(task => task.duration)))
  .observe({ type: "longtask", buffered: true });"""
_DONE = "body[data-verdict]:not([data-verdict=waiting]):not([data-verdict=idle])"


def pages() -> Sequence[Figure]:
    """The longest task of a consumer page with many segments, and of the page that checks a large proof file."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        return [_consumer(browser, Path(folder)), _verifier(browser, Path(folder))]


def _consumer(browser: Browser, folder: Path) -> Figure:
    ledger = open_ledger(folder / "ledger")
    ledger.evidence.enrol(CAMERA)
    with Spool(folder / "spool") as held:
        camera = Camera(CAMERA, CAMERA_KEY, spool=held, intake=Direct(ledger), clock=lambda: NOW)
        for number in range(SEGMENTS // 2):
            begins = NOW - timedelta(hours=40) + timedelta(minutes=number)
            camera.film(footage("packing"), Shot(f"packing-{number}", begins, WORKSHOP.normal, TEA.normal, "packing"))
    ledger.events.capture_document(document(), NOW)
    publish_trust_root(ledger)
    cosign_log(ledger)
    running = serve(create_app(ledger), port=0)
    longest = _best(browser, running.url + page_path(TEA), None)
    running.stop()
    ledger.close()
    return Figure.against(f"longest task of a page with {SEGMENTS} segments (what is noticed)", longest, "ms", BUDGET)


def _verifier(browser: Browser, folder: Path) -> Figure:
    estate = Estate().with_entries()
    signed = film(ESTATE_CAMERA, ESTATE_KEY, [("firing/1", ESTATE_TEA.normal, STATEMENTS)])
    estate.entries = [*estate.entries[:6], *evidence_entries(signed), *estate.entries[12:]]
    bundle, kept = folder / "tea.bundle", folder / "verify.html"
    bundle.write_bytes(estate.forge())
    kept.write_bytes(stand_alone().page)
    longest = _best(browser, kept.as_uri(), bundle)
    what = f"longest task while a proof file of {STATEMENTS} statements is checked"
    return Figure.against(what, longest, "ms", BUDGET)


def _best(browser: Browser, address: str, file: Path | None) -> float:
    """The best of some rounds: what the page itself needs, not what else the machine did."""
    found = []
    for _ in range(ROUNDS):
        with page(browser, locale="en-GB") as (shown, _):
            found.append(_longest(shown, address, file))
    return min(found)


def _longest(shown: Page, address: str, file: Path | None) -> float:
    shown.add_init_script(_WATCH)
    shown.goto(address)
    if file is not None:
        shown.set_input_files("#file", file)
    shown.wait_for_selector(_DONE, timeout=120_000)
    return float(max([LEAST, *shown.evaluate("tasks")]))
