"""Checkpoints, cosignatures and keys in the browser and in Python: believed or refused alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import ed25519, p256
from ledger.checkpoint import Checkpoint, Cosigner, LogSigner, add_cosignatures, cosign, open_cosigned, sign_checkpoint
from ledger.evidence.keys import verify_signature
from ledger.merkle import Tree
from tests.ledger.bundle import estate
from tests.ledger.web.javascript import Rules
from tests.ledger.web.parity import LEAVES, ONE_CALL, changed, changes, code_of

ROOT = estate.TRUST_ROOT
JS_ROOT = {
    "log": {"name": ROOT.log.name, "key": ROOT.log.public_key},
    "cosigners": [{"name": key.name, "key": key.public_key} for key in ROOT.pinned.cosigners],
    "quorum": ROOT.pinned.quorum,
}
CHECKPOINT = Checkpoint(ROOT.log.name, 70, Tree(LEAVES).root())


def note_of(
    cosigners: int = 4,
    *,
    signer: LogSigner = estate.LOG,
    checkpoint: Checkpoint = CHECKPOINT,
    time: int = 1_800_000_000,
) -> bytes:
    note = sign_checkpoint(checkpoint, signer)
    signed = [cosign(note, log_key=signer.key, cosigner=key, time=time) for key in estate.COSIGNERS[:cosigners]]
    return add_cosignatures(note, signed)


def _lines(note: bytes) -> tuple[bytes, list[bytes]]:
    text, _, lines = note.rpartition(b"\n\n")
    return text + b"\n\n", lines.splitlines(keepends=True)


def _notes() -> dict[str, tuple[bytes, str]]:
    head, lines = _lines(note_of())
    stranger = LogSigner(ROOT.log.name, bytes([0x99]) * 32)
    other = Checkpoint("other.example/log", 70, CHECKPOINT.root)
    outsider = Cosigner("notary-9.example/tea", bytes([0x77]) * 32)
    foreign = cosign(note_of(), log_key=ROOT.log, cosigner=outsider, time=5)
    return {
        "the honest one": (note_of(), ""),
        "exactly a quorum": (note_of(3), ""),
        "too few cosigners": (note_of(2), "QUORUM_MISSING"),
        "none": (note_of(0), "QUORUM_MISSING"),
        "a cosigner repeated instead of another": (head + b"".join([*lines[:3], lines[2]]), "SIG_DUPLICATE_SIGNER"),
        "the log's own signature stripped": (head + b"".join(lines[1:]), "SIG_MISSING"),
        "the log signed twice": (head + b"".join([lines[0], *lines]), "SIG_DUPLICATE_SIGNER"),
        "another log's key under its name": (note_of(signer=stranger), "SIG_MISSING"),
        "another log": (note_of(signer=LogSigner(other.origin, bytes([0x31]) * 32), checkpoint=other), "LOG_UNKNOWN"),
        "a cosigner nobody knows": (note_of(3) + foreign, "SIG_UNKNOWN"),
        "extension line": (head[:-1] + b"more\n\n" + b"".join(lines), "CHECKPOINT_FORMAT"),
        "leading zero": (note_of().replace(b"\n70\n", b"\n070\n"), "CHECKPOINT_SIZE"),
        "another size": (note_of().replace(b"\n70\n", b"\n71\n"), "SIG_INVALID"),
        "no signature at all": (head[:-1], "NOTE_FORMAT"),
    }


@pytest.mark.parametrize("case", _notes())
def test_a_checkpoint_is_believed_or_refused_alike(rules: Rules, case: str) -> None:
    note, code = _notes()[case]
    assert code_of(lambda: open_cosigned(note, log_key=ROOT.log, cosigners=ROOT.pinned.cosigners, quorum=3)) == code
    assert rules.codes([("cosigned", note, JS_ROOT)]) == [code]


@ONE_CALL
@given(st.lists(st.tuples(st.integers(0, 4), changes), min_size=60, max_size=100))
def test_a_changed_note_is_refused_alike(rules: Rules, found: list[tuple[int, tuple[int, int]]]) -> None:
    notes = [changed(note_of(count), change) for count, change in found]
    theirs = rules.codes([("cosigned", note, JS_ROOT) for note in notes])
    ours = [
        code_of(lambda note=note: open_cosigned(note, log_key=ROOT.log, cosigners=ROOT.pinned.cosigners, quorum=3))  # type: ignore[misc]
        for note in notes
    ]
    assert list(zip(notes, theirs, strict=True)) == list(zip(notes, ours, strict=True))


def test_signatures_hold_or_fail_alike(rules: Rules) -> None:
    message = b"what was said"
    secret = bytes([0x42]) * 32
    key, signature = ed25519.public_key(secret), ed25519.sign(secret, message)
    curve_key, curve_signature = p256.public_key(secret), p256.sign(secret, message)
    high = curve_signature[:32] + (p256.ORDER - int.from_bytes(curve_signature[32:], "big")).to_bytes(32, "big")
    order = 2**252 + 27742317777372353535851937790883648493
    twin = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    cases: list[tuple[str, bytes, bytes, bytes]] = [
        ("Ed25519", key, message, signature),
        ("P-256", curve_key, message, curve_signature),
        ("Ed25519", key, message + b".", signature),
        ("P-256", curve_key, message + b".", curve_signature),
        ("Ed25519", key, message, twin),
        ("P-256", curve_key, message, high),
        ("Ed25519", key, message, signature[:63]),
        ("P-256", curve_key, message, curve_signature[:63]),
        ("P-256", curve_key, message, curve_signature + b"\0"),
        ("P-256", curve_key, message, bytes(64)),
        ("P-256", curve_key[:-1] + bytes([curve_key[-1] ^ 1]), message, curve_signature),
        ("P-256", b"\x02" + curve_key[1:33], message, curve_signature),
        ("Ed25519", curve_key, message, curve_signature),
        ("P-256", key, message, signature),
        ("ed25519", key, message, signature),
        ("", key, message, signature),
        ("Ed25519", bytes(32), message, bytes(64)),
        ("Ed25519", b"\1" + bytes(31), message, b"\1" + bytes(63)),
        ("Ed25519", b"\xee" + b"\xff" * 30 + b"\x7f", message, bytes(64)),
        ("Ed25519", b"\2" + bytes(31), message, signature),
    ]
    expected = [code_of(lambda case=case: verify_signature(*case)) for case in cases]  # type: ignore[misc]
    assert rules.codes([("verifyDeviceSignature", *case) for case in cases]) == expected
    assert expected.count("") == 2
