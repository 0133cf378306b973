"""Video and other kept bytes, by content id or as a whole recording, with ranges.

Only what came in as video with evidence is served as video; everything else is a download that no browser runs.
"""

from __future__ import annotations

import hashlib
import re

from fastapi import APIRouter, Request, Response

from ledger.errors import Refused
from ledger.http.ranges import Joined, range_response
from ledger.http.requests import read_query
from ledger.store import Ledger

_RECORDING = re.compile(r"[0-9a-f]{32}", re.ASCII)
_FOREVER = "public, max-age=31536000, immutable"


def media_routes(ledger: Ledger) -> APIRouter:
    """`/media/{cid}` and `/recordings/{id}.mp4`."""
    router = APIRouter(tags=["media"])

    @router.head("/media/{cid}", include_in_schema=False)
    @router.get("/media/{cid}")
    def media(request: Request, cid: str) -> Response:
        """The bytes of a content id."""
        read_query(request, ())
        content = Joined(ledger.media, ((cid, ledger.media.size(cid)),))
        headers = {"Cache-Control": _FOREVER}
        is_video = ledger.evidence.is_video(cid)
        if not is_video:
            headers["Content-Disposition"] = f'attachment; filename="{cid}.bin"'
        media_type = "video/mp4" if is_video else "application/octet-stream"
        return range_response(request, content, etag=f'"{cid}"', media_type=media_type, headers=headers)

    @router.head("/recordings/{recording}.mp4", include_in_schema=False)
    @router.get("/recordings/{recording}.mp4")
    def recording(request: Request, recording: str) -> Response:
        """One recording as a fragmented MP4: its initialisation part and every segment that came in so far."""
        read_query(request, ())
        segments = ledger.evidence.segments_of_recording(recording) if _RECORDING.fullmatch(recording) else ()
        if not segments:
            raise Refused("RECORDING_UNKNOWN", "The ledger holds no such recording.", where=ascii(recording)[:80])
        cids = (segments[0].init_cid, *(segment.media_cid for segment in segments))
        content = Joined(ledger.media, tuple((cid, ledger.media.size(cid)) for cid in cids))
        etag = f'"{hashlib.sha256("".join(cids).encode()).hexdigest()[:32]}"'
        # It may still grow, so a copy is asked about again each time.
        headers = {"Cache-Control": "public, no-cache"}
        return range_response(request, content, etag=etag, media_type="video/mp4", headers=headers)

    return router
