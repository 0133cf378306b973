"""A stream as the verifier sees it: what was signed, as digests in stream order, and the records between.

What happens here: every unit that a signature covers becomes an `Item` with the digest that a signer gives it (the
first slice of a group by itself, every other one together with that, an unsigned record by itself), and every record
becomes a `Found` with what its own signature says.
What may never happen here: keeping the pictures; a digest per unit is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ledger.errors import BadInput
from ledger.media_signing.chain import SignerChain
from ledger.media_signing.documents import Document, Vendor
from ledger.media_signing.elementary import Codec, UnitKind, UnitType, stripped, unit_type
from ledger.media_signing.records import Record, is_record, read_record

MAX_CHAINS = 64
MAX_RECORDS = 20_000
"""Records in one call; each costs a signature check. Four hours, signed each second, are 14,400."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something a signature covers. `unit`, `picture`: from 0. `begins_group`: first slice of a group's first picture.

    `own`: digest of its bytes alone. `digest`: what is signed, which for most binds it to the group's first picture.
    """

    unit: int
    picture: int
    digest: bytes
    own: bytes
    begins_group: bool
    is_picture: bool
    begins_picture: bool

    def under(self, anchor: bytes, algorithm: str) -> bytes:
        """Its digest had its group begun with the picture of digest `anchor`."""
        return self.own if self.begins_group or not self.is_picture else digest_of(algorithm, anchor, self.own)


@dataclass(frozen=True, slots=True)
class Found:
    """A record that covers pictures. `after`: how many items stand before it. `item`: its own, where it is unsigned.

    `holds`: its signature verifies; None where there is no signature, or no certificate to check it with.
    """

    document: Document
    unit: int
    after: int
    item: int | None
    holds: bool | None
    chain: SignerChain | None


@dataclass(frozen=True, slots=True)
class Stream:
    """`broken`: units and places (`Found.after`) of records that are unreadable or whose signature fails."""

    items: tuple[Item, ...]
    found: tuple[Found, ...]
    broken: tuple[tuple[int, int], ...]
    chains: tuple[SignerChain, ...]
    vendor: Vendor | None
    units: int
    pictures: int
    has_records: bool
    algorithm: str


def read_stream(units: Sequence[bytes], codec: Codec, known: SignerChain | None = None) -> Stream:
    """The stream of `units`. `known`: a chain that came before, for a stream whose own records bring none."""
    return _Reader(units, codec, known).read()


class _Reader:
    def __init__(self, units: Sequence[bytes], codec: Codec, known: SignerChain | None) -> None:
        self._units, self._codec, self._known = units, codec, known
        self._items: list[Item] = []
        self._records: list[tuple[int, int, Record]] = []
        self._broken: list[tuple[int, int]] = []
        self._pictures = 0
        # Until a group begins there is nothing to bind a picture to; no signature can match one that came before.
        self._anchor = b""
        self._chains: dict[bytes, SignerChain] = {}
        self._parsed: dict[bytes, SignerChain] = {}
        self._vendor: Vendor | None = None

    def read(self) -> Stream:
        types = [unit_type(unit, self._codec) for unit in self._units]
        marked = [
            index
            for index, kind in enumerate(types)
            if kind.kind is UnitKind.SEI and self._is_record(self._units[index])
        ]
        records = self._read_records(marked)
        algorithm = self._algorithm(records)
        for index, (unit, kind) in enumerate(zip(self._units, types, strict=True)):
            if kind.kind is UnitKind.SLICE:
                self._pictures += kind.begins_picture
                self._add_slice(index, digest_of(algorithm, stripped(unit)), algorithm, kind)
            elif index in records:
                self._place(index, records[index], algorithm)
        found = self._judge(algorithm)
        return Stream(
            tuple(self._items),
            tuple(found),
            tuple(sorted(self._broken)),
            tuple(self._chains.values()),
            self._vendor,
            len(self._units),
            self._pictures,
            bool(marked),
            algorithm,
        )

    def _is_record(self, unit: bytes) -> bool:
        return is_record(unit, self._codec)

    def _read_records(self, marked: Sequence[int]) -> dict[int, Record | None]:
        found: dict[int, Record | None] = {}
        for index in marked[:MAX_RECORDS]:
            try:
                found[index] = read_record(self._units[index], self._codec)
            except BadInput:
                found[index] = None
        return found

    @staticmethod
    def _algorithm(records: dict[int, Record | None]) -> str:
        named = (each.document.algorithm for each in records.values() if each and each.document.signature)
        return next((name for name in named if name is not None), "sha256")

    def _add_slice(self, unit: int, own: bytes, algorithm: str, kind: UnitType) -> None:
        picture = max(0, self._pictures - 1)
        self._anchor = own if kind.begins_group else self._anchor
        plain = Item(unit, picture, own, own, kind.begins_group, True, kind.begins_picture)
        self._items.append(replace(plain, digest=plain.under(self._anchor, algorithm)))

    def _place(self, index: int, record: Record | None, algorithm: str) -> None:
        if record is None:
            self._broken.append((index, len(self._items)))
            return
        self._records.append((index, len(self._items), record))
        if record.document.signature is None:
            digest = digest_of(algorithm, record.signed_bytes)
            self._items.append(Item(index, max(0, self._pictures - 1), digest, digest, False, False, False))

    def _judge(self, algorithm: str) -> list[Found]:
        """Check every signature with the chain that was known when it came, or the first that came after."""
        chain, makers = self._known, self._known
        chains = [self._own_chains(record) for _, _, record in self._records]
        first = next((user or maker for maker, user in chains if user or maker), None)
        chain = chain or first
        found: list[Found] = []
        for (unit, after, record), (maker, user) in zip(self._records, chains, strict=True):
            chain, makers = user or maker or chain, maker or makers
            document = record.document
            signer = (makers or chain) if record.certificate else chain
            holds = self._holds(record, signer, algorithm)
            if holds is False:
                self._broken.append((unit, after))
                continue
            if holds and signer is not None:
                self._chains.setdefault(signer.digest, signer)
                self._vendor = document.vendor or self._vendor
            if document.general is not None and not record.certificate:
                item = after if document.signature is None else None
                found.append(Found(document, unit, after, item, holds, signer))
        return found

    def _own_chains(self, record: Record) -> tuple[SignerChain | None, SignerChain | None]:
        """The maker's and the user's chain that a signed record brings; unsigned ones bring none to rely on."""
        chains: dict[bool, SignerChain] = {}
        if record.document.signature is not None:
            for by_user, pem in record.document.chains[:2]:
                digest = hashlib.sha256(pem).digest()
                try:
                    chains[by_user] = self._cache(digest, pem)
                except BadInput:
                    continue
        return chains.get(False), chains.get(True)

    def _cache(self, digest: bytes, pem: bytes) -> SignerChain:
        if digest not in self._parsed:
            if len(self._parsed) >= MAX_CHAINS:
                raise BadInput("CERTIFICATES", f"more than {MAX_CHAINS} certificate chains in one stream")
            self._parsed[digest] = SignerChain(pem)
        return self._parsed[digest]

    @staticmethod
    def _holds(record: Record, chain: SignerChain | None, algorithm: str) -> bool | None:
        document = record.document
        if document.signature is None or chain is None:
            return None
        return chain.verifies(
            document.signature,
            record.signed_bytes,
            algorithm=document.algorithm or algorithm,
            oid=document.signing_oid,
        )


def digest_of(algorithm: str, *parts: bytes) -> bytes:
    """Of the parts in a row; an algorithm that is not supported counts as SHA-256 and will match nothing."""
    digest = hashlib.new(algorithm if algorithm in ("sha256", "sha384", "sha512") else "sha256")
    for part in parts:
        digest.update(part)
    return digest.digest()
