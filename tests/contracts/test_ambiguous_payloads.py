"""D16: a message says each thing once. What names a thing twice is refused, whichever of the two was meant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.proposal import Proposal
from tests.contracts.gateway_bed import Bed, attribute

KIND, EXPIRY, GAS = "kind(uint8)", "expiry(uint64)", "gasLimit(uint64)"
LATER = 2**63
TWICE = {
    "two kinds": [attribute(KIND, 1), attribute(KIND, 2)],
    "the kinds the other way round": [attribute(KIND, 2), attribute(KIND, 1)],
    "one kind twice": [attribute(KIND, 2), attribute(KIND, 2)],
    "two expiries": [attribute(EXPIRY, LATER), attribute(EXPIRY, LATER + 1)],
    "two gas limits about a kind": [attribute(GAS, 50_000), attribute(KIND, 2), attribute(GAS, 70_000)],
}


@pytest.mark.parametrize("name", TWICE)
def test_D16_an_attribute_that_is_named_twice_is_refused(bed: Bed, name: str) -> None:
    before = bed.evm.fingerprint()
    with bed.refused("Gateway: repeated attribute"):
        bed.send(b"what it says", *TWICE[name])
    assert bed.evm.fingerprint() == before
    bed.send(b"what it says", *{each[:4]: each for each in TWICE[name]}.values())


BOTH: dict[str, Callable[[list[Proposal]], list[Proposal]]] = {
    "one after the other": lambda both: both,
    "the other way round": lambda both: both[::-1],
}


@pytest.mark.parametrize("name", BOTH)
def test_D16_two_messages_for_one_place_are_not_both_committed(bed: Bed, name: str) -> None:
    """A quorum that certified two: whichever comes first is the only one, and together neither is committed."""
    first = bed.message(b"one")
    second = bed.message(b"another", sequence=first.message.sequence)
    both = BOTH[name]([first, second])
    with bed.refused("Gateway: already committed"):
        bed.together(both)
    assert not any(bed.taken(each) for each in both)
    bed.commit(both[0])
    with bed.refused("Gateway: already committed"):
        bed.commit(both[1])
