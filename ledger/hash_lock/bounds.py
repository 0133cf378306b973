"""The bounds of a value lane: how long each leg is locked, and why the difference is enough."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from ledger.attestation import fits, word
from ledger.errors import BadInput, Refused

MAX_SECONDS = 30 * 24 * 3600
PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """What both contracts of a pair were given by the manifest: seconds of block time, except the last two.

    `initiator_least` (L) and `initiator_most`: how long the initiator's leg is locked from its funding;
    `responder_most` (S): how long the responder's leg is, at most; `finality_*`: a block of that age is never
    reorganised; `claim_window`: a transaction that was sent is in a block this soon, whatever the chain suffers;
    `clock_drift`: how far the times of two blocks made at one moment are apart at most, on whichever chains;
    `open_swaps`: in how many swaps an account has money at once, per contract; `bond_ppm`: the initiator's bond in
    millionths of the responder's quantity.
    Errors: `BadInput` OFFER_FORM (not a uint64), `Refused` LOCK_BOUNDS (no honest party could rely on them).
    """

    initiator_least: int
    initiator_most: int
    responder_most: int
    finality_initiator: int
    finality_responder: int
    claim_window: int
    clock_drift: int
    open_swaps: int
    bond_ppm: int

    def __post_init__(self) -> None:
        if not all(fits(value, 64) for value in astuple(self)):
            raise BadInput("OFFER_FORM", "every bound is an unsigned integer of 64 bits")
        if (wrong := self._wrong()) is not None:
            raise Refused("LOCK_BOUNDS", wrong, cure="Take bounds from the manifest that keep L - S at the margin.")

    @property
    def margin(self) -> int:
        """How much later the first leg is refundable than the second, at least, in seconds.

        From the last moment at which the secret can be revealed the responder needs: the reveal's finality to see it,
        the claim window to send its own claim, that chain's finality for it to stay; and the clocks may differ.
        """
        return self.finality_initiator + self.finality_responder + self.claim_window + self.clock_drift

    @property
    def least_open(self) -> int:
        """How long the second leg is open at least: until it is final, and a claim sent then is in and stays.

        Both times the chain's clock may jump ahead by the drift.
        """
        return 2 * (self.finality_responder + self.clock_drift) + self.claim_window

    def least_bond(self, quantity: int) -> int:
        """The smallest bond for a second leg of so many units, rounded up."""
        return -(-quantity * self.bond_ppm // PPM)

    @property
    def cost_ppm_hour(self) -> int:
        """What an initiator who lets a funded leg run out pays at least, in millionths per unit and hour locked."""
        return self.bond_ppm * 3600 // self.responder_most

    def words(self) -> bytes:
        """The bounds as ABI words, in order."""
        return b"".join(word(value) for value in astuple(self))

    def _wrong(self) -> str | None:
        """What is wrong with the bounds; the order of the checks is the contract's."""
        parts = (self.initiator_most, self.finality_initiator, self.finality_responder)
        checks = (
            (self.claim_window == 0, "there is no claim window"),
            (max(*parts, self.claim_window, self.clock_drift) > MAX_SECONDS, f"a bound is over {MAX_SECONDS} seconds"),
            (self.initiator_most < self.initiator_least, "the initiator's leg may be locked for less than L"),
            (self.initiator_least - self.responder_most < self.margin, "L - S is less than the margin"),
            (self.responder_most <= self.least_open, "S leaves no time to claim"),
            (self.open_swaps == 0, "no swap could be opened"),
            (self.bond_ppm > PPM, "the bond is more than the leg"),
        )
        return next((wrong for failed, wrong in checks if failed), None)
