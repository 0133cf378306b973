"""Two conflicting attestations bar a member, whoever hands them in; anything less bars nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.equivocation import Attested
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Message
from tests.contracts.committees import (
    DELAY,
    DIGEST,
    OUTSIDER,
    SALT,
    Chamber,
    Said,
    attested,
    key,
    member,
    members,
    proofs,
    signed,
)
from tests.contracts.evm import STRANGER
from tests.ledger.messages import MESSAGE

FIRST = replace(MESSAGE, sequence=5)
SECOND = replace(FIRST, payload_digest=keccak256(b"another payload"))
NOT_THIS = Said("Committee: not this member's signature", "SIG_UNKNOWN")


@pytest.fixture
def chamber() -> Chamber:
    return Chamber.open(members(0, 1, 2, 3))


def others(count: int) -> list[Message]:
    return [replace(MESSAGE, sequence=100 + k) for k in range(count)]


def test_two_conflicting_attestations_end_a_key_while_n_and_t_stay(chamber: Chamber) -> None:
    first, second = attested(FIRST, key(1), *others(4), index=2), attested(SECOND, key(1))
    assert chamber.report(first, second) is None
    barred = chamber.log[-1].log("MemberBarred")
    assert (barred["signer"], barred["sequence"]) == (key(1).address, 5)
    assert (barred["first_root"], barred["second_root"]) == (first.root, second.root)
    assert (chamber.contract.call("size"), chamber.contract.call("quorum")) == (4, 3)
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1, 2)) == NOT_THIS
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1), "check_blocking") == NOT_THIS
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 2, 3)) is True
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 2)) == Said("Committee: below quorum", "QUORUM")


def test_anybody_hands_evidence_in_and_its_order_does_not_matter(chamber: Chamber) -> None:
    for arguments in (
        (attested(FIRST, key(1)), attested(SECOND, key(1))),
        (attested(SECOND, key(1)), attested(FIRST, key(1))),
    ):
        with chamber.evm.rolled_back():
            chamber.contract.send("report", *(each.as_abi() for each in arguments), by=STRANGER)
            assert chamber.contract.call("members", 1)[1] >> 160 == 1


def test_evidence_about_other_chains_is_taken_here(chamber: Chamber) -> None:
    """The signatures name the destination themselves: every committee contract learns of every conflict."""
    assert FIRST.destination.chain_id != chamber.evm.chain_id or FIRST.destination.gateway != chamber.contract.address
    far = replace(FIRST, destination=replace(FIRST.destination, chain_id=999, gateway=b"\x31" * 20))
    twin = replace(far, expiry=far.expiry + 1)
    assert chamber.report(attested(far, key(2)), attested(twin, key(2))) is None


DIFFERENCES: dict[str, Callable[[Message], Message]] = {
    "another kind": lambda m: replace(m, kind=type(m.kind)(m.kind % 3 + 1)),
    "another payload": lambda m: replace(m, payload_digest=keccak256(b"x")),
    "another expiry": lambda m: replace(m, expiry=m.expiry + 1),
    "another gas limit": lambda m: replace(m, gas_limit=m.gas_limit + 1),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_messages_of_one_sequence_conflict_by(chamber: Chamber, name: str) -> None:
    assert chamber.report(attested(FIRST, key(0)), attested(DIFFERENCES[name](FIRST), key(0))) is None


SEQUENCE = Said("Committee: different sequences", "NO_CONFLICT")
HARMLESS: dict[str, tuple[Callable[[], tuple[Attested, Attested]], Said]] = {
    "different sequences": (
        lambda: (attested(FIRST, key(1)), attested(replace(SECOND, sequence=6), key(1))),
        SEQUENCE,
    ),
    "different generations": (
        lambda: (attested(FIRST, key(1)), attested(replace(SECOND, generation=SECOND.generation + 1), key(1))),
        SEQUENCE,
    ),
    "different senders": (
        lambda: (attested(FIRST, key(1)), attested(replace(SECOND, sender=b"\x51" * 20), key(1))),
        SEQUENCE,
    ),
    "different recipients": (
        lambda: (attested(FIRST, key(1)), attested(replace(SECOND, recipient=b"\x51" * 20), key(1))),
        SEQUENCE,
    ),
    "different origins": (
        lambda: (
            attested(FIRST, key(1)),
            attested(replace(SECOND, origin=replace(SECOND.origin, chain_id=77)), key(1)),
        ),
        SEQUENCE,
    ),
    "different origin gateways": (
        lambda: (
            attested(FIRST, key(1)),
            attested(replace(SECOND, origin=replace(SECOND.origin, gateway=b"\x51" * 20)), key(1)),
        ),
        SEQUENCE,
    ),
    "one message under two roots": (
        lambda: (attested(FIRST, key(1)), attested(FIRST, key(1), *others(3))),
        Said("Committee: one message", "NO_CONFLICT"),
    ),
    "one message attested again in a later epoch": (
        lambda: (attested(FIRST, key(1)), attested(FIRST, key(1), epoch=2)),
        Said("Committee: one message", "NO_CONFLICT"),
    ),
    "two signers": (
        lambda: (attested(FIRST, key(1)), attested(SECOND, key(2))),
        Said("Committee: different signers", "NO_CONFLICT"),
    ),
    "a signer that is no member": (
        lambda: (attested(FIRST, OUTSIDER), attested(SECOND, OUTSIDER)),
        Said("member: not an attesting key", "SIG_UNKNOWN"),
    ),
    "A09 a signature under another root": (
        lambda: (
            attested(FIRST, key(1)),
            replace(attested(SECOND, key(1)), signature=attested(SECOND, key(1), *others(1)).signature),
        ),
        Said("Committee: different signers", "NO_CONFLICT"),
    ),
    "A10 a signature for another destination": (
        lambda: (
            attested(FIRST, key(1)),
            replace(
                attested(SECOND, key(1)),
                signature=attested(
                    replace(SECOND, destination=replace(SECOND.destination, gateway=b"\x52" * 20)), key(1)
                ).signature,
            ),
        ),
        Said("Committee: different signers", "NO_CONFLICT"),
    ),
    "a signature of another epoch": (
        lambda: (attested(FIRST, key(1)), replace(attested(SECOND, key(1)), epoch=2)),
        Said("Committee: different signers", "NO_CONFLICT"),
    ),
    "C04 a proof too long": (
        lambda: (attested(FIRST, key(1)), attested(SECOND, key(1), inclusion=(bytes(32),))),
        Said("merkle: proof too long", "PROOF_INVALID"),
    ),
    "C04 a proof too short": (
        lambda: (attested(FIRST, key(1)), attested(SECOND, key(1), *others(2), inclusion=())),
        Said("merkle: proof too short", "PROOF_INVALID"),
    ),
    "C04 an index outside the tree": (
        lambda: (attested(FIRST, key(1)), replace(attested(SECOND, key(1)), index=1)),
        Said("merkle: index outside the tree", "PROOF_INVALID"),
    ),
    "A04 a short signature": (
        lambda: (attested(FIRST, key(1)), replace(attested(SECOND, key(1)), signature=b"\x01" * 64)),
        Said("strict_signature: length", "SIG_LENGTH"),
    ),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_nobody_is_barred_by(chamber: Chamber, name: str) -> None:
    build, said = HARMLESS[name]
    assert chamber.report(*build()) == said
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1, 2)) is True
    assert chamber.report(attested(FIRST, key(1)), attested(SECOND, key(1))) is None


def test_evidence_counts_once(chamber: Chamber) -> None:
    pair = attested(FIRST, key(1)), attested(SECOND, key(1))
    assert chamber.report(*pair) is None
    assert chamber.report(*pair) == Said("Committee: barred before", "KEY_SUSPENDED")
    third = replace(FIRST, gas_limit=FIRST.gas_limit + 9)
    again = chamber.report(attested(FIRST, key(1)), attested(third, key(1)))
    assert again == Said("Committee: barred before", "KEY_SUSPENDED")


def test_a_key_is_barred_in_the_current_and_the_grace_epoch(chamber: Chamber) -> None:
    staying = members(1, 2, 4, 5)
    chamber.succeed(staying, 0, 1, 2)
    assert chamber.report(attested(FIRST, key(1)), attested(SECOND, key(1), epoch=2)) is None
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1, 2)) == NOT_THIS
    assert chamber.check(2, DIGEST, signed(DIGEST, 0, 1, 2, by=(1, 2, 4))) == NOT_THIS
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 2, 3)) is True
    assert chamber.check(2, DIGEST, signed(DIGEST, 1, 2, 3, by=(2, 4, 5))) is True


def test_a_barred_operator_comes_back_with_new_keys_only(chamber: Chamber) -> None:
    assert chamber.report(attested(FIRST, key(1)), attested(SECOND, key(1))) is None
    for place, kept in enumerate(({"attesting": member(1).attesting}, {"cosigning": member(1).cosigning})):
        salt = bytes([place + 1]) * 32
        fresh = replace(member(1), attesting=key(9).address, cosigning=keccak256(b"new"))
        returning = (replace(fresh, **kept), *members(0, 2, 3))
        assert chamber.order(returning, 0, 2, 3, salt=salt) is None
        chamber.evm.time += DELAY
        assert chamber.rotate(returning, salt=salt) == Said("member: suspended key", "KEY_SUSPENDED")
    renewed = (replace(member(1), attesting=key(9).address, cosigning=keccak256(b"new")), *members(0, 2, 3))
    chamber.succeed(renewed, 0, 2, 3)
    assert chamber.check(2, DIGEST, signed(DIGEST, 0, 1, 2, by=(9, 0, 2))) is True
    chamber.succeed(renewed, 9, 0, 2, salt=b"\x07" * 32, places=(0, 1, 2))


def test_who_finds_a_retired_key_does_not_undo_its_successor(chamber: Chamber) -> None:
    renewed = (replace(member(1), attesting=key(9).address, cosigning=keccak256(b"new")), *members(0, 2, 3))
    chamber.succeed(renewed, 0, 1, 2)
    chamber.succeed(renewed, 9, 0, 2, salt=b"\x07" * 32, places=(0, 1, 2))
    assert chamber.report(attested(FIRST, key(1)), attested(SECOND, key(1))) is None
    assert chamber.check(3, DIGEST, signed(DIGEST, 0, 1, 2, by=(9, 0, 2))) is True
    chamber.succeed(renewed, 9, 0, 2, salt=b"\x08" * 32, places=(0, 1, 2))


def test_B12_beyond_the_fault_bound_the_committee_stops_rather_than_forge(chamber: Chamber) -> None:
    """f + 1 members double-signed: both conflicts stay on record, and no quorum is left for either side."""
    for index in (0, 1):
        assert chamber.report(attested(FIRST, key(index)), attested(SECOND, key(index))) is None
        assert chamber.log[-1].log("MemberBarred")["signer"] == key(index).address
    for signers in ((0, 1, 2), (1, 2, 3), (0, 2, 3), (0, 1, 2, 3)):
        assert chamber.check(1, DIGEST, signed(DIGEST, *signers)) == NOT_THIS
    assert chamber.order(members(4, 5, 6, 7), 1, 2, 3) == NOT_THIS
    assert chamber.order(members(4, 5, 6, 7), 2, 3, salt=SALT) == Said("Committee: below quorum", "QUORUM")


@pytest.mark.parametrize("n", [4, 7, 10, 13, 19])
def test_B11_twins_within_the_fault_bound_form_no_second_certificate(n: int) -> None:
    """f members sign both sides of a partition; whoever else is on one side only, at most one side has a quorum."""
    faulty = (n - 1) // 3
    chamber = Chamber.open(members(*range(n)))
    honest = list(range(faulty, n))
    for cut in range(len(honest) + 1):
        sides = honest[:cut], honest[cut:]
        digests = (keccak256(b"left"), keccak256(b"right"))
        formed = [
            chamber.check(1, digest, signed(digest, *range(faulty), *side)) is True
            for digest, side in zip(digests, sides, strict=True)
        ]
        assert sum(formed) <= 1, (n, cut)
    twins = [chamber.report(attested(FIRST, key(index)), attested(SECOND, key(index))) for index in range(faulty)]
    assert twins == [None] * faulty
    assert chamber.check(1, DIGEST, signed(DIGEST, *honest)) is True, "the honest ones go on"
    assert proofs(members(0))
