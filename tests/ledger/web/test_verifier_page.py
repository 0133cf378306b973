"""In a real Chromium: the page that checks a proof file, saved to a disk without any network, and as it is served."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.bundle import TrustRoot, verify
from ledger.bundle.format import dump, load
from ledger.web.verifier import stand_alone
from ledger.web.verifier_words import BUNDLE_CHECKS
from tests.browser import page
from tests.ledger.bundle import stamped, test_certified, test_erased, test_seals
from tests.ledger.bundle.estate import TRUST_ROOT, Estate
from tests.ledger.bundle.test_pledge import LENT, PLEDGED
from tests.ledger.bundle.test_tampering import HEAD, HONEST, LINKED, flipped, sealed
from tests.ledger.tea import open_ledger
from tests.ledger.web.conftest import SETTLED

ALWAYS = [step for step in BUNDLE_CHECKS if step not in ("pledge", "sealers", "certified", "stamped")]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page as a reader keeps it."""
    kept = tmp_path_factory.mktemp("kept") / "verify.html"
    kept.write_bytes(stand_alone().page)
    return kept.as_uri()


@contextmanager
def opened(
    browser: Browser, address: str, *, locale: str = "en-GB", size: tuple[int, int] = (390, 844)
) -> Iterator[Page]:
    """The saved page, offline; it may complain about nothing."""
    with page(browser, locale=locale, size=size) as (shown, complaints):
        shown.context.set_offline(True)
        shown.goto(address)
        yield shown
        assert complaints == []


def give(shown: Page, *files: tuple[str, bytes]) -> str:
    """Choose files, wait for the verdict and return it."""
    shown.evaluate("document.body.dataset.verdict = 'waiting'")
    payloads = [FilePayload(name=name, mimeType="application/octet-stream", buffer=raw) for name, raw in files]
    shown.set_input_files("#file", payloads)
    shown.wait_for_selector(SETTLED, timeout=60_000)
    return str(shown.evaluate("document.body.dataset.verdict"))


def told(shown: Page) -> dict[str, str]:
    """How each step that is shown ended."""
    rows = "rows => rows.filter(row => !row.hidden).map(row => [row.dataset.check, row.dataset.state])"
    return dict(shown.locator("[data-check]").evaluate_all(rows))


def sentence(shown: Page) -> str:
    return shown.locator("#verdict .sentence").inner_text()


def test_an_honest_file_holds_once_the_reader_gives_the_trust_root(browser: Browser, saved: str) -> None:
    with opened(browser, saved) as shown:
        assert sentence(shown) == "No file was checked yet."
        assert give(shown, ("tea.bundle", HONEST)) == "unchecked"
        assert "compare its digits" in sentence(shown)
        assert shown.locator(".fingerprint").inner_text() == TRUST_ROOT.fingerprint
        assert told(shown) == dict.fromkeys(ALWAYS, "holds") | {"trust": "unchecked"}
        shown.fill("#known", TRUST_ROOT.fingerprint.upper())
        assert give(shown, ("tea.bundle", HONEST)) == "holds"
        assert told(shown) == dict.fromkeys(ALWAYS, "holds")
        facts = shown.locator("#facts li").all_inner_texts()
        assert any("camera-1 signed 6 pieces of video, 12.0 s" in fact for fact in facts), facts
        assert any("eip155:7102 in block 57" in fact for fact in facts), facts
        assert len([fact for fact in facts if fact.startswith("2026-04-02")]) == 4
        assert "3 of 4 notaries, epoch 1" in shown.locator("[data-check=judged]").inner_text()


def test_a_file_sealed_by_a_later_epoch_and_one_with_its_loan_are_told(browser: Browser, saved: str) -> None:
    with opened(browser, saved) as shown:
        give(shown, ("linked", LINKED))
        assert "epoch 1, sealed by epoch 2" in shown.locator("[data-check=checkpoint]").inner_text()
        shown.fill("#known", LENT.fingerprint)
        assert give(shown, ("loan", PLEDGED)) == "holds"
        assert told(shown)["pledge"] == "holds"
        facts = " ".join(shown.locator("#facts li").all_inner_texts())
        assert "to secure; the answer at" in facts
        assert "reserved" in facts


