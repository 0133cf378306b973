"""The law of value, transfer by transfer: what arrives at one end left the other, as much, and comes back or not, once.

VALUE_UNBACKED. From this follows minted - burned <= locked - released at every moment, whichever chain is seen first;
the totals are kept too, and compared with what the ends' own books are proven to say (`sight`).
"""

from __future__ import annotations

from typing import Any

from notary.alarms.alarm import Label
from notary.alarms.facts import Fact, Place
from notary.alarms.floor import MAX_DUE, Floor, as_place, as_record, show, word_of

MOVING, EARLY, BOOKS = "moving", "early", "books"
# Which of an end's two totals a log counts into: locked and released of a vault, minted and burned of a voucher.
_LEFT = {("Vault", "ValueSent"), ("Voucher", "VoucherMinted"), ("Voucher", "ValueReturned")}


def left(floor: Floor, fact: Fact) -> None:
    """Value left an end: locked at the vault, or burned at the voucher."""
    _book(floor, fact)
    identity, terms = fact.fields["id"], (fact.fields["asset"], fact.fields["quantity"], fact.contract)
    early = floor.memory.get(EARLY, identity)
    if early is None:
        floor.memory.put(MOVING, identity, terms)
        return
    floor.memory.drop(EARLY, identity)
    _match(floor, identity, terms, tuple(early))


def arrived(floor: Floor, fact: Fact) -> None:
    """Value arrived: minted at the voucher, or released at the vault."""
    _came(floor, fact, is_return=False)


def returned(floor: Floor, fact: Fact) -> None:
    """Value came back to the end that it had left."""
    _came(floor, fact, is_return=True)


def wait_over(floor: Floor) -> None:
    """What arrived and never left, once its patience is over."""
    for identity, record in floor.memory.due(EARLY, floor.now, MAX_DUE):
        floor.memory.drop(EARLY, identity)
        _unbacked(floor, identity, as_place(record[0]), record, "and nothing left for it, or it had arrived already")


def _came(floor: Floor, fact: Fact, *, is_return: bool) -> None:
    _book(floor, fact)
    identity = fact.fields["id"]
    record = (as_record(fact.place), fact.fields["asset"], fact.fields["quantity"], fact.contract, is_return)
    moving = floor.memory.get(MOVING, identity)
    if moving is None:
        if floor.memory.get(EARLY, identity) is not None:
            _unbacked(floor, identity, fact.place, record, "a second time")
        floor.memory.put(EARLY, identity, record, due=floor.now + floor.terms.patience)
        return
    floor.memory.drop(MOVING, identity)
    _match(floor, identity, moving, record)


def _match(floor: Floor, identity: bytes, terms: tuple[Any, ...], record: tuple[Any, ...]) -> None:
    asset, quantity, end = terms
    place, found_asset, found_quantity, found_end, is_return = record
    if (asset, quantity) != (found_asset, found_quantity) or (end == found_end) is not is_return:
        _unbacked(floor, identity, as_place(place), record, f"and {quantity} units left the {end.lower()} for it")


def _unbacked(floor: Floor, identity: bytes, place: Place, record: tuple[Any, ...], why: str) -> None:
    _, asset, quantity, end, is_return = record
    deed = "came back at" if is_return else "arrived at"
    floor.alarm(
        Label.VALUE_UNBACKED,
        f"value {show(identity)} {place.order}",
        f"{quantity} units {deed} the {end.lower()}, {why}",
        at=place,
        evidence={"message": show(identity), "asset": show(asset), "quantity": str(quantity)},
    )


def _book(floor: Floor, fact: Fact) -> None:
    key = books_key(fact.place.chain_id, fact.contract, fact.fields["asset"])
    held = floor.memory.get(BOOKS, key)
    totals = [0, 0] if held is None else list(held)
    totals[0 if (fact.contract, fact.name) in _LEFT else 1] += fact.fields["quantity"]
    floor.memory.put(BOOKS, key, tuple(totals))


def books_key(chain_id: int, end: str, asset: bytes) -> bytes:
    """Where an end's two totals of an asset are kept."""
    return word_of(chain_id, 32) + asset + end.encode()
