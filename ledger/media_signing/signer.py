"""The signing side: records are put into a stream that an encoder made; no picture is touched.

What happens here: each access unit passes through `MediaSigner.sign`. The first picture of a group closes the group
before it: its record is signed and stands in front of that picture. A long group is signed in parts.
What may never happen here: re-encoding, a private key in this object (the key may be in a token), a record
that covers what has not passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ledger.errors import WrongUse
from ledger.evidence.keys import DeviceSigner
from ledger.media_signing.chain import SignerChain
from ledger.media_signing.documents import (
    SPECIFICATION,
    General,
    Vendor,
    write_chain,
    write_crypto,
    write_general,
    write_hashes,
    write_signature,
    write_vendor,
)
from ledger.media_signing.elementary import Codec, UnitKind, stripped, unit_type
from ledger.media_signing.records import finish_record, write_record

MAX_PICTURES = 250
"""Pictures in one record; ten seconds at 25 a second. The specification advises to sign at least each five seconds."""
_MAX_LISTED = 2000
_RESERVED = 72
"""The longest ECDSA P-256 signature in DER, bytes."""


@dataclass(frozen=True, slots=True)
class SigningPlan:
    """How often to sign. `groups`: each how many groups a record gets a signature. `pictures`: most in one record.

    `list_digests`: without the list a record is small, and a change can be told but not located.
    """

    groups: int = 1
    pictures: int = MAX_PICTURES
    list_digests: bool = True


class MediaSigner:
    """Signs one stream. `chain`: PEM, leaf first, without the root. Times are UTC."""

    def __init__(
        self, codec: Codec, key: DeviceSigner, chain: bytes, *, vendor: Vendor, plan: SigningPlan | None = None
    ) -> None:
        """Raises `BadInput` CERTIFICATES; `WrongUse` MEDIA_SIGNING_KEY when the chain's leaf has another key."""
        self._codec, self._key, self._chain, self._vendor = codec, key, chain, vendor
        self._plan = plan or SigningPlan()
        probe = b"pledgetrail/media-signing/probe"
        if key.algorithm != "P-256" or not SignerChain(chain).verifies(
            self._signature(probe), probe, algorithm="sha256", oid=b""
        ):
            raise _bad_key()
        self._digests: list[bytes] = []
        self._anchor = b""
        self._link = bytes(32)
        self._number, self._pictures, self._unsigned = 0, 0, 0
        self._waiting: list[tuple[bytes, bytes]] = []
        self._began: datetime | None = None
        self._latest: datetime | None = None

    def sign(self, access_unit: Sequence[bytes], at: datetime) -> list[bytes]:
        """The same NAL units, in order, with the records that are ready in front of the first slice.

        `at`: when the picture was taken. Units before the first group that begins are passed on unsigned.
        """
        types = [unit_type(unit, self._codec) for unit in access_unit]
        first = next((index for index, kind in enumerate(types) if kind.kind is UnitKind.SLICE), None)
        if first is None:
            return list(access_unit)
        begins = types[first].begins_group
        ready = self._take_waiting()
        if begins or (self._digests and self._pictures >= self._plan.pictures):
            if self._digests:
                ready += self._close(at, partial=not begins)
            self._began = at
        for unit, kind in zip(access_unit, types, strict=True):
            if kind.kind is UnitKind.SLICE:
                self._add(sha256(stripped(unit)).digest(), begins=kind.begins_group)
        self._pictures += bool(self._digests)
        self._latest = at
        return [*access_unit[:first], *ready, *access_unit[first:]]

    def finish(self) -> list[bytes]:
        """The records of what is not covered yet, to stand after the last picture. Signing may go on afterwards."""
        ready = self._take_waiting()
        if self._digests and self._latest is not None:
            ready += self._close(self._latest, partial=False, last=True)
        return ready

    def _signature(self, document: bytes) -> bytes:
        raw = self._key.sign(document)
        return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))

    def _add(self, own: bytes, *, begins: bool) -> None:
        if begins:
            self._anchor = own
            self._digests.append(own)
        elif self._anchor:
            self._digests.append(sha256(self._anchor + own).digest())

    def _take_waiting(self) -> list[bytes]:
        """Records without signature: they are themselves covered by the record of the group they stand in."""
        ready, self._waiting = self._waiting, []
        for _, plain in ready:
            self._digests.append(sha256(plain).digest())
        return [unit for unit, _ in ready]

    def _close(self, at: datetime, *, partial: bool, last: bool = False) -> list[bytes]:
        self._number += 1
        self._unsigned += not partial
        with_signature = partial or last or self._unsigned >= self._plan.groups
        digest = sha256(b"".join(self._digests)).digest()
        general = General(
            SPECIFICATION, partial, self._began, at, self._number % 2**32, len(self._digests), digest, self._link
        )
        listed = self._plan.list_digests and len(self._digests) <= _MAX_LISTED
        body = write_crypto() + write_vendor(self._vendor) + write_chain(self._chain) + write_general(general)
        body += write_hashes(tuple(self._digests)) if listed else b""
        self._link, self._digests, self._pictures, self._began = self._digests[0], [], 0, at
        if not with_signature:
            plain = write_record(self._codec, body)
            self._waiting.append((finish_record(plain, b""), plain + b"\x80"))
            return []
        self._unsigned = 0 if not partial else self._unsigned
        place = len(write_signature(b"\x01", _RESERVED))
        plain = write_record(self._codec, body, reserved=place)
        signature = self._signature(plain)
        return [finish_record(plain, write_signature(signature, _RESERVED))]


def _bad_key() -> WrongUse:
    return WrongUse(
        "MEDIA_SIGNING_KEY",
        "video is signed with a P-256 key whose certificate heads the chain, and these are not one",
        cure="Give the key (PKCS#8, PEM) and the certificate that was issued for it, followed by its intermediates.",
    )
