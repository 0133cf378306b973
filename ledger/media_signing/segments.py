"""A camera's segments, signed between cutting and hashing: the agent's recordings carry signatures of their own.

What happens here: the pictures of each segment pass through a `MediaSigner`, so that every group is signed in front of
the next one, and the last group of the segment at the end of its last picture. Each segment then verifies by itself, in
whatever bundle it travels. What may never happen here: a changed picture, or a segment that another one must complete.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ledger.media_signing.packets import PacketSigner
from ledger.media_signing.signer import MediaSigner
from ledger.mp4.fragments import split_init, video_samples
from ledger.mp4.rewrite import with_samples_changed


class SegmentSigner:
    """Signs the segments of one recording, in order. `init`: the recording's. `began_at`: UTC, of its first picture."""

    def __init__(self, signer: MediaSigner, init: bytes, began_at: datetime) -> None:
        """Raises `BadInput` for an init that a receiver would refuse."""
        self._movie, _ = split_init(init)
        self._signer, self._init, self._began_at = signer, init, began_at
        self._packets = PacketSigner(signer, self._movie.avc.nal_length_bytes)
        self._first: int | None = None

    def sign(self, data: bytes) -> bytes:
        """The segment with its records. `BadInput` for data that a receiver would refuse; and what the key raises."""
        left = sum(1 for _ in video_samples(self._init, data))

        def put(sample: bytes, ticks: int) -> bytes:
            nonlocal left
            left -= 1
            signed = self._packets.sign(sample, self._moment(ticks))
            return signed + (self._packets.finish() if left == 0 else b"")

        return with_samples_changed(data, self._movie, put)

    def _moment(self, ticks: int) -> datetime:
        self._first = ticks if self._first is None else self._first
        return self._began_at + timedelta(microseconds=(ticks - self._first) * 10**6 // self._movie.video.ticks)
