"""The records that a browser checks: exactly what the page shows, each provable, nothing of anybody else's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.bundle import DEVICE_DOMAIN, TRUST_ROOT_DOMAIN
from ledger.canonical import entry_digest
from ledger.checkpoint import open_cosigned
from ledger.epcis import EVENT_DOMAIN, build
from ledger.evidence import EVIDENCE_DOMAIN, ORDER_DOMAIN
from ledger.gs1 import lot
from ledger.history import history_of, records_of
from ledger.http.addresses import page_path
from ledger.merkle import leaf_hash, verify_consistency, verify_inclusion
from ledger.store import Ledger
from tests.ledger.tea import CAMERA, COSIGNERS, GARDEN, NOW, TEA, TEA_GTIN, UNITS, cosign_log, film, open_ledger
from tests.ledger.web.lying import publish_trust_root


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path / "ledger")
    publish_trust_root(opened)
    film(opened, tmp_path / "spool", ["picking"])
    _see(opened, "000001")
    yield opened
    opened.close()


def _see(ledger: Ledger, serial: str) -> None:
    (thing,) = (each for each in UNITS if each.normal.endswith(serial))
    seen = build.observation(build.Happening(NOW, GARDEN), things=[thing])
    ledger.events.capture_document(build.document([seen], created_at=NOW), NOW)


def test_every_record_is_proven_by_what_comes_with_it(ledger: Ledger) -> None:
    cosign_log(ledger)
    found = records_of(ledger, history_of(ledger, TEA))
    cosigned = open_cosigned(found.note, log_key=ledger.log.key, cosigners=COSIGNERS.keys, quorum=COSIGNERS.quorum)
    for record in found.records:
        leaf = leaf_hash(entry_digest(record.domain, record.salt, record.canonical))
        size, root = cosigned.checkpoint.size, cosigned.checkpoint.root
        verify_inclusion(leaf=leaf, index=record.entry, size=size, proof=record.path, root=root)
    assert Counter(record.domain for record in found.records) == {DEVICE_DOMAIN: 1, EVIDENCE_DOMAIN: 2}
    assert found.trust_root == ledger.statements.of_domain(TRUST_ROOT_DOMAIN)[0].canonical


def test_oq05_another_units_events_stay_where_they_are(ledger: Ledger) -> None:
    _see(ledger, "000002")
    cosign_log(ledger)
    events = [r for r in records_of(ledger, history_of(ledger, UNITS[0])).records if r.domain == EVENT_DOMAIN]
    assert len(events) == 1
    assert UNITS[0].normal.encode() in events[0].canonical


def test_what_the_notaries_have_not_seen_waits(ledger: Ledger) -> None:
    cosign_log(ledger)
    before = records_of(ledger, history_of(ledger, UNITS[1]))
    _see(ledger, "000002")
    waiting = records_of(ledger, history_of(ledger, UNITS[1]))
    assert [record.domain for record in (*before.records, *waiting.records)] == []
    cosign_log(ledger)
    assert [record.domain for record in records_of(ledger, history_of(ledger, UNITS[1])).records] == [EVENT_DOMAIN]


def test_od10_a_revocation_comes_with_the_devices_word(ledger: Ledger) -> None:
    ledger.evidence.revoke(CAMERA.id, NOW + timedelta(days=1), reason="The key was stolen.")
    cosign_log(ledger)
    assert ORDER_DOMAIN in {record.domain for record in records_of(ledger, history_of(ledger, TEA)).records}
    assert records_of(ledger, history_of(ledger, UNITS[0])).records[0].domain == EVENT_DOMAIN


def test_c07_a_reader_who_saw_less_is_shown_that_the_log_goes_on(ledger: Ledger) -> None:
    cosign_log(ledger)
    old, root = ledger.log.size, ledger.log.root()
    _see(ledger, "000003")
    cosign_log(ledger)
    client = TestClient(create_app(ledger))
    address = f"/api/v1/units{page_path(UNITS[0])}/records"
    path = [bytes.fromhex(node) for node in client.get(f"{address}?seen={old}").json()["consistency"]]
    now = ledger.log.size
    verify_consistency(old_size=old, old_root=root, new_size=now, new_root=ledger.log.root(), proof=path)
    for seen in ("0", str(now), str(now + 1), str(2**63 - 1)):
        assert client.get(f"{address}?seen={seen}").json()["consistency"] == []


@pytest.mark.parametrize(
    "query",
    ["seen=-1", "seen=x", f"seen={2**63}", "seen=1&seen=2", "size=1", "root=zz", "root=" + ",".join(["ab" * 16] * 3)],
)
def test_refuses_a_size_that_is_none(ledger: Ledger, query: str) -> None:
    cosign_log(ledger)
    client = TestClient(create_app(ledger))
    assert client.get(f"/api/v1/units{page_path(UNITS[0])}/records?{query}").status_code == 400
    assert client.get(f"/api/v1/units{page_path(UNITS[0])}/records?seen=1").status_code == 200


def test_refuses_records_before_there_is_anything_to_check_them_by(ledger: Ledger) -> None:
    client = TestClient(create_app(ledger))
    answer = client.get(f"/api/v1/units{page_path(UNITS[0])}/records")
    assert (answer.status_code, answer.json()["code"]) == (503, "NOT_COSIGNED_YET")
    assert "data-records" not in client.get(page_path(UNITS[0])).text
    cosign_log(ledger)
    assert client.get(f"/api/v1/units{page_path(UNITS[0])}/records").status_code == 200
    assert "data-records" in client.get(page_path(UNITS[0])).text


def test_a_lot_called_records_is_a_lot(ledger: Ledger) -> None:
    cosign_log(ledger)
    client = TestClient(create_app(ledger))
    named = lot(TEA_GTIN, "records")
    answer = client.get(f"/api/v1/units{page_path(named)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "UNIT_UNKNOWN")
    assert client.get(f"/api/v1/units{page_path(named)}/records").status_code == 404
