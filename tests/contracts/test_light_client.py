"""What a light client believes: headers that a quorum of trusted validators sealed, in time, one for each height."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import Refused
from ledger.ethereum.qbft import Vote, validator_items
from ledger.headers.held import MAX_HEIGHT, Became
from ledger.headers.light_client import LightClient, digest_of, summary
from ledger.headers.seals import pack_seals
from tests.contracts.evm import Evm, Reverted
from tests.contracts.header_bed import DELAY, DRIFT, GENESIS, PERIOD, TRUST_PERIOD, Bed, deploy_committee, fields
from tests.simulator.qbft import CHAIN_ID, FORKS, QbftChain, changed, keys, seal

ALL = range(4)


@pytest.fixture
def bed() -> Bed:
    return Bed.lay()


def rival(bed: Bed, *, skip: int = 1, **changes: Any) -> Any:
    """A header that contradicts the chain's next one, sealed by everybody."""
    return seal(bed.chain.propose(skip=skip, state_root=b"\x66" * 32, **changes), bed.chain.validators)


# -- what it holds --------------------------------------------------------------------------------------------------


def test_it_holds_the_header_it_starts_from_and_says_of_which_chain(bed: Bed) -> None:
    assert bed.holds(bed.chain.head)
    assert (bed.client.call("chain_id"), bed.client.call("genesis"), bed.client.call("sealed")) == (
        CHAIN_ID,
        GENESIS,
        True,
    )
    assert bed.client.call("held", 1) == summary(bed.chain.head).word


@pytest.mark.parametrize("count", [4, 5, 6, 7, 16])
def test_a_sealed_header_is_held_as_one_word(count: int) -> None:
    bed = Bed.lay(count)
    header = bed.chain.mine()
    assert bed.update(header) is Became.LATEST
    assert bed.holds(header)
    assert bed.client.call("held", header.number) == summary(header).word


@pytest.mark.parametrize("fork", FORKS)
def test_the_headers_of_every_fork_are_held(fork: str) -> None:
    bed = Bed.lay(fork=fork)
    assert bed.update(bed.chain.mine()) is Became.LATEST


@pytest.mark.parametrize("number", [0, 1, 127])
def test_the_round_is_sealed_and_left_out_of_the_hash(bed: Bed, number: int) -> None:
    header = bed.chain.mine(decided_in=number)
    assert bed.update(header) is Became.LATEST
    assert changed(header, round=5).hash == header.hash
    assert changed(header, round=5).seal_digest != header.seal_digest
    assert bed.holds(header)


@pytest.mark.parametrize("vote", [None, Vote(b"\x07" * 20, True), Vote(b"\x07" * 20, False)])
def test_headers_with_votes_are_held(bed: Bed, vote: Vote | None) -> None:
    assert bed.update(seal(bed.chain.propose(vote=vote), bed.chain.validators)) is Became.LATEST


def test_heights_may_be_skipped_and_filled_in_later(bed: Bed) -> None:
    headers = [bed.chain.mine() for _ in range(5)]
    assert bed.update(headers[4]) is Became.LATEST
    assert bed.update(headers[1]) is Became.HELD
    assert bed.holds(headers[1])
    assert not bed.holds(headers[2])
    assert bed.client.call("status")[0] == headers[4].number


def test_the_same_block_again_with_other_seals_or_another_round_changes_nothing(bed: Bed) -> None:
    header = bed.chain.mine(signers=(0, 1, 2))
    bed.update(header)
    before = bed.evm.fingerprint(bed.client)
    for again in (header, seal(header, bed.chain.validators), seal(changed(header, round=9), bed.chain.validators)):
        assert bed.update(again) is Became.KNOWN
    assert bed.evm.fingerprint(bed.client) == before


def test_it_holds_nothing_but_the_very_header(bed: Bed) -> None:
    held = summary(bed.chain.head)
    for other in (
        replace(held, height=held.height + 1),
        replace(held, block_hash=b"\x01" * 32),
        replace(held, state_root=b"\x01" * 32),
        replace(held, receipts_root=b"\x01" * 32),
        replace(held, timestamp=held.timestamp + 1),
    ):
        assert bed.why_not(other) == "held_headers: not held"
    assert bed.holds(held)


# -- E01: the trust period ------------------------------------------------------------------------------------------


def test_E01_an_update_after_the_trust_period_is_refused(bed: Bed) -> None:
    header = bed.chain.mine()
    bed.evm.time = bed.chain.blocks[1].timestamp + TRUST_PERIOD
    bed.refuses("LightClient: expired", header)
    bed.evm.time -= 1
    assert bed.update(header) is Became.LATEST


