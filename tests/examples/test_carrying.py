"""An anchor is carried once: the chain says whether it left, the relay says how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from contracts.manifest import Role
from contracts.node import Node
from examples.demo.carrying import anchor_messages, carry_once
from ledger import interoperable
from ledger.proposal import Proposal
from relay.journey import Journey, State
from relay.watcher import Place
from tests.relay.written import MANIFEST, MESSAGE, PAYLOAD, emitted

ONE, TWO, NEW = (bytes([number]) * 32 for number in (1, 2, 3))
SECONDS = 5.0


@dataclass
class Relay:
    """What the relay has read so far, and what was sent. `reads_late`: looks that find nothing before it has read."""

    read: dict[bytes, Journey]
    reads_late: int = 0
    carried: list[bytes] = field(default_factory=list)

    def look(self, message_id: bytes) -> Journey | None:
        if self.reads_late > 0:
            self.reads_late -= 1
            return None
        return self.read.get(message_id)

    def carry(self) -> bytes:
        self.carried.append(NEW)
        self.read[NEW] = ended(State.CLOSED)
        return NEW


def ended(state: State) -> Journey:
    place = Place(7101, 1, bytes(32), bytes(32), 0, 0, 0, 0)
    journey = Journey(Proposal(MESSAGE, PAYLOAD), place)
    match state:
        case State.CLOSED:
            journey.judged_state = 4
        case State.DISPUTED:
            journey.judged_state = 5
        case State.EXPIRED:
            journey.expired = True
    assert journey.state is state
    return journey


def carried(relay: Relay, *sent: bytes, seconds: float = SECONDS) -> Journey | None:
    return carry_once(sent=sent, look=relay.look, carry=relay.carry, seconds=seconds)


def test_what_has_not_left_is_carried() -> None:
    relay = Relay({})
    found = carried(relay)
    assert found is not None
    assert (found.state, relay.carried) == (State.CLOSED, [NEW])


@pytest.mark.parametrize("reads_late", [0, 3])
def test_what_has_left_is_not_sent_again_by_a_relay_that_has_not_read_it_yet(reads_late: int) -> None:
    relay = Relay({ONE: ended(State.CLOSED)}, reads_late)
    assert carried(relay, ONE) is relay.read[ONE]
    assert relay.carried == []


@pytest.mark.parametrize("state", [State.EXPIRED, State.DISPUTED])
def test_what_ended_otherwise_than_closed_counts_as_not_carried(state: State) -> None:
    relay = Relay({ONE: ended(state)})
    found = carried(relay, ONE)
    assert found is not None
    assert (found.state, relay.carried) == (State.CLOSED, [NEW])


def test_one_that_closed_is_found_behind_one_that_expired() -> None:
    relay = Relay({ONE: ended(State.CLOSED), TWO: ended(State.EXPIRED)})
    assert carried(relay, ONE, TWO) is relay.read[ONE]
    assert relay.carried == []


def test_what_is_still_under_way_is_waited_for_and_not_sent_again() -> None:
    relay = Relay({ONE: Journey(Proposal(MESSAGE, PAYLOAD), Place(7101, 1, bytes(32), bytes(32), 0, 0, 0, 0))})
    assert carried(relay, ONE, seconds=0.0) is None
    assert relay.carried == []
    relay.read[ONE] = ended(State.CLOSED)
    assert carried(relay, ONE, seconds=0.0) is relay.read[ONE]


REGISTRY, STRANGER = b"\x77" * 20, b"\x78" * 20
ORIGIN = replace(
    MANIFEST.chain(Role.ORIGIN), contracts={**MANIFEST.chain(Role.ORIGIN).contracts, "AnchorRegistry": REGISTRY}
)
ROOT = b"\x0a" * 32


class SendingChain:
    """A node whose gateway sent these messages; it answers two questions."""

    url = "http://127.0.0.1/"

    def __init__(self, *sent: tuple[bytes, bytes, bytes]) -> None:
        self._logs = [
            emitted(
                Role.ORIGIN,
                "Gateway",
                "MessageSent",
                sendId=message_id,
                sender=interoperable.encode(ORIGIN.chain_id, sender),
                recipient=b"",
                payload=payload,
                value=0,
                attributes=[],
            )
            for message_id, sender, payload in sent
        ]

    def request(self, method: str, *parameters: object) -> object:
        if method == "eth_getTransactionReceipt":
            return {"gasUsed": "0x1"}
        assert method == "eth_getLogs"
        return [
            {
                "topics": [f"0x{topic.hex()}" for topic in log.topics],
                "data": f"0x{log.data.hex()}",
                "blockNumber": hex(number),
                "transactionHash": f"0x{number:064x}",
            }
            for number, log in enumerate(self._logs, 1)
        ]


def test_the_chain_says_which_messages_carry_a_checkpoint() -> None:
    carries = bytes(32) + (7).to_bytes(32, "big") + ROOT
    node = SendingChain(
        (ONE, REGISTRY, carries),
        (b"\x04" * 32, STRANGER, carries),
        (b"\x05" * 32, REGISTRY, bytes(32) + (8).to_bytes(32, "big") + ROOT),
        (b"\x06" * 32, REGISTRY, bytes(32) + (7).to_bytes(32, "big") + bytes(32)),
        (TWO, REGISTRY, carries),
    )
    assert anchor_messages(cast(Node, node), ORIGIN, 7, ROOT) == [ONE, TWO]
    assert anchor_messages(cast(Node, SendingChain()), ORIGIN, 7, ROOT) == []
