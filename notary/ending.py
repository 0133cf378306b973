"""Row 8 of the journey where no commit is, and none will come: the destination's state says that a message ended.

A message that was not executed before its expiry never will be. All notaries name the same block, the first one at or
after the expiry; the state is read at the last block that was re-executed, because what was not used up there was not
used up before, and nothing is after. May never happen here: absence that no proof shows; a block that is not the first.
"""

from __future__ import annotations

from contracts.proven_storage import slot_of
from ledger.attestation import word
from ledger.errors import Unavailable
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Message
from notary import policy
from notary.journal import Checked
from notary.watcher import View, Watcher, own_word


def expiry_block(destination: Watcher, view: View, message: Message) -> Header:
    """The first final block of the destination whose time is not before the message's expiry.

    Errors: `Unavailable` NOT_EXPIRED (no final block is so late), HEADER_HASH, NODE_*.
    """
    low, high = destination.chain.first_block, view.final
    last = destination.final_header(view)
    if last.timestamp < message.expiry:
        where = f"{destination.chain.caip2}, final block {high} at {last.timestamp}"
        what = f"the message expires at {message.expiry}, and no final block is so late"
        raise Unavailable("NOT_EXPIRED", what, where=where, cure="Ask again later.")
    while low < high:
        middle = (low + high) // 2
        if destination.header(middle).timestamp >= message.expiry:
            high = middle
        else:
            low = middle + 1
    # Each step was a node's word; the two blocks on either side of the moment prove themselves.
    before, found = destination.linked(low - 1, view)
    if before.timestamp >= message.expiry or found.timestamp < message.expiry:
        what = "the node's blocks are not in the order of their times"
        raise Unavailable(
            "HEADER_HASH", what, where=f"{destination.chain.caip2}, block {low}", cure="Use another node."
        )
    return found


def require_ended(destination: Watcher, message: Message, *, expired: Header, checked: Checked) -> None:
    """Refuse unless the destination never executed a message that expired at this block, and never will.

    `checked`: how far the destination was re-executed. Errors: `Refused` EXECUTED, VOIDED, DESTINATION_DIFFERS;
    `Unavailable` UNKNOWN (not re-executed so far), STATE_UNPROVEN, NODE_*.
    """
    policy.require_checked_to(destination.chain, block=expired.number, header=checked.header, at=checked.differs_at)
    used, status = places_of(message)
    gateway = destination.chain.contracts["Gateway"]
    with own_word():
        words = destination.storage.words(checked.header, {gateway: (used, status)})[gateway]
    bit = words[used] >> (message.sequence & 255) & 1
    policy.require_unexecuted(message, is_used=bool(bit), status=words[status])


def is_arrived(destination: Watcher, header: Header, message: Message) -> bool:
    """Whether the message's sequence is used up at the destination, as the state after a block proves it.

    Errors: `Unavailable` STATE_UNPROVEN, NODE_*.
    """
    used, _ = places_of(message)
    gateway = destination.chain.contracts["Gateway"]
    with own_word():
        words = destination.storage.words(header, {gateway: (used,)})[gateway]
    return bool(words[used] >> (message.sequence & 255) & 1)


def places_of(message: Message) -> tuple[int, int]:
    """Where the destination's gateway keeps a message: the word with its sequence's bit, and its status."""
    run = keccak256(message.lane + word(message.generation) + word(message.sequence >> 8))
    return slot_of("Gateway", "replay", run), slot_of("Gateway", "status", message.id)
