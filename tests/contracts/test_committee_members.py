"""Whom a committee admits: one record per operator, one purpose per key, and each key shown to be held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger import ed25519
from ledger.errors import BadInput, Refused
from ledger.ethereum.keccak import keccak256
from ledger.membership import (
    Member,
    Possession,
    Purpose,
    Roster,
    check_cosigning_possession,
    operator_digest,
    possession_digest,
    prove_possession,
    records_digest,
)
from tests.contracts.committees import DELAY, GRACE, Chamber, key, member, members, proofs
from tests.contracts.evm import Evm, Reverted
from tests.ledger.refusals import refused

Records = tuple[Member, ...]
SEALING = key(0, Purpose.VALIDATOR).address


def with_key(index: int, **changed: bytes) -> Records:
    """Four members, one of them changed."""
    records = list(members(0, 1, 2, 3))
    records[index] = replace(records[index], **changed)
    return tuple(records)


def word(address: bytes) -> bytes:
    return address.rjust(32, b"\x00")


WEAK: dict[str, tuple[Records, str, str]] = {
    "B05_empty": ((), "Committee: fewer than four members tolerate no fault", "CONFIG_SET"),
    "B05_one_member": (members(0), "Committee: fewer than four members tolerate no fault", "CONFIG_SET"),
    "B05_three_members": (members(0, 1, 2), "Committee: fewer than four members tolerate no fault", "CONFIG_SET"),
    "B05_two_members_of_one_operator": (
        with_key(3, operator=member(0).operator),
        "member: two members of one operator",
        "CONFIG_SET",
    ),
    "B05_no_operator": (with_key(3, operator=bytes(32)), "member: no operator", "CONFIG_SET"),
    "A05_the_zero_member": (with_key(3, attesting=bytes(20)), "member: no attesting key", "CONFIG_SET"),
    "no_cosigning_key": (with_key(3, cosigning=bytes(32)), "member: no cosigning key", "CONFIG_SET"),
    "B05_one_attesting_key_twice": (
        with_key(3, attesting=key(0).address),
        "member: another operator's key",
        "KEY_REUSED",
    ),
    "B05_one_cosigning_key_twice": (
        with_key(3, cosigning=member(0).cosigning),
        "member: another operator's key",
        "KEY_REUSED",
    ),
    "an_attesting_key_as_own_validator_key": (
        with_key(3, validator=key(3).address),
        "member: key has another purpose",
        "KEY_REUSED",
    ),
    "an_attesting_key_as_anothers_validator_key": (
        with_key(3, validator=key(0).address),
        "member: another operator's key",
        "KEY_REUSED",
    ),
    "a_cosigning_key_as_own_oprf_key": (
        with_key(3, oprf=member(3).cosigning),
        "member: key has another purpose",
        "KEY_REUSED",
    ),
    "an_attesting_key_as_own_cosigning_key": (
        with_key(3, cosigning=word(key(3).address)),
        "member: key has another purpose",
        "KEY_REUSED",
    ),
}


def deployed(records: Records, evidence: bytes, *, development: bool = False) -> Chamber:
    return Chamber.open(records, evidence=evidence, development=development)


def both_refuse(records: Records, evidence: bytes, *, development: bool = False) -> tuple[str, str]:
    with pytest.raises(Reverted) as reverted:
        Evm().deploy("Committee", [each.as_abi() for each in records], evidence, DELAY, GRACE, development)
    with pytest.raises(Refused) as problem:
        Roster().admit(records, evidence, epoch=1, development=development)
    return reverted.value.reason, problem.value.code


def honest(records: Records) -> bytes:
    """Proofs for whatever keys the records name; the zero address proves nothing."""
    return b"" if not records else proofs(tuple(each for each in records if each.attesting != bytes(20)))


@pytest.mark.parametrize("name", WEAK)
def test_a_set_is_refused_by_both(name: str) -> None:
    records, reason, code = WEAK[name]
    assert both_refuse(records, honest(records)) == (reason, code)


def test_the_honest_twin_is_accepted_with_every_kind_of_key() -> None:
    records = with_key(2, oprf=keccak256(b"a share"), validator=SEALING)
    chamber = Chamber.open(records)
    chamber.same_state()
    assert chamber.contract.call("records", 1) == records_digest(records)


GOOD = members(0, 1, 2, 3)
SEALED = with_key(3, validator=SEALING)
PROOFS: dict[str, tuple[Records, Callable[[], bytes], str, str]] = {
    "another key's": (
        GOOD,
        lambda: (
            proofs(GOOD)[:195]
            + key(9).sign(possession_digest(GOOD[3].operator, Purpose.ATTESTING, GOOD[3].attesting)).pack()
        ),
        "member: key not possessed",
        "KEY_POSSESSION",
    ),
    "another operator's": (
        GOOD,
        lambda: proofs(GOOD)[:195] + prove_possession(key(3), GOOD[0].operator),
        "member: key not possessed",
        "KEY_POSSESSION",
    ),
    "another purpose's": (
        GOOD,
        lambda: proofs(GOOD)[:195] + prove_possession(key(3), GOOD[3].operator, Purpose.VALIDATOR),
        "member: key not possessed",
        "KEY_POSSESSION",
    ),
    "missing": (GOOD, lambda: proofs(GOOD)[:195], "Committee: proofs of possession", "SIG_LENGTH"),
    "one too many": (GOOD, lambda: proofs(GOOD) * 2, "Committee: proofs of possession", "KEY_POSSESSION"),
    "A01 the high-s twin": (GOOD, lambda: _high_s(proofs(GOOD)), "strict_signature: malleable", "SIG_MALLEABLE"),
    "A02 v is 0": (GOOD, lambda: proofs(GOOD)[:-1] + b"\x00", "strict_signature: recovery id", "SIG_BAD_V"),
    "the validator's is missing": (
        SEALED,
        lambda: proofs(GOOD),
        "Committee: proofs of possession",
        "SIG_LENGTH",
    ),
    "the validator's is the attesting key's": (
        SEALED,
        lambda: proofs(GOOD) + proofs(GOOD)[195:],
        "member: key not possessed",
        "KEY_POSSESSION",
    ),
}


def _high_s(packed: bytes) -> bytes:
    from ledger.secp256k1 import ORDER

    s, v = ORDER - int.from_bytes(packed[-33:-1], "big"), 55 - packed[-1]
    return packed[:-33] + s.to_bytes(32, "big") + bytes([v])


@pytest.mark.parametrize("name", PROOFS)
def test_a_key_nobody_showed_to_hold_is_refused_by_both(name: str) -> None:
    records, build, reason, code = PROOFS[name]
    assert both_refuse(records, build()) == (reason, code)
    deployed(records, proofs(records))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_B05_small_sets_stand_under_the_development_flag_only(size: int) -> None:
    records = tuple(replace(member(index), operator=member(0).operator) for index in range(size))
    assert both_refuse(records, proofs(records))[1] == "CONFIG_SET"
    chamber = deployed(records, proofs(records), development=True)
    assert chamber.contract.call("DEVELOPMENT") is True
    assert both_refuse((), b"", development=True)[1] == "CONFIG_SET"


@pytest.mark.parametrize("shared", ["attesting", "cosigning"])
def test_A06_one_key_is_no_two_members_even_under_the_development_flag(shared: str) -> None:
    first, second = member(0), replace(member(1), operator=member(0).operator)
    twice = (first, replace(second, **{shared: getattr(first, shared)}))
    said = both_refuse(twice, proofs(twice), development=True)
    assert said == ("member: duplicate key", "KEY_REUSED")
    deployed((first, second), proofs((first, second)), development=True)


def test_B05_more_members_than_the_contract_counts_are_refused() -> None:
    records = members(*range(101))
    with pytest.raises(Reverted):
        Evm().deploy("Committee", [each.as_abi() for each in records], b"", DELAY, GRACE, False)
    with refused("CONFIG_SET"):
        Roster().admit(records, b"", epoch=1)


@pytest.mark.parametrize(
    ("delay", "grace", "reason"),
    [
        (0, GRACE, "order: delay"),
        (90 * 24 * 3600 + 1, GRACE, "order: delay"),
        (DELAY, 30 * 24 * 3600 + 1, "Committee: grace period"),
    ],
)
def test_B06_a_delay_or_grace_period_out_of_bounds_is_refused(delay: int, grace: int, reason: str) -> None:
    with pytest.raises(Reverted) as reverted:
        Chamber.open(GOOD, delay=delay, grace=grace)
    assert reverted.value.reason == reason
    from ledger.rotation import Rotating

    with refused("CONFIG_SET"):
        Rotating.start(GOOD, proofs(GOOD), chain_id=1, contract=bytes(20), delay=delay, grace=grace)


def test_a_cosigning_key_is_shown_to_be_held_off_chain() -> None:
    secret, attesting = b"\x61" * 32, key(0)
    record = Member(operator_digest("bank.test"), attesting.address, ed25519.public_key(secret))
    proven = Possession.prove(record.operator, attesting, secret)
    check_cosigning_possession(record, proven.cosigning)
    for other in (
        replace(record, operator=operator_digest("another.test")),
        replace(record, cosigning=ed25519.public_key(b"\x62" * 32)),
    ):
        with refused("SIG_INVALID"):
            check_cosigning_possession(other, proven.cosigning)
    with pytest.raises(BadInput, match="KEY_WEAK"):
        check_cosigning_possession(replace(record, cosigning=(1).to_bytes(32, "little")), proven.cosigning)


@pytest.mark.parametrize("field", ["operator", "attesting", "cosigning", "oprf", "validator"])
def test_a_record_has_one_shape(field: str) -> None:
    with refused("MEMBER_FORMAT"):
        replace(member(0), **{field: b"\x01" * 19})
