"""`verify`: one file in, everything it proves out, or the first thing in it that does not hold.

Trust flows one way: the trust root names the notaries, and what those of its epoch sealed of earlier ones; a quorum of
them signed the verdict; the verdict names two
blocks; their receipts hold the anchor; the anchor is the checkpoint; the checkpoint holds the entries; the entries are
the unit's events and the devices' signed evidence. May never happen here: I/O, a clock, or an answer a caller could
take for a yes without looking.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from ledger.bundle.contents import embedded_trust_root, verify_contents, verify_entries
from ledger.bundle.crossing import verify_crossing
from ledger.bundle.epochs import believe
from ledger.bundle.erased import verify_erased
from ledger.bundle.findings import Findings, Proven, utc_text
from ledger.bundle.format import Bundle, load
from ledger.bundle.pledge import require_needed, verify_pledge
from ledger.bundle.subject import GoodsSubject, read_subject
from ledger.bundle.transparent import verify_transparent
from ledger.bundle.trust_root import Notaries, TrustRoot
from ledger.checkpoint import CosignedCheckpoint
from ledger.errors import Problem, Refused, WrongUse
from ledger.gs1 import goods_key
from ledger.timestamp import verify_stamp

NOT_PROVEN: Final = (
    "That the code on the goods in your hand is not a copy: a bundle is about an identifier, not about an object.",
    "That nothing else was recorded: events, segments and revocations of devices that were never logged, or not put in "
    "here, leave no gap.",
    "That a camera looked at the goods: its key says what it filmed, when by its own clock, and in what order.",
    "That the events are true: the log proves that they were written down by then, not who is right.",
    "The video itself, which is not in the file: hash a segment and compare its SHA-256 or CID with the evidence.",
    "What came later: devices revoked, events corrected, pledges made or released after this checkpoint.",
    "Anything a quorum of the notaries would lie about together: both blocks are believed on their signatures.",
)


ERASED_NOT_PROVEN: Final = (
    "What stood in the erased entries, and that it was about this subject: content and salt are gone; that is the "
    "ledger's word alone."
)

VIDEO_NOT_PROVEN: Final = (
    "That a camera filmed the goods and not a screen that showed them (LOW_ASSURANCE): no signature can prove that, "
    "only an independent sensor that was there, and no such sensor's word about the video is in this file."
)

STATEMENT_NOT_PROVEN: Final = (
    "That anybody but the log's operator saw this state: the receipt is the log's own word, without cosignatures.",
    "When it was logged, and who said what is in it: the bundle of the same subject shows both.",
)


def verify(raw: bytes, *, trust_root: TrustRoot | None) -> Findings:
    """Verify a bundle's file against `trust_root`, or against the copy it carries where that is None.

    Raises the first step's error: `Refused` BUNDLE_CORRUPT, TRUST_ROOT, CONFIG_SET, QUORUM, SET_EPOCH, SIG_…,
    EPOCH_UNLINKED, VERDICT_…, HEADER_HASH, PROOF_…, ANCHOR_MISMATCH, COMMIT_…, PLEDGE_…, CREDENTIAL_MISMATCH,
    QUORUM_MISSING, ERASURE_UNRECORDED, SUBJECT_UNKNOWN, SUPERFLUOUS, DEVICE_…, EVIDENCE_…;
    `BadInput` BUNDLE_FORMAT, BUNDLE_…, NON_CANONICAL and what the readers raise.
    """
    bundle = load(raw)
    root = embedded_trust_root(bundle)
    if trust_root is not None and root != trust_root:
        raise Refused(
            "TRUST_ROOT",
            "The bundle was made under another trust root than the one given.",
            where=f"the bundle's fingerprint is {root.fingerprint}, yours {trust_root.fingerprint}",
            cure="Find out which one is right before believing either: ask the log's operator and a notary.",
        )
    with _located("the cosigned checkpoint"):
        believed = believe(bundle, root)
        cosigned = believed.anchored
        seen_by = _seen_by(cosigned, believed.cosigners)
        stamped = _tell_stamp(bundle, root)
    with _located("the anchor's way between the chains"):
        anchored = verify_crossing(bundle.anchor, believed)
        anchored.require(cosigned.checkpoint)
    with _located("the entries of the log"):
        logged = verify_entries(bundle, believed.proven_in)
        gone = verify_erased(bundle, believed.proven_in)
        contents = verify_contents(bundle, seen_by=seen_by, gone=gone)
    with _located("the pledge"):
        told = () if bundle.pledge is None else verify_pledge(bundle.pledge, believed)
        require_needed(bundle.pledge, believed)
        if told:
            _require_goods(bundle.subject, told[0].goods_key)
    return Findings(
        subject=bundle.subject,
        fingerprint=root.fingerprint,
        trust_root_was_given=trust_root is not None,
        proven=(
            *contents.proven,
            *(instruction.proven for instruction in told),
            logged,
            _tell_checkpoint(cosigned, seen_by),
            *stamped,
            *anchored.proven,
            *believed.proven,
            _tell_trust_root(root, given=trust_root is not None),
            Proven("sealed", "No byte changed since the file was written.", "SHA-256"),
        ),
        contradictions=contents.contradictions,
        not_proven=(
            *((ERASED_NOT_PROVEN,) if gone else ()),
            *dict.fromkeys((*anchored.not_proven, *(each.why_not for each in told if each.why_not))),
            *(() if trust_root is not None else (_trust_root_came_along(root),)),
            *((VIDEO_NOT_PROVEN,) if contents.has_video else ()),
            *NOT_PROVEN,
        ),
        erased=gone,
    )


def verify_statement(raw: bytes, *, trust_root: TrustRoot | None) -> Findings:
    """Verify one entry's SCITT statement and receipt (`ledger.bundle.transparent`) against a trust root's log key.

    Raises what `verify_transparent` raises, and `WrongUse` TRUST_ROOT_NEEDED: the file brings no keys along.
    """
    if trust_root is None:
        raise WrongUse(
            "TRUST_ROOT_NEEDED",
            "A statement brings no keys along.",
            cure="Give the trust root that the log's operator or a notary published, with --trust-root.",
        )
    found = verify_transparent(raw, trust_root.log)
    kind = "/".join(found.domain.split("/")[1:2]) or found.domain
    return Findings(
        subject=f"{found.log} entry {found.index}",
        fingerprint=trust_root.fingerprint,
        trust_root_was_given=True,
        proven=(
            Proven("content", f"Entry {found.index} of the log {found.log} is this {kind}.", "the log's signature"),
            Proven(
                "logged",
                f"The log of {found.size} entries holds it.",
                "the log's signature over the root (COSE receipt)",
                facts={"root": found.root.hex(), "sha256": hashlib.sha256(found.canonical).hexdigest()},
            ),
            _tell_trust_root(trust_root, given=True),
        ),
        contradictions=(),
        not_proven=STATEMENT_NOT_PROVEN,
    )


@contextmanager
def _located(part: str) -> Iterator[None]:
    """Say in which part of the bundle a refusal happened, and what to do, where the rule itself does not know."""
    try:
        yield
    except Problem as problem:
        problem.where = problem.where or part
        problem.cure = problem.cure or "Do not rely on this file; ask the log's operator for the bundle again."
        raise


def _seen_by(cosigned: CosignedCheckpoint, notaries: Notaries) -> datetime:
    """When notaries had seen this state: not the earliest word, which a liar could give, but one a quorum outweighs."""
    faults = len(notaries.cosigners) - notaries.quorum
    times = sorted(cosignature.time for cosignature in cosigned.cosignatures)
    seconds = times[min(faults, len(times) - 1)]
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Refused("COSIGNATURE_FUTURE", "The cosigners' time is beyond any calendar.", where=str(seconds)) from None


def _tell_stamp(bundle: Bundle, root: TrustRoot) -> tuple[Proven, ...]:
    if bundle.stamp is None:
        return ()
    stamp = verify_stamp(bundle.stamp, bundle.note, authorities=root.timestamping)
    what = "An authority outside saw the cosigned checkpoint."
    return (Proven("stamped", what, f"RFC 3161 timestamp, {stamp.authority}", utc_text(int(stamp.time.timestamp()))),)


def _require_goods(subject: str, key: bytes) -> None:
    about = read_subject(subject)
    if not isinstance(about, GoodsSubject) or goods_key(about.identifier) != key:
        raise Refused("PLEDGE_MISMATCH", "The loan is secured by other goods than the bundle is about.", where=subject)


def _tell_trust_root(root: TrustRoot, *, given: bool) -> Proven:
    who = "given by you" if given else "came with the bundle: compare its fingerprint"
    return Proven("trust_root", f"Trust root {root.fingerprint} of {root.dated}, epoch {root.pinned.epoch}.", who)


def _trust_root_came_along(root: TrustRoot) -> str:
    return (
        "That these are the right keys: the trust root came with the bundle. Compare its fingerprint, "
        f"{root.fingerprint}, with one you have from elsewhere, or give the trust root you trust with --trust-root."
    )


def _tell_checkpoint(cosigned: CosignedCheckpoint, seen_by: datetime) -> Proven:
    checkpoint = cosigned.checkpoint
    return Proven(
        "checkpoint",
        f"The log {checkpoint.origin} had {checkpoint.size} entries with the anchored root.",
        "; ".join(f"{c.cosigner.name} at {utc_text(c.time)}" for c in cosigned.cosignatures),
        utc_text(seen_by),
        {"root": checkpoint.root.hex()},
    )
