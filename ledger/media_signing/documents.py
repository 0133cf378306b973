"""The signed document inside a SEI: tag, length, value (ONVIF Media Signing 26.06, "TLV tags").

What happens here: the seven tags are read into frozen values and written from them. The order of tags is free, save
that the signature comes last. What may never happen here: trust; a document is as good as the signature over it.

Byte order: the specification wants the counter and the times little-endian, the public reference implementation writes
them big-endian, and so do cameras built on it. Both are read: the order in which the times fall between 1990 and 2190
is the one that was written, and the counter is read in that order too. We write big-endian.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from ledger.errors import BadInput
from ledger.printable import printable

GENERAL, HASH_LIST, SIGNATURE, CRYPTO, VENDOR, CERTIFICATES, ARBITRARY = range(1, 8)
SPECIFICATION = (26, 6)
ALGORITHMS = {
    bytes.fromhex("0609608648016503040201"): "sha256",
    bytes.fromhex("0609608648016503040202"): "sha384",
    bytes.fromhex("0609608648016503040203"): "sha512",
}
"""Digests by their OID in DER. SHA-1 and older are left out: two pictures with one digest can be made for them."""

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_PLAUSIBLE = range(*(int((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()) * 10**7 for year in (1990, 2190)))


@dataclass(frozen=True, slots=True)
class General:
    """What one record covers. Times are the signer's own, UTC, None where it stated none.

    `partial`: the group goes on after this record. `count`: signed units. `digest`: over their digests in a row.
    `link`: digest of the first unit of the group before; zeros at the start of a stream.
    """

    specification: tuple[int, int]
    partial: bool
    start: datetime | None
    end: datetime | None
    number: int
    count: int
    digest: bytes
    link: bytes

    @property
    def begins_stream(self) -> bool:
        """True for the first record that a camera makes after it starts to sign."""
        return not any(self.link)


@dataclass(frozen=True, slots=True)
class Vendor:
    """What the signer says about itself."""

    firmware: str
    serial: str
    manufacturer: str


@dataclass(frozen=True, slots=True)
class Document:
    """The tags of one SEI. `chains`: PEM, with True for a key that the user provisioned."""

    general: General | None
    hashes: tuple[bytes, ...] | None
    signature: bytes | None
    algorithm: str | None
    signing_oid: bytes
    vendor: Vendor | None
    chains: tuple[tuple[bool, bytes], ...]
    has_arbitrary: bool


def tags(raw: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Tag, offset and value of each entry, which must fill `raw` exactly; SEI_FORMAT otherwise."""
    at = 0
    while at < len(raw):
        size = int.from_bytes(raw[at + 1 : at + 3], "big")
        if at + 3 + size > len(raw) or not GENERAL <= raw[at] <= ARBITRARY:
            raise malformed("its entries do not add up")
        yield raw[at], at, raw[at + 3 : at + 3 + size]
        at += 3 + size


def read_document(raw: bytes) -> Document:
    """The document; SEI_FORMAT for anything that is not one."""
    general, listed, signature, algorithm, oid, vendor = None, None, None, None, b"", None
    chains: list[tuple[bool, bytes]] = []
    values = list(tags(raw))
    for tag, _, value in values:
        if tag == GENERAL:
            general = _general(value)
        elif tag == SIGNATURE:
            signature = _signature(value)
        elif tag == CRYPTO:
            algorithm, oid = _crypto(value)
        elif tag == VENDOR:
            vendor = _vendor(value)
        elif tag == CERTIFICATES:
            chains.append(_chain(value))
        elif tag == HASH_LIST:
            _version(value, 1, 1)
            listed = value[1:]
    arbitrary = any(tag == ARBITRARY for tag, _, _ in values)
    if len({tag for tag, _, _ in values if tag != CERTIFICATES}) != sum(tag != CERTIFICATES for tag, _, _ in values):
        raise malformed("an entry stands in it twice")
    if arbitrary and len(values) > 1 and general is not None and general.specification >= SPECIFICATION:
        raise malformed("vendor data stand beside signed data, which the specification forbids")
    hashes = None if listed is None else _split(listed, len(general.digest) if general else 32)
    return Document(general, hashes, signature, algorithm, oid, vendor, tuple(chains), arbitrary)


def write_tag(tag: int, value: bytes) -> bytes:
    """One entry; WrongUse-free: a value longer than 65,535 bytes is SEI_FORMAT."""
    if len(value) > 0xFFFF:
        raise malformed("an entry is longer than its length field can say")
    return bytes([tag]) + len(value).to_bytes(2, "big") + value


