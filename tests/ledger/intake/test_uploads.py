"""Large segments come in pieces: only from a device, only what it signed, in order, and going on where it broke off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from ledger.api.app import create_app
from ledger.capture import uplink as uplink_module
from ledger.capture.uplink import Uplink
from ledger.cid import cid_of
from ledger.errors import Unavailable
from ledger.evidence import SoftwareKey, read_segment, sign_statement
from ledger.intake.receive import Receiver
from ledger.intake.uploads import STALE_SECONDS, Uploads
from ledger.mp4.fragments import MAX_INIT_BYTES
from ledger.segment_body import SegmentBody, read_segment_body
from ledger.store import Ledger
from ledger.uplink_protocol import COMPLETE_HEADER, OFFSET_HEADER, UPLOADS_PATH
from tests.ledger.capture.estate import KEY, NOW, OTHER_KEY, bodies, device
from tests.ledger.refusals import refused

PIECE = 8 * 1024
JSON, CHUNK = {"Content-Type": "application/json"}, {"Content-Type": "application/partial-upload"}


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> list[SegmentBody]:
    return [read_segment_body(raw) for raw in bodies(tmp_path_factory.mktemp("camera"))]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger", origin="ledger.example/log", clock=lambda: NOW)
    opened.evidence.enrol(device())
    yield opened
    opened.close()


@pytest.fixture
def client(ledger: Ledger) -> Iterator[TestClient]:
    with TestClient(create_app(ledger), base_url="http://127.0.0.1") as made:
        yield made


def begin(client: TestClient, body: SegmentBody) -> Any:
    return client.post(UPLOADS_PATH, content=body.evidence.envelope(), headers=JSON)


def patch(client: TestClient, body: SegmentBody, offset: object, piece: bytes, *, last: str = "?0") -> Any:
    headers = CHUNK | {OFFSET_HEADER: str(offset), COMPLETE_HEADER: last}
    return client.patch(f"{UPLOADS_PATH}/{body.evidence.digest.hex()}", content=piece, headers=headers)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


class Sent(httpx.BaseTransport):
    """Requests go to the client; the one with number `cut_at` breaks off before or after it was heard."""

    def __init__(self, client: TestClient, *, cut_at: int = 10**9, heard: bool = False) -> None:
        self.client, self.cut_at, self.heard, self.sizes, self.methods = client, cut_at, heard, list[int](), list[str]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        self.sizes.append(len(content))
        self.methods.append(request.method)
        if len(self.sizes) == self.cut_at and not self.heard:
            raise httpx.ReadError("cut")
        answer = self.client.request(request.method, request.url.path, content=content, headers=dict(request.headers))
        if len(self.sizes) == self.cut_at:
            raise httpx.ReadError("cut")
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


def uplink(sent: Sent) -> Uplink:
    return Uplink("http://127.0.0.1", client=httpx.Client(transport=sent), waits=())


def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_module, "CHUNK_BYTES", PIECE)


def test_a_large_segment_goes_in_pieces_and_is_one_piece_of_evidence(
    client: TestClient, ledger: Ledger, sent: list[SegmentBody], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_pieces(monkeypatch)
    way = Sent(client)
    for body in sent:
        uplink(way).submit(body.evidence, body.init, body.media)
    assert max(way.sizes) == PIECE and way.methods.count("POST") == 3
    stored = ledger.evidence.segments_of_lots(["lot-1"])
    assert [each.statement.sequence for each in stored] == [1, 2, 3]
    for body, each in zip(sent, stored, strict=True):
        assert ledger.media.get(each.media_cid) == body.media and ledger.media.get(each.init_cid) == body.init
    assert not list(ledger.uploads_folder.iterdir())


@pytest.mark.parametrize("heard", [False, True], ids=["before it was heard", "after it was heard"])
def test_it_goes_on_where_the_network_broke_off(
    client: TestClient, ledger: Ledger, sent: list[SegmentBody], monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    in_pieces(monkeypatch)
    body, size = sent[0], len(sent[0].init) + len(sent[0].media)
    for cut_at in (1, 2, 3, 2, 3):
        way = Sent(client, cut_at=cut_at, heard=heard)
        with pytest.raises(Unavailable):
            uplink(way).submit(body.evidence, body.init, body.media)
    held = begin(client, body).json()["offset"]
    assert held == (6 if heard else 2) * PIECE
    whole = Sent(client)
    uplink(whole).submit(body.evidence, body.init, body.media)
    assert len(ledger.evidence.segments_of_lots(["lot-1"])) == 1
    assert sum(whole.sizes[1:]) == size - held  # what was heard did not go again


def test_a_bad_network_gets_smaller_pieces_and_a_good_one_larger_again(
    client: TestClient, ledger: Ledger, sent: list[SegmentBody], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "MIN_PIECE_BYTES", PIECE)
    first, second, _ = sent
    way = Sent(client, cut_at=1)
    network = uplink(way)
    for cut_at in (1, 2, 3, 4, 5, 6, 7):  # whole, then begun or in pieces, and cut off each time
        way.cut_at = cut_at
        with pytest.raises(Unavailable):
            network.submit(first.evidence, first.init, first.media)
    way.sizes.clear()
    way.cut_at = 10**9
    network.submit(first.evidence, first.init, first.media)
    assert max(way.sizes) == PIECE
    for _ in range(7):
        network.submit(first.evidence, first.init, first.media)
    way.sizes.clear()
    network.submit(second.evidence, second.init, second.media)
    assert len(way.sizes) == 1 and way.sizes[0] > len(second.media)
    assert len(ledger.evidence.segments_of_lots(["lot-1"])) == 2


class TestRefused:
    def test_OD01_only_an_enrolled_device_can_begin_and_only_with_its_own_words(
        self, client: TestClient, ledger: Ledger, sent: list[SegmentBody]
    ) -> None:
        honest = sent[0]
        stranger = replace(honest, evidence=replace(honest.evidence, signature=bytes(64)))
        assert code(begin(client, stranger)) == (403, "EVIDENCE_SIGNATURE")
        assert code(client.post(UPLOADS_PATH, content=b"{}", headers=JSON))[1] == "ENVELOPE_FORMAT"
        assert not ledger.uploads_folder.exists()
        assert begin(client, honest).json()["offset"] == 0

    def test_OD10_a_revoked_device_begins_nothing(
        self, client: TestClient, ledger: Ledger, sent: list[SegmentBody]
    ) -> None:
        ledger.evidence.revoke(device().id, NOW - timedelta(seconds=1))
        assert code(begin(client, sent[0])) == (403, "DEVICE_REVOKED")

    def test_nothing_is_added_to_what_was_not_begun(self, client: TestClient, sent: list[SegmentBody]) -> None:
        assert code(patch(client, sent[0], 0, b"x")) == (404, "UPLOAD_UNKNOWN")
        for name in ("..%2f..%2fledger.sqlite", "0" * 63, "F" * 64):
            answer = client.patch(
                f"{UPLOADS_PATH}/{name}", content=b"x", headers=CHUNK | {OFFSET_HEADER: "0", COMPLETE_HEADER: "?0"}
            )
            assert answer.status_code == 404

    def test_OV12_a_piece_at_another_place_is_refused_and_changes_nothing(
        self, client: TestClient, sent: list[SegmentBody]
    ) -> None:
        begin(client, sent[0])
        assert patch(client, sent[0], 0, b"12345").json() == {"offset": 5}
        for offset in (0, 4, 6, 10**6):
            assert code(patch(client, sent[0], offset, b"x")) == (409, "UPLOAD_OFFSET")
        assert begin(client, sent[0]).json()["offset"] == 5

    @pytest.mark.parametrize("offset", ["", "-1", "x", "1e3", "٣", "9" * 20])
    def test_a_place_that_is_no_number(self, client: TestClient, sent: list[SegmentBody], offset: str) -> None:
        begin(client, sent[0])
        path = f"{UPLOADS_PATH}/{sent[0].evidence.digest.hex()}"
        stated = {"Content-Type": CHUNK["Content-Type"], OFFSET_HEADER: offset, COMPLETE_HEADER: "?0"}
        raw = [(name.encode(), value.encode()) for name, value in stated.items()]
        assert code(client.patch(path, content=b"x", headers=raw)) == (422, "UPLOAD_HEADER")
        assert code(patch(client, sent[0], 0, b"x", last="yes")) == (422, "UPLOAD_HEADER")
        assert begin(client, sent[0]).json()["offset"] == 0

    def test_OV10_a_segment_over_the_bound_is_not_even_begun(
        self, client: TestClient, ledger: Ledger, sent: list[SegmentBody], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("ledger.intake.uploads.MAX_SEGMENT_BYTES", len(sent[0].media) - 1)
            assert code(begin(client, sent[0])) == (422, "MEDIA_LIMIT")
            assert not ledger.uploads_folder.exists()
        assert begin(client, sent[0]).status_code == 200

    def test_more_than_was_signed_is_refused(
        self, client: TestClient, sent: list[SegmentBody], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ledger.intake.uploads.MAX_INIT_BYTES", 100)
        begin(client, sent[0])
        too_much = bytes(len(sent[0].media) + 101)
        assert code(patch(client, sent[0], 0, too_much)) == (422, "UPLOAD_SIZE")
        assert patch(client, sent[0], 0, too_much[1:]).status_code == 200

    def test_OV01_other_bytes_are_refused_and_the_right_ones_taken_after_them(
        self, client: TestClient, ledger: Ledger, sent: list[SegmentBody]
    ) -> None:
        body = sent[0]
        whole = body.init + body.media
        begin(client, body)
        wrong = patch(client, body, 0, whole[:-1] + bytes([whole[-1] ^ 1]), last="?1")
        assert code(wrong) == (409, "MANIFEST") and "media.groups" in wrong.json()["where"]
        assert not ledger.evidence.segments_of_lots(["lot-1"])
        assert begin(client, body).json()["offset"] == 0
        assert patch(client, body, 0, whole, last="?1").status_code == 201

    def test_OV12_a_missing_middle_piece_is_never_complete(
        self, client: TestClient, ledger: Ledger, sent: list[SegmentBody]
    ) -> None:
        body = sent[0]
        whole = body.init + body.media
        begin(client, body)
        patch(client, body, 0, whole[:5000])
        assert code(patch(client, body, 9000, whole[9000:], last="?1")) == (409, "UPLOAD_OFFSET")
        assert code(patch(client, body, 5000, whole[9000:], last="?1"))[1] == "MANIFEST"
        assert ledger.evidence.held(body.evidence.digest) is None
        assert not ledger.media.has(cid_of(body.media)) and begin(client, body).json()["held"] is False
        assert patch(client, body, 0, whole, last="?1").status_code == 201

    def test_a_segment_that_comes_too_early_stays_until_its_turn(
        self, client: TestClient, sent: list[SegmentBody]
    ) -> None:
        first, second = sent[0], sent[1]
        begin(client, second)
        early = patch(client, second, 0, second.init + second.media, last="?1")
        assert code(early) == (409, "EVIDENCE_GAP") and early.json()["expected"] == 1
        begin(client, first)
        assert patch(client, first, 0, first.init + first.media, last="?1").status_code == 201
        held = begin(client, second).json()["offset"]
        assert held == len(second.init) + len(second.media)
        assert patch(client, second, held, b"", last="?1").status_code == 201

    def test_OD05_what_is_held_needs_no_bytes(self, client: TestClient, sent: list[SegmentBody]) -> None:
        body = sent[0]
        begin(client, body)
        patch(client, body, 0, body.init + body.media, last="?1")
        again = begin(client, body)
        assert again.headers[COMPLETE_HEADER] == "?1" and again.json()["held"] is True
        assert code(patch(client, body, 0, b"x")) == (404, "UPLOAD_UNKNOWN")

    def test_a_reading_is_no_upload(self, client: TestClient) -> None:
        from tests.ledger.evidence.test_kinds import READING

        envelope = sign_statement(replace(READING, device="camera-1"), KEY).envelope()
        assert code(client.post(UPLOADS_PATH, content=envelope, headers=JSON)) == (422, "EVIDENCE_KIND")


def test_OD12_uploads_are_bounded_and_stale_ones_make_room(
    tmp_path: Path, ledger: Ledger, sent: list[SegmentBody]
) -> None:
    now = [0.0]
    whole = max(len(body.media) for body in sent) + MAX_INIT_BYTES
    for most, most_bytes in ((2, 10**9), (100, whole * 2)):
        uploads = Uploads(tmp_path / str(most), clock=lambda: now[0], most=most, most_bytes=most_bytes)
        names = []
        for body in sent[:2]:
            name, _ = uploads.begin(body.evidence.envelope(), book=ledger.evidence, received_at=NOW)
            uploads.append(name, 0, body.media)
            names.append(name)
        now[0] = (tmp_path / str(most) / f"{names[1]}.part").stat().st_mtime + STALE_SECONDS - 1
        with refused("INTAKE_BUSY"):
            uploads.begin(sent[2].evidence.envelope(), book=ledger.evidence, received_at=NOW)
        now[0] += 60
        assert uploads.begin(sent[2].evidence.envelope(), book=ledger.evidence, received_at=NOW)[1] == 0
        with refused("UPLOAD_UNKNOWN"):
            uploads.append(names[0], len(sent[0].media), b"")


def others(ledger: Ledger, name: str, body: SegmentBody, count: int) -> list[bytes]:
    """The envelopes of as many segments of another enrolled device, which sends no video of them."""
    key = SoftwareKey(bytes([len(name)]) * 32)
    ledger.evidence.enrol(replace(device(), id=name, public_key=key.public_key))
    said = read_segment(body.evidence.statement_bytes)
    return [sign_statement(replace(said, device=name, sequence=n), key).envelope() for n in range(1, count + 1)]


def test_OD12_one_device_takes_no_others_place(tmp_path: Path, ledger: Ledger, sent: list[SegmentBody]) -> None:
    """Whoever holds the key of one device could else keep all others from handing in anything large, for ever."""
    whole = max(len(body.media) for body in sent) + MAX_INIT_BYTES
    greedy = others(ledger, "camera-greedy", sent[0], 6)
    for place, (most, most_bytes) in enumerate(((4, 10**9), (100, whole * 4))):
        uploads = Uploads(tmp_path / str(place), most=most, most_bytes=most_bytes)
        begun = [uploads.begin(each, book=ledger.evidence, received_at=NOW)[0] for each in greedy[:4]]
        with refused("INTAKE_BUSY"):  # of its own it makes no room
            uploads.begin(greedy[4], book=ledger.evidence, received_at=NOW)
        honest, offset = uploads.begin(sent[0].evidence.envelope(), book=ledger.evidence, received_at=NOW)
        assert offset == 0
        with refused("UPLOAD_UNKNOWN"):
            uploads.append(begun[0], 0, b"x")
        assert uploads.append(begun[1], 0, b"x") == 1
        with refused("INTAKE_BUSY"):
            uploads.begin(greedy[5], book=ledger.evidence, received_at=NOW)
        assert uploads.append(honest, 0, sent[0].init) == len(sent[0].init)
        assert len(list((tmp_path / str(place)).glob("*.part"))) == 4


def test_OD12_what_uploads_may_grow_to_counts_from_their_beginning(
    tmp_path: Path, ledger: Ledger, sent: list[SegmentBody]
) -> None:
    """Many that are begun while they are small may not fill the disk together."""
    most_bytes = max(len(body.media) for body in sent) + MAX_INIT_BYTES
    uploads = Uploads(tmp_path / "uploads", most_bytes=most_bytes)
    uploads.begin(sent[0].evidence.envelope(), book=ledger.evidence, received_at=NOW)
    for opened in (uploads, Uploads(tmp_path / "uploads", most_bytes=most_bytes)):  # also after a restart
        with refused("INTAKE_BUSY"):
            opened.begin(sent[1].evidence.envelope(), book=ledger.evidence, received_at=NOW)
    uploads.give_up(sent[0].evidence.digest.hex())
    assert uploads.begin(sent[1].evidence.envelope(), book=ledger.evidence, received_at=NOW)[1] == 0


@pytest.mark.parametrize("left", [b"", b"{", None], ids=["no bytes", "cut short", "no file"])
def test_an_upload_goes_on_after_a_power_cut_took_its_envelope(
    tmp_path: Path, ledger: Ledger, sent: list[SegmentBody], left: bytes | None
) -> None:
    """Its device would else begin it for ever, be told to go on, and never be known."""
    envelope = sent[0].evidence.envelope()
    name, _ = Uploads(tmp_path).begin(envelope, book=ledger.evidence, received_at=NOW)
    assert Uploads(tmp_path).append(name, 0, b"12345") == 5
    kept = tmp_path / f"{name}.envelope"
    kept.unlink() if left is None else kept.write_bytes(left)
    with refused("UPLOAD_UNKNOWN"):
        Uploads(tmp_path).append(name, 5, b"6")
    assert Uploads(tmp_path).begin(envelope, book=ledger.evidence, received_at=NOW) == (name, 5)
    assert Uploads(tmp_path).append(name, 5, b"6") == 6


def test_no_name_leads_out_of_the_folder(tmp_path: Path, ledger: Ledger, sent: list[SegmentBody]) -> None:
    here, there = Uploads(tmp_path / "here"), Uploads(tmp_path / "there")
    name, _ = there.begin(sent[0].evidence.envelope(), book=ledger.evidence, received_at=NOW)
    here.begin(sent[1].evidence.envelope(), book=ledger.evidence, received_at=NOW)
    with refused("UPLOAD_UNKNOWN"):
        here.append(f"../there/{name}", 0, b"x")
    assert there.append(name, 0, b"x") == 1


def test_a_disk_that_fails_is_told_and_passes(tmp_path: Path, ledger: Ledger, sent: list[SegmentBody]) -> None:
    (tmp_path / "uploads").write_bytes(b"")
    uploads = Uploads(tmp_path / "uploads")
    with refused("MEDIA_UNAVAILABLE"):
        uploads.begin(sent[0].evidence.envelope(), book=ledger.evidence, received_at=NOW)
    (tmp_path / "uploads").unlink()
    assert uploads.begin(sent[0].evidence.envelope(), book=ledger.evidence, received_at=NOW)[1] == 0


def test_two_connections_of_one_device_do_no_harm(ledger: Ledger, sent: list[SegmentBody], tmp_path: Path) -> None:
    uploads, body = Uploads(tmp_path / "uploads"), sent[0]
    whole = body.init + body.media
    name, _ = uploads.begin(body.evidence.envelope(), book=ledger.evidence, received_at=NOW)
    receiver, problems = Receiver(ledger.evidence, ledger.media), list[str]()

    def send() -> None:
        for at in range(0, len(whole), PIECE):
            try:
                uploads.append(name, at, whole[at : at + PIECE])
            except Exception as problem:  # noqa: BLE001 each is looked at below
                problems.append(getattr(problem, "code", repr(problem)))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(problems) == {"UPLOAD_OFFSET"}
    assert uploads.complete(name, receiver=receiver, received_at=NOW).added
    assert OTHER_KEY != KEY
