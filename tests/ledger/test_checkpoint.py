"""Checkpoints, their signed notes and their cosignatures (C2SP), and everything near them that must not pass."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

import pytest

from ledger import ed25519
from ledger.checkpoint import (
    Checkpoint,
    CosignedCheckpoint,
    Cosigner,
    CosignerKey,
    LogKey,
    LogSigner,
    add_cosignatures,
    cosign,
    open_checkpoint,
    open_cosigned,
    sign_checkpoint,
)
from ledger.errors import Problem
from ledger.merkle import EMPTY_ROOT, MAX_SIZE
from ledger.note import MAX_NOTE_BYTES, SignatureLine
from tests.ledger.refusals import refused

ORIGIN = "ledger.example/estate"
LOG = LogSigner(ORIGIN, bytes([1]) * 32)
STRANGER = LogSigner(ORIGIN, bytes([2]) * 32)
NOTARIES = [Cosigner(f"notary{number}.example/witness", bytes([10 + number]) * 32) for number in range(4)]
KEYS = [notary.key for notary in NOTARIES]
CHECKPOINT = Checkpoint(ORIGIN, 20852163, bytes(range(32)))
NOTE = sign_checkpoint(CHECKPOINT, LOG)
NOON = 1_772_366_400


def line_of(notary: Cosigner, time: int = NOON, note: bytes = NOTE) -> bytes:
    return cosign(note, log_key=LOG.key, cosigner=notary, time=time)


def cosigned_by(notaries: Sequence[Cosigner]) -> bytes:
    return add_cosignatures(NOTE, [line_of(notary) for notary in notaries])


def opened(note: bytes, *, quorum: int = 3, ignore_unknown: bool = False) -> CosignedCheckpoint:
    return open_cosigned(
        note, log_key=LOG.key, cosigners=KEYS, quorum=quorum, not_after=NOON + 60, ignore_unknown=ignore_unknown
    )


GOOD = cosigned_by(NOTARIES)


def test_the_body_is_three_lines() -> None:
    assert CHECKPOINT.body() == b"ledger.example/estate\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"


def test_the_note_is_the_body_an_empty_line_and_the_logs_line() -> None:
    """Rebuilt here from the signed-note text, without the code under test."""
    public = ed25519.public_key(LOG.private_key)
    key_id = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + public).digest()[:4]
    blob = base64.b64encode(key_id + ed25519.sign(LOG.private_key, CHECKPOINT.body())).decode()
    assert CHECKPOINT.body() + f"\n— {ORIGIN} {blob}\n".encode() == NOTE
    assert open_checkpoint(NOTE, log_key=LOG.key) == CHECKPOINT


def test_a_cosignature_is_the_time_and_a_signature_over_header_time_and_body() -> None:
    """Rebuilt here from the tlog-cosignature text, without the code under test."""
    notary = NOTARIES[0]
    public = ed25519.public_key(notary.private_key)
    key_id = hashlib.sha256(notary.name.encode() + b"\n\x04" + public).digest()[:4]
    message = f"cosignature/v1\ntime {NOON}\n".encode() + CHECKPOINT.body()
    blob = key_id + NOON.to_bytes(8, "big") + ed25519.sign(notary.private_key, message)
    assert line_of(notary) == f"— {notary.name} {base64.b64encode(blob).decode()}\n".encode()


def test_verifier_keys_are_written_as_other_tools_take_them() -> None:
    name, key_id, blob = LOG.key.verifier_key.split("+", 2)
    assert (name, key_id) == (ORIGIN, LOG.key.key_id.hex())
    assert base64.b64decode(blob) == b"\x01" + LOG.key.public_key
    assert base64.b64decode(KEYS[0].verifier_key.split("+", 2)[2])[0] == 4


def test_a_quorum_opens_and_says_who_cosigned_when() -> None:
    note = add_cosignatures(NOTE, [line_of(NOTARIES[2], NOON), line_of(NOTARIES[0], NOON + 5), line_of(NOTARIES[3])])
    cosigned = opened(note)
    assert cosigned.checkpoint == CHECKPOINT
    assert [(seal.cosigner, seal.time) for seal in cosigned.cosignatures] == [
        (KEYS[2], NOON),
        (KEYS[0], NOON + 5),
        (KEYS[3], NOON),
    ]


def test_an_empty_log_has_a_checkpoint() -> None:
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert open_checkpoint(sign_checkpoint(empty, LOG), log_key=LOG.key) == empty


def test_private_keys_are_not_printed() -> None:
    assert repr(bytes([1]) * 32) not in repr(LOG)
    assert repr(bytes([10]) * 32) not in repr(NOTARIES[0])


def test_no_single_changed_byte_of_a_cosigned_note_passes() -> None:
    """Quorum is 3 of the 4 that signed, so that a line that was merely ignored would go unnoticed."""
    opened(GOOD)
    for at in range(len(GOOD)):
        for change in (1, 0x20, 0x80):
            changed = bytearray(GOOD)
            changed[at] ^= change
            with pytest.raises(Problem):
                opened(bytes(changed))


def test_no_truncation_or_trailing_byte_passes() -> None:
    for end in range(len(GOOD)):
        if GOOD[:end].endswith(b"\n") and GOOD[:end].count("—".encode()) == 4:
            continue  # whole lines of a quorum without the last cosigner: a valid, weaker note
        with pytest.raises(Problem):
            opened(GOOD[:end])
    for tail in (b"\n", b" ", b"\0", b"x", b"\r\n", b"\n\n", GOOD):
        with pytest.raises(Problem):
            opened(GOOD + tail)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_below_quorum_is_refused(count: int) -> None:
    opened(cosigned_by(NOTARIES[:3]))
    with refused("QUORUM_MISSING"):
        opened(cosigned_by(NOTARIES[:count]))


def test_a_cosigner_counts_once() -> None:
    again = add_cosignatures(NOTE, [line_of(NOTARIES[0]), line_of(NOTARIES[1]), line_of(NOTARIES[1], NOON + 1)])
    with refused("SIG_DUPLICATE_SIGNER"):
        opened(again)
    same = add_cosignatures(NOTE, [line_of(NOTARIES[0]), line_of(NOTARIES[1]), line_of(NOTARIES[1])])
    with refused("SIG_DUPLICATE_SIGNER"):
        opened(same)


def test_an_unknown_cosigner_is_refused_unless_told_to_ignore_it_and_never_counts() -> None:
    unknown = Cosigner("notary9.example/witness", bytes([99]) * 32)
    note = cosigned_by([*NOTARIES[:3], unknown])
    with refused("SIG_UNKNOWN"):
        opened(note)
    assert len(opened(note, ignore_unknown=True).cosignatures) == 3
    with refused("QUORUM_MISSING"):
        opened(cosigned_by([*NOTARIES[:2], unknown]), ignore_unknown=True)


def test_a_known_name_with_another_key_is_unknown() -> None:
    impostor = Cosigner(NOTARIES[0].name, bytes([77]) * 32)
    with refused("SIG_UNKNOWN"):
        opened(cosigned_by([impostor, *NOTARIES[1:3]]))
    with refused("QUORUM_MISSING"):
        opened(cosigned_by([impostor, *NOTARIES[1:3]]), ignore_unknown=True)


def test_a_known_cosigner_whose_signature_fails_refuses_the_whole_note() -> None:
    other = sign_checkpoint(Checkpoint(ORIGIN, 20852164, bytes(range(32))), LOG)
    stray = cosign(other, log_key=LOG.key, cosigner=NOTARIES[3], time=NOON)
    with refused("SIG_INVALID"):
        opened(add_cosignatures(NOTE, [*(line_of(notary) for notary in NOTARIES[:3]), stray]))


def test_a_cosignature_from_the_future_is_refused() -> None:
    late = add_cosignatures(NOTE, [line_of(NOTARIES[0], NOON + 61), *map(line_of, NOTARIES[1:])])
    with refused("COSIGNATURE_FUTURE"):
        opened(late)
    open_cosigned(late, log_key=LOG.key, cosigners=KEYS, quorum=3)


def test_the_logs_signature_does_not_count_as_a_cosignature_nor_the_other_way() -> None:
    """A11: the same key in the other role; the key ids and the signed texts differ."""
    as_cosigner = Cosigner(ORIGIN, LOG.private_key)
    with refused("SIG_UNKNOWN"):
        opened(cosigned_by([*NOTARIES[:2], as_cosigner]))
    body_only = CHECKPOINT.body() + b"\n" + line_of(as_cosigner)
    with refused("SIG_MISSING"):
        open_checkpoint(body_only, log_key=LOG.key)


def test_another_logs_key_or_origin_is_refused() -> None:
    with refused("SIG_MISSING"):
        open_checkpoint(sign_checkpoint(CHECKPOINT, STRANGER), log_key=LOG.key)
    with refused("LOG_UNKNOWN"):
        open_checkpoint(NOTE, log_key=LogKey("ledger.example/other", LOG.key.public_key))
    with refused("LOG_NAME"):
        sign_checkpoint(Checkpoint("ledger.example/other", 1, bytes(32)), LOG)
    with refused("SIG_MISSING"):
        cosign(sign_checkpoint(CHECKPOINT, STRANGER), log_key=LOG.key, cosigner=NOTARIES[0], time=NOON)


def test_a_log_signature_over_another_body_is_refused() -> None:
    moved = NOTE.replace(b"20852163", b"20852164")
    with refused("SIG_INVALID"):
        open_checkpoint(moved, log_key=LOG.key)
    with refused("SIG_DUPLICATE_SIGNER"):
        open_checkpoint(NOTE + NOTE.split(b"\n\n")[1], log_key=LOG.key)


@pytest.mark.parametrize("time", [0, 2**63, 2**64 - 1])
def test_a_cosignature_at_no_time_is_refused_though_its_signature_holds(time: int) -> None:
    message = f"cosignature/v1\ntime {time}\n".encode() + CHECKPOINT.body()
    signature = time.to_bytes(8, "big") + ed25519.sign(NOTARIES[0].private_key, message)
    line = SignatureLine(NOTARIES[0].name, KEYS[0].key_id, signature).encode()
    with refused("COSIGNATURE_TIME"):
        opened(add_cosignatures(NOTE, [line, *map(line_of, NOTARIES[1:])]))


@pytest.mark.parametrize("signature", [b"x", bytes(7) + b"x", bytes(7) + b"x" * 64, bytes(7) + b"x" * 66])
def test_a_cosignature_of_another_length_is_refused(signature: bytes) -> None:
    line = SignatureLine(NOTARIES[0].name, KEYS[0].key_id, signature).encode()
    with refused("SIG_INVALID"):
        opened(add_cosignatures(NOTE, [line, *map(line_of, NOTARIES[1:])]))


@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_refuses_to_cosign_at_no_time(time: int) -> None:
    with refused("COSIGNATURE_TIME"):
        line_of(NOTARIES[0], time)


ROOT = b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BODIES = {
    "leading zero": (b"ledger.example/estate\n020852163\n" + ROOT + b"\n", "CHECKPOINT_SIZE"),
    "plus sign": (b"ledger.example/estate\n+1\n" + ROOT + b"\n", "CHECKPOINT_SIZE"),
    "negative": (b"ledger.example/estate\n-1\n" + ROOT + b"\n", "CHECKPOINT_SIZE"),
    "other digits": ("ledger.example/estate\n\u0661\n".encode() + ROOT + b"\n", "CHECKPOINT_SIZE"),
    "underscore": (b"ledger.example/estate\n1_0\n" + ROOT + b"\n", "CHECKPOINT_SIZE"),
    "beyond 63 bits": (b"ledger.example/estate\n9223372036854775808\n" + ROOT + b"\n", "CHECKPOINT_SIZE"),
    "twenty digits": (b"ledger.example/estate\n10000000000000000000\n" + ROOT + b"\n", "CHECKPOINT_SIZE"),
    "no size": (b"ledger.example/estate\n\n" + ROOT + b"\n", "CHECKPOINT_SIZE"),
    "extension line": (b"ledger.example/estate\n1\n" + ROOT + b"\nmore\n", "CHECKPOINT_FORMAT"),
    "two lines": (b"ledger.example/estate\n1\n", "CHECKPOINT_FORMAT"),
    "short root": (b"ledger.example/estate\n1\nAAEC\n", "CHECKPOINT_ROOT"),
    "zero size, some root": (b"ledger.example/estate\n0\n" + ROOT + b"\n", "CHECKPOINT_ROOT"),
    "empty root, some size": (
        b"ledger.example/estate\n1\n" + base64.b64encode(EMPTY_ROOT) + b"\n",
        "CHECKPOINT_ROOT",
    ),
    "spare bits in base64": (b"ledger.example/estate\n1\n" + ROOT[:-2] + b"9=\n", "NOTE_BASE64"),
    "no padding": (b"ledger.example/estate\n1\n" + ROOT[:-1] + b"\n", "NOTE_BASE64"),
    "url alphabet": (b"ledger.example/estate\n1\n_" + ROOT[1:] + b"\n", "NOTE_BASE64"),
    "space in base64": (b"ledger.example/estate\n1\n " + ROOT + b"\n", "NOTE_BASE64"),
    "empty origin": (b"\n1\n" + ROOT + b"\n", "KEY_NAME"),
    "space in origin": (b"ledger example\n1\n" + ROOT + b"\n", "KEY_NAME"),
    "carriage return": (b"ledger.example/estate\r\n1\n" + ROOT + b"\n", "NOTE_ENCODING"),
    "tab": (b"ledger.example/estate\t\n1\n" + ROOT + b"\n", "NOTE_ENCODING"),
    "not UTF-8": (b"ledger.example/\xff\n1\n" + ROOT + b"\n", "NOTE_ENCODING"),
}


@pytest.mark.parametrize(("body", "code"), BODIES.values(), ids=BODIES)
def test_a_body_of_another_form_is_refused_even_when_the_log_signed_it(body: bytes, code: str) -> None:
    line = SignatureLine(ORIGIN, LOG.key.key_id, ed25519.sign(LOG.private_key, body)).encode()
    with refused(code):
        open_checkpoint(body + b"\n" + line, log_key=LOG.key)


LINE = NOTE.split(b"\n\n")[1]
NOTES = {
    "empty": (b"", "NOTE_FORMAT"),
    "no signature": (CHECKPOINT.body() + b"\n", "NOTE_FORMAT"),
    "no empty line": (CHECKPOINT.body() + LINE, "NOTE_FORMAT"),
    "no final newline": (NOTE[:-1], "NOTE_FORMAT"),
    "hyphen for the dash": (NOTE.replace("—".encode(), b"-"), "NOTE_FORMAT"),
    "two spaces": (NOTE.replace("— ".encode(), "—  ".encode()), "NOTE_BASE64"),
    "no key name": (CHECKPOINT.body() + "\n— AAAAAAA=\n".encode(), "NOTE_FORMAT"),
    "key id without signature": (CHECKPOINT.body() + "\n— name AAAAAA==\n".encode(), "NOTE_FORMAT"),
    "plus in the key name": (NOTE.replace(b"\xe2\x80\x94 ledger.", b"\xe2\x80\x94 ledger+"), "KEY_NAME"),
    "spare bits in base64": (NOTE[:-2] + b"?\n", "NOTE_BASE64"),
    "too long": (NOTE + b"x" * MAX_NOTE_BYTES, "NOTE_SIZE"),
    "too many signatures": (NOTE + LINE * 64, "NOTE_SIZE"),
}


@pytest.mark.parametrize(("note", "code"), NOTES.values(), ids=NOTES)
def test_a_note_of_another_form_is_refused(note: bytes, code: str) -> None:
    open_checkpoint(NOTE, log_key=LOG.key)
    with refused(code):
        open_checkpoint(note, log_key=LOG.key)


def test_add_cosignatures_takes_whole_lines_only() -> None:
    for line in (b"", line_of(NOTARIES[0])[:-1], line_of(NOTARIES[0]) * 2, b"\n" + line_of(NOTARIES[0])):
        with refused("NOTE_FORMAT"):
            add_cosignatures(NOTE, [line])
    with refused("NOTE_ENCODING"):
        add_cosignatures(NOTE, [b"\xff\n"])
    with refused("NOTE_SIZE"):
        add_cosignatures(NOTE, [line_of(NOTARIES[0])] * 64)


@pytest.mark.parametrize(
    ("cosigners", "quorum", "code"),
    [
        (KEYS, 0, "QUORUM_INVALID"),
        (KEYS, 5, "QUORUM_INVALID"),
        ([], 0, "QUORUM_INVALID"),
        ([*KEYS, KEYS[0]], 3, "COSIGNER_REPEATED"),
        ([*KEYS, CosignerKey("second.example/name", KEYS[0].public_key)], 3, "COSIGNER_REPEATED"),
        ([*KEYS, CosignerKey(KEYS[0].name, LOG.key.public_key)], 3, "COSIGNER_REPEATED"),
        ([*KEYS, CosignerKey("log.example/itself", LOG.key.public_key)], 3, "COSIGNER_REPEATED"),
    ],
)
def test_a_committee_that_is_none_is_refused(cosigners: list[CosignerKey], quorum: int, code: str) -> None:
    with refused(code):
        open_cosigned(GOOD, log_key=LOG.key, cosigners=cosigners, quorum=quorum)


def test_values_that_no_note_can_carry_are_refused_when_made() -> None:
    for name in ("", "a b", "a+b", "a\nb", "a\u00a0b", "a\u200bb", "a" * 256):
        with refused("KEY_NAME"):
            Checkpoint(name, 1, bytes(32))
        with refused("KEY_NAME"):
            CosignerKey(name, KEYS[0].public_key)
    for size in (-1, MAX_SIZE + 1):
        with refused("CHECKPOINT_SIZE"):
            Checkpoint(ORIGIN, size, bytes(32))
    with refused("CHECKPOINT_ROOT"):
        Checkpoint(ORIGIN, 1, bytes(31))
    with refused("KEY_WEAK"):
        LogKey(ORIGIN, (1).to_bytes(32, "little"))
    assert Checkpoint(ORIGIN, MAX_SIZE, bytes(32)).size == MAX_SIZE
