"""Video and other kept bytes, by content id or as a whole recording, with ranges.

Only what came in as video with evidence is served as video. Whatever it is, nothing here is ever a page: a type that no
browser may guess anew (`nosniff`), a download where somebody opens the address, a sandbox without an origin where a
browser shows it all the same, and no other site may embed it. A player that asks for media is not hindered by any of
that.
"""

from __future__ import annotations

import hashlib
import re

from fastapi import APIRouter, Request, Response

from ledger.errors import Refused
from ledger.evidence import SegmentStatement
from ledger.http.guard import API_POLICY
from ledger.http.playlist import MEDIA_TYPE, write_playlist
from ledger.http.ranges import Held, Joined, range_response
from ledger.http.requests import read_query
from ledger.outline import outline_of
from ledger.store import Ledger
from ledger.store.evidence_rows import StoredSegment, recording_key

_RECORDING = re.compile(r"[0-9a-f]{32}", re.ASCII)
_FOREVER = "public, max-age=31536000, immutable"
_FRESH = "public, no-cache"  # it may still grow, so a copy is asked about again each time
# The same as the guard's for every answer, and said here, since it is these answers that depend on it.
_CAGED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": API_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
}


def media_routes(ledger: Ledger) -> APIRouter:
    """`/media/{cid}`, `/recordings/{id}.mp4` and `/recordings/{id}.m3u8`."""
    router = APIRouter(tags=["media"])

    @router.head("/media/{cid}", include_in_schema=False)
    @router.get("/media/{cid}")
    def media(request: Request, cid: str) -> Response:
        """The bytes of a content id."""
        read_query(request, ())
        content = Joined(ledger.media, ((cid, ledger.media.size(cid)),))
        is_video = ledger.evidence.is_video(cid)
        media_type = "video/mp4" if is_video else "application/octet-stream"
        headers = _headers(f"{cid}.mp4" if is_video else f"{cid}.bin", _FOREVER)
        return range_response(request, content, etag=f'"{cid}"', media_type=media_type, headers=headers)

    @router.get("/media/{cid}/outline")
    def outline(request: Request, cid: str) -> Response:
        """What its chunks can be checked by, one by one: length (8 bytes, big-endian), then each chunk's SHA-256.

        The chunks are 262,144 bytes long, the last one shorter; their digests give the content id.
        """
        read_query(request, ())
        raw = outline_of(ledger.media.chunks(cid)).encode()
        headers = _headers(f"{cid}.outline", _FOREVER)
        return range_response(
            request, Held(raw), etag=f'"{cid}-outline"', media_type="application/octet-stream", headers=headers
        )

    @router.head("/recordings/{recording}.mp4", include_in_schema=False)
    @router.get("/recordings/{recording}.mp4")
    def recording(request: Request, recording: str) -> Response:
        """One recording as a fragmented MP4: its initialisation part and every segment that came in so far."""
        read_query(request, ())
        segments = segments_of(recording)
        cids = (segments[0].init_cid, *(segment.media_cid for segment in segments))
        content = Joined(ledger.media, tuple((cid, ledger.media.size(cid)) for cid in cids))
        headers = _headers(f"{recording}.mp4", _FRESH)
        return range_response(
            request, content, etag=_etag("".join(cids).encode()), media_type="video/mp4", headers=headers
        )

    @router.head("/recordings/{recording}.m3u8", include_in_schema=False)
    @router.get("/recordings/{recording}.m3u8")
    def playlist(request: Request, recording: str) -> Response:
        """The same recording as an HLS media playlist, whose segments are played by their content ids."""
        read_query(request, ())
        segments = segments_of(recording)
        raw = write_playlist(segments, over=is_over(segments[-1]))
        headers = _headers(f"{recording}.m3u8", _FRESH)
        return range_response(request, Held(raw), etag=_etag(raw), media_type=MEDIA_TYPE, headers=headers)

    def is_over(last: StoredSegment) -> bool:
        """Whether the device films something else by now; a reading or a stated loss in between ends nothing."""
        newest = ledger.evidence.last(last.statement.device)
        said = None if newest is None else newest.statement
        return isinstance(said, SegmentStatement) and recording_key(said) != last.recording

    def segments_of(recording: str) -> tuple[StoredSegment, ...]:
        found = ledger.evidence.segments_of_recording(recording) if _RECORDING.fullmatch(recording) else ()
        if not found:
            raise Refused("RECORDING_UNKNOWN", "The ledger holds no such recording.", where=ascii(recording)[:80])
        return found

    return router


def _headers(name: str, caching: str) -> dict[str, str]:
    return {**_CAGED, "Cache-Control": caching, "Content-Disposition": f'attachment; filename="{name}"'}


def _etag(raw: bytes) -> str:
    return f'"{hashlib.sha256(raw).hexdigest()[:32]}"'
