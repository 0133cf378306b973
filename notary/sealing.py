"""Whether the validators of a sealed chain agreed on a header: enough of their seals, by validators that are trusted.

Trust begins with the header that the manifest gives a light client of the chain; from there each list of validators
must have been vouched for by the one before, as a light client would have it. Where the manifest gives none, a header
must at least be sealed by those it names. May never happen here: a list that nobody trusted decides; a list that was
replaced seals a later block.
"""

from __future__ import annotations

import threading
from bisect import insort
from collections.abc import Callable

from contracts.manifest import Manifest, Policy
from ledger.errors import Refused
from ledger.ethereum.qbft import QbftHeader, read_unsealed
from ledger.headers.path import MAX_STEPS, next_update
from ledger.headers.seals import check_seals, pack_seals

HeaderAt = Callable[[int], QbftHeader]


class Sealing:
    """The validators of one chain as they followed one another. Safe to share between threads."""

    def __init__(self, first: QbftHeader | None) -> None:
        """`first`: where trust begins, None where the manifest does not say."""
        # Heights from which on lists were found to validate, ascending.
        self._points = [] if first is None else [(first.number, first.extra.validators)]
        self._lock = threading.Lock()

    def require(self, header: QbftHeader, header_at: HeaderAt) -> None:
        """Refuse a header that its validators did not seal, or that nobody trusted sealed.

        `header_at`: the chain's headers by height, unverified, asked for on the way to a later list. The genesis block
        is sealed by nobody. Errors: `Refused` QUORUM, SIG_UNKNOWN, SEALS_SHORT, SET_REPLACED, CLIENT_PATH and those of
        `pack_seals`; those of `header_at`.
        """
        if header.number == 0:
            return
        check_seals(header, pack_seals(header))
        with self._lock:
            if self._points:
                self._follow(header, header_at)

    def _follow(self, header: QbftHeader, header_at: HeaderAt) -> None:
        """From the last list found at or below the header's height to its own."""
        height = header.number
        since, trusted = next((point for point in reversed(self._points) if point[0] <= height), self._points[0])
        for _ in range(MAX_STEPS):
            if header.extra.validators == trusted:
                return
            if height <= since:
                what = "the block's validators are not those that were trusted at its height"
                raise Refused("SET_REPLACED", what, where=f"block {height}")
            step = next_update(
                lambda number: header if number == height else header_at(number),
                trusted=trusted,
                since=since,
                target=height,
            ).header
            since, trusted = step.number, step.extra.validators
            insort(self._points, (since, trusted))
        raise Refused("CLIENT_PATH", f"more than {MAX_STEPS} lists of validators lie on the way")


def sealing_of(manifest: Manifest, chain_id: int) -> Sealing:
    """The validators of a sealed chain, from the first header that the manifest gives any light client of it."""
    for chain in manifest.chains:
        for observer in chain.observers:
            if observer.origin == chain_id and observer.policy is Policy.RELAY:
                return Sealing(read_unsealed(observer.first_header))
    return Sealing(None)
