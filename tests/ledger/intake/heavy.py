"""Run by `test_memory`: takes in segments of 64 MiB, hands them out again, and prints the most memory it ever had."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from ledger.api.app import create_app
from ledger.cid import cid_of
from ledger.evidence import SegmentStatement, read_segment, sign_statement
from ledger.http.ranges import Joined
from ledger.intake.media import FolderStore
from ledger.intake.receive import Receiver
from ledger.intake.remote_media import RemoteStore
from ledger.intake.signed_video import SignedVideo
from ledger.intake.uploads import Uploads
from ledger.mp4.boxes import walk
from ledger.mp4.fragments import MAX_SEGMENT_BYTES, group_digests
from ledger.outline import ClaimedOutline, Outline
from ledger.segment_body import SegmentBody, read_segment_body, write_segment_body
from ledger.serve import serve
from ledger.store import Ledger
from tests.benchmarks.peak import peak_mebibytes
from tests.ledger.capture.estate import KEY, NOW, device

PIECE = 4 * 1024**2


def heavy(raw: bytes) -> bytes:
    """The body's segment, its last box grown by bytes that no sample uses, to the most that a segment may have."""
    body = read_segment_body(raw)
    last = list(walk(body.media))[-1]
    more = MAX_SEGMENT_BYTES - len(body.media)
    size = (last.end - last.start + more).to_bytes(4, "big")
    media = body.media[: last.start] + size + body.media[last.start + 4 :] + bytes(range(256)) * (more // 256)
    media += bytes(MAX_SEGMENT_BYTES - len(media))
    said = read_segment(body.evidence.statement_bytes)
    named = replace(
        said.media, size=len(media), sha256=sha256(media).digest(), cid=cid_of(media), groups=group_digests(media)
    )
    assert isinstance(said, SegmentStatement)
    return write_segment_body(SegmentBody(sign_statement(replace(said, media=named), KEY), body.init, media))


class Behind:
    """A remote store that lies in a folder and is read as one over a network is."""

    def __init__(self, folder: Path) -> None:
        self._folder = FolderStore(folder)

    def put(self, data: bytes | memoryview, outline: Outline) -> None:
        self._folder.put(data, outline=outline)

    def outline(self, cid: str) -> ClaimedOutline | None:
        return None

    def read(self, cid: str, start: int, length: int) -> bytes | None:
        return b"".join(self._folder.chunks(cid, start, length))

    def has(self, cid: str) -> bool:
        return self._folder.has(cid)

    def remove(self, cid: str) -> None:
        self._folder.remove(cid)

    def names(self) -> Iterator[str]:
        return iter(())

    def unfinished(self) -> Iterator[str]:
        return iter(())

    def tidy(self) -> int:
        return 0


def main(home: Path, way: str) -> None:
    ledger = Ledger.open(home / "ledger", origin="ledger.example/log", clock=lambda: NOW)
    ledger.evidence.enrol(device())
    media = RemoteStore(Behind(home / "behind"), home / "copies") if way == "another store" else ledger.media
    video = SignedVideo(ledger.signed_video, media, ledger.signers, ledger.evidence.record)
    receiver = Receiver(ledger.evidence, media, examine=video.take)
    before = peak_mebibytes()
    path = home / "body"
    if way == "served":
        server = serve(create_app(ledger), port=0)
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
        return
    if way == "at once":
        taken = receiver.segment(path.read_bytes(), received_at=NOW + timedelta(hours=1))
    else:
        uploads = Uploads(home / "uploads")
        envelope = (home / "envelope").read_bytes()
        name, at = uploads.begin(envelope, book=ledger.evidence, received_at=NOW)
        with (home / "pieces").open("rb") as pieces:
            while piece := pieces.read(PIECE):
                at = uploads.append(name, at or 0, piece)
        taken = uploads.complete(name, receiver=receiver, received_at=NOW + timedelta(hours=1))
    cid = taken.evidence.segment.media.cid
    served = sum(map(len, Joined(media, ((cid, media.size(cid)),)).chunks(0, MAX_SEGMENT_BYTES)))
    ledger.close()
    sys.stdout.write(json.dumps({"before": before, "peak": peak_mebibytes(), "served": served}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
