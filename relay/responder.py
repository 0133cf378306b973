"""Funds the second legs that were agreed, with a key that is at hand and may lose no more than its float.

Before each funding it asks `ledger.hash_lock`: the first leg must be the agreed one and final, the times must leave
room, and what the key has at stake (I15) stays within its float. What it counts are the chain's final logs and its own
record of what it has sent since, neither of which the key can change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ledger.canonical import JsonValue, parse_json
from ledger.config_file import read_file
from ledger.errors import BadInput, Problem, Refused
from ledger.hash_lock import Float, Role, Stake, State, Terms, check_before_funding, check_float
from relay.stakes import Stakes
from relay.swaps import Act, Due, SwapBook

_US = Role.RESPONDER
_UNITS = re.compile(r"0|[1-9][0-9]{0,38}")
_LIMITS = {"at_once", "per_counterparty", "per_window", "window_seconds"}
MAX_FLOAT_BYTES = 4096


class Responder:
    """One key's second legs on one lane. `agreed`: the offers it accepted; `account`: its 20 bytes at the second lock.

    For one thread at a time. Errors: `Refused` OFFER_PARTIES for an offer that another account is to fund.
    """

    def __init__(self, agreed: Sequence[Terms], account: bytes, limits: Float, stakes: Stakes) -> None:
        for terms in agreed:
            if terms.responder.funder != account:
                raise Refused(
                    "OFFER_PARTIES",
                    "the offer's second leg is another account's to fund",
                    where=f"0x{terms.responder.funder.hex()}",
                    cure="Start the watchtower with the key of the account that the offer names.",
                )
        self._agreed, self._account, self._limits, self._stakes = tuple(agreed), account, limits, stakes

    def due(self, book: SwapBook) -> Iterator[Due]:
        """The agreed legs that wait for our funding: those whose first leg stands, and whose bond, where one is due."""
        for terms in self._agreed:
            swap = terms.id(book.lane.id)
            wanted = State.BONDED if terms.bond else State.UNKNOWN
            is_first = book.state(swap, Role.INITIATOR) is State.OPEN
            if is_first and book.state(swap, _US) is wanted and not self._is_past(terms, book):
                yield Due(swap, _US, Act.FUND, terms, until=terms.responder.refund_time - book.lane.bounds.least_open)

    def promise(self, due: Due, book: SwapBook) -> None:
        """Check once more that a leg may be funded now, and write down that it is.

        Errors: `Refused` CAP_KEY and those of `check_before_funding`; `Unavailable` STAKES_UNWRITABLE.
        """
        terms, first = due.terms, book.funding(due.swap, Role.INITIATOR)
        if first is None:
            raise Refused("NOT_FINAL", "no final log tells of the first leg")
        here, there = book.times.get(Role.INITIATOR, 0), book.times.get(_US, 0)
        check_before_funding(terms, first, book.lane, now_initiator=here, now_responder=there)
        self._tidy(book)
        held = self._stakes.promised | book.stakes(self._account, _US)
        held.pop(due.swap, None)  # promised before, and not sent or not final: it is the same stake
        wanted = Stake(terms.responder.receiver, terms.responder.quantity, there)
        check_float(self._limits, list(held.values()), wanted)
        self._stakes.promise(due.swap, wanted)

    def _tidy(self, book: SwapBook) -> None:
        """Forget what the chain tells of by now, and what the lock takes no more."""
        told, past = book.stakes(self._account, _US).keys(), book.times.get(_US, 0) - self._limits.window
        gone = {
            swap for swap, stake in self._stakes.promised.items() if stake.at < past - book.lane.bounds.responder_most
        }
        self._stakes.forget({*told, *gone})

    @staticmethod
    def _is_past(terms: Terms, book: SwapBook) -> bool:
        return terms.responder.refund_time - book.times.get(_US, 0) <= book.lane.bounds.least_open


def load_float(path: Path) -> Float:
    """Read the float: units as decimal text, the window in seconds. See relay/README.md, section Watchtower.

    Errors: `Unavailable` CONFIG_UNREADABLE; `BadInput` FLOAT_FORMAT, JSON_*, AMOUNT; `Refused` LOCK_BOUNDS.
    """
    value: JsonValue = parse_json(read_file(path), max_bytes=MAX_FLOAT_BYTES)
    if not isinstance(value, dict) or set(value) != _LIMITS:
        raise _malformed(f"a float has the fields {', '.join(sorted(_LIMITS))}", path)
    window = value.pop("window_seconds")
    if type(window) is not int or not all(isinstance(each, str) and _UNITS.fullmatch(each) for each in value.values()):
        raise _malformed("units are decimal text, the window is a number of seconds", path)
    units = {name: int(str(each)) for name, each in value.items()}
    try:
        return Float(units["at_once"], units["per_counterparty"], units["per_window"], window)
    except Problem as problem:
        problem.where = problem.where or str(path)
        raise


def _malformed(what: str, path: Path) -> BadInput:
    return BadInput("FLOAT_FORMAT", what, where=str(path), cure="See relay/README.md, section Watchtower.")
