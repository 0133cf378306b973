"""A proof file (C2SP tlog-proof): what it proves about a payload, and what it never does."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from ledger.canonical import entry_digest
from ledger.checkpoint import (
    Checkpoint,
    CosignedCheckpoint,
    Cosigner,
    LogSigner,
    add_cosignatures,
    cosign,
    sign_checkpoint,
)
from ledger.errors import Problem
from ledger.log_proof import MAX_PROOF_BYTES, LogProof, read_log_proof, verify_logged
from ledger.merkle import EMPTY_ROOT, Tree, leaf_hash
from tests.ledger.refusals import refused

DOMAIN = "pledgetrail/event/v1/json"
LOG = LogSigner("ledger.example/estate", bytes([1]) * 32)
NOTARIES = [Cosigner(f"notary{number}.example/witness", bytes([10 + number]) * 32) for number in range(4)]
PAYLOADS = [b'{"event":%d}' % number for number in range(13)]
SALTS = [bytes([number]) * 32 for number in range(13)]
ENTRIES = [entry_digest(DOMAIN, salt, payload) for salt, payload in zip(SALTS, PAYLOADS, strict=True)]
TREE = Tree(map(leaf_hash, ENTRIES))


def note_of(checkpoint: Checkpoint, notaries: int = 4) -> bytes:
    note = sign_checkpoint(checkpoint, LOG)
    lines = [cosign(note, log_key=LOG.key, cosigner=notary, time=1_772_366_400) for notary in NOTARIES[:notaries]]
    return add_cosignatures(note, lines)


NOTE = note_of(Checkpoint(LOG.name, 13, TREE.root()))
PROOF = LogProof(ENTRIES[5], 5, tuple(TREE.inclusion_proof(5)), NOTE)


def check(proof: LogProof, *, payload: int = 5) -> CosignedCheckpoint:
    return verify_logged(
        proof,
        domain=DOMAIN,
        salt=SALTS[payload],
        canonical=PAYLOADS[payload],
        log_key=LOG.key,
        cosigners=[notary.key for notary in NOTARIES],
        quorum=3,
    )


def test_every_entry_is_proven_by_its_own_file() -> None:
    for number, entry in enumerate(ENTRIES):
        proof = LogProof(entry, number, tuple(TREE.inclusion_proof(number)), NOTE)
        assert read_log_proof(proof.encode()) == proof
        assert check(proof, payload=number).checkpoint.size == 13


def test_the_file_is_the_one_the_specification_draws() -> None:
    lines = PROOF.encode().decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra " + base64.b64encode(ENTRIES[5]).decode()
    assert lines[2] == "index 5"
    assert [base64.b64decode(line) for line in lines[3:7]] == list(PROOF.path)
    assert "\n".join(lines[8:]).encode() == NOTE


def test_c04_no_single_changed_byte_passes() -> None:
    raw = PROOF.encode()
    check(read_log_proof(raw))
    for at in range(len(raw)):
        for change in (1, 0x20, 0x80):
            changed = bytearray(raw)
            changed[at] ^= change
            with pytest.raises(Problem):
                check(read_log_proof(bytes(changed)))


def test_c05_a_proof_for_one_payload_does_not_carry_another() -> None:
    check(PROOF)
    with refused("PROOF_PAYLOAD"):
        check(PROOF, payload=6)
    with refused("PROOF_INVALID"):  # the file relabelled for the other payload
        check(replace(PROOF, entry=ENTRIES[6]), payload=6)


def test_c05_the_same_payload_in_another_domain_is_another_entry() -> None:
    with refused("PROOF_PAYLOAD"):
        verify_logged(
            PROOF,
            domain="pledgetrail/evidence/v1/json",
            salt=SALTS[5],
            canonical=PAYLOADS[5],
            log_key=LOG.key,
            cosigners=[notary.key for notary in NOTARIES],
            quorum=3,
        )


UNTRUSTED = {
    "below quorum": note_of(Checkpoint(LOG.name, 13, TREE.root()), notaries=2),
    "signed by nobody": Checkpoint(LOG.name, 13, TREE.root()).body() + b"\n",
    "another log": add_cosignatures(
        sign_checkpoint(Checkpoint("other.example/log", 13, TREE.root()), replace(LOG, name="other.example/log")), []
    ),
    "absent": b"",
}


@pytest.mark.parametrize("note", UNTRUSTED.values(), ids=UNTRUSTED)
def test_c06_a_root_that_no_quorum_showed_is_untrusted(note: bytes) -> None:
    check(PROOF)
    with refused("ROOT_UNTRUSTED"):
        check(replace(PROOF, note=note))


def test_c06_a_default_root_holds_nothing_even_when_cosigned() -> None:
    for checkpoint in (Checkpoint(LOG.name, 13, bytes(32)), Checkpoint(LOG.name, 0, EMPTY_ROOT)):
        with refused("PROOF_INVALID"):
            check(replace(PROOF, note=note_of(checkpoint)))


def test_a_later_checkpoint_needs_a_later_proof() -> None:
    grown = Tree(map(leaf_hash, [*ENTRIES, bytes(32)]))
    note = note_of(Checkpoint(LOG.name, 14, grown.root()))
    with refused("PROOF_INVALID"):
        check(replace(PROOF, note=note))
    check(replace(PROOF, note=note, path=tuple(grown.inclusion_proof(5))))


RAW = PROOF.encode()
HASH_LINE = base64.b64encode(PROOF.path[0])
EXTRA_LINE = b"extra " + base64.b64encode(ENTRIES[5]) + b"\n"
FORMS = {
    "C08 both children": (RAW.replace(HASH_LINE, base64.b64encode(PROOF.path[0] * 2)), "PROOF_NODE"),
    "C08 neither child": (RAW.replace(HASH_LINE + b"\n", b"AAAA\n"), "PROOF_NODE"),
    "C08 a short entry": (RAW.replace(base64.b64encode(ENTRIES[5]), b"AAAA"), "PROOF_NODE"),
    "C10 other version": (RAW.replace(b"@v1", b"@v2"), "PROOF_SPEC"),
    "C10 other hash": (RAW.replace(b"tlog-proof@v1", b"tlog-proof-sha512@v1"), "PROOF_SPEC"),
    "C10 prehash flag": (RAW.replace(b"@v1\n", b"@v1 prehash\n"), "PROOF_SPEC"),
    "C10 no kind": (RAW.replace(b"c2sp.org/tlog-proof@v1\n", b""), "PROOF_SPEC"),
    "empty": (b"", "PROOF_FORMAT"),
    "no entry": (RAW.replace(EXTRA_LINE, b""), "PROOF_FORMAT"),
    "two entries": (RAW.replace(EXTRA_LINE, EXTRA_LINE * 2), "PROOF_FORMAT"),
    "no index": (RAW.replace(b"index 5\n", b""), "PROOF_FORMAT"),
    "leading zero": (RAW.replace(b"index 5", b"index 05"), "PROOF_FORMAT"),
    "negative index": (RAW.replace(b"index 5", b"index -5"), "PROOF_FORMAT"),
    "not ASCII": (RAW.replace(b"index 5", "index \u0665".encode()), "PROOF_FORMAT"),
    "carriage returns": (RAW.replace(b"\n", b"\r\n"), "PROOF_FORMAT"),
    "spare bits in base64": (RAW.replace(HASH_LINE, HASH_LINE[:-2] + b"B="), "NOTE_BASE64"),
    "too long": (RAW + b"x" * MAX_PROOF_BYTES, "PROOF_SIZE"),
}


@pytest.mark.parametrize(("raw", "code"), FORMS.values(), ids=FORMS)
def test_a_file_of_another_form_is_refused(raw: bytes, code: str) -> None:
    assert raw != RAW
    with refused(code):
        read_log_proof(raw)