def write_general(general: General) -> bytes:
    """The general tag, version 2."""
    value = bytes([2, *general.specification, 0, general.partial])
    for moment in (general.start, general.end):
        value += (0 if moment is None else _ticks(moment)).to_bytes(8, "big")
    value += general.number.to_bytes(4, "big") + general.count.to_bytes(2, "big")
    return write_tag(GENERAL, value + general.digest + general.link)


def write_hashes(hashes: tuple[bytes, ...]) -> bytes:
    """The list of digests, in stream order."""
    return write_tag(HASH_LIST, b"\x01" + b"".join(hashes))


def write_crypto() -> bytes:
    """SHA-256, and an elliptic curve, which needs no further name."""
    oid = next(iter(ALGORITHMS))
    return write_tag(CRYPTO, b"\x01" + bytes([len(oid)]) + oid + b"\x00\x00\x00")


def write_vendor(vendor: Vendor) -> bytes:
    """Who signs, each text at most 255 bytes."""
    texts = [text.encode()[:255] for text in (vendor.firmware, vendor.serial, vendor.manufacturer)]
    return write_tag(VENDOR, b"\x01" + b"".join(bytes([len(text)]) + text for text in texts))


def write_chain(pem: bytes) -> bytes:
    """The certificates without the root, of the maker's key."""
    return write_tag(CERTIFICATES, b"\x01\x00" + pem)


def write_signature(signature: bytes, reserved: int) -> bytes:
    """The signature in a place of fixed size; unused bytes are ones, which need no emulation prevention."""
    return write_tag(SIGNATURE, b"\x01" + len(signature).to_bytes(2, "big") + signature.ljust(reserved, b"\x01"))


def _general(value: bytes) -> General:
    _version(value, 1, 2)
    times = 2 if value[0] == 2 else 1
    at = 5 + 8 * times
    width, odd = divmod(len(value) - at - 6, 2)
    if odd or width not in (32, 48, 64):
        raise malformed("the digests in it have no known length")
    order = _order(value[5:13], value[at - 8 : at])
    start, end = (_moment(value[place : place + 8], order) for place in (5, at - 8))
    number = int.from_bytes(value[at : at + 4], order)
    digests = value[at + 6 :]
    return General(
        (value[1], value[2]),
        bool(value[4]),
        start,
        end,
        number,
        int.from_bytes(value[at + 4 : at + 6], "big"),
        digests[:width],
        digests[width:],
    )


def _order(start: bytes, end: bytes) -> Literal["big", "little"]:
    for raw in (end, start):
        if int.from_bytes(raw, "big") in _PLAUSIBLE:
            return "big"
        if int.from_bytes(raw, "little") in _PLAUSIBLE:
            return "little"
    return "big"


def _moment(raw: bytes, order: Literal["big", "little"]) -> datetime | None:
    ticks = int.from_bytes(raw, order)
    return _EPOCH + timedelta(microseconds=ticks // 10) if ticks in _PLAUSIBLE else None


def _ticks(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 10


def _signature(value: bytes) -> bytes:
    _version(value, 1, 1)
    size = int.from_bytes(value[1:3], "big")
    if not 0 < size <= len(value) - 3:
        raise malformed("its signature is longer than its place")
    return value[3 : 3 + size]


def _crypto(value: bytes) -> tuple[str, bytes]:
    _version(value, 1, 1)
    digest, rest = _text(value[1:])
    oid, rest = _text(rest)
    if len(rest) != 2:
        raise malformed("its algorithms cannot be read")
    return ALGORITHMS.get(digest, "unsupported"), oid


def _vendor(value: bytes) -> Vendor:
    _version(value, 1, 1)
    texts, rest = [], value[1:]
    for _ in range(3):
        text, rest = _text(rest)
        texts.append(printable(text.decode("utf-8", "replace")))
    if rest:
        raise malformed("its maker cannot be read")
    return Vendor(*texts)


def _chain(value: bytes) -> tuple[bool, bytes]:
    _version(value, 1, 1)
    if len(value) < 3:
        raise malformed("it names certificates and holds none")
    return bool(value[1]), value[2:]


def _text(raw: bytes) -> tuple[bytes, bytes]:
    if not raw or len(raw) < 1 + raw[0]:
        raise malformed("a text in it is cut short")
    return raw[1 : 1 + raw[0]], raw[1 + raw[0] :]


def _split(raw: bytes, width: int) -> tuple[bytes, ...]:
    if len(raw) % width:
        raise malformed("its list of digests ends within one")
    return tuple(raw[at : at + width] for at in range(0, len(raw), width))


def _version(value: bytes, least: int, most: int) -> None:
    if not value or not least <= value[0] <= most:
        raise malformed("a version of it is unknown")


def malformed(what: str) -> BadInput:
    """The one refusal for a signing record that cannot be read; a verdict counts it as a changed record."""
    return BadInput("SEI_FORMAT", f"a signing record cannot be read: {what}")
