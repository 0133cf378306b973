"""Everything a forger could try who signs what he can and seals the file again: each is refused, and by which code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ledger import ed25519
from ledger.attestation import DIFFERS
from ledger.bundle import DEVICE_DOMAIN, TRUST_ROOT_DOMAIN, Bundle, LoggedObject, verify, write_enrolment
from ledger.checkpoint import Cosigner, LogSigner
from ledger.epcis import EVENT_DOMAIN
from ledger.errors import Problem
from ledger.ethereum import rlp_strict
from ledger.evidence import EVIDENCE_DOMAIN, SignedEvidence, SoftwareKey, read_envelope
from ledger.gs1 import unit
from ledger.proposal import Chain, Kind
from ledger.quorum import HEAD_BYTES, PAIR_BYTES, Committee
from ledger.secp256k1 import ORDER
from tests.ledger.bundle.estate import (
    CAMERA,
    CAMERA_KEY,
    COSIGNERS,
    DAWN,
    GTIN,
    LOG,
    TEA,
    TRUST_ROOT,
    Estate,
    address,
    device,
    events,
    evidence_entries,
    film,
    foreign_event,
    story,
)
from tests.ledger.refusals import refused

HONEST = Estate().with_entries().build()
STRANGER = Cosigner("stranger.example/tea", bytes([0x66]) * 32)


def refuse(raw: bytes, code: str, **options: Any) -> None:
    """The file is refused with `code`, with and without a trust root, and the honest one still holds."""
    for trust_root in options.get("trust_roots", (None, TRUST_ROOT)):
        with refused(code):
            verify(raw, trust_root=trust_root)
    assert verify(HONEST, trust_root=TRUST_ROOT)


def judged(**changes: Any) -> Callable[[Bundle], Bundle]:
    return lambda bundle: replace(bundle, judged=replace(bundle.judged, **changes))


def sent(**changes: Any) -> Callable[[Bundle], Bundle]:
    return lambda bundle: replace(bundle, sent=replace(bundle.sent, **changes))


def committed(**changes: Any) -> Callable[[Bundle], Bundle]:
    return lambda bundle: replace(bundle, committed=replace(bundle.committed, **changes))


def objects(change: Callable[[list[LoggedObject]], list[LoggedObject]]) -> Callable[[Bundle], Bundle]:
    return lambda bundle: replace(bundle, objects=tuple(change(list(bundle.objects))))


FORGED_SIGNING: dict[str, tuple[dict[str, Any], str]] = {
    "the verdict is signed by one notary too few": ({"notaries": (0, 1)}, "QUORUM"),
    "the certificate is signed by one notary too few": ({"attesting": (1, 3)}, "QUORUM"),
    "the verdict is of another epoch": ({"verdict": {"epoch": 2}}, "SET_EPOCH"),
    "the notaries found another result": ({"verdict": {"verdict": DIFFERS}}, "VERDICT_NOT_SAME"),
    "the verdict is a word that means nothing": ({"verdict": {"verdict": 3}}, "VERDICT_NOT_SAME"),
    "the verdict is about another message": ({"verdict": {"id": bytes([9]) * 32}}, "VERDICT_MISMATCH"),
    "the verdict names another origin block": ({"verdict": {"origin_block": bytes([9]) * 32}}, "HEADER_HASH"),
    "the verdict names another commit block": ({"verdict": {"commit_block": bytes([9]) * 32}}, "HEADER_HASH"),
    "the verdict is of a policy that nobody knows": ({"verdict": {"policy": 5}}, "VERDICT_POLICY"),
    "the verdict names another log of the origin block": ({"verdict": {"origin_log": 2 << 32}}, "LOG_PLACE"),
    "the verdict names another transaction's log": ({"verdict": {"commit_log": 1 << 32 | 1}}, "LOG_PLACE"),
    "the verdict says another outcome": ({"verdict": {"outcome": b"older".ljust(32, b"\0")}}, "COMMIT_MISMATCH"),
    "the verdict says it was not executed": ({"verdict": {"executed": False}}, "COMMIT_MISMATCH"),
    "it was not executed, as log and verdict say": (
        {"verdict": {"executed": False}, "commit": {"executed": 0}},
        "COMMIT_NOT_EXECUTED",
    ),
    "another word than executed stands in the log, and the verdict says no": (
        {"verdict": {"executed": False}, "commit": {"executed": 2}},
        "COMMIT_MISMATCH",
    ),
    "re-execution began after the commit": ({"verdict": {"checked_from": 58}}, "COMMIT_NOT_CHECKED"),
    "the commit was not executed": ({"commit": {"executed": 0}}, "COMMIT_MISMATCH"),
    "the commit says executed with another word": ({"commit": {"executed": 2}}, "COMMIT_MISMATCH"),
    "the commit is of another message": ({"commit": {"id": bytes([9]) * 32}}, "COMMIT_MISMATCH"),
    "the mirror had a larger checkpoint": (
        {"commit": {"outcome": b"older".ljust(32, b"\0")}, "verdict": {"outcome": b"older".ljust(32, b"\0")}},
        "COMMIT_MISMATCH",
    ),
    "F01: the anchor's log is of a look-alike gateway": ({"gateways": (address(1), address(0xA2))}, "EMITTER"),
    "F01: the commit's log is of a look-alike gateway": ({"gateways": (address(0xA1), address(1))}, "EMITTER"),
    "the message is from another contract": ({"message": {"sender": address(1)}}, "ANCHOR_MISMATCH"),
    "the message is to another contract": ({"message": {"recipient": address(1)}}, "ANCHOR_MISMATCH"),
    "the message is a call": ({"message": {"kind": Kind.CALL}}, "ANCHOR_MISMATCH"),
    "the message is to another chain": (
        {"message": {"destination": Chain(7104, bytes([0xA2]) * 32, address(0xA2))}},
        "PROPOSAL_CHAIN",
    ),
    "the message is from a chain with another genesis": (
        {"message": {"origin": Chain(7101, bytes([0xAF]) * 32, address(0xA1))}},
        "PROPOSAL_ID",
    ),
    "the anchored size is another": (
        {"anchored": lambda c: bytes([0]) * 32 + (c.size + 1).to_bytes(32, "big") + c.root},
        "ANCHOR_MISMATCH",
    ),
    "the anchor is of another log": (
        {"anchored": lambda c: bytes(32) + c.size.to_bytes(32, "big") + c.root},
        "ANCHOR_MISMATCH",
    ),
    "the anchored root is another": (
        {"anchored": lambda c: bytes(32) + c.size.to_bytes(32, "big") + bytes([7]) * 32},
        "ANCHOR_MISMATCH",
    ),
    "another log's key signed the checkpoint": ({"log": LogSigner(LOG.name, bytes([0x32]) * 32)}, "SIG_MISSING"),
    "it is another log's checkpoint": ({"log": LogSigner("other.example/tea", bytes([0x31]) * 32)}, "LOG_UNKNOWN"),
    "one cosignature is missing": ({"cosigners": COSIGNERS[:2]}, "QUORUM_MISSING"),
    "A09: a stranger cosigned too": ({"cosigners": (*COSIGNERS[:3], STRANGER)}, "SIG_UNKNOWN"),
    "C05: the unit is mentioned by no event": ({"subject": unit(GTIN, "0003")}, "SUBJECT_UNKNOWN"),
}


@pytest.mark.parametrize("case", FORGED_SIGNING)
def test_a_forger_who_signs_it_all_is_refused_when(case: str) -> None:
    changes, code = FORGED_SIGNING[case]
    refuse(Estate(**changes).with_entries().forge(), code)


def _second_log(bundle: Bundle) -> Bundle:
    return sent(log_index=0)(bundle)


def _swap_salts(found: list[LoggedObject]) -> list[LoggedObject]:
    found[3], found[4] = replace(found[3], salt=found[4].salt), replace(found[4], salt=found[3].salt)
    return found


def _swap_paths(found: list[LoggedObject]) -> list[LoggedObject]:
    found[3], found[4] = replace(found[3], path=found[4].path), replace(found[4], path=found[3].path)
    return found


def _flood(bundle: Bundle) -> Bundle:
    return judged(signatures=bundle.judged.signatures + bytes(PAIR_BYTES) * 10_000)(bundle)


def _high_s(bundle: Bundle) -> Bundle:
    packed = bytearray(bundle.judged.signatures)
    first = (packed[12] & -packed[12]).bit_length() - 1
    at = HEAD_BYTES + 32
    packed[at : at + 32] = (ORDER - int.from_bytes(packed[at : at + 32], "big")).to_bytes(32, "big")
    packed[25] ^= 1 << first
    return judged(signatures=bytes(packed))(bundle)


def _swap_signatures(bundle: Bundle) -> Bundle:
    head, pairs = bundle.judged.signatures[:HEAD_BYTES], bundle.judged.signatures[HEAD_BYTES:]
    return judged(signatures=head + pairs[PAIR_BYTES : 2 * PAIR_BYTES] + pairs[:PAIR_BYTES] + pairs[2 * PAIR_BYTES :])(
        bundle
    )


def _one_three_times(bundle: Bundle) -> Bundle:
    packed = bundle.judged.signatures
    return judged(signatures=packed[:HEAD_BYTES] + packed[HEAD_BYTES : HEAD_BYTES + PAIR_BYTES] * 3)(bundle)


def _header(bundle: Bundle, change: Callable[[bytes], bytes]) -> Bundle:
    return sent(header=change(bundle.sent.header))(bundle)


CHANGED_AFTER: dict[str, tuple[Callable[[Bundle], Bundle], str]] = {
    "the credential is another": (judged(credential=bytes(32)), "CREDENTIAL_MISMATCH"),
    "A01: a signature is the high-s twin": (_high_s, "SIG_MALLEABLE"),
    "signatures are out of order": (_swap_signatures, "SIG_UNKNOWN"),
    "A20: there are ten thousand signatures": (_flood, "SIG_LENGTH"),
    "A06: one member signed three times": (_one_three_times, "SIG_UNKNOWN"),
    "A11: the attestation's signatures stand under the verdict": (
        lambda b: judged(signatures=b.attested.signatures)(b),
        "SIG_UNKNOWN",
    ),
    "D12: a header lacks its last field": (
        lambda b: _header(b, lambda raw: rlp_strict.encode(rlp_strict.decode(raw)[:-1])),
        "HEADER_HASH",
    ),
    "D03: a byte follows the header": (lambda b: _header(b, lambda raw: raw + b"\0"), "HEADER_HASH"),
    "the origin's header is the destination's": (lambda b: sent(header=b.committed.header)(b), "HEADER_HASH"),
    "the receipt's proof is of another block": (lambda b: sent(proof=b.committed.proof)(b), "PROOF_INVALID"),
    "another transaction of the block is named": (sent(transaction=1), "PROOF_INVALID"),
    "a transaction that the block does not have is named": (sent(transaction=9), "PROOF_SUPERFLUOUS"),
    "D08: a proof node is repeated": (lambda b: sent(proof=(*b.sent.proof, b.sent.proof[-1]))(b), "PROOF_SUPERFLUOUS"),
    "a proof node is missing": (lambda b: committed(proof=b.committed.proof[:-1])(b), "PROOF_INVALID"),
    "another log of the transaction is named": (_second_log, "LOG_PLACE"),
    "a log the transaction did not emit is named": (committed(log_index=2), "PROOF_ABSENT"),
    "two entries swapped their salts": (objects(_swap_salts), "PROOF_INVALID"),
    "two entries swapped their paths": (objects(_swap_paths), "PROOF_INVALID"),
    "an entry claims another index": (
        objects(lambda found: [*found[:-1], replace(found[-1], index=found[-1].index + 1)]),
        "PROOF_INVALID",
    ),
    "entries are out of order": (objects(lambda found: [found[1], found[0], *found[2:]]), "NON_CANONICAL"),
    "an entry stands there twice": (objects(lambda found: [*found[:2], found[1], *found[2:]]), "NON_CANONICAL"),
    "an event is called evidence": (
        objects(lambda found: [*found[:-1], replace(found[-1], domain=EVIDENCE_DOMAIN)]),
        "PROOF_INVALID",
    ),
    "an object is of an unknown kind": (
        objects(lambda found: [*found[:-1], replace(found[-1], domain="pledgetrail/rumour/v1/json")]),
        "BUNDLE_FIELD",
    ),
    "the sibling of a certificate stands nowhere": (
        lambda b: replace(b, attested=replace(b.attested, path=(bytes([2]) * 33,))),
        "BUNDLE_FIELD",
    ),
    "the certificate is of another epoch": (
        lambda b: replace(b, attested=replace(b.attested, epoch=2)),
        "SET_EPOCH",
    ),
    "the certificate leads to another root": (
        lambda b: replace(b, attested=replace(b.attested, path=(bytes(33),))),
        "SIG_UNKNOWN",
    ),
    "the subject is not in its normal form": (
        lambda b: replace(b, subject=f"(01){GTIN}(21)0001"),
        "NON_CANONICAL",
    ),
    "the note has lost a line": (lambda b: replace(b, note=b.note.rpartition(b"\xe2\x80\x94")[0]), "QUORUM_MISSING"),
    "an event is left out": (objects(lambda found: found[:-2]), "SUBJECT_UNKNOWN"),
    "an enrolment is left out": (objects(lambda found: [found[0], *found[2:]]), "DEVICE_NOT_ENROLLED"),
    "the only segments of a device are left out": (
        objects(lambda found: [*found[:3], *found[6:]]),
        "SUPERFLUOUS",
    ),
    "a segment in the middle of a recording is left out": (
        objects(lambda found: [*found[:7], *found[8:]]),
        "EVIDENCE_GAP",
    ),
}


@pytest.mark.parametrize("case", CHANGED_AFTER)
def test_a_file_changed_after_signing_and_sealed_again_is_refused_when(case: str) -> None:
    change, code = CHANGED_AFTER[case]
    refuse(Estate().with_entries().forge(change), code)


def _with(entries: Callable[[Estate], list[tuple[str, bytes]]]) -> bytes:
    estate = Estate().with_entries()
    estate.entries = entries(estate)
    return estate.forge()


def _logged_evidence(signed: list[SignedEvidence]) -> bytes:
    """The honest estate, but with these statements of the camera instead of its own."""
    return _with(lambda e: [*e.entries[:6], *evidence_entries(signed), *e.entries[12:]])


def test_an_event_of_somebody_elses_goods_is_superfluous() -> None:
    refuse(_with(lambda e: [*e.entries, (EVENT_DOMAIN, foreign_event())]), "SUPERFLUOUS")


def test_a_segment_filmed_for_somebody_else_is_superfluous() -> None:
    other = film(
        CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 3), ("other/1", "https://id.gs1.org/01/06901234567892/10/X", 1)]
    )
    refuse(_logged_evidence(other), "SUPERFLUOUS")


def test_an_enrolment_nobody_needs_is_superfluous() -> None:
    idle = (DEVICE_DOMAIN, write_enrolment(device("camera-9", SoftwareKey(bytes([0x59]) * 32))))
    refuse(_with(lambda e: [*e.entries, idle]), "SUPERFLUOUS")


def test_a_second_enrolment_of_one_device_is_superfluous() -> None:
    again = (DEVICE_DOMAIN, write_enrolment(device("camera-1", SoftwareKey(bytes([0x59]) * 32))))
    refuse(_with(lambda e: [*e.entries[:3], again, *e.entries[3:]]), "SUPERFLUOUS")


def test_a_device_enrolled_after_its_evidence_is_not_enrolled() -> None:
    refuse(_with(lambda e: [e.entries[0], *e.entries[2:], e.entries[1]]), "DEVICE_NOT_ENROLLED")


def test_evidence_signed_by_another_key_is_refused() -> None:
    refuse(
        _logged_evidence(film(CAMERA, SoftwareKey(bytes([0x5F]) * 32), [("firing/1", TEA.normal, 2)])),
        "EVIDENCE_SIGNATURE",
    )


def test_two_statements_with_swapped_signatures_are_refused() -> None:
    first, second = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 2)])
    swapped = [replace(first, signature=second.signature), replace(second, signature=first.signature)]
    refuse(_logged_evidence(swapped), "EVIDENCE_SIGNATURE")


def test_a_statement_that_does_not_follow_its_predecessor_is_refused() -> None:
    first = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 1)])
    foreign = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 1)], first=2)
    refuse(_logged_evidence([*first, *foreign]), "EVIDENCE_PREVIOUS")


def test_a_statement_that_repeats_a_number_is_refused() -> None:
    first = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 1)])
    fork = film(CAMERA, CAMERA_KEY, [("firing/2", TEA.normal, 1)])
    refuse(_logged_evidence([*first, *fork]), "EVIDENCE_FORK")


def test_a_device_that_goes_back_in_time_between_recordings_is_refused() -> None:
    late = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 1)], start=DAWN + timedelta(hours=1))
    early = film(CAMERA, CAMERA_KEY, [("packing/1", TEA.normal, 1)], first=5)
    refuse(_logged_evidence([*late, *early]), "EVIDENCE_TIME")


def test_evidence_recorded_after_the_notaries_saw_it_is_refused() -> None:
    future = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 1)], start=DAWN + timedelta(days=2))
    refuse(_logged_evidence(future), "EVIDENCE_TIME")


def test_evidence_from_before_the_device_was_enrolled_is_refused() -> None:
    early = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 1)], start=DAWN - timedelta(days=20))
    refuse(_logged_evidence(early), "DEVICE_NOT_VALID")


def test_an_envelope_without_its_signature_is_refused() -> None:
    def strip(estate: Estate) -> list[tuple[str, bytes]]:
        stripped = read_envelope(estate.entries[6][1]).statement_bytes
        return [*estate.entries[:6], (EVIDENCE_DOMAIN, stripped), *estate.entries[7:]]

    refuse(_with(strip), "ENVELOPE_FORMAT")


def test_an_event_that_was_logged_in_another_spelling_is_refused() -> None:
    spaced = events(story())[0].replace(b":", b": ", 1)
    refuse(_with(lambda e: [*e.entries, (EVENT_DOMAIN, spaced)]), "NON_CANONICAL")


def test_a_trust_root_followed_by_a_newline_is_refused() -> None:
    loose = (TRUST_ROOT_DOMAIN, TRUST_ROOT.dump() + b"\n")
    refuse(_with(lambda e: [loose, *e.entries[1:]]), "NON_CANONICAL")


def test_a_bundle_of_a_lot_whose_notaries_are_the_forgers_own_holds_only_without_a_trust_root() -> None:
    committee = Committee(1, (*TRUST_ROOT.pinned.committee.members[:3], address(9)))
    own = replace(TRUST_ROOT, pinned=replace(TRUST_ROOT.pinned, committee=committee))
    estate = Estate(trust_root=own, notaries=(0, 1, 2)).with_entries()
    raw = estate.build()
    assert verify(raw, trust_root=None).fingerprint == own.fingerprint != TRUST_ROOT.fingerprint
    refuse(raw, "TRUST_ROOT", trust_roots=(TRUST_ROOT,))


def test_a_cosigner_that_never_signed_cannot_be_replaced_in_the_copy_that_came_along() -> None:
    key = ed25519.public_key(bytes([0x67]) * 32)
    cosigners = TRUST_ROOT.pinned.cosigners
    changed = replace(TRUST_ROOT.pinned, cosigners=(*cosigners[:3], replace(cosigners[3], public_key=key)))
    other = replace(TRUST_ROOT, pinned=changed)
    refuse(
        Estate().with_entries().forge(objects(lambda found: [replace(found[0], canonical=other.dump()), *found[1:]])),
        "PROOF_INVALID",
        trust_roots=(None,),
    )


def test_a_reverted_transaction_proves_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = _reverted(monkeypatch)
    refuse(raw, "TX_FAILED")


def _reverted(monkeypatch: pytest.MonkeyPatch) -> bytes:
    from ledger.ethereum.tx_receipt import DYNAMIC_FEE, TxReceipt, bloom_of
    from tests.ledger.bundle import estate as module

    with monkeypatch.context() as patched:
        patched.setattr(
            module, "_receipt", lambda gas, logs: TxReceipt(DYNAMIC_FEE, 0, gas, bloom_of(logs), tuple(logs))
        )
        return Estate().with_entries().forge()


def test_each_signature_counts_for_its_own_chain_only() -> None:
    elsewhere = replace(TRUST_ROOT, transaction=replace(TRUST_ROOT.transaction, chain_id=7104))
    refuse(Estate(trust_root=elsewhere).with_entries().forge(), "SIG_UNKNOWN", trust_roots=(None,))


def test_every_refusal_names_a_place_and_a_cure() -> None:
    for changes, _ in FORGED_SIGNING.values():
        with pytest.raises(Problem) as caught:
            verify(Estate(**changes).with_entries().forge(), trust_root=None)
        assert caught.value.where and caught.value.cure
