"""What the API takes: EPCIS documents and evidence, strictly, with a typed problem for everything else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.capture.camera import Camera, Shot
from ledger.capture.spool import Spool
from ledger.capture.uplink import Uplink
from ledger.epcis.limits import MAX_DOCUMENT_BYTES
from ledger.evidence import SignedEvidence
from ledger.segment_body import SegmentBody, write_segment_body
from ledger.serve import serve
from ledger.store import Ledger
from tests.ledger.tea import CAMERA, CAMERA_KEY, GARDEN, NOW, TEA, document, footage, open_ledger

JSON = {"Content-Type": "application/json"}
CBOR = {"Content-Type": "application/cbor"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(tmp_path / "ledger")
    ledger.evidence.enrol(CAMERA)
    yield ledger
    ledger.close()


@pytest.fixture
def client(ledger: Ledger) -> TestClient:
    return TestClient(create_app(ledger))


class Recorded:
    """An intake that keeps what would be sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def submit(self, evidence: SignedEvidence, init: bytes, media: bytes) -> None:
        self.bodies.append(write_segment_body(SegmentBody(evidence, init, media)))

    def state(self, evidence: SignedEvidence) -> None:
        raise AssertionError("a recording holds nothing but segments")


@pytest.fixture
def bodies(tmp_path: Path) -> list[bytes]:
    """The two bodies a camera sends for one short recording."""
    sent = Recorded()
    with Spool(tmp_path / "spool") as spool:
        camera = Camera(CAMERA, CAMERA_KEY, spool=spool, intake=sent, clock=lambda: NOW)
        camera.film(footage("picking"), Shot("r-1", NOW - timedelta(hours=1), GARDEN.normal, TEA.normal, "picking"))
    return sent.bodies


def test_a_document_is_captured_once(client: TestClient, ledger: Ledger) -> None:
    size = ledger.log.size
    first = client.post("/api/v1/capture", content=document(), headers=JSON)
    again = client.post("/api/v1/capture", content=document(), headers=JSON)
    assert (first.status_code, again.status_code) == (201, 200)
    assert [event["entry"] for event in first.json()["events"]] == list(range(size, size + 4))
    assert [event["new"] for event in again.json()["events"]] == [False] * 4
    assert ledger.log.size == size + 4


