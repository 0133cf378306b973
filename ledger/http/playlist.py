"""A recording as an HLS media playlist (RFC 8216): its initialisation part and its segments, each by content id.

What happens here: every segment is named with its length and the time at which it was filmed. A jump in the device's
numbers or in time is marked, and a playlist ends only where the device went on to something else and nothing is
missing. What may never happen here: a recording with a hole that is told as complete, or text of a device in a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ledger.evidence.fields import write_time
from ledger.http.addresses import media_path
from ledger.store.evidence_rows import StoredSegment

MEDIA_TYPE = "application/vnd.apple.mpegurl"
_VERSION = 7  # fragmented MP4 with EXT-X-MAP


def write_playlist(segments: Sequence[StoredSegment], *, over: bool) -> bytes:
    """The playlist of one recording's segments, at least one, in order. `over`: the device films another."""
    longest = max(segment.statement.media.duration_ms for segment in segments)
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        f"#EXT-X-TARGETDURATION:{max(1, (longest + 500) // 1000)}",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-START:TIME-OFFSET=0",  # evidence is watched from its beginning, even while it grows
        f'#EXT-X-MAP:URI="{media_path(segments[0].init_cid)}"',
    ]
    follows = [True, *(_follows(before, after) for before, after in pairwise(segments))]
    for segment, is_next in zip(segments, follows, strict=True):
        statement = segment.statement
        lines += [] if is_next else ["#EXT-X-DISCONTINUITY"]
        lines += [] if not segment.trusted_time else [f"#EXT-X-PROGRAM-DATE-TIME:{write_time(statement.recorded_from)}"]
        lines += [f"#EXTINF:{statement.media.duration_ms / 1000:.3f},", media_path(segment.media_cid)]
    if over and all(follows):
        lines.append("#EXT-X-ENDLIST")
    return ("\n".join(lines) + "\n").encode("ascii")


def _follows(before: StoredSegment, after: StoredSegment) -> bool:
    """Whether nothing lies between the two: neither a number nor a moment."""
    return (
        after.statement.sequence == before.statement.sequence + 1
        and after.statement.recorded_from == before.statement.recorded_until
    )
