"""Row 8 of the journey where no commit is, and none will come: the destination's state says that a message ended.

A message that was not executed before its expiry never will be. All notaries name the same block, the first one at or
after the expiry; the state is read at the last block that was re-executed, because what was not used up there was not
used up before, and nothing is after. May never happen here: absence that no proof shows; a block that is not the first.
"""

from __future__ import annotations

from contracts.proven_storage import ProvenStorage, slot_of
from ledger.attestation import word
from ledger.errors import Unavailable
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Message
from notary import policy
from notary.journal import Checked
from notary.watcher import View, Watcher, own_word

# Of `lane_word.vy`: a lane's generation, the mark of one that carries value, its page's bits and its page's number.
_MASK_32 = 2**32 - 1
_CARRIES_VALUE = 1 << 40
_PAGE, _PAGE_NUMBER = 152, 216


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
    gateway = destination.chain.contracts["Gateway"]
    with own_word():
        is_used, status = kept_of(destination.storage, checked.header, gateway, message)
    policy.require_unexecuted(message, is_used=is_used, status=status)


def is_arrived(destination: Watcher, header: Header, message: Message) -> bool:
    """Whether the message's sequence is used up at the destination, as the state after a block proves it.

    Errors: `Unavailable` STATE_UNPROVEN, NODE_*.
    """
    with own_word():
        is_used, _ = kept_of(destination.storage, header, destination.chain.contracts["Gateway"], message)
    return is_used


def kept_of(storage: ProvenStorage, header: Header, gateway: bytes, message: Message) -> tuple[bool, int]:
    """Whether a gateway has used a message's sequence up after this block, and the message's status there.

    A sequence that was used stands in the overflow or on the lane's page (`replay.vy`), and maybe in one of them only:
    unused is what neither has. Everything is proven under this one header, so that a page cannot be turned between two
    readings. Errors: `Unavailable` STATE_UNPROVEN, NODE_*; `NodeError`.
    """
    group = keccak256(message.lane + word(message.generation) + word(message.sequence >> 8))
    overflow, status = slot_of("Gateway", "replay.used", group), slot_of("Gateway", "status", message.id)
    lane = slot_of("Gateway", "inbound_key", message.lane)
    first = storage.words(header, {gateway: (overflow, status, lane)})[gateway]
    # What the lane's word says names where its page stands; both are proven, whichever it is.
    inbound, passed = (slot_of("Gateway", name, first[lane]) for name in ("inbound", "passed"))
    second = storage.words(header, {gateway: (inbound, passed)})[gateway]
    on_page = is_on_page(second[inbound], second[passed], generation=message.generation, sequence=message.sequence)
    return bool(first[overflow] >> (message.sequence & 255) & 1) or on_page, first[status]


def is_on_page(lane: int, passed: int, *, generation: int, sequence: int) -> bool:
    """Whether a sequence is marked on the page of a lane's word, or of what it let through if it carries value.

    A page speaks for the generation of the lane's word only. Bits as `lane_word.vy` lays them out.
    """
    if lane & _MASK_32 != generation:
        return False
    held = passed if lane & _CARRIES_VALUE else lane
    return held >> _PAGE_NUMBER == sequence >> 6 and bool(held >> _PAGE >> (sequence & 63) & 1)
