"""The law of value lanes: minted - burned <= locked - released, per lane and asset. Pure.

Twin of `contracts/vyper/transfer_count.vy` (what a gateway counts), of the limits in `lane_word.vy`, and of the books
that `Vault.vy` and `Voucher.vy` keep. Each contract holds its own side; a notary, who sees both, holds the law: a
valid signature and a valid Merkle proof are not enough, the economics must be true. Every figure is a number of an
asset's smallest units; nothing is ever converted or rounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ledger.attestation import word
from ledger.errors import BadInput, Refused

MAX_UNITS = 2**112 - 1
MAX_TOTAL = 2**128 - 1
HEAD_BYTES, TRANSFER_BYTES = 96, 128
_DECIMAL = re.compile(r"[1-9][0-9]{0,33}")


def amount(value: object) -> int:
    """A quantity as people and APIs write it: an integer, or its decimal text, from 1 to 2^112 - 1.

    Errors: `BadInput` AMOUNT for anything else: signs, zeros in front, exponents, fractions, booleans.
    """
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    if type(value) is not int or not 0 < value <= MAX_UNITS:
        raise BadInput(
            "AMOUNT", "a quantity is a whole number of smallest units, 1 to 2^112 - 1", where=f"{value!r}"[:80]
        )
    return value


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer's payload. `total`: all ever sent of the asset on this lane and generation, this transfer included.

    Errors: `BadInput` AMOUNT; TRANSFER_FORM for a total above 2^128 - 1, an asset not of 32 bytes, or a beneficiary
    that is not an address or is all zeros.
    """

    asset: bytes
    quantity: int
    total: int
    beneficiary: bytes

    def __post_init__(self) -> None:
        amount(self.quantity)
        accounts = len(self.asset) == 32 and len(self.beneficiary) == 20 and any(self.beneficiary)
        if not accounts or not 0 <= self.total <= MAX_TOTAL:
            raise BadInput("TRANSFER_FORM", "a field of the transfer is outside its type", where=f"{self.total}"[:80])

    @classmethod
    def read(cls, payload: bytes) -> Transfer:
        """From a payload; `BadInput` TRANSFER_FORM unless it is exactly what `encode` gives, AMOUNT."""
        if len(payload) != TRANSFER_BYTES or any(payload[96:108]):
            raise BadInput("TRANSFER_FORM", f"a transfer has {TRANSFER_BYTES} bytes", where=f"{len(payload)} bytes")
        quantity, total = (int.from_bytes(payload[at : at + 32], "big") for at in (32, 64))
        return cls(payload[:32], quantity, total, payload[108:])

    def encode(self) -> bytes:
        """The payload, 128 bytes."""
        return self.asset + word(self.quantity) + word(self.total) + self.beneficiary.rjust(32, b"\x00")


def count_out(sent: int, transfer: Transfer) -> int:
    """The origin gateway's count after a transfer; `Refused` VALUE_UNBACKED unless it names just that total."""
    if transfer.total != sent + transfer.quantity:
        raise Refused("VALUE_UNBACKED", "the total is not what was sent", where=f"{transfer.total}")
    return transfer.total


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The destination gateway's count. `shown`: the largest total that a proven message has named."""

    arrived: int = 0
    shown: int = 0

    def count_in(self, transfer: Transfer) -> Arrivals:
        """After a transfer, in whatever order; `Refused` VALUE_UNBACKED when more arrives than was shown as sent."""
        after = Arrivals(self.arrived + transfer.quantity, max(self.shown, transfer.total))
        if after.arrived > after.shown:
            raise Refused("VALUE_UNBACKED", "more arrives than was sent", where=f"{after.arrived} > {after.shown}")
        return after


@dataclass(frozen=True, slots=True)
class Window:
    """A lane's limits and how much of its window is used. `seconds` 0: no limits are set, and everything is held."""

    per_message: int
    per_window: int
    seconds: int
    began: int = 0
    used: int = 0

    def count(self, quantity: int, now: int) -> Window | None:
        """After a transfer at block time `now`; None when it has to be held."""
        if self.seconds == 0 or quantity > self.per_message:
            return None
        began, used = (now, 0) if now >= self.began + self.seconds else (self.began, self.used)
        if used + quantity > self.per_window:
            return None
        return replace(self, began=began, used=used + quantity)


@dataclass(frozen=True, slots=True)
class Books:
    """Both ends of a lane for one asset, each at a final block, as a notary reads them.

    `locked`, `released`: of `Vault.books`; `minted`, `burned`: of `Voucher.books`; what came back to its sender counts
    as released at the vault and as minted at the voucher. `moving`: units of all transfers that have left and neither
    have arrived nor come back, in both directions. Between honest ends nothing is left over: `spare` is 0.
    Errors: `BadInput` BOOKS for a figure below 0; `Refused` VALUE_UNBACKED when more is out than is locked.
    """

    locked: int
    released: int
    minted: int
    burned: int
    moving: int = 0

    def __post_init__(self) -> None:
        if min(self.locked, self.released, self.minted, self.burned, self.moving) < 0:
            raise BadInput("BOOKS", "nothing is counted below zero", where=f"{self}")
        if self.spare < 0:
            raise Refused("VALUE_UNBACKED", "more is out than is locked", where=f"{self}")

    @property
    def spare(self) -> int:
        """Units that are locked, and neither stand at the voucher nor are on their way."""
        return (self.locked - self.released) - (self.minted - self.burned) - self.moving

    def mint(self, quantity: int) -> Books:
        """After a transfer has arrived at the voucher, or one that it sent has come back. Errors: VALUE_UNBACKED."""
        return replace(self, minted=self.minted + quantity, moving=self._less(quantity))

    def release(self, quantity: int) -> Books:
        """After a transfer has arrived at the vault, or one that it sent has come back. Errors: VALUE_UNBACKED."""
        return replace(self, released=self.released + quantity, moving=self._less(quantity))

    def _less(self, quantity: int) -> int:
        if quantity > self.moving:
            raise Refused("VALUE_UNBACKED", "so much is not on its way", where=f"{quantity} of {self.moving}")
        return self.moving - quantity


def check_transfer(transfer: Transfer, *, sent: int, arrivals: Arrivals, books: Books, to_vault: bool) -> Books:
    """The books as they will be after a transfer that a notary is asked to attest, or to find executed.

    `sent`: the origin gateway's count for lane, generation and asset; `arrivals`: the destination gateway's.
    Errors: `Refused` VALUE_UNBACKED.
    """
    if max(transfer.total, arrivals.shown) > sent:
        raise Refused("VALUE_UNBACKED", "the origin has not sent so much", where=f"{transfer.total} > {sent}")
    arrivals.count_in(transfer)
    return books.release(transfer.quantity) if to_vault else books.mint(transfer.quantity)


def check_come_back(transfer: Transfer, *, books: Books, to_vault: bool) -> Books:
    """The books as they will be after a transfer that a notary is asked to find refused, expired or void: its sender
    gets back what it sent. Errors: `Refused` VALUE_UNBACKED, as when another message has taken its place.
    """
    return books.mint(transfer.quantity) if to_vault else books.release(transfer.quantity)
