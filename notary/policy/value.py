"""Row 5, for value: a valid signature and a valid proof are not enough, the economics must be true."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.conservation import Arrivals, Books, Transfer
from ledger.errors import Refused


@dataclass(frozen=True, slots=True)
class Ledgers:
    """The totals of a vault and its voucher for one asset, in its smallest units, each proven at a final block."""

    locked: int
    released: int
    minted: int
    burned: int


def require_counted(transfer: Transfer, *, sent: int, arrivals: Arrivals, is_used: bool) -> None:
    """Row 5: whether the origin's gateway sent what a transfer says, and the destination's has room for it (F05).

    `sent`: the origin's count for lane, generation and asset; `arrivals`: the destination's; `is_used`: whether the
    message has arrived and is counted there. Errors: `Refused` VALUE_UNBACKED.
    """
    if max(transfer.total, arrivals.shown) > sent:
        what = "the origin has not sent so much"
        raise Refused("VALUE_UNBACKED", what, where=f"{max(transfer.total, arrivals.shown)} > {sent}")
    if not is_used:
        arrivals.count_in(transfer)


def require_conserved(transfer: Transfer, *, books: Ledgers, is_used: bool) -> None:
    """Row 5: minted - burned <= locked - released, also once this transfer has arrived.

    `is_used`: whether it has, and stands in the books. Errors: `Refused` VALUE_UNBACKED with the figures.
    """
    moving = 0 if is_used else transfer.quantity
    Books(books.locked, books.released, books.minted, books.burned, moving)
