"""The SCITT statement of an entry, with its COSE receipt: read by an independent library, refused once changed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ledger.bundle.cose import ALG, KEY_ID, MAX_COSE_BYTES, Sign1, read_sign1, sign1
from ledger.bundle.transparent import (
    CWT_CLAIMS,
    PAYLOAD_HASH,
    PREIMAGE,
    PREIMAGE_TYPE,
    PROOFS,
    RECEIPTS,
    STRUCTURE,
    verify_transparent,
    write_transparent,
)
from ledger.canonical import entry_digest
from ledger.checkpoint import LogSigner
from ledger.errors import Problem
from ledger.merkle import Tree, leaf_hash
from tests.ledger.bundle.estate import LOG
from tests.ledger.refusals import refused

DOMAIN, CONTENT = "pledgetrail/event/v1/json", b'{"made":"tea"}'
SALTS = [bytes([number]) * 32 for number in range(7)]
ENTRIES = [entry_digest(DOMAIN, salt, CONTENT) for salt in SALTS]
TREE = Tree(leaf_hash(entry) for entry in ENTRIES)


def written(index: int = 5, signer: LogSigner = LOG, **changes: Any) -> bytes:
    fields = {"salt": SALTS[index], "canonical": CONTENT, "index": index, "path": TREE.inclusion_proof(index)}
    return write_transparent(signer, domain=DOMAIN, size=len(TREE), **{**fields, **changes})


HONEST = written()


def test_it_says_which_entry_holds_what() -> None:
    found = verify_transparent(HONEST, LOG.key)
    assert (found.domain, found.canonical, found.index, found.size) == (DOMAIN, CONTENT, 5, 7)
    assert found.root == TREE.root()
    assert len({written(index) for index in range(7)}) == 7


def test_another_implementation_reads_the_receipt_and_the_statement() -> None:
    key = Ed25519PrivateKey.from_private_bytes(LOG.private_key).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (receipt,) = scitt_cose.extract_receipts(HONEST)
    found = scitt_cose.verify_receipt(receipt, leaf_entry_hex=ENTRIES[5].hex(), log_public_key_pem=pem)
    assert found.ok, found.errors
    assert (found.tree_size, found.leaf_index, found.issuer) == (7, 5, LOG.name)
    assert not scitt_cose.verify_receipt(receipt, leaf_entry_hex=ENTRIES[4].hex(), log_public_key_pem=pem).ok
    statement = scitt_cose.verify_sign1(HONEST, public_key_pem=pem)
    assert statement.payload == ENTRIES[5]


def test_the_inclusion_proof_of_another_implementation_is_ours() -> None:
    private = Ed25519PrivateKey.from_private_bytes(LOG.private_key)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    theirs = scitt_cose.build_receipt(
        leaf_entry_hex=ENTRIES[5].hex(),
        leaf_index=5,
        tree_entries_hex=[entry.hex() for entry in ENTRIES],
        alg="EdDSA",
        log_private_key_pem=pem,
        iss=LOG.name,
        sub=f"{LOG.name}/entries/5",
        kid=LOG.key.key_id,
    )
    (ours,) = read_sign1(HONEST).unprotected[RECEIPTS]
    assert read_sign1(theirs).unprotected == read_sign1(ours).unprotected


def test_every_changed_byte_is_refused() -> None:
    dice = random.Random(20260402)
    for at in range(len(HONEST)):
        changed = bytearray(HONEST)
        changed[at] ^= dice.randrange(1, 256)
        with pytest.raises(Problem):
            verify_transparent(bytes(changed), LOG.key)
    assert verify_transparent(HONEST, LOG.key)


def test_every_truncation_and_anything_after_the_end_is_refused() -> None:
    for length in range(len(HONEST)):
        with pytest.raises(Problem):
            verify_transparent(HONEST[:length], LOG.key)
    with refused("NON_CANONICAL"):
        verify_transparent(HONEST + b"\x00", LOG.key)
    with refused("COSE_SIZE"):
        verify_transparent(bytes(MAX_COSE_BYTES + 1), LOG.key)


def test_another_logs_key_believes_nothing() -> None:
    other = LogSigner("other.example/log", bytes([0x32]) * 32)
    with refused("SIG_INVALID"):
        verify_transparent(HONEST, other.key)
    with refused("COSE_LOG"):
        verify_transparent(HONEST, LogSigner("other.example/log", LOG.private_key).key)


def change(**parts: Any) -> bytes:
    return replace(read_sign1(HONEST), **parts).encode()


def beside(receipts: Any = None, **preimage: Any) -> dict[Any, Any]:
    held = read_sign1(HONEST).unprotected
    return {RECEIPTS: held[RECEIPTS] if receipts is None else receipts, PREIMAGE: {**held[PREIMAGE], **preimage}}


def receipt(**parts: Any) -> bytes:
    (raw,) = read_sign1(HONEST).unprotected[RECEIPTS]
    return replace(read_sign1(raw), **parts).encode()


def signed(protected: dict[Any, Any], payload: bytes = ENTRIES[5], unprotected: Any = None) -> bytes:
    """Signed by the log itself, with other headers."""
    statement = sign1(LOG.private_key, protected, payload=payload)
    return replace(statement, unprotected=unprotected or read_sign1(HONEST).unprotected).encode()


CLAIMS = {CWT_CLAIMS: {1: LOG.name, 2: f"{LOG.name}/entries/5"}, KEY_ID: LOG.key.key_id}
ENVELOPE = {PAYLOAD_HASH: -16, PREIMAGE_TYPE: f"application/json; domain={DOMAIN}"}


def proof(value: Any) -> bytes:
    return receipt(unprotected={PROOFS: {-1: [cbor2.dumps(value, canonical=True)]}})


FORGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "the content is another": (lambda: change(unprotected=beside(canonical=b"{}")), "COSE_PREIMAGE"),
    "the salt is another": (lambda: change(unprotected=beside(salt=bytes(32))), "COSE_PREIMAGE"),
    "the salt is short": (lambda: change(unprotected=beside(salt=b"")), "SALT_LENGTH"),
    "the domain is another": (lambda: change(unprotected=beside(domain="pledgetrail/other/v1/json")), "COSE_PREIMAGE"),
    "the domain is no text": (lambda: change(unprotected=beside(domain=5)), "COSE_FORMAT"),
    "the preimage holds more": (lambda: change(unprotected=beside(more=1)), "COSE_FORMAT"),
    "a header is added": (lambda: change(unprotected={**beside(), 7: 7}), "COSE_FORMAT"),
    "the payload is detached": (lambda: change(payload=None), "COSE_FORMAT"),
    "there is no receipt": (lambda: change(unprotected=beside(receipts=[])), "COSE_FORMAT"),
    "there are two receipts": (lambda: change(unprotected=beside(receipts=[receipt(), receipt()])), "COSE_FORMAT"),
    "the receipt is another entry's": (
        lambda: change(unprotected=beside(receipts=list(read_sign1(written(4)).unprotected[RECEIPTS]))),
        "SIG_INVALID",
    ),
    "the receipt states a root": (
        lambda: change(unprotected=beside(receipts=[receipt(payload=TREE.root())])),
        "COSE_FORMAT",
    ),
    "the proof is of another size": (
        lambda: change(unprotected=beside(receipts=[proof([8, 5, TREE.inclusion_proof(5)])])),
        "COSE_LOG",
    ),
    "the proof is short": (
        lambda: change(unprotected=beside(receipts=[proof([7, 5, TREE.inclusion_proof(5)[:-1]])])),
        "PROOF_INVALID",
    ),
    "the proof's index is outside": (
        lambda: change(unprotected=beside(receipts=[proof([7, 7, TREE.inclusion_proof(5)])])),
        "PROOF_INVALID",
    ),
    "the proof is no list": (lambda: change(unprotected=beside(receipts=[proof({})])), "COSE_FORMAT"),
    "the size is a truth value": (lambda: change(unprotected=beside(receipts=[proof([True, 0, []])])), "COSE_FORMAT"),
    "the path holds a number": (lambda: change(unprotected=beside(receipts=[proof([7, 5, [1]])])), "COSE_FORMAT"),
    "the statement is no hash envelope": (lambda: signed({**CLAIMS}), "COSE_FORMAT"),
    "the statement's type is another": (
        lambda: signed({**CLAIMS, **ENVELOPE, PREIMAGE_TYPE: "text/plain"}),
        "COSE_FORMAT",
    ),
    "the statement's subject is another entry": (
        lambda: signed({**CLAIMS, **ENVELOPE, CWT_CLAIMS: {1: LOG.name, 2: f"{LOG.name}/entries/4"}}),
        "COSE_LOG",
    ),
    "a header is unknown": (lambda: signed({**CLAIMS, **ENVELOPE, 99: 1}), "COSE_HEADER"),
    "a critical header": (lambda: signed({**CLAIMS, **ENVELOPE, 2: [99]}), "COSE_HEADER"),
    "another algorithm": (lambda: signed({**CLAIMS, **ENVELOPE, ALG: -7}), "COSE_ALGORITHM"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_statement_is_refused_when(case: str) -> None:
    make, code = FORGED[case]
    with refused(code):
        verify_transparent(make(), LOG.key)
    assert verify_transparent(HONEST, LOG.key)


@pytest.mark.parametrize("structure", [2, None])
def test_C10_a_receipt_of_another_kind_of_tree_is_refused(structure: int | None) -> None:
    headers: dict[Any, Any] = {**CLAIMS, **({} if structure is None else {STRUCTURE: structure})}
    other = sign1(LOG.private_key, headers, payload=TREE.root(), detached=True)
    (raw,) = read_sign1(HONEST).unprotected[RECEIPTS]
    other = replace(other, unprotected=read_sign1(raw).unprotected)
    with refused("COSE_FORMAT"):
        verify_transparent(change(unprotected=beside(receipts=[other.encode()])), LOG.key)


@pytest.mark.parametrize(
    "value", [b"\xd2\x80", b"\xd3\x84\x40\xa0\xf6\x40", b"\x84\x40\xa0\xf6\x40", b"\xd2\x84\x01\xa0\xf6\x40", b""]
)
def test_what_is_no_sign1_is_refused(value: bytes) -> None:
    with pytest.raises(Problem):
        read_sign1(value)
    assert isinstance(read_sign1(HONEST), Sign1)


def test_a_bomb_of_nested_tags_is_refused_in_time() -> None:
    with refused("BUNDLE_LIMIT"):
        read_sign1(b"\xd2" * 100_000)
