"""How much one key of a party may have at stake: asked before each funding and each bond, so that its loss is bounded.

A party that swaps all day keeps a key at hand, and whoever steals it funds legs to himself. Two bounds make that loss
a known one: the key holds no more than its float (a lock takes tokens from nobody but who calls it), and whatever signs
with the key asks here first, from a record that the key cannot change. The contracts count swaps, this counts units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from ledger.attestation import fits
from ledger.errors import BadInput, Refused


@dataclass(frozen=True, slots=True)
class Float:
    """What a key may have at stake, in units of one token: at once, with one counterparty at once, and begun within
    `window` seconds, whatever has ended meanwhile. Errors: `BadInput` AMOUNT, `Refused` LOCK_BOUNDS.
    """

    at_once: int
    per_counterparty: int
    per_window: int
    window: int

    def __post_init__(self) -> None:
        if not all(fits(value, 128) for value in astuple(self)):
            raise BadInput("AMOUNT", "every bound of a float is an unsigned integer of 128 bits")
        if self.window == 0 or self.per_counterparty > self.at_once:
            raise Refused("LOCK_BOUNDS", "a float needs a window, and one counterparty gets no more of it than all")


@dataclass(frozen=True, slots=True)
class Stake:
    """Units that the key funded or posted as a bond. `counterparty`: 20 bytes; `at`: seconds; `is_open`: whether they
    are still locked, or could still be lost to a reorganisation.
    """

    counterparty: bytes
    units: int
    at: int
    is_open: bool = True


def check_float(limits: Float, stakes: Sequence[Stake], wanted: Stake) -> None:
    """Refuse to put more at stake than the float: `Refused` CAP_KEY. `BadInput` AMOUNT for nothing or less.

    `stakes`: all that is open, and all that began within the window before `wanted.at`; one dated later than `wanted`
    counts as within it, so that a clock set back frees nothing.
    """
    if not fits(wanted.units, 128) or wanted.units == 0:
        raise BadInput("AMOUNT", "a stake is an integer from 1 to 2^128 - 1", where=f"{wanted.units!r}"[:80])
    still = [stake for stake in stakes if stake.is_open]
    counted = (
        (sum(stake.units for stake in still), limits.at_once, "at stake at once"),
        (
            sum(stake.units for stake in still if stake.counterparty == wanted.counterparty),
            limits.per_counterparty,
            "at stake with one counterparty",
        ),
        (
            sum(stake.units for stake in stakes if stake.at > wanted.at - limits.window),
            limits.per_window,
            f"begun within {limits.window} seconds",
        ),
    )
    for held, most, what in counted:
        if held + wanted.units > most:
            raise Refused(
                "CAP_KEY",
                f"{held} units are {what}, and {wanted.units} more would exceed the float of {most}",
                where=f"0x{wanted.counterparty.hex()}",
                cure="Wait until swaps have ended, or let whoever holds the treasury's key raise the float.",
            )
