"""The camera's own signatures inside its video (ONVIF Media Signing): which key, and where in the agent they are made.

What happens here: a camera's configuration may name a key and the certificate chain that was issued for it; segments
are then signed after they were cut and before they are hashed, so that the evidence is about the very bytes that carry
the signatures. What may never happen here: a picture encoded anew, or a key that others may read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ledger.capture.keys import KeyPlace, open_key, read_secret
from ledger.capture.live import Take
from ledger.capture.segments import CutSegment, Recording
from ledger.config_file import read_file
from ledger.errors import WrongUse
from ledger.evidence import DeviceSigner, SoftwareKey
from ledger.media_signing import Codec, MediaSigner, SegmentSigner
from ledger.media_signing.documents import Vendor

SOFTWARE = "Pledgetrail"


@dataclass(frozen=True, slots=True)
class SigningPlace:
    """Where the key that signs video is, and the file with its certificate and the intermediates (PEM, no root)."""

    key: KeyPlace
    chain: Path


class VideoSigning:
    """Signs the recordings of one device. A recording is a stream of its own: its first record begins anew."""

    def __init__(self, place: SigningPlace, *, device: str, label: str) -> None:
        """Raises what the key's place raises; `BadInput` CERTIFICATES; `WrongUse` MEDIA_SIGNING_KEY."""
        self._key = open_p256(place.key)
        self._chain, self._vendor = read_file(place.chain), Vendor(SOFTWARE, device, label)
        self._signer()

    def recording(self, recording: Recording, began_at: datetime) -> Recording:
        """The recording with its segments signed. A key in a file gives the same bytes each time."""
        return replace(recording, segments=self._segments(recording.init, began_at, recording.segments))

    @contextmanager
    def take(self, opened: AbstractContextManager[Take]) -> Iterator[Take]:
        """One opening of a live source with its segments signed."""
        with opened as take:
            segments = self._segments(take.picture.init, take.began_at, take.segments)
            yield replace(take, segments=segments)

    def _segments(self, init: bytes, began_at: datetime, segments: Iterator[CutSegment]) -> Iterator[CutSegment]:
        signer = SegmentSigner(self._signer(), init, began_at)
        return (replace(segment, data=signer.sign(segment.data)) for segment in segments)

    def _signer(self) -> MediaSigner:
        return MediaSigner(Codec.H264, self._key, self._chain, vendor=self._vendor)


def open_p256(place: KeyPlace) -> DeviceSigner:
    """The key of a place; a file may also hold PEM, which is what certificates are asked for with.

    Raises as `open_key`; `WrongUse` P256_KEY for a PEM file with another key.
    """
    if place.file is None:
        return open_key(place)
    raw = read_secret(place.file)
    return p256_from_pem(raw, place.file) if raw.lstrip().startswith(b"-----") else open_key(place)


def p256_from_pem(raw: bytes, where: Path) -> SoftwareKey:
    """The P-256 key in PKCS#8 PEM. `WrongUse` P256_KEY for anything else."""
    try:
        loaded = serialization.load_pem_private_key(raw, None)
    except (ValueError, TypeError) as error:
        raise _no_key(where) from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(loaded.curve, ec.SECP256R1):
        raise _no_key(where)
    return SoftwareKey(loaded.private_numbers().private_value.to_bytes(32, "big"), "P-256")


def _no_key(where: Path) -> WrongUse:
    return WrongUse(
        "P256_KEY",
        "This file holds no P-256 key (PKCS#8, PEM, without a password).",
        where=str(where),
        cure="Make one: openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt",
    )
