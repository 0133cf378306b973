"""How video is served: as HLS and in ranges, by content, and never as a page of whatever else the bytes also are."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.cid import cid_of
from ledger.evidence import read_segment, sign_statement
from ledger.http.playlist import write_playlist
from ledger.intake.receive import receive_segment
from ledger.mp4.fragments import group_digests, segment_facts
from ledger.segment_body import SegmentBody, read_segment_body, write_segment_body
from ledger.store import Ledger
from ledger.store.evidence_rows import StoredSegment
from tests.ledger.capture.estate import KEY, NOW, bodies, device
from tests.ledger.capture.films import box, packets
from tests.ledger.intake.test_receive import stating

CBOR = {"Content-Type": "application/cbor"}
SCRIPT = b"<html><script>alert(document.domain)</script></html>"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return bodies(tmp_path_factory.mktemp("camera"))


@pytest.fixture
def ledger(tmp_path: Path, sent: list[bytes]) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger", origin="ledger.example/log", clock=lambda: NOW)
    opened.evidence.enrol(device())
    yield opened
    opened.close()


@pytest.fixture
def client(ledger: Ledger) -> Iterator[TestClient]:
    with TestClient(create_app(ledger), base_url="http://127.0.0.1") as made:
        yield made


def take(ledger: Ledger, *raws: bytes) -> tuple[StoredSegment, ...]:
    for raw in raws:
        receive_segment(raw, book=ledger.evidence, media=ledger.media, received_at=NOW)
    first = ledger.evidence.segments_of_lots(["lot-1"])[0]
    return ledger.evidence.segments_of_recording(first.recording)


def lines(client: TestClient, segment: StoredSegment) -> list[str]:
    answer = client.get(f"/recordings/{segment.recording}.m3u8")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/vnd.apple.mpegurl")
    return str(answer.text).splitlines()


class TestPlaylist:
    def test_it_plays_every_picture_from_the_init_and_the_segments_it_names(
        self, client: TestClient, ledger: Ledger, sent: list[bytes]
    ) -> None:
        held = take(ledger, *sent)
        told = lines(client, held[0])
        init = next(line for line in told if line.startswith("#EXT-X-MAP")).split('"')[1]
        parts = [client.get(path) for path in (init, *(line for line in told if not line.startswith("#")))]
        assert [part.status_code for part in parts] == [200] * 4
        played = b"".join(part.content for part in parts)
        assert played == client.get(f"/recordings/{held[0].recording}.mp4").content
        assert len(packets(played, "video")) == 90
        assert [line for line in told if line.startswith("#EXTINF")] == ["#EXTINF:2.000,"] * 3
        assert "#EXT-X-TARGETDURATION:2" in told and "#EXT-X-DISCONTINUITY" not in told

    def test_ov12_it_does_not_end_while_more_may_come(
        self, client: TestClient, ledger: Ledger, sent: list[bytes]
    ) -> None:
        held = take(ledger, *sent[:2])
        etag = client.get(f"/recordings/{held[0].recording}.m3u8").headers["etag"]
        assert "#EXT-X-ENDLIST" not in lines(client, held[0])
        take(ledger, sent[2])
        told = lines(client, held[0])
        assert "#EXT-X-ENDLIST" not in told and sum(line.startswith("/media/") for line in told) == 3
        again = client.get(f"/recordings/{held[0].recording}.m3u8", headers={"If-None-Match": etag})
        assert again.status_code == 200

    def test_it_ends_once_the_device_went_on_to_something_else(
        self, client: TestClient, ledger: Ledger, sent: list[bytes]
    ) -> None:
        held = take(ledger, *sent[:2])
        body = read_segment_body(sent[2])
        take(ledger, stating(sent[2], _other_init(body.init), body.media))
        assert lines(client, held[0])[-1] == "#EXT-X-ENDLIST"

    def test_ov12_a_recording_with_a_hole_is_never_told_as_complete(self, ledger: Ledger, sent: list[bytes]) -> None:
        first, second, third = take(ledger, *sent)
        whole = write_playlist((first, second, third), over=True)
        assert whole.endswith(b"#EXT-X-ENDLIST\n") and b"DISCONTINUITY" not in whole
        late = replace(second, statement=replace(second.statement, recorded_from=NOW + timedelta(seconds=9)))
        for holed in ((first, third), (first, late)):
            told = write_playlist(holed, over=True)
            assert b"#EXT-X-ENDLIST" not in told
            assert told.count(b"#EXT-X-DISCONTINUITY\n") == 1

    def test_a_time_that_is_not_trusted_is_not_told(self, ledger: Ledger, sent: list[bytes]) -> None:
        (first,) = take(ledger, sent[0])
        assert b"#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:00.000Z\n" in write_playlist((first,), over=False)
        assert b"DATE-TIME" not in write_playlist((replace(first, trusted_time=False),), over=False)

    @pytest.mark.parametrize("name", ["0" * 32, "..", "a" * 31, "A" * 32, "%0a#EXT-X-ENDLIST"])
    def test_refuses_a_recording_that_is_not_held(self, client: TestClient, name: str) -> None:
        answer = client.get(f"/recordings/{name}.m3u8")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def _other_init(init: bytes) -> bytes:
    """The same description under another brand: another recording."""
    return init.replace(b"iso5", b"iso6", 1)


def _archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("autorun.html", SCRIPT)
    return out.getvalue()


POLYGLOTS = {"OV11 HTML": SCRIPT, "OV11 SVG": SVG, "OV11 ZIP": _archive()}


class TestPolyglots:
    @pytest.mark.parametrize("hidden", POLYGLOTS.values(), ids=POLYGLOTS.keys())
    def test_ov11_video_that_is_also_something_else_is_video_and_a_download(
        self, client: TestClient, ledger: Ledger, sent: list[bytes], hidden: bytes
    ) -> None:
        body = read_segment_body(sent[0])
        media = body.media + _fragment_with(hidden, body.media)
        assert hidden in media and group_digests(media)
        assert segment_facts(body.init, media)
        held = take(ledger, _of_its_length(stating(sent[0], body.init, media)))[0]
        for path in (f"/media/{held.media_cid}", f"/media/{held.init_cid}", f"/recordings/{held.recording}.mp4"):
            answer = client.get(path)
            assert answer.status_code == 200 and answer.headers["content-type"] == "video/mp4"
            _cannot_run(answer.headers)
        part = client.get(f"/media/{held.media_cid}", headers={"Range": f"bytes={media.index(hidden)}-"})
        assert part.status_code == 206 and part.content.startswith(hidden)
        assert part.headers["content-type"] == "video/mp4"
        _cannot_run(part.headers)

    @pytest.mark.parametrize("data", POLYGLOTS.values(), ids=POLYGLOTS.keys())
    def test_ov11_bytes_without_evidence_have_no_type_at_all(
        self, client: TestClient, ledger: Ledger, data: bytes
    ) -> None:
        answer = client.get(f"/media/{ledger.media.put(data)}")
        assert answer.headers["content-type"] == "application/octet-stream"
        _cannot_run(answer.headers)

    @pytest.mark.parametrize("declared", ["text/html", "video/mp4", "image/svg+xml", "application/zip", ""])
    def test_ov11_a_type_that_the_sender_declares_decides_nothing(
        self, client: TestClient, ledger: Ledger, sent: list[bytes], declared: str
    ) -> None:
        answer = client.post("/api/v1/evidence/segments", content=sent[0], headers={"Content-Type": declared})
        assert (answer.status_code, answer.json()["code"]) == (415, "BODY_TYPE")
        assert client.post("/api/v1/evidence/segments", content=sent[0], headers=CBOR).status_code == 201
        cid = cid_of(read_segment_body(sent[0]).media)
        assert client.get(f"/media/{cid}", headers={"Accept": declared}).headers["content-type"] == "video/mp4"

    def test_ov11_a_playlist_is_caged_like_what_it_names(
        self, client: TestClient, ledger: Ledger, sent: list[bytes]
    ) -> None:
        held = take(ledger, sent[0])[0]
        _cannot_run(client.get(f"/recordings/{held.recording}.m3u8").headers)


def _cannot_run(headers: object) -> None:
    told = dict(headers)  # type: ignore[call-overload]
    assert told["x-content-type-options"] == "nosniff"
    assert told["content-disposition"].startswith("attachment; filename=")
    assert told["cross-origin-resource-policy"] == "same-origin"
    policy = {part.strip() for part in told["content-security-policy"].split(";")}
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'none'"} <= policy


def _fragment_with(hidden: bytes, media: bytes) -> bytes:
    """The first fragment once more, with `hidden` behind its pictures, where no table points."""
    end = media.index(b"moof", media.index(b"mdat")) - 4 if media.count(b"moof") > 1 else len(media)
    moof, mdat = media[: media.index(b"mdat") - 4], media[media.index(b"mdat") + 4 : end]
    return moof + box(b"mdat", mdat, hidden)


def _of_its_length(raw: bytes) -> bytes:
    """The body, stating the duration that its video has."""
    body = read_segment_body(raw)
    statement = read_segment(body.evidence.statement_bytes)
    media = replace(statement.media, duration_ms=segment_facts(body.init, body.media).duration_ms)
    signed = sign_statement(replace(statement, media=media), KEY)
    return write_segment_body(SegmentBody(signed, body.init, body.media))


class TestAnswers:
    def test_a_range_counts_in_a_get_alone(self, client: TestClient, ledger: Ledger, sent: list[bytes]) -> None:
        held = take(ledger, sent[0])[0]
        asked = {"Range": "bytes=0-9"}
        assert client.get(f"/media/{held.media_cid}", headers=asked).status_code == 206
        head = client.head(f"/media/{held.media_cid}", headers=asked)
        assert (head.status_code, head.headers["content-length"]) == (200, str(ledger.media.size(held.media_cid)))

    def test_a_range_outside_is_kept_by_nobody(self, client: TestClient, ledger: Ledger, sent: list[bytes]) -> None:
        held = take(ledger, sent[0])[0]
        answer = client.get(f"/media/{held.media_cid}", headers={"Range": "bytes=99999999-"})
        assert (answer.status_code, answer.headers["cache-control"]) == (416, "no-store")
        assert "immutable" in client.get(f"/media/{held.media_cid}").headers["cache-control"]

    def test_os08_a_changed_object_is_told_as_such_before_a_byte_of_it_goes_out(
        self, client: TestClient, ledger: Ledger, sent: list[bytes], tmp_path: Path
    ) -> None:
        held = take(ledger, sent[0])[0]
        (path,) = (tmp_path / "ledger").rglob(held.media_cid)
        honest = path.read_bytes()
        path.write_bytes(honest[:-1] + bytes([honest[-1] ^ 1]))
        for asked in ({}, {"Range": "bytes=0-9"}):
            answer = client.get(f"/media/{held.media_cid}", headers=asked)
            assert (answer.status_code, answer.json()["code"]) == (409, "MEDIA_CORRUPT")
            assert answer.headers["cache-control"] == "no-store"
        path.write_bytes(honest)
        assert client.get(f"/media/{held.media_cid}").content == honest
