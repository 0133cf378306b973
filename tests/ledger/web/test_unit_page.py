"""The page behind a code: what it shows, in which language, and what it never shows."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.epcis import build
from ledger.gs1 import Identifier, lot, parse, unit
from ledger.http.addresses import page_path
from ledger.store import Ledger, Name
from ledger.web.pages import shown
from ledger.web.unit_page import MANY_SCANS
from tests.ledger.chain_tale import Tale, named
from tests.ledger.tea import GARDEN, NOW, TEA, TEA_GTIN, UNITS, cosign_log, film, open_ledger
from tests.ledger.web.lying import publish_trust_root

PAGE = page_path(UNITS[0])


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one unnamed unit that was seen once."""
    ledger = open_ledger(tmp_path / "ledger")
    _see(ledger, UNITS[0])
    yield ledger
    ledger.close()


def _see(ledger: Ledger, thing: Identifier) -> None:
    ledger.events.capture_document(
        build.document([build.observation(build.Happening(NOW, GARDEN), things=[thing])], created_at=NOW), NOW
    )


def _text(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", page))


def test_it_says_what_where_when_and_by_whom(client: TestClient) -> None:
    text = _text(client.get(PAGE).text)
    for expected in (
        "Spring green tea, 100 g",
        "Pan-firing",
        "Tea garden, east slope",
        "20 Sept 2026 02:00 UTC",
        "Camera 3",
    ):
        assert expected in text
    assert "4 of 4 steps were filmed" in text
    assert "Cosigned by 4 notaries" in text


@pytest.mark.parametrize(
    ("header", "query", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh"),
        ("en-GB,en", "", "en"),
        ("fr,zh;q=0.5,en;q=0.4", "", "zh"),
        ("fr", "", "en"),
        ("", "", "en"),
        ("zh", "?lang=en", "en"),
        ("en", "?lang=zh", "zh"),
        ("en", "?lang=../../etc", "en"),
        ("zh;q=nonsense,en", "", "en"),
        ("zh;q=0,en", "", "en"),
        ("," * 10_000, "", "en"),
    ],
)
def test_it_is_in_the_readers_language(client: TestClient, header: str, query: str, language: str) -> None:
    answer = client.get(PAGE + query, headers={"Accept-Language": header})
    assert answer.headers["content-language"] == language
    assert answer.headers["vary"] == "Accept-Language"
    assert ("杀青" in answer.text) == (language == "zh")


def test_the_units_page_may_run_its_own_modules_and_nothing_else(client: TestClient) -> None:
    policy = client.get(PAGE).headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert "script-src 'self'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert not any("unsafe" in part or "http" in part or "*" in part or "data:" in part for part in policy)


def test_the_portals_policy_allows_neither_script_nor_inline_style(client: TestClient) -> None:
    for page in ("/portal", "/portal/pledges/0x" + named("LN-A-0091").hex()):
        answer = client.get(page)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "script-src" not in answer.headers["content-security-policy"]
        assert not re.search(r"<script|\son\w+=|\sstyle=|javascript:", answer.text)


def test_nothing_comes_from_anywhere_else(client: TestClient) -> None:
    for page in (PAGE, "/portal"):
        found = re.findall(r'(?:src|href)="([^"]*)"', client.get(page).text)
        assert found
        assert all(address.startswith(("/", "http://testserver/", "#")) for address in found)


def test_oq05_no_lender_amount_receipt_or_position_is_shown(client: TestClient) -> None:
    for page in (PAGE, page_path(TEA)):
        text = client.get(page).text
        for secret in ("Lender", "lender", "180000", "180,000", "LN-A", "WR-2026", "geo:", named("LN-A-0091").hex()):
            assert secret not in text


def test_oq05_a_place_without_a_public_name_is_not_shown(small: Ledger) -> None:
    small.events.capture_document(
        build.document(
            [build.observation(build.Happening(NOW, parse("geo:30.123,120.456")), things=UNITS[:1])], created_at=NOW
        ),
        NOW,
    )
    assert "30.123" not in TestClient(create_app(small)).get(PAGE).text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ('"><script>alert(1)</script>', "&#34;&gt;&lt;script&gt;"),
        ("{{ 7 * 7 }}%(num)s", "{{ 7 * 7 }}%(num)s"),
    ],
)
def test_oq04_a_name_is_text_and_nothing_else(small: Ledger, name: str, text: str) -> None:
    other = lot(TEA_GTIN, "X1")
    small.papers.register_lot(other, name=Name(name, name))
    page = TestClient(create_app(small)).get(page_path(other)).text
    assert f"<bdi>{text}" in page
    assert "<img src=x" not in page
    assert "<script" not in page


