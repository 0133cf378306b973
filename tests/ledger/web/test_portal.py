"""The loan officer's portal: every pledge, why one was refused, and each number opening onto its evidence."""

from __future__ import annotations

import html
import re

import pytest
from starlette.testclient import TestClient

from ledger.web.pages import spelt
from tests.ledger.chain_tale import ESTATE, named


def _text(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", "", page)))


def _pledge(loan: str) -> str:
    return f"/portal/pledges/0x{named(loan).hex()}"


def test_the_table_says_state_and_what_to_decide(client: TestClient) -> None:
    text = _text(client.get("/portal").text)
    for expected in (
        "LN-A-0091",
        "Lender A",
        "CN¥180,000.00",
        "Active",
        "Refused: ask for other security",
        "WR-2026-0342",
    ):
        assert expected in text
    assert "Waiting for the security; no money may leave yet" in text


def test_amounts_and_words_follow_the_language(client: TestClient) -> None:
    text = _text(client.get("/portal?lang=zh").text)
    assert "¥180,000.00" in text
    assert "明前绿茶 100 克" in text
    assert "请要求其他担保" in text


@pytest.mark.parametrize(("state", "shown"), [("active", ["LN-A-0091"]), ("refused", ["LN-B-0415"]), ("repaid", [])])
def test_a_filter_shows_one_state(client: TestClient, state: str, shown: list[str]) -> None:
    text = client.get(f"/portal?state={state}").text
    assert [number for number in ("LN-A-0091", "LN-B-0415") if number in text] == shown
    assert f'state={state}&amp;lang=en" aria-current="page"' in text


@pytest.mark.parametrize("query", ["state=lost", "state=", "status=active", "state=active&state=refused"])
def test_refuses_a_filter_that_does_not_exist(client: TestClient, query: str) -> None:
    assert client.get(f"/portal?{query}").status_code == 400


def test_a_refused_pledge_says_why_and_names_no_other_lender(client: TestClient) -> None:
    text = _text(client.get(_pledge("LN-B-0415")).text)
    assert "already reserved for another loan" in text
    assert "Receipt named by this loan: WR-2026-0342." in text
    for other in ("Lender A", "LN-A-0091", "WR-2026-0117", "180,000", named("LN-A-0091").hex()):
        assert other not in text


def test_an_active_pledge_shows_both_legs_to_their_closed_credentials(client: TestClient) -> None:
    page = client.get(_pledge("LN-A-0091")).text
    assert _text(page).count("Checked again, credential closed") == 2
    assert page.count('class="reached"') >= 12
    assert "Nothing to decide" in _text(page)


def test_an_opening_pledge_says_what_each_leg_waits_for(client: TestClient) -> None:
    text = _text(client.get(_pledge("LN-C-0007")).text)
    assert "Goods reserved: waiting to be proposed to the notaries" in text
    assert "Warehouse receipt frozen: waiting to be proposed to the notaries" in text


def test_every_link_of_a_pledge_opens(client: TestClient) -> None:
    found = set(re.findall(r'(?:href|src)="(/[^"]*)"', client.get(_pledge("LN-A-0091")).text))
    assert len(found) > 20
    for address in found:
        assert client.get(html.unescape(address)).status_code == 200, address


def test_a_transaction_shows_what_the_contracts_logged(client: TestClient) -> None:
    text = _text(client.get(f"/portal/transactions/{ESTATE}/0x{named(f'tx {ESTATE} 1').hex()}").text)
    assert "WarehouseReceipt.ReceiptIssued" in text
    assert f"0x{named('WR-2026-0117').hex()}" in text


@pytest.mark.parametrize(
    "path",
    [
        "/portal/pledges/0x00",
        "/portal/transactions/7101/0x00",
        f"/portal/transactions/1/0x{'0' * 64}",
        "/portal/nothing",
    ],
)
def test_what_is_not_known_is_a_page_that_says_so(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert 'href="/portal?lang=en"' in answer.text.partition("<main")[2]


@pytest.mark.parametrize("path", ["/nothing", "/favicon.ico", "/media/nothing"])
@pytest.mark.parametrize(("language", "told"), [("en", "Scan the code again"), ("zh", "请重新扫码")])
def test_a_browser_at_a_mistyped_address_gets_a_page_and_a_program_gets_data(
    client: TestClient, path: str, language: str, told: str
) -> None:
    answer = client.get(path, headers={"accept": "text/html,*/*;q=0.8", "accept-language": language})
    assert answer.status_code in (404, 422) and told in _text(answer.text)
    assert client.get(path).headers["content-type"] == "application/problem+json"


def test_the_api_answers_in_data_also_to_a_browser_and_so_does_whatever_writes(client: TestClient) -> None:
    as_browser = {"accept": "text/html"}
    assert client.get("/api/v1/nothing", headers=as_browser).headers["content-type"] == "application/problem+json"
    assert client.post("/nothing", headers=as_browser).headers["content-type"] == "application/problem+json"


def test_the_quantity_s_unit_is_a_symbol_and_no_trade_code(client: TestClient) -> None:
    text = _text(client.get(_pledge("LN-A-0091")).text)
    assert "120 kg" in text and "KGM" not in text


def test_words_that_contracts_log_as_bytes_are_shown_as_words() -> None:
    assert spelt("0x" + b"released".hex().ljust(64, "0")) == "released"
    for other in (
        "0x" + "61" * 32,
        "0x" + "00" * 32,
        "0x" + "61".ljust(64, "0"),
        "0x" + "e9" * 9 + "00" * 23,
        "0x61",
        7,
    ):
        assert spelt(other) == ""
    assert spelt("0x" + (b"a\x1b[2J").hex().ljust(64, "0")) == ""


def test_op02_portal_pages_are_never_stored(client: TestClient) -> None:
    for path in ("/portal", _pledge("LN-A-0091"), "/api/v1/pledges"):
        assert client.get(path).headers["cache-control"] == "no-store"
