"""A gateway counts exactly the signatures that its committee counts, from the same transaction on."""

from __future__ import annotations

import pytest

from tests.contracts.evm import OWNER, STRANGER
from tests.contracts.gateway_bed import PEER, Bed
from tests.contracts.header_bed import deploy_committee

WORD = 2**255


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


SIGNED = {
    "A07_too_few": ((0, 1), "Committee: below quorum"),
    "A07_a_quorum": ((0, 1, 2), None),
    "another_quorum": ((1, 2, 3), None),
    "all": ((0, 1, 2, 3), None),
}


@pytest.mark.parametrize("name", SIGNED)
def test_committee_and_gateway_say_the_same_of_a_certificate(bed: Bed, name: str) -> None:
    signers, reason = SIGNED[name]
    root = b"\x04" * 32
    signatures = bed.attest(root, signers=signers)
    if reason is None:
        bed.gateway.send("certify", root, 1, signatures)
        return
    with bed.refused(reason):
        bed.gateway.send("certify", root, 1, signatures)