def test_oq04_a_direction_mark_is_written_out_and_a_long_name_is_cut() -> None:
    assert shown("a\u202eb\u2066c\x00") == "<bdi>a⟨U+202E⟩b⟨U+2066⟩c⟨U+0000⟩</bdi>"
    assert len(shown("x" * 10_000_000)) < 300


def test_oq01_it_says_how_often_it_was_scanned_and_cautions_when_that_is_often(small: Ledger) -> None:
    client = TestClient(create_app(small))
    assert "Scanned 1 time, first on 21 Sept 2026 08:00 UTC." in _text(client.get(PAGE).text)
    for _ in range(MANY_SCANS - 1):
        page = client.get(PAGE).text
    assert "Caution" not in page
    page = _text(client.get(PAGE).text)
    assert "Caution: this code has been opened often." in page
    assert f"Scanned {MANY_SCANS + 1} times" in page


def test_oq01_changing_the_language_asking_the_head_or_another_unit_counts_nothing(small: Ledger) -> None:
    client = TestClient(create_app(small))
    client.get(f"{PAGE}?lang=zh")
    client.head(PAGE)
    client.get(page_path(unit(TEA_GTIN, "404")))
    assert small.scans.of(UNITS[0].normal) is None
    assert small.scans.of(unit(TEA_GTIN, "404").normal) is None


def test_what_is_missing_withdrawn_or_contradicted_is_shown(small: Ledger, tmp_path: Path) -> None:
    film(small, tmp_path / "spool", ["picking"])
    small.papers.register_lot(TEA, name=Name("Tea", "茶"), steps=["picking", "packing"])
    cosign_log(small)
    text = _text(TestClient(create_app(small)).get(page_path(TEA)).text)
    assert "1 of 2 steps were filmed." in text
    assert "Unproven: this step is said to have been done, but nothing was recorded." in text
    assert "Not yet anchored on a chain" in text
    tale = Tale()
    tale.anchor(small.log.size, named("another root"))
    tale.fold_into(small.chains)
    text = _text(TestClient(create_app(small)).get(page_path(TEA)).text)
    assert "This log is contradicted by what is anchored on a chain." in text


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        (page_path(unit(TEA_GTIN, "404")), 404, "Nothing is known of this code."),
        ("/01/09520000001019/21/1", 422, "A digit of this code is wrong."),
        ("/id/javascript%3Aalert(1)", 404, "Nothing is known of this code."),
        ("/id/%2F%2Fevil.example", 422, "This is not a code that can be looked up."),
        ("/01/", 422, "This is not a code that can be looked up."),
    ],
)
def test_a_code_that_leads_nowhere_says_so_in_a_page(client: TestClient, path: str, status: int, sentence: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert sentence in _text(answer.text)


def test_oq03_a_query_leads_nowhere_else(client: TestClient) -> None:
    answer = client.get(f"{PAGE}?next=//evil.example")
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_oq03_links_and_code_point_at_the_configured_address_only(client: TestClient, story: Ledger) -> None:
    story.public_url = "https://tea.example/"
    try:
        assert f'href="https://tea.example{PAGE}"' in client.get(PAGE).text
    finally:
        story.public_url = None
    assert f'href="http://testserver{PAGE}"' in client.get(PAGE).text


def test_any_other_identifier_has_a_page_too(small: Ledger) -> None:
    thing = parse("urn:example:crate:7")
    _see(small, thing)
    assert page_path(thing) == "/id/urn%3Aexample%3Acrate%3A7"
    assert TestClient(create_app(small)).get(page_path(thing)).status_code == 200


def test_a_serial_with_a_slash_is_one_serial(small: Ledger) -> None:
    thing = unit(TEA_GTIN, "a/b%c")
    _see(small, thing)
    answer = TestClient(create_app(small)).get(page_path(thing))
    assert answer.status_code == 200
    assert "a/b%c" in answer.text


@pytest.mark.parametrize(("language", "told"), [("en", "There will be a proof file"), ("zh", "即可下载证明文件")])
def test_before_anything_is_published_nothing_is_offered_that_would_fail(
    small: Ledger, language: str, told: str
) -> None:
    small.bundle_of = lambda subject, loan: b""
    answer = TestClient(create_app(small)).get(f"{PAGE}?lang={language}").text
    assert told in _text(answer) and "/bundle" not in answer and "log/checkpoint" not in answer
    assert "JavaScript" not in answer.partition("</head>")[2]


def test_what_is_published_is_offered(small: Ledger) -> None:
    small.bundle_of = lambda subject, loan: b"bundle"
    publish_trust_root(small)
    cosign_log(small)
    client = TestClient(create_app(small))
    answer = client.get(PAGE).text
    for address in (f"/api/v1/units{PAGE}/bundle", "/api/v1/log/checkpoint"):
        assert f'href="{address}"' in answer and client.get(address).status_code == 200