FALSE: dict[str, tuple[bytes, str, str]] = {
    "one byte": (flipped(HONEST, 900, 1), "sealed", "The file was changed or cut short."),
    "cut short": (HONEST[:-1], "sealed", "The file was changed or cut short."),
    "another kind of file": (b"%PDF-1.7\n", "sealed", "This file is no proof file."),
    "empty": (b"", "sealed", "This file is no proof file."),
    "a byte of a salt, sealed again": (
        sealed(HONEST[HEAD:].replace(b"\x64salt\x58\x20", b"\x64salt\x58\x20\xff", 1)[: len(HONEST) - HEAD]),
        "sealed",
        "This is no whole proof file.",
    ),
    "too few notaries": (Estate(notaries=(0, 1)).with_entries().forge(), "judged", "Too few notaries"),
    "one cosignature missing": (
        Estate(cosigners=Estate().cosigners[:2]).with_entries().forge(),
        "checkpoint",
        "Too few notaries cosigned.",
    ),
    "the commit failed": (
        Estate(verdict={"executed": False}, commit={"executed": 0}).with_entries().forge(),
        "committed",
        "The commit is not in the block",
    ),
}


def test_a_false_file_is_red_and_says_which_step_and_why(browser: Browser, saved: str) -> None:
    with opened(browser, saved) as shown:
        for name, (raw, step, reason) in FALSE.items():
            assert give(shown, (name, raw)) == "refused", name
            assert told(shown)[step] == "refused", (name, told(shown))
            assert reason in sentence(shown), (name, sentence(shown))
            assert shown.locator("#verdict").get_attribute("aria-live") == "assertive"
            assert not shown.locator("#told").is_visible()
        assert give(shown, ("honest", HONEST)) == "unchecked", "a red file taints no later one"
        shown.fill("#known", "0" * 32)
        assert give(shown, ("honest", HONEST)) == "refused"
        assert "another trust root than yours" in sentence(shown)


def test_a_timestamp_is_checked_and_told(browser: Browser, saved: str) -> None:
    with opened(browser, saved) as shown:
        shown.fill("#known", stamped.STAMPED_ROOT.fingerprint)
        assert give(shown, ("stamped", stamped.STAMPED)) == "holds"
        assert told(shown)["stamped"] == "holds"
        assert "CN=Stamping root, 2026-04-03 07:00 UTC" in shown.locator("[data-check=stamped]").inner_text()
        assert any("An authority outside saw" in fact for fact in shown.locator("#facts li").all_inner_texts())
        assert give(shown, ("without", stamped.UNSTAMPED)) == "holds", "without a stamp it is as good"
        assert "stamped" not in told(shown)


def test_a_timestamp_that_a_browser_cannot_check_keeps_the_file_from_green_and_from_red(
    browser: Browser, saved: str
) -> None:
    with opened(browser, saved) as shown:
        shown.fill("#known", stamped.STAMPED_ROOT.fingerprint)
        assert give(shown, ("open", stamped.OPEN)) == "unchecked"
        assert [step for step, state in told(shown).items() if state != "holds"] == ["stamped"]
        assert "only pledgetrail verify can check" in shown.locator("[data-check=stamped]").inner_text()
        assert "the rest takes pledgetrail verify" in sentence(shown)


def test_an_authority_that_nobody_named_is_never_called_a_change(browser: Browser, saved: str) -> None:
    with opened(browser, saved) as shown:
        for name, (raw, code) in stamped.FALSE.items():
            assert give(shown, (name, raw)) == "refused", name
            assert told(shown)["stamped"] == "refused", name
            assert told(shown)["judged"] == "unchecked", "what comes after it was not begun"
            untrusted = "No authority that the trust root names vouches for the timestamp." in sentence(shown)
            assert untrusted == (code == "STAMP_UNTRUSTED"), name
            assert "changed" not in sentence(shown), name


def test_seals_are_followed_and_it_says_how_long_that_took(browser: Browser, saved: str) -> None:
    with opened(browser, saved) as shown:
        raw, root = test_seals.later_validators()
        shown.fill("#known", root.fingerprint)
        assert give(shown, ("sealed", raw)) == "holds"
        assert told(shown)["sealers"] == "holds"
        row = shown.locator("[data-check=sealers]").inner_text()
        assert re.search(r"3 of 4 validators, block 41 · in \d+ ms", row), row
        assert "its lane asks for none" in shown.locator("[data-check=attested]").inner_text()
        facts = shown.locator("#facts li").all_inner_texts()
        assert "3 of the chain's own 4 validators sealed block 41." in facts
        assert give(shown, ("plain", HONEST)) == "refused", "under another trust root"


@pytest.mark.parametrize(("root", "why"), [(TRUST_ROOT, "names no validators"), (test_seals.LATER, "pins later")])
def test_seals_that_cannot_be_shown_keep_the_file_from_green_and_from_red(
    browser: Browser, saved: str, root: TrustRoot, why: str
) -> None:
    with opened(browser, saved) as shown:
        shown.fill("#known", root.fingerprint)
        assert give(shown, ("sealed", test_seals.made(trust_root=root).bundle(shown=False))) == "unchecked"
        assert [step for step, state in told(shown).items() if state != "holds"] == ["sealers"]
        assert why in shown.locator("[data-check=sealers]").inner_text()


