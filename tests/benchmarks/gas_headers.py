"""What a foreign chain's headers cost: sealed ones to a light client, certified ones by the committee."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from ledger.ethereum.qbft import quorum, validator_items
from ledger.headers.seals import pack_seals
from tests.benchmarks.gas_figures import Spent, Work
from tests.contracts.header_bed import Bed
from tests.simulator.qbft import keys

SIZES: Final = (4, 7, 16)


def works() -> Iterator[Work]:
    """Every line of this part of the table."""
    for validators in SIZES:
        named = partial(Work, signers=quorum(validators), members=validators, basis="frame_gas", is_quick=True)
        yield named("QBFT header update", partial(update, validators), kind="header")
    for validators in SIZES:
        named = partial(Work, signers=quorum(validators), members=validators, is_quick=validators == SIZES[0])
        yield named("QBFT header update by which a validator joins", partial(join, validators))


def update(validators: int) -> Spent:
    """The next header of an unchanged set, held at a new height."""
    bed = Bed.lay(validators, exact=True)
    bed.update(bed.chain.mine())
    return _update(bed)


def join(validators: int) -> Spent:
    """The first header of a list the client does not know: the trusted one vouches for it and is replaced."""
    bed = Bed.lay(validators, exact=True)
    trusted = tuple(key.address for key in bed.chain.validators)
    (joining,) = keys(1, first=200)
    bed.chain.change(joining, add=True)
    bed.evm.time = bed.chain.head.timestamp + 5
    return _update(bed, trusted)


def _update(bed: Bed, trusted: tuple[bytes, ...] = ()) -> Spent:
    header = bed.chain.mine()
    outcome = bed.client.send("update", header.unsealed, pack_seals(header), validator_items(trusted))
    assert outcome.log("HeaderHeld")
    return Spent(outcome.gas, outcome.gas_frame)
