"""Certificates without a chain: how many, whose, in which order. `tests/contracts/test_committee.py` has the twin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import merkle, quorum
from ledger.attestation import attestation_digest
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Message
from ledger.quorum import HEAD_BYTES, PAIR_BYTES, Certificate, Committee, pack, root_over, split
from ledger.secp256k1 import ORDER, Signature, SigningKey, recover
from tests.ledger.messages import DESTINATION, MESSAGE
from tests.ledger.refusals import refused

KEYS = [SigningKey.from_secret(keccak256(b"member %d" % index)) for index in range(20)]
OUTSIDER = SigningKey.from_secret(b"\x77" * 32)
DIGEST = keccak256(b"a statement")
SIGNATURES = {index: key.sign(DIGEST) for index, key in enumerate(KEYS)}


def committee(members: int) -> Committee:
    return Committee(1, tuple(key.address for key in KEYS[:members]))


def signed(members: int) -> bytes:
    return pack({index: SIGNATURES[index] for index in range(members)})


@pytest.mark.parametrize("members", range(4, 21))
def test_A07_exactly_a_quorum_is_enough(members: int) -> None:
    judged, needed = committee(members), quorum.quorum(members)
    honest = {index: SIGNATURES[index] for index in range(needed - 1)}
    assert judged.check(1, DIGEST, signed(needed)) == tuple(range(needed))
    with refused("QUORUM"):
        judged.check(1, DIGEST, signed(needed - 1))
    with refused("SIG_UNKNOWN"):
        judged.check(1, DIGEST, pack(honest | {needed - 1: OUTSIDER.sign(DIGEST)}))
    with refused("SIG_UNKNOWN"):
        other = KEYS[needed - 1].sign(keccak256(b"another statement"))
        judged.check(1, DIGEST, pack(honest | {needed - 1: other}))


def test_A07_the_quorum_of_n_members() -> None:
    assert [quorum.quorum(n) for n in range(1, 13)] == [1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9]
    assert (quorum.quorum(19), quorum.quorum(20)) == (13, 14)
    for n in (0, -1, 101):
        with refused("CONFIG_SET"):
            quorum.quorum(n)


def test_A06_one_member_counts_once_in_whatever_form() -> None:
    """The packed form has one place per member, so a second signature can only stand in another's place."""
    twice, another = SIGNATURES[1], another_signature(KEYS[1])
    for form in (twice, another):
        with refused("SIG_UNKNOWN"):
            committee(4).check(1, DIGEST, pack({0: SIGNATURES[0], 1: twice, 2: form}))
    with refused("SIG_LENGTH"):
        committee(4).check(1, DIGEST, signed(2) + twice.pack()[:PAIR_BYTES])
    with refused("SIG_LENGTH"):
        committee(4).check(1, DIGEST, signed(2) + twice.pack())
    # A second valid signature is a signature, in its own place.
    good = {0: SIGNATURES[0], 1: another, 2: SIGNATURES[2]}
    assert committee(4).check(1, DIGEST, pack(good)) == (0, 1, 2)
    assert committee(4).check(1, DIGEST, signed(3)) == (0, 1, 2)


def test_A01_a_certificate_has_one_packed_form() -> None:
    packed = signed(3)
    assert {index: pair for index, (pair, _) in split(packed, 4).items()} == {
        index: SIGNATURES[index].pack()[:PAIR_BYTES] for index in range(3)
    }
    for place in range(3, 8):
        loose = bytearray(packed)
        loose[HEAD_BYTES - 1] |= 1 << place
        with refused("SIG_BAD_V"):
            committee(4).check(1, DIGEST, bytes(loose))


def another_signature(key: SigningKey) -> Signature:
    """A valid signature over the digest with a nonce of the test's own choosing (s = (z + r d) / k)."""
    import coincurve

    nonce = 0x1234567
    x, y = coincurve.PublicKey.from_secret(nonce.to_bytes(32, "big")).point()
    s = (int.from_bytes(DIGEST, "big") + x * int.from_bytes(key.secret, "big")) * pow(nonce, -1, ORDER) % ORDER
    odd = y % 2
    if s > ORDER // 2:
        s, odd = ORDER - s, 1 - odd
    return Signature(x, s, 27 + odd)


