"""The signer between an encoder and a muxer: one coded picture in, the same one with its records out.

What happens here: a packet as MP4, RTP or a byte stream frames it becomes NAL units, is signed and framed again.
What may never happen here: a changed picture; only records are put in.
"""

from __future__ import annotations

from datetime import datetime

from ledger.media_signing.elementary import Codec, annex_b_units, length_prefixed_units
from ledger.media_signing.signer import MediaSigner


def prefix_bytes(codec: Codec, extradata: bytes) -> int | None:
    """How many bytes a length has in packets with this decoder configuration; None for a byte stream (ISO 14496-15)."""
    at = 4 if codec is Codec.H264 else 21
    return (extradata[at] & 3) + 1 if extradata[:1] == b"\x01" and len(extradata) > at else None


def packet_units(packet: bytes, length_bytes: int | None) -> list[bytes]:
    """The NAL units of one packet. Raises `BadInput` VIDEO_DAMAGED, VIDEO_NOT_VIDEO."""
    return annex_b_units(packet) if length_bytes is None else length_prefixed_units([packet], length_bytes)


class PacketSigner:
    """Signs packets. `length_bytes`: as `prefix_bytes` says. Hold each packet back until the next one is there: the
    last one takes what `finish` returns at its end, so that a recording is covered to its last picture.
    """

    def __init__(self, signer: MediaSigner, length_bytes: int | None) -> None:
        self._signer, self._length_bytes = signer, length_bytes

    def sign(self, packet: bytes, at: datetime) -> bytes:
        """The packet with the records that are ready. `at`: when the picture was taken, UTC."""
        return self._framed(self._signer.sign(packet_units(packet, self._length_bytes), at))

    def finish(self) -> bytes:
        """What to append to the last packet."""
        return self._framed(self._signer.finish())

    def _framed(self, units: list[bytes]) -> bytes:
        if self._length_bytes is None:
            return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)
        return b"".join(len(unit).to_bytes(self._length_bytes, "big") + unit for unit in units)
