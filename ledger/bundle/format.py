"""The bundle as a value and as bytes: `dump`, `load`. Nothing is verified here but the seal and the form.

    pledgetrail-bundle/1\\n      21 bytes
    SHA-256 of the body         32 bytes
    body                        deterministic CBOR, see README.md

The seal lets any changed byte be noticed at once; it convinces nobody, since anyone can make it. May never happen
here: two byte strings for one bundle, or a field that is ignored.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from ledger.attestation import Verdict
from ledger.bundle import cbor
from ledger.bundle.cbor import Cbor, CborLike
from ledger.bundle.fields import Fields
from ledger.bundle.header_certificate import HeaderCertificate, read_certificate
from ledger.errors import BadInput, Refused

MAGIC: Final = b"pledgetrail-bundle/1\n"
SEAL_BYTES: Final = 32
MAX_BUNDLE_BYTES: Final = 64 * 1024 * 1024
MAX_SEALED_HEADERS: Final = 64  # from pinned validators to those of a block, each of which replaces some
MAX_CROSSING_BYTES: Final = 4 * 1024 * 1024  # two receipts, headers, proofs, signatures
MAX_OBJECTS: Final = 20_000
MAX_PATH_HASHES: Final = 64  # more than a log of 2^63 entries needs
MAX_PROOF_NODES: Final = 64  # of a receipts trie; its keys have at most 5 bytes
MAX_SUBJECT_CHARS: Final = 512
MAX_CROSSINGS: Final = 16  # a loan's instructions: two to secure, two to release, and what was refused or sent again

_CROSSING = ("sent", "attested", "committed", "judged")
_SHOWN = ("seals", "certified")  # left out where there is nothing


@dataclass(frozen=True, slots=True)
class LoggedObject:
    """What one entry of the log is the digest of, and the proof that the log holds it.

    `domain` says what `canonical` is: trust root, enrolment, evidence (its envelope) or event. `salt`: 32 bytes;
    `index`: the entry's number in the log; `path`: its inclusion proof in the tree of the checkpoint's size.
    """

    domain: str
    salt: bytes
    canonical: bytes
    index: int
    path: tuple[bytes, ...]

    @property
    def place(self) -> str:
        """Where it stands, as errors name it."""
        return f"entry {self.index} of the log"


@dataclass(frozen=True, slots=True)
class ErasedEntry:
    """An entry whose content and salt are gone: its digest (32 bytes), which nobody can open, its number in the log,
    and its inclusion proof. Why it is gone, the record of the erasure says, which is one of the objects.
    """

    digest: bytes
    index: int
    path: tuple[bytes, ...]

    @property
    def place(self) -> str:
        """Where it stands, as errors name it."""
        return f"entry {self.index} of the log"


@dataclass(frozen=True, slots=True)
class BlockLog:
    """One log of one block: `header` as RLP, `proof` the receipts trie's nodes for `transaction`, root first.

    `log_index` counts within the transaction, both from 0.
    """

    header: bytes
    proof: tuple[bytes, ...]
    transaction: int
    log_index: int


@dataclass(frozen=True, slots=True)
class Attested:
    """The certificate with which the destination let the message in.

    `path`: from the message's leaf up, each a byte saying where the sibling stands (0 left, 1 right) and its 32-byte
    hash. `signatures`: packed as `ledger.quorum.pack` does.
    """

    epoch: int
    path: tuple[bytes, ...]
    signatures: bytes


@dataclass(frozen=True, slots=True)
class Judged:
    """The notaries' verdict over the commit, their packed signatures, and the credential the registry holds."""

    verdict: Verdict
    signatures: bytes
    credential: bytes


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """A header of a sealed origin without its seals (RLP), and the seals packed as `ledger.headers.seals` does."""

    header: bytes
    seals: bytes


@dataclass(frozen=True, slots=True)
class Crossing:
    """One message's way: its log at the origin, the certificate that let it in, its commit, and the judgement.

    `attested`: where a lane asked for no certificate, the verdict's epoch, no path and no signatures. `seals`: of an
    origin whose validators the trust root pins, what leads from those to the block of `sent`; the file does not name
    the field where there are none. `certified`: what the destination of a lane of policy *certified* checked instead.
    """

    sent: BlockLog
    attested: Attested
    committed: BlockLog
    judged: Judged
    seals: tuple[SealedHeader, ...] = ()
    certified: HeaderCertificate | None = None