def test_false_seals_are_red_at_their_step(browser: Browser, saved: str) -> None:
    reasons = {
        "they are left out": "The seals are missing on which this rests.",
        "validators that nobody vouched for sealed it": "Validators sealed for whom nobody vouched.",
        "nobody sealed it": "Too few of the chain's validators sealed it.",
        "a seal is another validator's": "Somebody sealed who is no validator of the chain.",
        "a seal with the other s": "The seals of the chain's validators do not hold.",
    }
    with opened(browser, saved) as shown:
        for name, reason in reasons.items():
            change, _ = test_seals.CHANGED[name]
            assert give(shown, (name, dump(change(load(test_seals.HONEST))))) == "refused", name
            assert told(shown)["sealers"] == "refused", name
            assert reason in sentence(shown), (name, sentence(shown))


def test_a_certified_header_is_checked_and_told(browser: Browser, saved: str) -> None:
    with opened(browser, saved) as shown:
        shown.fill("#known", TRUST_ROOT.fingerprint)
        assert give(shown, ("certified", test_certified.HONEST)) == "holds"
        assert "3 of 4 notaries, epoch 1" in shown.locator("[data-check=certified]").inner_text()
        assert give(shown, ("not shown", test_certified.made(shown=False))) == "holds"
        assert "certified" not in told(shown)
        change, _ = test_certified.CHANGED["another state was certified"]
        assert give(shown, ("false", dump(change(load(test_certified.HONEST))))) == "refused"
        assert told(shown)["certified"] == "refused"


def test_what_is_left_of_something_erased_holds_and_is_never_called_whole(browser: Browser, saved: str) -> None:
    with opened(browser, saved) as shown:
        shown.fill("#known", TRUST_ROOT.fingerprint)
        assert give(shown, ("erased", test_erased.erased(test_erased.SEGMENT))) == "unchecked"
        assert "this is not the whole" in sentence(shown)
        assert "refused" not in told(shown).values()
        facts = " ".join(shown.locator("#facts li").all_inner_texts())
        assert "Entry 7 of the log held something that was erased at 2026-04-03 12:00 UTC." in facts
        assert "camera-1: from number 2 on a part was erased" in facts


def test_pieces_of_video_are_compared_with_what_was_signed(browser: Browser, saved: str) -> None:
    with opened(browser, saved) as shown:
        give(shown, ("honest", HONEST))
        shown.set_input_files(
            "#file", [FilePayload(name=f"{name}.mp4", mimeType="video/mp4", buffer=b"film") for name in ("one", "two")]
        )
        shown.wait_for_selector("#notes li:nth-child(2)", timeout=60_000)
        assert shown.locator("#notes li").first.inner_text() == "one.mp4 is no piece that is signed in this file."


def test_it_speaks_both_languages_and_is_used_by_keyboard_alone(browser: Browser, saved: str) -> None:
    with opened(browser, saved, locale="zh-CN") as shown:
        assert shown.locator("h1").inner_text() == "核验证明文件"
        give(shown, ("honest", HONEST))
        assert "请比对其数字" in sentence(shown)
        assert shown.evaluate("document.documentElement.lang") == "zh-Hans"
        shown.keyboard.press("Tab")
        for name in ("skip", "en"):
            active = "[document.activeElement.className, document.activeElement.dataset.language]"
            assert name in shown.evaluate(active), name
            shown.keyboard.press("Enter" if name == "en" else "Tab")
        assert shown.locator("h1").inner_text() == "Check a proof file"
        assert "compare its digits" in sentence(shown)
        assert shown.locator("[data-check=logged] .label").inner_text() == "Records: each stands in the log"
        assert shown.evaluate("document.documentElement.lang") == "en"
        assert not shown.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_it_is_served_with_a_policy_that_lets_it_ask_nobody(browser: Browser, tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger")
    answer = TestClient(create_app(ledger)).get("/verify")
    ledger.close()
    policy = answer.headers["content-security-policy"]
    assert answer.content == stand_alone().page
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert not any(word in policy for word in ("unsafe", "connect-src", "http", "'self'"))
    assert "http://" not in answer.text.replace("http://www.w3.org", "")
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(stand_alone().page).digest()


def test_the_page_and_the_command_agree_on_what_is_in_the_file(browser: Browser, saved: str) -> None:
    steps = {proven.step for proven in verify(LINKED, trust_root=None).proven} | {
        "pledge",
        "sealers",
        "certified",
        "stamped",
    }
    named = {"evidence": "signed", "events": "subject", "trust_root": "trust", "linked": "checkpoint"}
    assert {named.get(step, step) for step in steps} == set(BUNDLE_CHECKS)