def test_A09_who_signed_is_recovered_and_never_named() -> None:
    for index in (2, 3):
        with refused("SIG_UNKNOWN"):
            committee(4).check(1, DIGEST, pack({0: SIGNATURES[0], 1: SIGNATURES[1], index: OUTSIDER.sign(DIGEST)}))
    with refused("SIG_UNKNOWN"):
        committee(4).index_of(DIGEST, OUTSIDER.sign(DIGEST))
    assert [committee(4).index_of(DIGEST, SIGNATURES[index]) for index in range(4)] == [0, 1, 2, 3]


def test_A20_a_flood_is_refused_before_any_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    recoveries: list[bytes] = []

    def counted(digest: bytes, signature: Signature) -> bytes:
        recoveries.append(digest)
        return recover(digest, signature)

    monkeypatch.setattr(quorum, "recover", counted)
    flood = bytes(PAIR_BYTES) * 10_000
    for packed, code in ((flood, "SIG_LENGTH"), (signed(3) + flood, "SIG_LENGTH"), (signed(2), "QUORUM")):
        with refused(code):
            committee(4).check(1, DIGEST, packed)
        assert recoveries == []
    # The most that one certificate can cost: a recovery for each member.
    committee(4).check(1, DIGEST, signed(4))
    assert len(recoveries) == 4


SETS: dict[str, Any] = {
    "B05_empty": (),
    "B05_one_member": (KEYS[0].address,),
    "B05_three_members": tuple(key.address for key in KEYS[:3]),
    "B05_a_short_member": (*(key.address for key in KEYS[:3]), b"\x01" * 19),
    "B05_a_long_member": (*(key.address for key in KEYS[:3]), b"\x01" * 21),
    "B05_the_zero_member": (*(key.address for key in KEYS[:3]), bytes(20)),
    "B05_one_member_twice": (*(key.address for key in KEYS[:3]), KEYS[0].address),
    "B05_too_many": tuple(index.to_bytes(20, "big") for index in range(1, 102)),
}


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_refused(name: str) -> None:
    with refused("CONFIG_SET"):
        Committee(1, SETS[name])
    assert Committee(1, tuple(index.to_bytes(20, "big") for index in range(1, 101))).quorum == 67


# -- certificates -----------------------------------------------------------------------------------------------------

MESSAGES = [replace(MESSAGE, sequence=sequence) for sequence in range(5)]


def certificate(index: int, messages: list[Message] = MESSAGES) -> Certificate:
    root = root_over(messages)
    digest = attestation_digest(chain_id=DESTINATION.chain_id, gateway=DESTINATION.gateway, root=root, epoch=1)
    leaves = [merkle.leaf_hash(message.id) for message in messages]
    signatures = pack({member: KEYS[member].sign(digest) for member in (0, 1, 3)})
    return Certificate(root, index, len(messages), tuple(merkle.inclusion_proof(leaves, index)), 1, signatures)


@pytest.mark.parametrize("index", range(5))
def test_a_certificate_proves_each_of_its_messages_and_no_other(index: int) -> None:
    proof = certificate(index)
    assert proof.check(MESSAGES[index], committee(4)) == (0, 1, 3)
    for other in MESSAGES[:index] + MESSAGES[index + 1 :]:
        with refused("PROOF_INVALID"):
            proof.check(other, committee(4))


def test_A10_a_certificate_is_for_one_destination() -> None:
    for end in (replace(DESTINATION, chain_id=7199), replace(DESTINATION, gateway=b"\x23" * 20)):
        others = [replace(message, destination=end) for message in MESSAGES]
        forged = replace(certificate(2), root=root_over(others), proof=certificate(2, others).proof)
        with refused("SIG_UNKNOWN"):
            forged.check(others[2], committee(4))
    assert certificate(2).check(MESSAGES[2], committee(4))


def test_B01_a_certificate_is_of_one_epoch() -> None:
    with refused("SET_EPOCH"):
        replace(certificate(2), epoch=2).check(MESSAGES[2], committee(4))
    with refused("SIG_UNKNOWN"):
        replace(certificate(2), epoch=2).check(MESSAGES[2], replace(committee(4), epoch=2))
