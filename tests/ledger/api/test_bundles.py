"""Bundles and statements of single things: what is asked for is what is written, and nothing else is taken."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from ledger.bundle import EventSubject, EvidenceSubject
from ledger.bundle.transparent import MEDIA_TYPE, verify_transparent
from ledger.history.related import events_about
from ledger.store import Ledger
from tests.ledger.chain_tale import named
from tests.ledger.tea import TEA, UNITS

NOTHING = "00" * 32


def _event(story: Ledger) -> bytes:
    return events_about(story.events, UNITS[0])[0].event.digest


def _segment(story: Ledger) -> bytes:
    return story.evidence.segments_of_lots([TEA.normal])[0].signed.digest


def test_one_events_bundle(client: TestClient, story: Ledger) -> None:
    digest = _event(story)
    answer = client.get(f"/api/v1/events/{digest.hex()}/bundle")
    assert answer.content == f"bundle of {EventSubject(digest).text}".encode()
    assert answer.headers["content-disposition"].startswith("attachment")


def test_one_statements_bundle(client: TestClient, story: Ledger) -> None:
    digest = _segment(story)
    answer = client.get(f"/api/v1/evidence/{digest.hex()}/bundle")
    assert answer.content == f"bundle of {EvidenceSubject(digest).text}".encode()


def test_a_pledges_bundle_is_of_its_goods_and_its_loan(client: TestClient) -> None:
    loan = named("LN-A-0091")
    answer = client.get(f"/api/v1/pledges/0x{loan.hex()}/bundle")
    assert answer.content == f"bundle of {TEA.normal}{loan.hex()}".encode()


def test_the_portal_offers_the_pledges_own_bundle(client: TestClient) -> None:
    loan = named("LN-A-0091").hex()
    assert f'href="/api/v1/pledges/0x{loan}/bundle"' in client.get(f"/portal/pledges/0x{loan}").text


@pytest.mark.parametrize("kind", ["events", "evidence"])
@pytest.mark.parametrize("what", ["bundle", "statement"])
@pytest.mark.parametrize("digest", ["0", "0x" + NOTHING, NOTHING.replace("0", "g"), NOTHING + "00", "%00"])
def test_what_is_no_digest_is_refused(client: TestClient, kind: str, what: str, digest: str) -> None:
    answer = client.get(f"/api/v1/{kind}/{digest}/{what}")
    assert (answer.status_code, answer.json()["code"]) == (422, "DIGEST_FORMAT")


@pytest.mark.parametrize("kind", ["events", "evidence"])
def test_a_statement_of_nothing_is_refused(client: TestClient, kind: str) -> None:
    answer = client.get(f"/api/v1/{kind}/{NOTHING}/statement")
    assert answer.json()["code"] == "SUBJECT_UNKNOWN"
    assert answer.status_code < 500


def test_a_pledge_that_nobody_knows_has_no_bundle(client: TestClient) -> None:
    assert client.get(f"/api/v1/pledges/0x{NOTHING}/bundle").json()["code"] == "PLEDGE_UNKNOWN"


def test_an_event_and_a_segment_are_told_as_statements_with_receipts(client: TestClient, story: Ledger) -> None:
    for kind, digest in (("events", _event(story)), ("evidence", _segment(story))):
        answer = client.get(f"/api/v1/{kind}/{digest.hex()}/statement")
        assert answer.headers["content-type"] == MEDIA_TYPE
        found = verify_transparent(answer.content, story.log.key)
        assert found.size == story.log.size
        assert story.log.entry(found.index).salt == found.salt