def test_E01_nothing_is_held_after_the_trust_period(bed: Bed) -> None:
    held = summary(bed.chain.head)
    bed.evm.time = held.timestamp + TRUST_PERIOD - 1
    assert bed.holds(held)
    bed.evm.time += 1
    assert bed.why_not(held) == "LightClient: expired"


def test_E01_a_refresh_each_third_of_the_period_keeps_an_idle_client_alive(bed: Bed) -> None:
    first = bed.chain.head
    for _ in range(6):
        skip = TRUST_PERIOD // 3 // PERIOD
        bed.chain.blocks.append(seal(bed.chain.propose(skip=skip), bed.chain.validators))
        bed.evm.time = bed.chain.head.timestamp + 5
        assert bed.update(bed.chain.head) is Became.LATEST
    assert bed.holds(first)


def test_E01_an_older_header_does_not_refresh(bed: Bed) -> None:
    headers = [bed.chain.mine() for _ in range(3)]
    bed.update(headers[2])
    bed.evm.time = headers[2].timestamp + TRUST_PERIOD - 1
    assert bed.update(headers[0]) is Became.HELD
    bed.evm.time += 1
    bed.refuses("LightClient: expired", headers[1])


def test_E01_an_expired_client_is_cured_by_order_and_keeps_what_it_held(bed: Bed) -> None:
    first = bed.chain.head
    skip = TRUST_PERIOD // PERIOD
    bed.chain.blocks.append(seal(bed.chain.propose(skip=skip), bed.chain.validators))
    fresh = bed.chain.head
    bed.evm.time = fresh.timestamp
    bed.cure(fresh)
    assert bed.holds(first)
    assert bed.holds(fresh)
    assert bed.update(bed.chain.mine()) is Became.LATEST


# -- E02: two headers at one height -----------------------------------------------------------------------------------


def test_E02_two_sealed_headers_at_one_height_freeze_the_client(bed: Bed) -> None:
    forged = rival(bed)
    honest = bed.chain.mine()
    bed.update(honest)
    outcome = bed.client.send("update", forged.unsealed, pack_seals(forged), b"")
    bed.twin.update(forged.unsealed, pack_seals(forged), now=bed.evm.time)
    bed.agree()
    assert outcome.log("HeadersFrozen") == {
        "height": honest.number,
        "held": summary(honest).word,
        "offered": summary(forged).word,
        "offered_block_hash": forged.hash,
    }
    for held in (bed.chain.blocks[1], honest, forged):
        assert bed.why_not(summary(held)) == "held_headers: frozen"
    bed.refuses("held_headers: frozen", bed.chain.mine())
    bed.refuses("held_headers: frozen", honest)


def test_E02_a_contradiction_far_below_the_latest_header_freezes_too(bed: Bed) -> None:
    forged = rival(bed)
    headers = [bed.chain.mine() for _ in range(4)]
    bed.update(headers[0])
    bed.update(headers[3])
    assert bed.update(forged) is Became.FROZEN
    assert bed.twin.held.status.doubt_from == forged.number


@pytest.mark.parametrize("seconds", [-PERIOD, DRIFT + 1000])
def test_E02_a_contradiction_is_evidence_whatever_its_time(bed: Bed, seconds: int) -> None:
    forged = rival(bed, timestamp=bed.evm.time + seconds)
    bed.update(bed.chain.mine())
    assert bed.update(forged) is Became.FROZEN


def test_E02_without_a_quorum_there_is_no_contradiction(bed: Bed) -> None:
    forged = bed.chain.propose(state_root=b"\x66" * 32)
    bed.update(bed.chain.mine())
    bed.refuses("LightClient: below quorum", seal(forged, bed.chain.validators[:2]))
    assert bed.holds(bed.chain.head)


def frozen(bed: Bed) -> tuple[Any, Any]:
    """A client frozen at height 3 that holds 1 to 4; the honest and the forged header of height 3."""
    bed.update(bed.chain.mine())
    forged = rival(bed)
    honest = bed.chain.mine()
    bed.update(honest)
    bed.update(bed.chain.mine())
    assert bed.update(forged) is Became.FROZEN
    return honest, forged


def test_E02_a_cure_by_order_keeps_what_lies_below_and_doubts_what_lies_between(bed: Bed) -> None:
    honest, forged = frozen(bed)
    bed.chain.mine()
    resumed = bed.chain.mine()
    outcome = bed.cure(resumed, honest.number)
    assert outcome.log("HeadersCured") == {"doubt_from": 3, "resumed_at": resumed.number}
    assert bed.holds(bed.chain.blocks[1])
    assert bed.holds(bed.chain.blocks[2])
    assert bed.holds(resumed)
    for doubted in (honest, forged, bed.chain.blocks[4], bed.chain.blocks[5]):
        assert bed.why_not(summary(doubted)) == "held_headers: height in doubt"
        bed.refuses("held_headers: height in doubt", doubted)
    assert bed.update(bed.chain.mine()) is Became.LATEST


