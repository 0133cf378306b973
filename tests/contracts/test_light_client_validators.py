"""Who may seal: strict seals by index, and how trust goes from one list of validators to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.errors import Refused
from ledger.ethereum.qbft import QbftHeader, quorum
from ledger.headers.held import Became
from ledger.headers.light_client import digest_of
from ledger.headers.seals import check_seals, pack_seals
from ledger.secp256k1 import ORDER, SigningKey
from tests.contracts.header_bed import CODES, PERIOD, TRUST_PERIOD, Bed
from tests.simulator.qbft import QbftChain, ascending, changed, keys, seal

OUTSIDER = SigningKey.from_secret(b"\x77" * 32)
TABLE = ascending(keys(4))
Seals = Callable[[QbftHeader], bytes]


@pytest.fixture
def bed() -> Bed:
    return Bed.lay()


# -- seals -------------------------------------------------------------------------------------------------------------


def by(*indices: int) -> Seals:
    """Seals of these validators, in this order."""
    return lambda header: b"".join(at(index, index)(header) for index in indices)


def at(index: int, signer: int) -> Seals:
    """One validator's seal under an index."""
    return lambda header: bytes([index]) + TABLE[signer].sign(header.seal_digest).pack()


def with_rsv(index: int, r: int, s: int, v: int) -> Seals:
    return lambda header: bytes([index]) + r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])


def high_s(index: int) -> Seals:
    def build(header: QbftHeader) -> bytes:
        low = TABLE[index].sign(header.seal_digest)
        return with_rsv(index, low.r, ORDER - low.s, 55 - low.v)(header)

    return build


def with_v(index: int, v: int) -> Seals:
    return lambda header: at(index, index)(header)[:-1] + bytes([v])


def joined(*parts: Seals) -> Seals:
    return lambda header: b"".join(part(header) for part in parts)


def over(digest: bytes, index: int) -> Seals:
    return lambda _header: bytes([index]) + TABLE[index].sign(digest).pack()


def outsider(index: int) -> Seals:
    return lambda header: bytes([index]) + OUTSIDER.sign(header.seal_digest).pack()


