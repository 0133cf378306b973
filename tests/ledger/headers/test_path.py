"""How a light client is led to a header: in one step where it can be, and never past what its validators vouch for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ledger.errors import Refused
from ledger.ethereum.qbft import QbftHeader, read_extra
from ledger.headers.light_client import LightClient
from ledger.headers.path import MAX_STEPS, next_update
from tests.simulator.qbft import PERIOD, QbftChain, keys, seal

YEAR = 365 * 24 * 3600


class Eager(QbftChain):
    """Every validator seals every block, as they do where the network is good."""

    def mine(self, signers: Sequence[int] | None = None, **changes: Any) -> QbftHeader:
        return super().mine(range(len(self.validators)) if signers is None else signers, **changes)


@pytest.fixture
def chain() -> QbftChain:
    """Four validators, and some blocks."""
    chain = Eager(keys(4))
    for _ in range(5):
        chain.mine()
    return chain


def client_of(chain: QbftChain) -> LightClient:
    """A client that trusts the chain's first block."""
    first = chain.blocks[1]
    return LightClient.start(
        first.unsealed, trust_period=YEAR, max_drift=10, block_period=PERIOD, now=first.timestamp + 1
    )


def lead(client: LightClient, chain: QbftChain, target: int) -> list[int]:
    """The heights at which the client stops on its way to a header; the client itself checks each."""
    heights: list[int] = []
    while not heights or heights[-1] != target:
        assert len(heights) < MAX_STEPS
        since = client.held.status.height
        update = next_update(chain.blocks.__getitem__, trusted=client.validators, since=since, target=target)
        items = update.trusted
        trusted = tuple(items[at + 1 : at + 21] for at in range(0, len(items), 21))
        client.update(update.header.unsealed, update.seals, trusted, now=chain.head.timestamp)
        heights.append(update.header.number)
    return heights


def replace_one(chain: QbftChain, number: int) -> None:
    """One validator joins, the oldest of those that were there leaves."""
    oldest = min(chain.validators, key=lambda key: int.from_bytes(key.secret, "big"))
    chain.change(keys(1, first=number)[0], add=True)
    chain.change(oldest, add=False)


def test_headers_of_the_same_validators_are_reached_in_one_step(chain: QbftChain) -> None:
    assert lead(client_of(chain), chain, 5) == [5]


def test_a_change_of_one_validator_is_skipped_over(chain: QbftChain) -> None:
    client = client_of(chain)
    chain.change(keys(1, first=9)[0], add=True)
    for _ in range(5):
        chain.mine()
    assert lead(client, chain, chain.head.number) == [chain.head.number]


def test_where_all_validators_were_replaced_it_stops_where_the_old_ones_still_vouch(chain: QbftChain) -> None:
    client = client_of(chain)
    for number in range(11, 15):
        replace_one(chain, number)
    chain.mine()
    assert not {key.address for key in chain.validators} & set(client.validators)
    heights = lead(client, chain, chain.head.number)
    assert len(heights) > 1 and heights == sorted(set(heights))
    assert client.held.status.height == chain.head.number


def test_a_header_below_the_latest_is_reached_as_well(chain: QbftChain) -> None:
    client = client_of(chain)
    assert lead(client, chain, 5) == [5]
    update = next_update(chain.blocks.__getitem__, trusted=client.validators, since=2, target=3)
    client.update(update.header.unsealed, update.seals, now=chain.head.timestamp)
    assert (update.header.number, client.held.status.height) == (3, 5)


def test_seals_below_a_quorum_are_refused_with_the_reason_and_enough_of_them_are_led_to(chain: QbftChain) -> None:
    unsealed = chain.propose()
    short = seal(unsealed, chain.validators[:2])

    def header_at(number: int) -> QbftHeader:
        return short if number == 6 else chain.blocks[number]

    trusted = tuple(key.address for key in chain.validators)
    with pytest.raises(Refused) as refused:
        next_update(header_at, trusted=trusted, since=5, target=6)
    assert (refused.value.code, refused.value.where) == ("SEALS_SHORT", "height 6")
    assert "2 of 3 seals" in refused.value.what
    short = seal(unsealed, chain.validators[:3])
    assert next_update(header_at, trusted=trusted, since=5, target=6).header is short


def test_a_chain_that_strangers_seal_is_never_led_to(chain: QbftChain) -> None:
    strangers = QbftChain(keys(4, first=50))
    for _ in range(9):
        strangers.mine()
    trusted = tuple(key.address for key in chain.validators)
    with pytest.raises(Refused) as refused:
        next_update(strangers.blocks.__getitem__, trusted=trusted, since=3, target=9)
    assert (refused.value.code, refused.value.where) == ("SEALS_SHORT", "height 4")
    assert read_extra(strangers.blocks[9].extra_data).validators != trusted


def test_a_seal_of_nobody_stops_the_way_before_it(chain: QbftChain) -> None:
    forged = seal(chain.propose(), (*chain.validators[:3], *keys(1, first=70)))
    headers = [*chain.blocks, forged]
    trusted = tuple(key.address for key in chain.validators)
    with pytest.raises(Refused) as refused:
        next_update(headers.__getitem__, trusted=trusted, since=5, target=6)
    assert refused.value.code == "SEALS_SHORT" and "no validator's" in refused.value.what
    assert next_update([*chain.blocks, chain.mine()].__getitem__, trusted=trusted, since=5, target=6)