def test_E02_after_a_cure_nothing_is_filled_in_below_and_a_new_contradiction_freezes_again(bed: Bed) -> None:
    bed = Bed.lay(blocks=3)
    hole, held = rival(Bed.lay(), timestamp=bed.chain.blocks[2].timestamp), bed.chain.blocks[3]
    contradiction = seal(replace(held, state_root=b"\x67" * 32), bed.chain.validators)
    forged = rival(bed)
    bed.update(bed.chain.mine())
    bed.update(forged)
    bed.chain.mine()
    bed.cure(bed.chain.head, forged.number)
    bed.refuses("held_headers: below a cure", hole)
    bed.refuses("held_headers: below a cure", bed.chain.blocks[2])
    assert bed.update(contradiction) is Became.FROZEN
    assert bed.twin.held.status.doubt_from == held.number


def test_E02_a_second_freeze_never_shrinks_the_doubt(bed: Bed) -> None:
    frozen(bed)
    bed.cure(bed.chain.mine(), 2)
    forged = rival(bed)
    bed.update(bed.chain.mine())
    assert bed.update(forged) is Became.FROZEN
    assert bed.twin.held.status.doubt_from == 2
    bed.cure(bed.chain.mine(), 2, salt=b"\x01" * 32)
    assert bed.holds(bed.chain.blocks[1])
    assert not bed.holds(bed.chain.blocks[2])


def test_E02_a_cure_needs_an_order_that_is_due(bed: Bed) -> None:
    honest, _ = frozen(bed)
    resumed = bed.chain.mine()
    with pytest.raises(Reverted, match="order: not announced"):
        bed.client.send("cure", resumed.unsealed, honest.number, bytes(32))
    bed.order(resumed, honest.number)
    bed.evm.time -= 1
    with pytest.raises(Reverted, match="order: not due"):
        bed.client.send("cure", resumed.unsealed, honest.number, bytes(32))
    bed.evm.time += 1
    for header, doubt_from in ((bed.chain.mine(), honest.number), (resumed, honest.number - 1)):
        with pytest.raises(Reverted, match="order: not announced"):
            bed.client.send("cure", header.unsealed, doubt_from, bytes(32))
    bed.client.send("cure", resumed.unsealed, honest.number, bytes(32))


def refused_cure(bed: Bed, header: Any, doubt_from: int, reason: str) -> None:
    bed.order(header, doubt_from)
    before = bed.evm.fingerprint(bed.client)
    with pytest.raises(Reverted) as reverted:
        bed.client.send("cure", header.unsealed, doubt_from, bytes(32))
    with pytest.raises(Refused) as refused:
        bed.twin.cure(header.unsealed, doubt_from, now=bed.evm.time)
    assert (reverted.value.reason, refused.value.code) == (reason, refused.value.code)
    assert bed.evm.fingerprint(bed.client) == before
    bed.agree()


def test_E02_a_cure_that_believes_what_was_contradicted_is_refused(bed: Bed) -> None:
    honest, _ = frozen(bed)
    refused_cure(bed, bed.chain.mine(), honest.number + 1, "held_headers: doubt begins at the contradiction or before")
    bed.cure(bed.chain.head, honest.number)


def test_E02_a_cure_below_the_latest_header_is_refused(bed: Bed) -> None:
    honest, _ = frozen(bed)
    refused_cure(bed, bed.chain.head, honest.number, "held_headers: resume above the latest header")
    bed.cure(bed.chain.mine(), honest.number)


def test_a_live_client_is_not_cured_so_that_no_quorum_overrules_the_validators(bed: Bed) -> None:
    refused_cure(bed, bed.chain.mine(), 0, "LightClient: nothing to cure")
    bed.update(bed.chain.head)


