"""Certificates at the committee contract: a quorum of different members in strict form, as its Python twin judges."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_abi.abi import decode

from ledger.attestation import attestation_digest, verdict_digest
from ledger.ethereum.keccak import keccak256
from ledger.membership import Purpose, possession_digest
from ledger.orders import approval_digest, order_digest
from ledger.quorum import HEAD_BYTES, PAIR_BYTES, quorum
from ledger.secp256k1 import ORDER, Signature
from tests.contracts.committees import DIGEST, OUTSIDER, Chamber, Said, key, members, parts, raw, signed
from tests.contracts.engines import Act
from tests.contracts.evm import CHAIN_ID, OWNER, Reverted, floor_gas, intrinsic_gas
from tests.ledger.messages import VERDICT


@pytest.fixture(scope="module")
def chamber() -> Chamber:
    """Four members; no test here changes it."""
    return Chamber.open(members(0, 1, 2, 3))


def changed(index: int, **parts_of: int) -> bytes:
    """Signatures of 0, 1 and 2, one of them with another r, s or parity."""
    r, s, parity = parts(key(index).sign(DIGEST))
    found: dict[int, tuple[int, int, int]] = {each: parts(key(each).sign(DIGEST)) for each in (0, 1, 2)}
    found[index] = (parts_of.get("r", r), parts_of.get("s", s), parts_of.get("parity", parity))
    return raw(found)


def high_s(index: int) -> bytes:
    r, s, parity = parts(key(index).sign(DIGEST))
    return changed(index, r=r, s=ORDER - s, parity=1 - parity)


def in_place(packed: bytes, at: int, *values: int) -> bytes:
    return packed[:at] + bytes(values) + packed[at + len(values) :]


def test_any_quorum_is_accepted_and_no_less(chamber: Chamber) -> None:
    for indices in ((0, 1, 2), (0, 1, 3), (1, 2, 3), (0, 1, 2, 3)):
        assert chamber.check(1, DIGEST, signed(DIGEST, *indices)) is True
    for short in ((0,), (0, 3), (2, 3)):
        assert chamber.check(1, DIGEST, signed(DIGEST, *short)) == Said("Committee: below quorum", "QUORUM")


def test_so_many_that_the_others_are_no_quorum_are_judged_alike(chamber: Chamber) -> None:
    for indices in ((0, 3), (1, 2, 3)):
        assert chamber.check(1, DIGEST, signed(DIGEST, *indices), "check_blocking") is True
    below = chamber.check(1, DIGEST, signed(DIGEST, 2), "check_blocking")
    assert below == Said("Committee: below quorum", "QUORUM")
    strange = chamber.check(2, DIGEST, signed(DIGEST, 0, 3), "check_blocking")
    assert strange == Said("Committee: wrong epoch", "SET_EPOCH")


def test_an_order_needs_a_quorum_of_the_current_epoch(chamber: Chamber) -> None:
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1, 2), "check_current") is True
    below = chamber.check(1, DIGEST, signed(DIGEST, 0, 1), "check_current")
    assert below == Said("Committee: below quorum", "QUORUM")
    for epoch in (0, 2):
        strange = chamber.check(epoch, DIGEST, signed(DIGEST, 0, 1, 2), "check_current")
        assert strange == Said("Committee: not the current epoch", "SET_EPOCH")


def single(index: int, signature: Signature) -> bytes:
    return bytes([index]) + signature.pack()


SINGLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "A04_nothing": (lambda: b"", "Committee: signature length"),
    "A04_one_byte_short": (lambda: single(0, key(0).sign(DIGEST))[:-1], "Committee: signature length"),
    "A09_anothers_index": (lambda: single(1, key(0).sign(DIGEST)), "Committee: not this member's signature"),
    "A09_an_outsider": (lambda: single(1, OUTSIDER.sign(DIGEST)), "Committee: not this member's signature"),
    "an_index_outside": (lambda: single(4, key(0).sign(DIGEST)), "Committee: unknown member"),
    "A02_v_0": (lambda: single(0, key(0).sign(DIGEST))[:-1] + b"\x00", "strict_signature: recovery id"),
    "A02_v_29": (lambda: single(0, key(0).sign(DIGEST))[:-1] + b"\x1d", "strict_signature: recovery id"),
    "A01_high_s": (
        lambda: b"\x02" + high_s(2)[HEAD_BYTES + 2 * PAIR_BYTES :] + bytes([55 - key(2).sign(DIGEST).v]),
        "strict_signature: malleable",
    ),
    "A05_recovers_to_no_key": (
        lambda: b"\x00" + (5).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\x1b",
        "strict_signature: nobody's",
    ),
}


@pytest.mark.parametrize("name", SINGLE)
def test_one_members_signature_is_refused(chamber: Chamber, name: str) -> None:
    build, reason = SINGLE[name]
    with pytest.raises(Reverted) as reverted:
        chamber.contract.call("check_member", 1, DIGEST, build())
    assert reverted.value.reason == reason
    for index in range(4):
        assert chamber.contract.call("check_member", 1, DIGEST, single(index, key(index).sign(DIGEST))) == index
    with pytest.raises(Reverted, match="not the current epoch"):
        chamber.contract.call("check_member", 2, DIGEST, single(0, key(0).sign(DIGEST)))


NOT_THIS = "Committee: not this member's signature"
LENGTH = "Committee: signature length"
REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "A01_a_high_s_twin": (lambda: high_s(2), "Committee: malleable signature", "SIG_MALLEABLE"),
    "A02_the_other_recovery_id": (
        lambda: changed(2, parity=1 - parts(key(2).sign(DIGEST))[2]),
        NOT_THIS,
        "SIG_UNKNOWN",
    ),
    "A02_a_recovery_id_where_nobody_signed": (
        lambda: in_place(signed(DIGEST, 0, 1, 2), 25, signed(DIGEST, 0, 1, 2)[25] | 8),
        "Committee: recovery id of nobody",
        "SIG_BAD_V",
    ),
    "A02_a_recovery_id_above_the_committee": (
        lambda: in_place(signed(DIGEST, 0, 1, 2), 13, 128),
        "Committee: recovery id of nobody",
        "SIG_BAD_V",
    ),
    "A03_r_is_zero": (lambda: changed(2, r=0), NOT_THIS, "SIG_RANGE"),
    "A03_s_is_zero": (lambda: changed(2, s=0), NOT_THIS, "SIG_RANGE"),
    "A03_r_is_the_order": (lambda: changed(2, r=ORDER), NOT_THIS, "SIG_RANGE"),
    "A03_r_is_beyond_the_order": (lambda: changed(2, r=ORDER + 1), NOT_THIS, "SIG_RANGE"),
    "A03_r_is_all_ones": (lambda: changed(2, r=2**256 - 1), NOT_THIS, "SIG_RANGE"),
    "A03_s_is_all_ones": (lambda: changed(2, s=2**256 - 1), "Committee: malleable signature", "SIG_RANGE"),
    "A04_nothing": (lambda: b"", LENGTH, "SIG_LENGTH"),
    "A04_the_head_alone": (lambda: bytes(HEAD_BYTES), LENGTH, "SIG_LENGTH"),
    "A04_nobody_signed": (lambda: bytes(HEAD_BYTES + 3 * PAIR_BYTES), LENGTH, "SIG_LENGTH"),
    "A04_one_byte_short": (lambda: signed(DIGEST, 0, 1, 2)[:-1], LENGTH, "SIG_LENGTH"),
    "A04_one_byte_long": (lambda: signed(DIGEST, 0, 1, 2) + b"\x00", LENGTH, "SIG_LENGTH"),
    "A04_a_signature_too_many": (lambda: signed(DIGEST, 0, 1, 2) + bytes(64), LENGTH, "SIG_LENGTH"),
    "A04_a_signature_too_few": (lambda: signed(DIGEST, 0, 1, 2, 3)[:-64], LENGTH, "SIG_LENGTH"),
    "A05_recovers_to_no_key": (lambda: changed(2, r=5, s=1), NOT_THIS, "SIG_UNKNOWN"),
    "A06_one_member_in_two_places": (lambda: signed(DIGEST, 0, 1, 2, by=(0, 1, 1)), NOT_THIS, "SIG_UNKNOWN"),
    "A07_below_the_quorum": (lambda: signed(DIGEST, 0, 1), "Committee: below quorum", "QUORUM"),
    "A07_a_quorum_with_an_outsider": (
        lambda: raw({0: parts(key(0).sign(DIGEST)), 1: parts(key(1).sign(DIGEST)), 2: parts(OUTSIDER.sign(DIGEST))}),
        NOT_THIS,
        "SIG_UNKNOWN",
    ),
    "A09_under_anothers_index": (lambda: signed(DIGEST, 0, 1, 3, by=(0, 1, 2)), NOT_THIS, "SIG_UNKNOWN"),
    "A09_in_anothers_order": (lambda: signed(DIGEST, 0, 1, 2, by=(1, 0, 2)), NOT_THIS, "SIG_UNKNOWN"),
    "A14_over_another_digest": (lambda: signed(keccak256(b"another"), 0, 1, 2), NOT_THIS, "SIG_UNKNOWN"),
    "A18_over_the_hex_text": (lambda: signed(keccak256(DIGEST.hex().encode()), 0, 1, 2), NOT_THIS, "SIG_UNKNOWN"),
    "A20_a_flood": (lambda: signed(DIGEST, 0, 1, 2) + bytes(6_016), LENGTH, "SIG_LENGTH"),
    "an_index_outside_the_committee": (
        lambda: signed(DIGEST, 0, 1, 4, by=(0, 1, 2)),
        "Committee: unknown member",
        "SIG_UNKNOWN",
    ),
    "the_highest_index": (
        lambda: signed(DIGEST, 0, 1, 103, by=(0, 1, 2)),
        "Committee: unknown member",
        "SIG_UNKNOWN",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse(chamber: Chamber, name: str) -> None:
    build, reason, code = REFUSED[name]
    assert chamber.check(1, DIGEST, build()) == Said(reason, code)
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1, 2)) is True


def test_A20_a_flood_costs_no_cryptography() -> None:
    """A budget for less than one recovery is enough to be told why, and not enough for an honest certificate."""
    chamber = Chamber.open(members(0, 1, 2, 3))
    flood = signed(DIGEST, 0, 1, 2) + bytes(6_080)
    assert _told(chamber, flood) == LENGTH
    assert _told(chamber, signed(DIGEST, 0, 1)) == "Committee: below quorum"
    assert _told(chamber, signed(DIGEST, 0, 1, 2)) == ""
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1, 2)) is True


def _told(chamber: Chamber, packed: bytes) -> str:
    calldata = chamber.contract.interface.encode_call("check", 1, DIGEST, packed)
    budget = intrinsic_gas(calldata) + 8_000
    act = Act(OWNER, chamber.contract.address, calldata, 0, max(budget, floor_gas(calldata)))
    ran = chamber.evm.engine.transact(act, time=chamber.evm.time, keep=False)
    assert not ran.succeeded
    return str(decode(["string"], ran.output[4:])[0]) if ran.output else ""


@pytest.mark.parametrize("epoch", [0, 2, 2**64 - 1])
def test_B01_another_epoch_is_refused_by_both(chamber: Chamber, epoch: int) -> None:
    assert chamber.check(epoch, DIGEST, signed(DIGEST, 0, 1, 2)) == Said("Committee: wrong epoch", "SET_EPOCH")
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1, 2)) is True


def test_A07_the_quorum_of_n_members_is_the_same_in_both() -> None:
    for n in range(4, 21):
        chamber = Chamber.open(members(*range(n)))
        needed = quorum(n)
        assert (chamber.contract.call("quorum"), chamber.contract.call("size")) == (needed, n)
        assert chamber.check(1, DIGEST, signed(DIGEST, *range(n - needed, n))) is True
        assert chamber.check(1, DIGEST, signed(DIGEST, *range(needed - 1))) == Said("Committee: below quorum", "QUORUM")
        blocking = n - needed + 1
        assert chamber.check(1, DIGEST, signed(DIGEST, *range(blocking)), "check_blocking") is True
        less = (
            chamber.check(1, DIGEST, signed(DIGEST, *range(blocking - 1)), "check_blocking") if blocking > 1 else None
        )
        assert less is None or less == Said("Committee: below quorum", "QUORUM")


def test_a_hundred_members_are_judged_alike() -> None:
    chamber = Chamber.open(members(*range(100)))
    assert chamber.check(1, DIGEST, signed(DIGEST, *range(33, 100))) is True
    assert chamber.check(1, DIGEST, signed(DIGEST, *range(100))) is True
    assert chamber.check(1, DIGEST, signed(DIGEST, *range(34, 100))) == Said("Committee: below quorum", "QUORUM")
    last = {index: parts(key(index).sign(DIGEST)) for index in range(33, 99)} | {99: parts(OUTSIDER.sign(DIGEST))}
    assert chamber.check(1, DIGEST, raw(last)) == Said(NOT_THIS, "SIG_UNKNOWN")
    assert chamber.check(1, DIGEST, signed(DIGEST, *range(34, 101))) == Said("Committee: unknown member", "SIG_UNKNOWN")


def test_random_sets_of_signers_with_one_byte_changed_are_judged_alike() -> None:
    """Flips anywhere in the packed form; both sides accept and refuse the same ones."""
    chamber = Chamber.open(members(*range(7)))
    chance = random.Random(20261122)
    accepted = 0
    for _ in range(400):
        indices = sorted(chance.sample(range(7), chance.randint(3, 7)))
        packed = bytearray(signed(DIGEST, *indices))
        if chance.random() < 0.7:
            at = chance.choice((chance.randrange(HEAD_BYTES), chance.randrange(len(packed))))
            packed[at] ^= 1 << chance.randrange(8)
        if chance.random() < 0.1:
            packed = packed[: chance.randrange(len(packed))]
        accepted += chamber.check(1, DIGEST, bytes(packed)) is True
    assert 20 < accepted < 200


# -- what a signature was made for ------------------------------------------------------------------------------------

ROOT, SALT_WORD, ACTION = keccak256(b"root"), bytes(31) + b"\x07", keccak256(b"action")
STATEMENTS: dict[str, Callable[[bytes], bytes]] = {
    "attestation": lambda at: attestation_digest(chain_id=CHAIN_ID, gateway=at, root=ROOT, epoch=1),
    "verdict": lambda at: verdict_digest(chain_id=CHAIN_ID, registry=at, verdict=replace(VERDICT, epoch=1)),
    "order": lambda at: order_digest(chain_id=CHAIN_ID, contract=at, action=ROOT, salt=SALT_WORD, epoch=1),
    "approval": lambda at: approval_digest(chain_id=CHAIN_ID, contract=at, action=ROOT, salt=SALT_WORD, epoch=1),
    "possession as attesting": lambda at: possession_digest(ROOT, Purpose.ATTESTING, at),
    "possession as validator": lambda at: possession_digest(ROOT, Purpose.VALIDATOR, at),
}


@pytest.mark.parametrize("asked", STATEMENTS)
@pytest.mark.parametrize("made", STATEMENTS)
def test_A11_only_the_diagonal_accepts(chamber: Chamber, made: str, asked: str) -> None:
    at = chamber.contract.address
    packed = signed(STATEMENTS[made](at), 0, 1, 2)
    said = chamber.check(1, STATEMENTS[asked](at), packed)
    assert said == (True if made == asked else Said(NOT_THIS, "SIG_UNKNOWN"))


DOMAINS: dict[str, Callable[[bytes], bytes]] = {
    "another chain": lambda at: attestation_digest(chain_id=CHAIN_ID + 1, gateway=at, root=ROOT, epoch=1),
    "another contract": lambda at: attestation_digest(chain_id=CHAIN_ID, gateway=b"\x66" * 20, root=ROOT, epoch=1),
    "another root": lambda at: attestation_digest(chain_id=CHAIN_ID, gateway=at, root=ACTION, epoch=1),
    "another epoch": lambda at: attestation_digest(chain_id=CHAIN_ID, gateway=at, root=ROOT, epoch=2),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_A10_a_signature_is_for_one_domain(chamber: Chamber, name: str) -> None:
    wanted = STATEMENTS["attestation"](chamber.contract.address)
    made = DOMAINS[name](chamber.contract.address)
    assert chamber.check(1, wanted, signed(made, 0, 1, 2)) == Said(NOT_THIS, "SIG_UNKNOWN")
    assert chamber.check(1, wanted, signed(wanted, 0, 1, 2)) is True
