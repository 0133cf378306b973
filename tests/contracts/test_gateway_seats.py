"""A gateway counts exactly the signatures that its committee counts, from the same transaction on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.attestation import attestation_digest
from ledger.orders import order_digest
from ledger.quorum import pack
from ledger.rotation import rotation
from tests.contracts.committees import DELAY, GRACE, attested, key, members, proofs
from tests.contracts.evm import OWNER, STRANGER
from tests.contracts.gateway_bed import PEER, Bed
from tests.contracts.header_bed import deploy_committee
from tests.contracts.test_no_upgrade import by_new, rotated
from tests.contracts.world import NOTARIES
from tests.ledger.messages import MESSAGE

WORD = 2**255
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1


def test_H05_a_gateway_takes_seats_from_its_committee_only(bed: Bed) -> None:
    for caller in (OWNER, STRANGER, PEER.gateway):
        with bed.refused("Gateway: not the committee"):
            bed.gateway.send("set_seat", 1, WORD, by=caller)
    bed.commit(bed.message())


def test_a_gateway_that_no_committee_was_attached_to_counts_nobody(bed: Bed) -> None:
    committee = deploy_committee(bed.evm)
    administration = bed.evm.deploy("Administration", committee.address, 3_600)
    gateway = bed.evm.deploy("Gateway", b"\x01" * 32, committee.address, administration.address)
    assert gateway.call("seats", 1) == 0
    with bed.refused("Committee: wrong epoch"):
        gateway.send("certify", b"\x02" * 32, 1, bed.attest(b"\x02" * 32))
    committee.send("attach", gateway.address)
    assert gateway.call("seats", 1) != 0


def test_H05_a_committee_tells_one_gateway_which_was_made_for_it(bed: Bed) -> None:
    committee = deploy_committee(bed.evm)
    with bed.refused("Committee: another's gateway"):
        committee.send("attach", bed.gateway.address)
    own = bed.evm.deploy("Gateway", b"\x01" * 32, committee.address, bed.administration.address)
    with bed.refused("Committee: not the deployer"):
        committee.send("attach", own.address, by=STRANGER)
    committee.send("attach", own.address)
    second = bed.evm.deploy("Gateway", b"\x03" * 32, committee.address, bed.administration.address)
    with bed.refused("Committee: attached"):
        committee.send("attach", second.address)
    assert committee.call("gateway") == own.address


ROOT = b"\x04" * 32
BITS = 13  # bytes of signers, and as many of parities


def by(*signers: int) -> Callable[[Bed], bytes]:
    return lambda bed: bed.attest(ROOT, signers=signers)


QUORUM = by(0, 1, 2)


def changed(change: Callable[[bytes], bytes]) -> Callable[[Bed], bytes]:
    return lambda bed: change(bed.attest(ROOT))


def with_bit(packed: bytes, place: int, bit: int) -> bytes:
    """Packed signatures with one bit set among the signers (place 0) or the parities (place 1)."""
    at = slice(place * BITS, (place + 1) * BITS)
    word = int.from_bytes(packed[at], "big") | 1 << bit
    return packed[: at.start] + word.to_bytes(BITS, "big") + packed[at.stop :]


def mirrored(packed: bytes) -> bytes:
    """The same certificate with the other form of its first signature: n - s, and the other parity."""
    parities = int.from_bytes(packed[BITS : 2 * BITS], "big") ^ 1
    s = ORDER - int.from_bytes(packed[58:90], "big")
    return packed[:BITS] + parities.to_bytes(BITS, "big") + packed[26:58] + s.to_bytes(32, "big") + packed[90:]


UNSIGNED = "Committee: not this member's signature"
LENGTH = "Committee: signature length"
SIGNED: dict[str, tuple[Callable[[Bed], bytes], int, str | None]] = {
    "A07 too few": (by(0, 1), 1, "Committee: below quorum"),
    "A07 a quorum": (QUORUM, 1, None),
    "another quorum": (by(1, 2, 3), 1, None),
    "all": (by(0, 1, 2, 3), 1, None),
    "nothing": (lambda bed: b"", 1, LENGTH),
    "less than one": (changed(lambda packed: packed[:89]), 1, LENGTH),
    "signers of signatures that are not there": (changed(lambda packed: packed[:-64]), 1, LENGTH),
    "a byte more": (changed(lambda packed: packed + b"\x00"), 1, LENGTH),
    "A08 a member there is not": (changed(lambda packed: with_bit(packed, 0, 4)), 1, "Committee: unknown member"),
    "a parity of nobody's": (changed(lambda packed: with_bit(packed, 1, 3)), 1, "Committee: recovery id of nobody"),
    "the other form": (changed(mirrored), 1, "Committee: malleable signature"),
    "something else signed": (lambda bed: bed.attest(b"\x05" * 32), 1, UNSIGNED),
    "one in another's place": (
        changed(lambda packed: packed[:26] + packed[90:154] + packed[26:90] + packed[154:]),
        1,
        UNSIGNED,
    ),
    "one that recovers nobody": (changed(lambda packed: packed[:26] + bytes(64) + packed[90:]), 1, UNSIGNED),
    "A05 the epoch to come": (QUORUM, 2, "Committee: wrong epoch"),
    "no epoch": (QUORUM, 0, "Committee: wrong epoch"),
}


@pytest.mark.parametrize("name", SIGNED)
def test_committee_and_gateway_say_the_same_of_a_certificate(bed: Bed, name: str) -> None:
    sign, epoch, reason = SIGNED[name]
    signatures = sign(bed)
    digest = attestation_digest(chain_id=bed.evm.chain_id, gateway=bed.gateway.address, root=ROOT, epoch=1)
    if reason is None:
        assert bed.committee.call("check", epoch, digest, signatures) is True
        bed.gateway.send("certify", ROOT, epoch, signatures)
        return
    with bed.refused(reason):
        bed.gateway.send("certify", ROOT, epoch, signatures)
    with bed.refused(reason):
        bed.committee.call("check", epoch, digest, signatures)
    bed.gateway.send("certify", ROOT, 1, QUORUM(bed))


# -- what changes while it is open ------------------------------------------------------------------------------------


def bar(bed: Bed, index: int, *, epoch: int = 1) -> None:
    """Report two attestations of one sequence by a notary."""
    twin = replace(MESSAGE, expiry=MESSAGE.expiry + 1)
    evidence = (attested(message, NOTARIES[index], epoch=epoch) for message in (MESSAGE, twin))
    bed.committee.send("report", *(each.as_abi() for each in evidence), by=STRANGER)


def test_B02_a_barred_member_stops_counting_at_the_gateway_with_the_report(bed: Bed) -> None:
    counting, without, few = (bed.message() for _ in range(3))
    before = bed.gateway.call("seats", 1)
    with bed.evm.rolled_back():
        bed.commit(counting, bed.certificate(counting, signers=(0, 1, 2)))
    bar(bed, 1)
    assert bed.gateway.call("seats", 1) not in (0, before)
    with bed.refused(UNSIGNED):
        bed.commit(counting, bed.certificate(counting, signers=(0, 1, 2)))
    with bed.refused(UNSIGNED):
        bed.together([counting, few])
    with bed.refused("Committee: below quorum"):
        bed.commit(few, bed.certificate(few, signers=(0, 2)))
    bed.commit(without, bed.certificate(without, signers=(0, 2, 3)))


def test_B02_a_member_barred_after_a_rotation_stops_counting_for_the_epoch_in_grace(bed: Bed) -> None:
    counting, without, new = (bed.message() for _ in range(3))
    rotated(bed)
    bar(bed, 1)
    with bed.refused(UNSIGNED):
        bed.commit(counting, bed.certificate(counting, signers=(0, 1, 2)))
    bed.commit(without, bed.certificate(without, signers=(0, 2, 3)))
    bed.commit(new, by_new(bed, new))


def test_A05_a_rotation_reaches_the_gateway_with_the_transaction_that_makes_it(bed: Bed) -> None:
    first, last, late, early, new = (bed.message() for _ in range(5))
    with bed.refused("Committee: wrong epoch"):
        bed.commit(early, by_new(bed, early))
    rotated(bed)
    bed.commit(new, by_new(bed, new))
    with bed.refused(UNSIGNED):
        bed.commit(early, replace(by_new(bed, early), signatures=bed.certificate(early).signatures))
    bed.commit(first)
    bed.evm.time += GRACE - 1
    bed.commit(last)
    bed.evm.time += 1
    with bed.refused("Committee: grace is over"):
        bed.commit(late)
    with bed.refused("Committee: grace is over"):
        bed.gateway.send("certify", ROOT, 1, QUORUM(bed))
    bed.commit(early, by_new(bed, early))


def test_A05_an_epoch_before_the_last_one_has_no_seat_whatever_its_grace(bed: Bed) -> None:
    old, new = bed.message(), bed.message()
    rotated(bed)
    third = members(8, 9, 10, 11)
    action = rotation(3, third)
    digest = order_digest(
        chain_id=bed.evm.chain_id, contract=bed.committee.address, action=action, salt=bytes(32), epoch=2
    )
    signatures = pack({place: key(4 + place).sign(digest) for place in (0, 1, 2)})
    bed.committee.send("announce", action, bytes(32), 2, signatures, by=STRANGER)
    bed.evm.time += DELAY
    assert DELAY < GRACE
    bed.commit(bed.message())
    bed.committee.send("rotate", [each.as_abi() for each in third], proofs(third), bytes(32))
    assert [bed.gateway.call("seats", epoch) == 0 for epoch in range(5)] == [True, True, False, False, True]
    with bed.refused("Committee: wrong epoch"):
        bed.commit(old)
    bed.commit(new, by_new(bed, new))