def test_an_expired_client_is_cured_only_forward_and_doubts_nothing(bed: Bed) -> None:
    bed.chain.mine()
    bed.update(bed.chain.head)
    older = bed.chain.blocks[1]
    bed.chain.blocks.append(seal(bed.chain.propose(skip=TRUST_PERIOD // PERIOD), bed.chain.validators))
    bed.evm.time = bed.chain.head.timestamp
    refused_cure(bed, bed.chain.head, 1, "LightClient: nothing is in doubt")
    refused_cure(bed, older, 0, "LightClient: expired")
    sideways = bed.chain.propose(number=2, timestamp=bed.evm.time)
    refused_cure(bed, sideways, 0, "held_headers: not above the latest header")
    ahead = bed.chain.propose(timestamp=bed.evm.time + DELAY + DRIFT + 1)
    refused_cure(bed, ahead, 0, "held_headers: from the future")
    bed.cure(bed.chain.head, salt=b"\x01" * 32)


# -- E03: the future, and heights that jump ----------------------------------------------------------------------------


def test_E03_a_header_from_the_future_is_refused(bed: Bed) -> None:
    header = seal(bed.chain.propose(skip=60), bed.chain.validators)
    bed.evm.time = header.timestamp - DRIFT - 1
    bed.refuses("held_headers: from the future", header)
    bed.evm.time += 1
    assert bed.update(header) is Became.LATEST


def test_E03_a_height_that_no_chain_reaches_in_the_time_is_refused(bed: Bed) -> None:
    for skip, seconds in ((2, 2 * PERIOD - 1), (3, 2 * PERIOD), (2**60, 4)):
        jump = bed.chain.propose(skip=1, number=1 + skip, timestamp=bed.chain.head.timestamp + seconds)
        bed.refuses("held_headers: height jumps", seal(jump, bed.chain.validators))
    fits = bed.chain.propose(skip=1, number=3, timestamp=bed.chain.head.timestamp + 2 * PERIOD)
    assert bed.update(seal(fits, bed.chain.validators)) is Became.LATEST


def test_E03_the_last_height_is_no_height(bed: Bed) -> None:
    last = seal(bed.chain.propose(number=MAX_HEIGHT), bed.chain.validators)
    bed.refuses("held_headers: height", last)


def test_E03_time_does_not_run_backwards(bed: Bed) -> None:
    late = seal(bed.chain.propose(timestamp=bed.chain.head.timestamp - 1), bed.chain.validators)
    bed.refuses("held_headers: time goes backwards", late)
    bed.update(seal(bed.chain.propose(skip=10), bed.chain.validators))
    late = seal(bed.chain.propose(skip=5, timestamp=bed.chain.head.timestamp + 21), bed.chain.validators)
    bed.evm.time += 20
    bed.refuses("held_headers: time goes backwards", late)


def test_E03_a_height_filled_in_fits_below_the_latest(bed: Bed) -> None:
    first = bed.chain.head.timestamp
    bed.evm.time = first + 40
    bed.update(seal(bed.chain.propose(skip=10, timestamp=first + 20), bed.chain.validators))
    early = seal(bed.chain.propose(skip=9, timestamp=first + 19), bed.chain.validators)
    bed.refuses("held_headers: height jumps", early)
    assert bed.update(seal(bed.chain.propose(skip=9), bed.chain.validators)) is Became.HELD


# -- where it starts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trust_period": 0, "max_drift": 0}, "LightClient: trust period"),
        ({"max_drift": TRUST_PERIOD}, "LightClient: trust period"),
        ({"late": TRUST_PERIOD}, "LightClient: expired"),
        ({"late": -DRIFT - 1}, "held_headers: from the future"),
    ],
    ids=["no trust period", "drift as long as trust", "expired at birth", "born in the future"],
)
def test_a_client_does_not_start_with(changes: dict[str, int], reason: str) -> None:
    first = QbftChain(keys(4)).mine()
    evm = Evm(timestamp=first.timestamp + changes.get("late", 0))
    committee = deploy_committee(evm)
    periods = {"trust_period": TRUST_PERIOD, "max_drift": DRIFT, "block_period": PERIOD}
    periods |= {name: value for name, value in changes.items() if name in periods}
    with pytest.raises(Reverted) as reverted:
        evm.deploy("LightClient", CHAIN_ID, GENESIS, first.unsealed, *periods.values(), committee.address, DELAY)
    assert reverted.value.reason == reason
    with pytest.raises(Refused):
        LightClient.start(first.unsealed, **periods, now=evm.time)


@pytest.mark.parametrize(("chain_id", "genesis"), [(0, GENESIS), (7102, GENESIS), (CHAIN_ID, bytes(32))])
def test_a_client_is_of_another_chain_that_it_can_name(chain_id: int, genesis: bytes) -> None:
    first = QbftChain(keys(4)).mine()
    evm = Evm(timestamp=first.timestamp)
    committee = deploy_committee(evm)
    with pytest.raises(Reverted, match=r"held_headers: (chain id|no genesis)"):
        evm.deploy(
            "LightClient", chain_id, genesis, first.unsealed, TRUST_PERIOD, DRIFT, PERIOD, committee.address, DELAY
        )


def test_a_stranger_learns_what_it_trusts(bed: Bed) -> None:
    validators = tuple(key.address for key in bed.chain.validators)
    assert bed.client.call("validators") == digest_of(validators)
    assert bed.client.call("vouches_until", digest_of(validators)) == (MAX_HEIGHT, MAX_HEIGHT)
    assert bed.client.call("vouches_until", b"\x01" * 32) == (0, 0)
    assert len(validator_items(validators)) == 84
    assert fields(summary(bed.chain.head))[0] == 1
