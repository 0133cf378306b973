"""In which epoch a notary signs, and under which index: what the committee contract of the chain concerned says.

May never happen here: a signature in an epoch whose committee does not hold the key, or holds it barred.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import Problem
from ledger.ethereum.header import Header
from ledger.membership import Member
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

    def record(self, chain_id: int) -> Member | None:
        """This key's record in the epoch that is current at the highest final block of a chain; None where the epoch's
        records are not known. Errors as `at_finality`.
        """
        seat = self.at_finality(chain_id)
        records = self._chains.records_at(chain_id, seat.epoch)
        return None if records is None else records[seat.index]

    def index_in(self, chain_id: int, epoch: int) -> int | None:
        """The place in an epoch of a chain, also a past one; None where it has none, or the chain cannot be read."""
        members = self._chains.members_at(chain_id, epoch)
        if members is None:
            try:
                self.at_finality(chain_id)  # follows the epochs
            except Problem:
                return None
            members = self._chains.members_at(chain_id, epoch) or ()
        return members.index(self._address) if self._address in members else None

    def at_finality(self, chain_id: int) -> Seat:
        """The place at the highest final block of a chain, looked at now. Errors as `seat`, and those of `look`."""
        return self.seat(chain_id, self._chains.watcher(chain_id).final_header(self._chains.look(chain_id)))
