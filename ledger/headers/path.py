"""How a light client gets from the validators it trusts to a header that others sealed: the fewest steps, found by
halving. Pure but for the headers it asks for.

A client skips headers as long as a quorum of the validators it trusts sealed the one it skips to. Where too many of
them left meanwhile, it stops at the highest header on the way that they still vouch for, and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger.errors import Problem, Refused
from ledger.ethereum.qbft import QbftHeader, validator_items
from ledger.headers.seals import check_seals, pack_seals

MAX_STEPS = 64  # headers between two that are wanted; each replaces validators


@dataclass(frozen=True, slots=True)
class SealedUpdate:
    """One update of a `LightClient.vy`: the header without seals, its packed seals, and the list that vouches for it
    (empty where the header's own list is trusted)."""

    header: QbftHeader
    seals: bytes
    trusted: bytes

    def as_abi(self) -> tuple[bytes, bytes, bytes]:
        """The arguments of `update`."""
        return self.header.unsealed, self.seals, self.trusted


def next_update(
    header_at: Callable[[int], QbftHeader], *, trusted: tuple[bytes, ...], since: int, target: int
) -> SealedUpdate:
    """The next update on the way to the header at height `target`: that header itself where it can be.

    `header_at`: a chain's headers by height, unverified; `trusted`: the client's list, of its header at `since`.
    Errors: `Refused` SEALS_SHORT when not even the header after `since` is vouched for, with the reason of that one;
    those of `pack_seals` and of `header_at`.
    """
    wanted = header_at(target)
    if (update := _vouched(wanted, trusted)) is not None or target <= since + 1:
        return update or _refuse(wanted, trusted)
    low, high, found = since, target, None
    while high - low > 1:
        middle = (low + high) // 2
        if (update := _vouched(header_at(middle), trusted)) is None:
            high = middle
        else:
            low, found = middle, update
    return found or _refuse(header_at(since + 1), trusted)


def _vouched(header: QbftHeader, trusted: tuple[bytes, ...]) -> SealedUpdate | None:
    try:
        return _update(header, trusted)
    except Problem:
        return None  # not by this list: the caller looks further down


def _update(header: QbftHeader, trusted: tuple[bytes, ...]) -> SealedUpdate:
    seals = pack_seals(header)
    other = () if header.extra.validators == trusted else trusted
    check_seals(header, seals, other)
    return SealedUpdate(header, seals, validator_items(other))


def _refuse(header: QbftHeader, trusted: tuple[bytes, ...]) -> SealedUpdate:
    try:
        return _update(header, trusted)
    except Problem as problem:
        raise Refused(
            "SEALS_SHORT",
            f"the validators that the light client trusts do not vouch for the next header: {problem.what}",
            where=f"height {header.number}",
            cure="Gather the seals from another node; where the validators are gone, the quorum orders a cure.",
        ) from problem
