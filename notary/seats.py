"""In which epoch a notary signs, and under which index: what the committee contract of the chain concerned says.

May never happen here: a signature in an epoch whose committee does not hold the key, or holds it barred.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.ethereum.header import Header
from notary import policy
from notary.chains import Chains


@dataclass(frozen=True, slots=True)
class Seat:
    """A place in the committee of an epoch; `index` from 0."""

    epoch: int
    index: int


class Seats:
    """The places of one attesting address (20 bytes) on every chain of the deployment."""

    def __init__(self, chains: Chains, address: bytes) -> None:
        self._chains, self._address = chains, address

    def seat(self, chain_id: int, header: Header) -> Seat:
        """The place in the epoch that is current after a final block of a chain.

        Errors: `Refused` NOT_A_MEMBER, SUSPENDED; `Unavailable` with the codes of `Epochs.at`.
        """
        current = self._chains.committee(chain_id, header).current
        chain = self._chains.watcher(chain_id).chain
        return Seat(current.number, policy.require_seat(current, address=self._address, chain=chain))

    def at_finality(self, chain_id: int) -> Seat:
        """The place at the highest final block of a chain, looked at now. Errors as `seat`, and those of `look`."""
        return self.seat(chain_id, self._chains.watcher(chain_id).final_header(self._chains.look(chain_id)))
