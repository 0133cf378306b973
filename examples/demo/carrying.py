"""Carry an anchor to the lender chain exactly once, whatever died in between: the chain says whether it has left.

May never happen here: a second message because a restarted relay has not read the first one yet, or an anchor that
never arrives because the message that carried it expired.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contracts.manifest import ChainManifest
from contracts.node import Node
from contracts.transactor import wait_for
from examples.demo.acts import find_all
from ledger.interoperable import encode
from relay.journey import Journey, State

Look = Callable[[bytes], Journey | None]


def anchor_messages(node: Node, origin: ChainManifest, size: int, root: bytes) -> list[bytes]:
    """Ids of the messages on the origin chain that carry this checkpoint, oldest first."""
    sender = encode(origin.chain_id, origin.contracts["AnchorRegistry"])
    carried = size.to_bytes(32, "big") + root
    return [
        message_id
        for sent in find_all(node, origin, "Gateway", "MessageSent")
        if sent.fields["sender"] == sender
        and isinstance(payload := sent.fields["payload"], bytes)
        and payload[32:] == carried
        and isinstance(message_id := sent.fields["sendId"], bytes)
    ]


def carry_once(*, sent: Sequence[bytes], look: Look, carry: Callable[[], bytes], seconds: float) -> Journey | None:
    """The journey that closed, or the newest one when it is over; None when it is not over within `seconds`.

    `sent`: ids of the messages that left already; one that ended otherwise than closed carried nothing. `carry`: sends
    one, answers its id. `look`: the relay's view of a message, None while it has not read it.
    """
    for message_id in reversed(sent):
        over = _over(message_id, look, seconds)
        if over is None or over.state is State.CLOSED:
            return over
    return _over(carry(), look, seconds)


def _over(message_id: bytes, look: Look, seconds: float) -> Journey | None:
    def ended() -> Journey | None:
        journey = look(message_id)
        return journey if journey is not None and (journey.is_over or journey.has_ended) else None

    return wait_for(ended, seconds=seconds)