@dataclass(frozen=True, slots=True)
class Pledge:
    """What the chains were told about one loan (`loan`: 32 bytes), in the order of the messages' sequences."""

    loan: bytes
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """What leads from the anchored checkpoint to a later one that a later epoch cosigned.

    `note`: the later one; `growth`: the consistency proof from the size of the one to that of the other.
    """

    note: bytes
    growth: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything one file carries. `subject`: whom it is about (`ledger.bundle.subject`); `objects` by rising index.

    `note`: the cosigned checkpoint that was anchored; `link`: where it was signed in a past epoch, what seals it, and
    then `objects` are proven in the later tree; `sent`, `committed`: the anchor leaving the origin and arriving at the
    destination; `pledge`: of the goods that are the subject, where somebody lent against them;
    `stamp`: an RFC 3161 timestamp over `note`, where one was made. `erased`: what stood there and was erased, by rising
    index; the file of a bundle without any does not name the field.
    """

    subject: str
    objects: tuple[LoggedObject, ...]
    note: bytes
    link: Link | None
    sent: BlockLog
    attested: Attested
    committed: BlockLog
    judged: Judged
    pledge: Pledge | None = None
    stamp: bytes | None = None
    erased: tuple[ErasedEntry, ...] = ()
    seals: tuple[SealedHeader, ...] = ()
    certified: HeaderCertificate | None = None

    def of(self, domain: str) -> list[LoggedObject]:
        """Its objects of one domain."""
        return [found for found in self.objects if found.domain == domain]

    @property
    def anchor(self) -> Crossing:
        """The anchor's own way."""
        return Crossing(self.sent, self.attested, self.committed, self.judged, self.seals, self.certified)


def dump(bundle: Bundle) -> bytes:
    """The bundle's file. Raises `BadInput` BUNDLE_SIZE, and BUNDLE_FIELD for what `load` would refuse."""
    body = cbor.encode(_write(bundle))
    _read(cbor.decode(body))
    raw = MAGIC + hashlib.sha256(body).digest() + body
    _check_size(raw)
    return raw


def load(raw: bytes) -> Bundle:
    """Read a bundle's file; verify its seal and nothing else.

    Raises `BadInput` BUNDLE_FORMAT (no bundle), BUNDLE_SIZE, NON_CANONICAL, BUNDLE_LIMIT, BUNDLE_FIELD; `Refused`
    BUNDLE_CORRUPT (a byte changed).
    """
    _check_size(raw)
    if not raw.startswith(MAGIC):
        raise BadInput(
            "BUNDLE_FORMAT",
            "The file is empty." if not raw else "This file is no proof bundle, or one of another version.",
            cure="Give the file that the unit's page or `pledgetrail demo` wrote.",
        )
    seal, body = raw[len(MAGIC) : len(MAGIC) + SEAL_BYTES], raw[len(MAGIC) + SEAL_BYTES :]
    if hashlib.sha256(body).digest() != seal:
        raise Refused(
            "BUNDLE_CORRUPT",
            "The file was changed or cut short after it was written: its bytes do not match its seal.",
            cure="Get the file again from whoever gave it to you.",
        )
    return _read(cbor.decode(body))


def dump_crossing(crossing: Crossing) -> bytes:
    """One message's way as deterministic CBOR, as it is handed to the ledger. Raises as `dump`."""
    raw = cbor.encode(_write_crossing(crossing))
    load_crossing(raw)
    return raw


def load_crossing(raw: bytes) -> Crossing:
    """Read what `dump_crossing` wrote; nothing of it is verified. Raises `BadInput` BUNDLE_SIZE, BUNDLE_FIELD,
    BUNDLE_LIMIT, BUNDLE_FORMAT, NON_CANONICAL.
    """
    if len(raw) > MAX_CROSSING_BYTES:
        raise BadInput("BUNDLE_SIZE", f"A crossing has at most {MAX_CROSSING_BYTES} bytes; this has more.")
    return _read_crossing(cbor.decode(raw), "")


def _check_size(raw: bytes) -> None:
    if len(raw) > MAX_BUNDLE_BYTES:
        raise BadInput("BUNDLE_SIZE", f"A bundle has at most {MAX_BUNDLE_BYTES} bytes; this file has more.")


def _write(bundle: Bundle) -> CborLike:
    # Lists of none or one: the subset of CBOR that is allowed here has no null.
    link, pledge = bundle.link, bundle.pledge
    links: list[CborLike] = [] if link is None else [{"note": link.note, "growth": list(link.growth)}]
    told = () if pledge is None else pledge.crossings
    pledges: list[CborLike] = (
        [] if pledge is None else [{"loan": pledge.loan, "crossings": [_write_crossing(each) for each in told]}]
    )
    return {
        "subject": bundle.subject,
        "objects": [
            {"domain": o.domain, "salt": o.salt, "canonical": o.canonical, "index": o.index, "path": list(o.path)}
            for o in bundle.objects
        ],
        "note": bundle.note,
        "link": links,
        **_write_crossing(bundle.anchor),
        "pledge": pledges,
        "stamp": [] if bundle.stamp is None else [bundle.stamp],
        **({"erased": [_write_erased(each) for each in bundle.erased]} if bundle.erased else {}),
    }


def _write_erased(entry: ErasedEntry) -> CborLike:
    return {"digest": entry.digest, "index": entry.index, "path": list(entry.path)}


