"""What the API answers to whoever reads: log, proofs, media with ranges, units, pledges."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.checkpoint import open_cosigned
from ledger.http.addresses import page_path
from ledger.intake.media import MediaStore
from ledger.log_proof import read_log_proof
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.store import Ledger
from ledger.tiles import Tile, TileTree
from tests.ledger.chain_tale import named
from tests.ledger.tea import COSIGNERS, TEA, UNITS, cosign_log, open_ledger


def _video(story: Ledger) -> tuple[str, bytes]:
    segment = story.evidence.segments_of_lots([TEA.normal])[0]
    return segment.media_cid, story.media.get(segment.media_cid)


def _recording(story: Ledger) -> tuple[str, bytes]:
    segments = story.evidence.segments_of_lots([TEA.normal])
    own = [segment for segment in segments if segment.recording == segments[0].recording]
    whole = b"".join(story.media.get(cid) for cid in (own[0].init_cid, *(segment.media_cid for segment in own)))
    return f"/recordings/{own[0].recording}.mp4", whole


def test_the_checkpoint_is_the_notaries_own(client: TestClient, story: Ledger) -> None:
    note = client.get("/api/v1/log/checkpoint").content
    cosigned = open_cosigned(note, log_key=story.log.key, cosigners=COSIGNERS.keys, quorum=COSIGNERS.quorum)
    assert cosigned.checkpoint.size == story.log.size


def test_a_proof_verifies_with_nothing_but_itself(client: TestClient, story: Ledger) -> None:
    found = client.get("/api/v1/log/entries/3/proof").json()
    cosigned = open_cosigned(
        found["checkpoint"].encode(), log_key=story.log.key, cosigners=COSIGNERS.keys, quorum=COSIGNERS.quorum
    )
    verify_inclusion(
        leaf=leaf_hash(bytes.fromhex(found["entry"])),
        index=found["index"],
        size=cosigned.checkpoint.size,
        proof=[bytes.fromhex(node) for node in found["path"]],
        root=cosigned.checkpoint.root,
    )
    as_file = read_log_proof(client.get("/api/v1/log/entries/3/proof?format=tlog-proof").content)
    assert (as_file.index, as_file.entry.hex()) == (3, found["entry"])


def test_a_proof_never_holds_a_salt(client: TestClient, story: Ledger) -> None:
    assert story.log.entry(3).salt.hex() not in client.get("/api/v1/log/entries/3/proof").text


@pytest.mark.parametrize(
    ("index", "status", "code"),
    [
        ("9999", 404, "ENTRY_UNKNOWN"),
        ("-1", 400, "QUERY_VALUE"),
        ("9" * 30, 400, "QUERY_VALUE"),
        ("\u0661", 400, "QUERY_VALUE"),
    ],
)
def test_refuses_a_proof_of_what_is_no_entry(client: TestClient, index: str, status: int, code: str) -> None:
    answer = client.get(f"/api/v1/log/entries/{index}/proof")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_media_is_what_its_name_says_and_kept_for_ever(client: TestClient, story: Ledger) -> None:
    cid, data = _video(story)
    answer = client.get(f"/media/{cid}")
    assert answer.content == data
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(f"/media/{cid}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_ov11_bytes_without_evidence_are_a_download_and_never_a_page(client: TestClient, story: Ledger) -> None:
    cid = _put(story.media, b"<html><script>alert(1)</script>")
    answer = client.get(f"/media/{cid}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-7", -7, None),
        ("bytes=5-99999999", 5, None),
        ("bytes=-99999999", 0, None),
    ],
)
def test_a_range_is_answered_with_exactly_its_bytes(
    client: TestClient, story: Ledger, asked: str, start: int, end: int | None
) -> None:
    for path, data in (_recording(story), (f"/media/{_video(story)[0]}", _video(story)[1])):
        answer = client.get(path, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, data[start:end])
        first = start % len(data)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(data)}"


def test_every_split_of_a_recording_joins_to_the_whole(client: TestClient, story: Ledger) -> None:
    path, data = _recording(story)
    step = len(data) // 7
    parts = [
        client.get(path, headers={"Range": f"bytes={at}-{at + step - 1}"}).content for at in range(0, len(data), step)
    ]
    assert hashlib.sha256(b"".join(parts)).digest() == hashlib.sha256(data).digest()
    assert client.get(path).content == data


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0", "bytes=99999999-999999999"])
def test_refuses_a_range_outside(client: TestClient, story: Ledger, asked: str) -> None:
    path, data = _recording(story)
    answer = client.get(path, headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(data)}")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=9-1", "bytes=", "bytes=a-b", "bytes=-", "junk"])
def test_what_is_no_single_range_is_answered_whole(client: TestClient, story: Ledger, asked: str) -> None:
    path, data = _recording(story)
    answer = client.get(path, headers={"Range": asked})
    assert (answer.status_code, len(answer.content)) == (200, len(data))


def test_a_range_of_another_version_is_answered_whole(client: TestClient, story: Ledger) -> None:
    path, data = _recording(story)
    answer = client.get(path, headers={"Range": "bytes=0-1", "If-Range": '"another"'})
    assert (answer.status_code, len(answer.content)) == (200, len(data))


def test_head_says_the_length_and_sends_nothing(client: TestClient, story: Ledger) -> None:
    path, data = _recording(story)
    answer = client.head(path)
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, str(len(data)), b"")


@pytest.mark.parametrize(
    "name",
    ["..%2f..%2fetc%2fpasswd", "%252e%252e", "bafy", "CON", "bafkrei" + "a" * 52 + "%00", "a" * 4096],
)
def test_os06_refuses_a_name_that_is_no_content_id(client: TestClient, name: str) -> None:
    answer = client.get(f"/media/{name}")
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.get(f"/recordings/{name}.mp4").status_code == 404


def test_refuses_media_that_is_not_held(client: TestClient) -> None:
    answer = client.get("/media/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku")
    assert (answer.status_code, answer.json()["code"]) == (404, "MEDIA_UNKNOWN")


def test_a_unit_is_told_with_its_standing(client: TestClient) -> None:
    told = client.get(f"/api/v1/units{page_path(UNITS[0])}").json()
    assert [step["step"] for step in told["steps"] if step["kind"] == "filmed"] == [
        "picking",
        "pan-firing",
        "processing",
        "packing",
    ]
    assert {step["standing"]["stage"] for step in told["steps"]} == {"mirrored"}
    assert told["steps"][0]["standing"]["mirror"]["chain"] == "eip155:7102"


def test_oq05_a_unit_is_told_without_lender_amount_or_receipt(client: TestClient) -> None:
    text = client.get(f"/api/v1/units{page_path(UNITS[0])}").text
    for secret in ("Lender", "180000", "LN-A", "WR-2026", named("LN-A-0091").hex()):
        assert secret not in text


def test_a_units_bundle_is_written_by_whoever_composes(client: TestClient, story: Ledger) -> None:
    answer = client.get(f"/api/v1/units{page_path(UNITS[0])}/bundle")
    assert answer.content == f"bundle of {UNITS[0].normal}".encode()
    assert answer.headers["content-disposition"].startswith("attachment")
    written, story.bundle_of = story.bundle_of, None
    try:
        refusal = client.get(f"/api/v1/units{page_path(UNITS[0])}/bundle")
    finally:
        story.bundle_of = written
    assert (refusal.status_code, refusal.json()["code"]) == (503, "BUNDLE_NOT_READY")


def test_a_lot_that_is_called_bundle_is_still_a_lot(client: TestClient) -> None:
    answer = client.get("/api/v1/units/01/09520000001018/10/bundle")
    assert (answer.status_code, answer.json()["code"]) == (404, "UNIT_UNKNOWN")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("01/09520000001019/21/1", "GS1_CHECK_DIGIT"),
        ("01/09520000001018/21/", "GS1_SYNTAX"),
        ("id/javascript:alert(1)", "UNIT_UNKNOWN"),
        ("id/%ff", "GS1_SYNTAX"),
        ("id/", "GS1_SYNTAX"),
        ("", "GS1_SYNTAX"),
        ("01/" + "9" * 5000, "GS1_LENGTH"),
    ],
)
def test_refuses_what_names_no_unit(client: TestClient, path: str, code: str) -> None:
    answer = client.get(f"/api/v1/units/{path}")
    assert answer.json()["code"] == code
    assert answer.status_code in (404, 422)


def test_pledges_are_told_by_state_and_by_id(client: TestClient) -> None:
    listed = client.get("/api/v1/pledges").json()["pledges"]
    assert [pledge["state"] for pledge in listed] == ["active", "refused", "opening"]
    (refused_one,) = client.get("/api/v1/pledges?state=refused").json()["pledges"]
    assert refused_one["refusal"] == "goods already reserved"
    assert client.get(f"/api/v1/pledges/{refused_one['loanId']}").json() == refused_one
    assert refused_one["document"]["amount"] == "165000.50"


@pytest.mark.parametrize("loan_id", ["0x00", "0x" + "00" * 32, "0X" + "00" * 32, "x", "%00"])
def test_refuses_a_pledge_that_is_not_known(client: TestClient, loan_id: str) -> None:
    answer = client.get(f"/api/v1/pledges/{loan_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "PLEDGE_UNKNOWN")


def test_health_says_how_far_everything_is(client: TestClient, story: Ledger) -> None:
    told = client.get("/healthz").json()
    assert (told["status"], told["entries"]) == ("ok", story.log.size)
    assert set(told["blocks"]) == {"eip155:7101", "eip155:7102", "eip155:7103"}


def _put(media: MediaStore, data: bytes) -> str:
    return media.put(data)


def test_the_log_is_read_and_proven_from_its_tiles_alone(client: TestClient, story: Ledger) -> None:
    note = client.get("/api/v1/log/checkpoint").content
    opened = open_cosigned(note, log_key=story.log.key, cosigners=COSIGNERS.keys, quorum=COSIGNERS.quorum)

    def fetch(tile: Tile) -> bytes:
        answer = client.get(f"/api/v1/log/{tile.path()}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        return bytes(answer.content)

    tree = TileTree(opened.checkpoint, fetch)
    proof = tree.inclusion_proof(3)
    assert [node.hex() for node in proof] == client.get("/api/v1/log/entries/3/proof").json()["path"]
    assert tree.entries(0) == [story.log.entry(index).digest for index in range(len(tree))]


def test_other_sites_may_read_the_log_and_nothing_else(client: TestClient, story: Ledger) -> None:
    """A monitor may be a page of another site; media, records, trace and pages are for our own."""
    elsewhere = {"Origin": "https://monitor.example"}
    partial = Tile(0, 0, story.log.size).path()
    for path in ("checkpoint", partial, "entries/3/proof", "entries/3/proof?format=tlog-proof"):
        answer = client.get(f"/api/v1/log/{path}", headers=elsewhere)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "access-control-allow-credentials" not in answer.headers
    for path in (
        f"/media/{_video(story)[0]}",
        _recording(story)[0],
        page_path(UNITS[0]),
        f"/api/v1/units/{UNITS[0].normal.removeprefix('https://id.gs1.org/')}",
        "/api/v1/log/publishing/state",
    ):
        answer = client.get(path, headers=elsewhere)
        assert not [name for name in answer.headers if name.startswith("access-control")], path
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/000.p/255", "tile/1/000.p/1", "tile/entries/001.p/1"])
def test_refuses_a_tile_that_no_published_checkpoint_has(client: TestClient, story: Ledger, path: str) -> None:
    answer = client.get(f"/api/v1/log/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "TILE_UNKNOWN")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["tile/0/0", "tile/0/000.p/0", "tile/x/000", "tile/0/..%2f000", "tile/64/000"])
def test_refuses_what_is_no_tiles_path(client: TestClient, path: str) -> None:
    answer = client.get(f"/api/v1/log/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "TILE_PATH")


def test_a_tile_that_is_not_cosigned_yet_is_not_shown(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger")
    served = TestClient(create_app(ledger))
    ledger.statements.enter("pledgetrail/test/v1/json", b"first")
    assert served.get("/api/v1/log/tile/entries/000.p/1").status_code == 404
    cosign_log(ledger)
    ledger.statements.enter("pledgetrail/test/v1/json", b"second")
    assert served.get("/api/v1/log/tile/entries/000.p/1").status_code == 200
    assert served.get("/api/v1/log/tile/entries/000.p/2").status_code == 404
    assert served.head("/api/v1/log/tile/0/000.p/1").headers["content-length"] == "32"
    ledger.close()


def test_records_are_refused_where_nothing_was_published_to_check_them_by(client: TestClient) -> None:
    answer = client.get(f"/api/v1/units{page_path(UNITS[0])}/records")
    assert (answer.status_code, answer.json()["code"]) == (503, "TRUST_ROOT_UNPUBLISHED")
