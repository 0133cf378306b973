"""Streams for tests, written as letters: I and P are pictures, S is a signing record.

Pictures are NAL units with a right header and bytes of their own; what a decoder would make of them does not matter to
a signature. `test_encoded.py` does the same with pictures that an encoder made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from ledger.media_signing import Codec, MediaSigner, TrustList, VideoVerdict, verify_video
from ledger.media_signing.documents import Vendor
from ledger.media_signing.elementary import UnitKind, unit_type
from ledger.media_signing.signer import SigningPlan
from tests.ledger.media_signing.authority import CAMERA, TRUST, Issued

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)
VENDOR = Vendor("11.5", "ACCC8E0000", "Test cameras")
_HEADERS = {Codec.H264: {"I": b"\x65", "P": b"\x41"}, Codec.H265: {"I": b"\x26\x01", "P": b"\x02\x01"}}
_PARAMETERS = {
    Codec.H264: [b"\x67\x42\x00\x1e", b"\x68\xce"],
    Codec.H265: [b"\x40\x01\x0c", b"\x42\x01\x01", b"\x44\x01\xc1"],
}
FOREIGN_SEI = {
    Codec.H264: b"\x06\x05\x11" + bytes(range(17)) + b"\x80",
    Codec.H265: b"\x4e\x01\x05\x11" + bytes(range(17)) + b"\x80",
}


def picture(codec: Codec, letter: str, name: str) -> bytes:
    """A picture whose bytes come from `name`, with zeros and threes among them."""
    return _HEADERS[codec][letter] + b"\x88" + b"\x00\x03" + sha256(name.encode()).digest() + b"\x80"


@dataclass
class Film:
    """A stream that can be tampered with. `units`: NAL units."""

    codec: Codec
    units: list[bytes] = field(default_factory=list)

    @property
    def letters(self) -> str:
        found = ""
        for unit in self.units:
            kind = unit_type(unit, self.codec)
            if kind.kind is UnitKind.SLICE:
                found += "I" if kind.begins_group else "P" if kind.begins_picture else "s"
            elif kind.kind is UnitKind.SEI and b"\x00\x5b\xc9\x3f" in unit:
                found += "S"
            else:
                found += "_"
        return found

    def at(self, letter: str, nth: int) -> int:
        """Where the nth (from 0) unit of this letter stands."""
        return [index for index, each in enumerate(self.letters) if each == letter][nth]

    def remove(self, letter: str, nth: int) -> Film:
        del self.units[self.at(letter, nth)]
        return self

    def change(self, letter: str, nth: int, byte: int = -10) -> Film:
        index = self.at(letter, nth)
        raw = bytearray(self.units[index])
        raw[byte] ^= 0x10
        self.units[index] = bytes(raw)
        return self

    def insert(self, letter: str, nth: int, unit: bytes) -> Film:
        self.units.insert(self.at(letter, nth), unit)
        return self

    def swap(self, first: tuple[str, int], second: tuple[str, int]) -> Film:
        a, b = self.at(*first), self.at(*second)
        self.units[a], self.units[b] = self.units[b], self.units[a]
        return self

    def verify(self, trust: TrustList = TRUST, *, complete: bool = True) -> VideoVerdict:
        return verify_video(self.units, self.codec, trust, complete=complete)

    def says(self, trust: TrustList = TRUST, *, complete: bool = True) -> list[str]:
        return [group.authenticity.value for group in self.verify(trust, complete=complete).groups]


def film(
    letters: str = "IPPPIPPPIPPPIPPPIPPP",
    *,
    codec: Codec = Codec.H264,
    signer: Issued = CAMERA,
    plan: SigningPlan | None = None,
    delay: int = 0,
    slices: int = 1,
    name: str = "",
    begin: datetime = BEGIN,
    finish: bool = True,
) -> Film:
    """A signed stream of these pictures, one each 40 ms. `delay`: by how many pictures its records come late."""
    made = MediaSigner(codec, signer.key, signer.chain, vendor=VENDOR, plan=plan)
    units: list[bytes] = [*_PARAMETERS[codec]]
    late: list[tuple[int, bytes]] = []
    for index, letter in enumerate(letters):
        first = picture(codec, letter, f"{name}{index}")
        head = len(_HEADERS[codec][letter])
        rest = [first[:head] + b"\x08" + bytes([number]) + first[head + 1 :] for number in range(1, slices)]
        signed = made.sign([first, *rest], begin + timedelta(milliseconds=40 * index))
        records, pictures = signed[:-slices], signed[-slices:]
        late += [(index + delay, record) for record in records]
        units += [record for due, record in late if due <= index]
        late = [each for each in late if each[0] > index]
        units += pictures
    units += [record for _, record in late]
    if finish:
        units += made.finish()
    return Film(codec, units)