def test_captured_events_are_read_back_in_pages(client: TestClient) -> None:
    client.post("/api/v1/capture", content=document(), headers=JSON)
    seen, after = [], ""
    while True:
        page = client.get(f"/api/v1/events?limit=3{after}").json()
        seen += [event["event"]["type"] for event in page["events"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == ["ObjectEvent", "TransformationEvent", "ObjectEvent", "AggregationEvent"]
    about = client.get("/api/v1/events", params={"about": TEA.element_string()}).json()["events"]
    assert len(about) == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "JSON_SYNTAX"),
        (b"{", 400, "JSON_SYNTAX"),
        (b'{"a": NaN}', 400, "JSON_NUMBER"),
        (b'{"a": 1e999}', 400, "JSON_NUMBER"),
        (b'{"a": 9223372036854775808}', 400, "JSON_NUMBER"),
        (b'{"a": 1, "a": 2}', 400, "JSON_DUPLICATE_KEY"),
        (b'"\\ud800"', 400, "JSON_ENCODING"),
        ("{}".encode("utf-16"), 400, "JSON_ENCODING"),
        (b"\xef\xbb\xbf{}", 400, "JSON_ENCODING"),
        (b"[" * 100_000, 400, "JSON_DEPTH"),
        (b"[]", 422, "EPCIS_SYNTAX"),
        (b"{}", 422, "EPCIS_SYNTAX"),
        (b"<xml/>", 422, "EPCIS_SYNTAX"),
    ],
    ids=str,
)
def test_oa01_to_oa05_refuses_what_is_no_document(
    client: TestClient, ledger: Ledger, body: bytes, status: int, code: str
) -> None:
    size = ledger.log.size
    answer = client.post("/api/v1/capture", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert ledger.log.size == size


def test_oa02_refuses_a_body_by_its_announced_length(client: TestClient) -> None:
    answer = client.post("/api/v1/capture", content=b" " * (MAX_DOCUMENT_BYTES + 1), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_SIZE")


def test_oa02_refuses_a_body_that_grows_too_large_without_announcing_it(client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(2 * MAX_DOCUMENT_BYTES // 2**16):
            sent += 2**16
            yield b" " * 2**16

    answer = client.post("/api/v1/capture", content=endless(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_SIZE")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_oa07_refuses_another_content_type(client: TestClient, kind: str) -> None:
    answer = client.post("/api/v1/capture", content=document(), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "BODY_TYPE")
    assert (
        client.post("/api/v1/capture", content=document(), headers={"Content-Type": "application/ld+json"}).status_code
        == 201
    )


def test_os07_refuses_compressed_bodies(client: TestClient) -> None:
    answer = client.post("/api/v1/capture", content=b"\x1f\x8b", headers={**JSON, "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "BODY_TYPE")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
def test_oa07_refuses_other_methods(client: TestClient, method: str) -> None:
    answer = client.request(method, "/api/v1/capture", headers={"X-HTTP-Method-Override": "POST"})
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_REFUSED")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=1001", "QUERY_VALUE"),
        ("limit=-1", "QUERY_VALUE"),
        ("limit=1e3", "QUERY_VALUE"),
        ("limit=1&limit=2", "QUERY_REPEATED"),
        ("eventcountlimit=5", "QUERY_UNKNOWN"),
        ("about=" + "x" * 3000, "QUERY_VALUE"),
        ("after=9223372036854775808", "QUERY_VALUE"),
    ],
)
def test_oe08_refuses_a_query_it_does_not_understand(client: TestClient, query: str, code: str) -> None:
    answer = client.get(f"/api/v1/events?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_evidence_is_taken_once_and_a_repeat_is_answered(
    client: TestClient, ledger: Ledger, bodies: list[bytes]
) -> None:
    answers = [
        client.post("/api/v1/evidence/segments", content=body, headers=CBOR) for body in (*bodies, bodies[1], bodies[0])
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 200, 409]
    assert answers[1].json()["entry"] == answers[2].json()["entry"]
    assert (answers[3].json()["code"], answers[3].json()["held"]) == ("REPLAY", answers[0].json()["digest"])
    assert len(ledger.evidence.segments_of_lots([TEA.normal])) == 2


def test_ov12_refuses_a_missing_segment_until_it_comes(client: TestClient, bodies: list[bytes]) -> None:
    answer = client.post("/api/v1/evidence/segments", content=bodies[1], headers=CBOR)
    assert (answer.status_code, answer.json()["code"]) == (409, "EVIDENCE_GAP")
    for body in bodies:
        assert client.post("/api/v1/evidence/segments", content=body, headers=CBOR).status_code == 201


def test_ov01_refuses_changed_video(client: TestClient, ledger: Ledger, bodies: list[bytes]) -> None:
    changed = bytearray(bodies[0])
    changed[len(changed) // 2] ^= 1
    answer = client.post("/api/v1/evidence/segments", content=bytes(changed), headers=CBOR)
    assert (answer.status_code, answer.json()["code"]) == (409, "MANIFEST")
    assert ledger.evidence.last(CAMERA.id) is None
    assert client.post("/api/v1/evidence/segments", content=bodies[0], headers=CBOR).status_code == 201


def test_od10_refuses_a_revoked_device(client: TestClient, ledger: Ledger, bodies: list[bytes]) -> None:
    ledger.evidence.revoke(CAMERA.id, NOW - timedelta(days=1))
    answer = client.post("/api/v1/evidence/segments", content=bodies[0], headers=CBOR)
    assert (answer.status_code, answer.json()["code"]) == (403, "DEVICE_REVOKED")


@pytest.mark.parametrize("body", [b"", b"\xa4", b"{}", b"\x00" * 1000, b"\xa4" + b"\xff" * 64])
def test_refuses_what_is_no_segment(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/v1/evidence/segments", content=body, headers=CBOR)
    assert (answer.status_code, answer.json()["code"]) == (422, "SEGMENT_BODY")


def test_a_camera_reports_over_http_to_a_real_server(ledger: Ledger, tmp_path: Path) -> None:
    server = serve(create_app(ledger), port=0)
    try:
        with Spool(tmp_path / "camera") as spool, Uplink(server.url) as uplink:
            camera = Camera(CAMERA, CAMERA_KEY, spool=spool, intake=uplink, clock=lambda: NOW)
            shot = Shot("r-1", NOW - timedelta(hours=1), GARDEN.normal, TEA.normal, "picking")
            filmed = camera.film(footage("picking"), shot)
    finally:
        server.stop()
    assert (len(filmed.evidence), filmed.waiting) == (2, 0)
    assert len(ledger.evidence.segments_of_lots([TEA.normal])) == 2