REFUSED: dict[str, tuple[Seals, str]] = {
    "A01_a_high_s_twin": (joined(by(0, 1), high_s(2)), "LightClient: malleable seal"),
    "A02_v_0": (joined(by(0, 1), with_v(2, 0)), "LightClient: recovery id"),
    "A02_v_1": (joined(by(0, 1), with_v(2, 1)), "LightClient: recovery id"),
    "A02_v_29": (joined(by(0, 1), with_v(2, 29)), "LightClient: recovery id"),
    "A03_r_is_zero": (joined(by(0, 1), with_rsv(2, 0, 1, 27)), "LightClient: not this validator's seal"),
    "A03_s_is_zero": (joined(by(0, 1), with_rsv(2, 1, 0, 27)), "LightClient: not this validator's seal"),
    "A03_r_is_the_order": (joined(by(0, 1), with_rsv(2, ORDER, 1, 27)), "LightClient: not this validator's seal"),
    "A04_nothing": (by(), "LightClient: below quorum"),
    "A04_one_byte_short": (lambda header: by(0, 1, 2)(header)[:-1], "LightClient: length of the seals"),
    "A04_one_byte_long": (lambda header: by(0, 1, 2)(header) + b"\x00", "LightClient: length of the seals"),
    "A05_recovers_to_no_key": (joined(by(0, 1), with_rsv(2, 5, 1, 27)), "LightClient: not this validator's seal"),
    "A06_one_validator_twice": (by(0, 1, 1), "LightClient: seals out of order"),
    "A07_below_the_quorum": (by(0, 1), "LightClient: below quorum"),
    "A07_a_quorum_with_an_outsider": (joined(by(0, 1), outsider(2)), "LightClient: not this validator's seal"),
    "A09_a_seal_under_anothers_index": (joined(by(0, 1), at(3, 2)), "LightClient: not this validator's seal"),
    "A18_a_seal_over_another_header": (
        joined(by(0, 1), over(b"\x01" * 32, 2)),
        "LightClient: not this validator's seal",
    ),
    "out_of_order": (by(1, 0, 2), "LightClient: seals out of order"),
    "an_index_outside_the_list": (joined(by(0, 1), at(4, 2)), "LightClient: unknown validator"),
    "the_largest_index": (joined(by(0, 1), at(255, 2)), "LightClient: unknown validator"),
}
# Here the twin names the form of the number, the contract what follows from it.
RANGES = {"A03_r_is_zero", "A03_s_is_zero", "A03_r_is_the_order"}


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse_seals(bed: Bed, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build, reason = REFUSED[name]
    header = bed.chain.mine()
    if name in RANGES:
        monkeypatch.setitem(CODES, reason, "SIG_RANGE")
    bed.refuses(reason, header, build(header))
    assert bed.update(header, by(1, 2, 3)(header)) is Became.LATEST


def test_the_blocks_own_hash_is_not_what_validators_sign(bed: Bed) -> None:
    header = bed.chain.mine(decided_in=2)
    seals = joined(by(0, 1), over(header.hash, 2))(header)
    bed.refuses("LightClient: not this validator's seal", header, seals)
    assert bed.update(header) is Became.LATEST


@pytest.mark.parametrize("count", [4, 5, 6, 7, 9, 10])
def test_a_quorum_is_two_thirds_rounded_up(count: int) -> None:
    bed = Bed.lay(count)
    header = bed.chain.propose()
    few = seal(header, bed.chain.validators[: quorum(count) - 1])
    bed.refuses("LightClient: below quorum", few)
    assert bed.update(seal(header, bed.chain.validators[: quorum(count)])) is Became.LATEST


def test_a_flood_of_seals_is_refused(bed: Bed) -> None:
    header = bed.chain.mine()
    flood = by(0, 1, 2, 3)(header) + at(4, 3)(header) * 96
    with pytest.raises(Refused, match="SIG_LENGTH"):
        check_seals(header, flood)
    before = bed.evm.fingerprint(bed.client)
    with pytest.raises(Refused, match="unknown validator"):
        bed.client.send("update", header.unsealed, flood, b"")
    assert bed.evm.fingerprint(bed.client) == before


def test_seals_are_gathered_from_copies_in_the_order_they_arrived_in(bed: Bed) -> None:
    header = bed.chain.propose()
    table = bed.chain.validators
    copies = seal(header, (table[2], table[0])), seal(header, (table[3], table[2]))
    packed = pack_seals(*copies)
    assert [packed[k] for k in range(0, len(packed), 66)] == [0, 2, 3]
    assert bed.update(header, packed) is Became.LATEST
    with pytest.raises(Refused, match="HEADER_HASH"):
        pack_seals(copies[0], changed(copies[1], round=1))
    with pytest.raises(Refused, match="SIG_UNKNOWN"):
        pack_seals(seal(header, (OUTSIDER,)))


def test_a_high_seal_that_besu_would_take_is_normalised_and_a_wrong_id_refused(bed: Bed) -> None:
    header = seal(bed.chain.propose(), TABLE[:3])
    low = header.extra.seals[1]
    high = low[:32] + (ORDER - int.from_bytes(low[32:64], "big")).to_bytes(32, "big") + bytes([1 - low[64]])
    assert pack_seals(changed(header, seals=(header.extra.seals[0], high, header.extra.seals[2]))) == pack_seals(header)
    with pytest.raises(Refused, match="SIG_BAD_V"):
        pack_seals(changed(header, seals=(low[:64] + b"\x1b",)))


# -- validators that change --------------------------------------------------------------------------------------------


def addresses(chain: QbftChain) -> tuple[bytes, ...]:
    return tuple(key.address for key in chain.validators)


def everyone(bed: Bed, **changes: object) -> QbftHeader:
    """The next block, sealed by all of its validators."""
    return bed.chain.mine(range(len(bed.chain.validators)), **changes)


@pytest.mark.parametrize("count", [4, 6, 7])
def test_a_validator_who_joins_is_followed(count: int) -> None:
    bed = Bed.lay(count)
    before = addresses(bed.chain)
    bed.chain.change(keys(1, first=50)[0], add=True)
    header = everyone(bed)
    bed.evm.time = header.timestamp
    bed.refuses("LightClient: validators not trusted", header)
    assert bed.update(header, None, before) is Became.LATEST
    assert bed.client.call("validators") == digest_of(addresses(bed.chain))
    assert bed.update(bed.chain.mine()) is Became.LATEST


def test_a_validator_who_leaves_is_followed_once_enough_of_the_others_sealed() -> None:
    bed = Bed.lay(7)
    before = addresses(bed.chain)
    bed.chain.change(bed.chain.validators[3], add=False)
    header = bed.chain.mine()
    bed.evm.time = header.timestamp
    # Six validators need four seals, the seven before them five: a node keeps four, but no two nodes the same four.
    assert (quorum(6), quorum(7)) == (4, 5)
    bed.refuses("LightClient: below quorum of the trusted validators", header, None, *before)
    other = seal(header, bed.chain.validators[2:])
    assert bed.update(header, pack_seals(header, other), before) is Became.LATEST


def test_a_third_of_the_trusted_validators_cannot_hand_trust_to_a_list_of_their_own(bed: Bed) -> None:
    # What a Tendermint-style skip would accept: more than a third of the trusted ones and all of a list they made up.
    before = addresses(bed.chain)
    traitors = bed.chain.validators[:2]
    invented = ascending([*traitors, *keys(2, first=90)])
    taken = changed(bed.chain.propose(), validators=tuple(key.address for key in invented))
    bed.refuses("LightClient: below quorum of the trusted validators", seal(taken, invented), None, *before)
    assert bed.update(bed.chain.mine()) is Became.LATEST


def test_a_quorum_of_the_trusted_validators_does_not_replace_a_quorum_of_the_new_ones() -> None:
    bed = Bed.lay(4)
    before = addresses(bed.chain)
    crowd = ascending([*bed.chain.validators, *keys(3, first=90)])
    taken = changed(bed.chain.propose(), validators=tuple(key.address for key in crowd))
    bed.refuses("LightClient: below quorum", seal(taken, bed.chain.validators), None, *before)
    assert bed.update(bed.chain.mine()) is Became.LATEST


BAD_LISTS: dict[str, Callable[[tuple[bytes, ...]], tuple[bytes, ...]]] = {
    "descending": lambda new: new[::-1],
    "one validator in every place": lambda new: (new[0],) * 5,
    "the last one twice": lambda new: (*new[:4], new[3]),
    "the zero address": lambda new: (bytes(20), *new[1:]),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_no_trust_goes_to_a_list_with(bed: Bed, name: str) -> None:
    before = addresses(bed.chain)
    crowd = ascending([*bed.chain.validators, *keys(1, first=90)])
    listed = BAD_LISTS[name](tuple(key.address for key in crowd))
    taken = seal(changed(bed.chain.propose(), validators=listed), ())
    signers = {key.address: key for key in crowd}
    seals = b"".join(
        bytes([index]) + signers[address].sign(taken.seal_digest).pack()
        for index, address in enumerate(listed)
        if address in signers
    )
    bed.refuses("qbft_header: validators out of order", taken, seals, *before)
    assert bed.update(bed.chain.mine()) is Became.LATEST


def test_a_list_in_another_spelling_is_no_list(bed: Bed) -> None:
    header = bed.chain.propose()
    before = addresses(bed.chain)
    bed.refuses("LightClient: the header's own list", seal(header, bed.chain.validators), None, *before)
    bed.refuses("LightClient: validators not trusted", seal(header, bed.chain.validators), None, *before[:3])


def moved_on(bed: Bed, *, blocks: int = 1) -> tuple[tuple[bytes, ...], tuple[SigningKey, ...]]:
    """Let a validator join and the client follow, some blocks later; the list before, with its keys."""
    before, table = addresses(bed.chain), bed.chain.validators
    bed.chain.change(keys(1, first=50)[0], add=True)
    for _ in range(blocks):
        everyone(bed)
    bed.evm.time = bed.chain.head.timestamp + 5
    assert bed.update(bed.chain.head, None, before) is Became.LATEST
    return before, table


def test_a_replaced_list_vouches_for_what_came_before_it_was_replaced(bed: Bed) -> None:
    before, _ = moved_on(bed, blocks=3)
    replaced_at = bed.chain.head
    assert bed.client.call("vouches_until", digest_of(before)) == (replaced_at.number, replaced_at.timestamp)
    assert bed.update(bed.chain.blocks[2]) is Became.HELD
    # Sealed by the new list before the client knew it: either list vouches.
    assert bed.update(bed.chain.blocks[replaced_at.number - 1], None, before) is Became.HELD
    assert bed.update(bed.chain.blocks[replaced_at.number - 2]) is Became.HELD
    assert bed.client.call("validators") == digest_of(addresses(bed.chain))


def test_a_replaced_list_speaks_no_more_above_its_replacement(bed: Bed) -> None:
    before, table = moved_on(bed)
    later = changed(bed.chain.propose(), validators=before)
    bed.refuses("LightClient: validators replaced", seal(later, table))
    older = replace(later, number=3, timestamp=bed.chain.head.timestamp + 1)
    bed.refuses("LightClient: validators replaced", seal(older, table))
    assert bed.update(bed.chain.mine()) is Became.LATEST


def test_E02_a_fork_at_the_change_of_validators_freezes_the_client(bed: Bed) -> None:
    before, table = moved_on(bed)
    fork = changed(replace(bed.chain.head, state_root=b"\x66" * 32), validators=before)
    assert bed.update(seal(fork, table)) is Became.FROZEN


def test_E01_keys_of_a_list_replaced_longer_ago_than_the_trust_period_forge_nothing(bed: Bed) -> None:
    before, table = moved_on(bed)
    forged = changed(replace(bed.chain.blocks[2], state_root=b"\x66" * 32), validators=before)
    unheld = seal(forged, table)
    replaced_at = bed.chain.head.timestamp
    bed.chain.blocks.append(seal(bed.chain.propose(skip=TRUST_PERIOD // 2 // PERIOD), bed.chain.validators))
    bed.evm.time = bed.chain.head.timestamp
    bed.update(bed.chain.head)
    bed.evm.time = replaced_at + TRUST_PERIOD
    bed.refuses("LightClient: validators replaced too long ago", unheld)
    bed.evm.time -= 1
    assert bed.update(unheld) is Became.HELD


def test_a_list_that_comes_back_is_trusted_again(bed: Bed) -> None:
    before, table = moved_on(bed)
    grown = addresses(bed.chain)
    bed.chain.change(keys(1, first=50)[0], add=False)
    header = everyone(bed)
    bed.evm.time = header.timestamp
    assert addresses(bed.chain) == before
    assert bed.update(header, None, grown) is Became.LATEST
    assert bed.client.call("vouches_until", digest_of(grown))[0] == header.number
    assert bed.update(seal(bed.chain.propose(), table)) is Became.LATEST


def test_E02_a_cure_may_bring_other_validators(bed: Bed) -> None:
    old = bed.chain.validators
    forged = seal(bed.chain.propose(state_root=b"\x66" * 32), old)
    bed.update(bed.chain.mine())
    bed.update(forged)
    bed.chain.validators = ascending(keys(5, first=60))
    resumed = bed.chain.mine()
    bed.cure(resumed, forged.number)
    stale = changed(bed.chain.propose(), validators=tuple(key.address for key in old))
    bed.refuses("LightClient: validators replaced", seal(stale, old))
    assert bed.update(bed.chain.mine()) is Became.LATEST