def _write_crossing(crossing: Crossing) -> dict[str, CborLike]:
    verdict = crossing.judged.verdict
    return {
        "sent": _write_log(crossing.sent),
        "attested": {
            "epoch": crossing.attested.epoch,
            "path": list(crossing.attested.path),
            "signatures": crossing.attested.signatures,
        },
        "committed": _write_log(crossing.committed),
        "judged": {
            "verdict": {name: getattr(verdict, name) for name in Verdict.__slots__},
            "signatures": crossing.judged.signatures,
            "credential": crossing.judged.credential,
        },
        **({"seals": [{"header": s.header, "seals": s.seals} for s in crossing.seals]} if crossing.seals else {}),
        **({"certified": [crossing.certified.write()]} if crossing.certified is not None else {}),
    }


def _write_log(log: BlockLog) -> CborLike:
    return {
        "header": log.header,
        "proof": list(log.proof),
        "transaction": log.transaction,
        "log_index": log.log_index,
    }


def _read(value: Cbor) -> Bundle:
    names = ("subject", "objects", "note", "link", *_CROSSING, "pledge", "stamp")
    top = Fields(value, "", names, optional=("erased", *_SHOWN))
    links, pledges = top.each("link", _read_link, 1), top.each("pledge", _read_pledge, 1)
    stamps = top.strings("stamp", 1)
    anchor = _crossing_of(top, "")
    return Bundle(
        subject=top.text("subject", MAX_SUBJECT_CHARS),
        objects=top.each("objects", _read_object, MAX_OBJECTS),
        note=top.data("note"),
        link=links[0] if links else None,
        sent=anchor.sent,
        attested=anchor.attested,
        committed=anchor.committed,
        judged=anchor.judged,
        pledge=pledges[0] if pledges else None,
        stamp=stamps[0] if stamps else None,
        erased=top.some("erased", _read_erased, MAX_OBJECTS),
        seals=anchor.seals,
        certified=anchor.certified,
    )


def _read_pledge(value: Cbor, where: str) -> Pledge:
    fields = Fields(value, where, Pledge.__slots__)
    return Pledge(fields.data("loan", 32), fields.each("crossings", _read_crossing, MAX_CROSSINGS))


def _read_crossing(value: Cbor, where: str) -> Crossing:
    return _crossing_of(Fields(value, where, _CROSSING, optional=_SHOWN), where)


def _crossing_of(fields: Fields, where: str) -> Crossing:
    certified = fields.some("certified", read_certificate, 1)
    return Crossing(
        _read_log(fields.values["sent"], f"{where}sent."),
        _read_attested(fields.values["attested"], where),
        _read_log(fields.values["committed"], f"{where}committed."),
        _read_judged(fields.values["judged"], where),
        fields.some("seals", _read_sealed, MAX_SEALED_HEADERS),
        certified[0] if certified else None,
    )


def _read_sealed(value: Cbor, where: str) -> SealedHeader:
    fields = Fields(value, where, SealedHeader.__slots__)
    return SealedHeader(fields.data("header"), fields.data("seals"))


def _read_object(value: Cbor, where: str) -> LoggedObject:
    fields = Fields(value, where, LoggedObject.__slots__)
    return LoggedObject(
        domain=fields.text("domain", 128),
        salt=fields.data("salt", 32),
        canonical=fields.data("canonical"),
        index=fields.number("index"),
        path=fields.strings("path", MAX_PATH_HASHES, 32),
    )


def _read_erased(value: Cbor, where: str) -> ErasedEntry:
    fields = Fields(value, where, ErasedEntry.__slots__)
    return ErasedEntry(fields.data("digest", 32), fields.number("index"), fields.strings("path", MAX_PATH_HASHES, 32))


def _read_link(value: Cbor, where: str) -> Link:
    fields = Fields(value, where, Link.__slots__)
    return Link(fields.data("note"), fields.strings("growth", MAX_PATH_HASHES, 32))


def _read_log(value: Cbor, where: str) -> BlockLog:
    fields = Fields(value, where, BlockLog.__slots__)
    return BlockLog(
        header=fields.data("header"),
        proof=fields.strings("proof", MAX_PROOF_NODES),
        transaction=fields.number("transaction"),
        log_index=fields.number("log_index"),
    )


def _read_attested(value: Cbor, where: str) -> Attested:
    fields = Fields(value, f"{where}attested.", Attested.__slots__)
    return Attested(fields.number("epoch"), fields.strings("path", MAX_PATH_HASHES, 33), fields.data("signatures"))


def _read_judged(value: Cbor, where: str) -> Judged:
    fields = Fields(value, f"{where}judged.", Judged.__slots__)
    said = Fields(fields.values["verdict"], f"{where}judged.verdict.", Verdict.__slots__)
    verdict = Verdict(
        id=said.data("id", 32),
        epoch=said.number("epoch"),
        origin_block=said.data("origin_block", 32),
        commit_block=said.data("commit_block", 32),
        commit_transaction=said.data("commit_transaction", 32),
        checked_from=said.number("checked_from"),
        verdict=said.number("verdict"),
        executed=said.flag("executed"),
        outcome=said.data("outcome", 32),
        policy=said.number("policy"),
        origin_log=said.number("origin_log"),
        commit_log=said.number("commit_log"),
    )
    return Judged(verdict, fields.data("signatures"), fields.data("credential", 32))
