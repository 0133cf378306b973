"""The offer two parties exchange before anybody locks anything: made with room for the landing, read strictly."""

from __future__ import annotations

import re
from typing import Any

from ledger.canonical import canonical_json, parse_json
from ledger.errors import BadInput, Refused
from ledger.hash_lock.terms import Lane, Leg, Role, Terms, check_terms

FORMAT = "pledgetrail/swap-offer/v1"
HASH = "sha-256"  # the only function both contracts know
MAX_OFFER_BYTES = 4096

_AMOUNT = re.compile(r"0|[1-9][0-9]{0,38}")
_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")


def propose(
    lane: Lane,
    *,
    hashlock: bytes,
    quantities: tuple[int, int],
    initiator: tuple[bytes, bytes],
    responder: tuple[bytes, bytes],
    now_initiator: int,
    now_responder: int,
) -> Terms:
    """Terms whose times suit both contracts when the initiator funds within a claim window from now.

    `quantities`: the initiator's and the responder's; `initiator`, `responder`: each party's accounts on the
    initiator's and on the responder's chain; `now_*`: latest block times, seconds. The bond is the smallest possible.
    Errors: `BadInput` AMOUNT, OFFER_FORM; `Refused` OFFER_PARTIES, OFFER_HASH, OFFER_TIME (the bounds leave no room).
    """
    bounds = lane.bounds
    first = now_initiator + min(bounds.initiator_least + bounds.claim_window, bounds.initiator_most)
    second = min(now_responder + bounds.responder_most, first - bounds.margin)
    if second - now_responder <= bounds.least_open:
        cure = "Wait until the clocks of the chains agree better, or take a lane with wider bounds."
        raise Refused("OFFER_TIME", "the bounds leave no time for the second leg", cure=cure)
    return Terms(
        hashlock,
        bounds.least_bond(quantities[1]),
        Leg(quantities[0], initiator[0], responder[0], first),
        Leg(quantities[1], responder[1], initiator[1], second),
    )


def dump_offer(terms: Terms, lane: Lane) -> bytes:
    """The offer as canonical JSON: what one party sends the other."""
    legs = {str(role): _dump_leg(terms.leg(role)) for role in Role}
    head = {"format": FORMAT, "hash": HASH, "lane": f"0x{lane.id.hex()}", "hashlock": f"0x{terms.hashlock.hex()}"}
    return canonical_json({**head, "bond": str(terms.bond), **legs})


def load_offer(raw: bytes, lane: Lane) -> Terms:
    """Read an offer for this lane; nothing is guessed, rounded or left out.

    Errors: `BadInput` OFFER_FORM, AMOUNT and those of `parse_json`; `Refused` OFFER_HASH (another hash function),
    OFFER_MIRROR (another lane), OFFER_BOND, OFFER_MARGIN, OFFER_PARTIES.
    """
    found: Any = parse_json(raw, max_bytes=MAX_OFFER_BYTES)
    names = {"format", "hash", "lane", "hashlock", "bond", "initiator", "responder"}
    if not isinstance(found, dict) or set(found) != names or found["format"] != FORMAT:
        raise BadInput("OFFER_FORM", f"not an offer of format {FORMAT}")
    if found["hash"] != HASH:
        raise Refused("OFFER_HASH", f"the hash function is not {HASH}", where=f"{found['hash']!r}"[:80])
    if _bytes(found["lane"], 32) != lane.id:
        raise Refused("OFFER_MIRROR", "the offer is for another lane", where="lane")
    legs = (_load_leg(found[str(role)]) for role in Role)
    terms = Terms(_bytes(found["hashlock"], 32), _amount(found["bond"]), *legs)
    check_terms(terms, lane.bounds)
    return terms


def _dump_leg(leg: Leg) -> dict[str, str | int]:
    parties = {"funder": f"0x{leg.funder.hex()}", "receiver": f"0x{leg.receiver.hex()}"}
    return {"quantity": str(leg.quantity), **parties, "refund_time": leg.refund_time}


def _load_leg(found: Any) -> Leg:
    if not isinstance(found, dict) or set(found) != {"quantity", "funder", "receiver", "refund_time"}:
        raise BadInput("OFFER_FORM", "a leg has quantity, funder, receiver and refund_time")
    parties = _bytes(found["funder"], 20), _bytes(found["receiver"], 20)
    return Leg(_amount(found["quantity"]), *parties, found["refund_time"])


def _amount(text: Any) -> int:
    """Units of a token as decimal text without sign, point, exponent or leading zero."""
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        raise BadInput("AMOUNT", "an amount is decimal text, in the token's smallest unit", where=f"{text!r}"[:80])
    return int(text)


def _bytes(text: Any, length: int) -> bytes:
    if not isinstance(text, str) or len(text) != 2 + 2 * length or not _HEX.fullmatch(text):
        raise BadInput("OFFER_FORM", f"not {length} bytes as lower-case hex", where=f"{text!r}"[:80])
    return bytes.fromhex(text[2:])
