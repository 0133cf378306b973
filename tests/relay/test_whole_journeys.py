"""Whole journeys over the simulator: what arrives, what waits and why, and that nothing happens twice."""

from __future__ import annotations

from collections import Counter

from relay.journey import State
from relay.relay import places
from tests.simulator.network import Network, is_over

ONCE = Counter({"MessageSent": 1, "Proposed": 1, "Attested": 1, "MessageCommitted": 1, "CommitJudged": 1})


def test_an_anchor_is_carried_from_the_origin_to_a_closed_credential(network: Network) -> None:
    message = network.carry_anchor().message
    relay = network.relay()
    network.run(relay, until=lambda: is_over(relay, message.id))
    journey = relay.journeys[message.id]
    assert (journey.state, journey.executed, journey.explain()) == (State.CLOSED, True, "closed")
    assert [name for name, _ in places(journey)] == ["sent", "proposed", "attested", "committed", "judged"]
    assert journey.credential != bytes(32)
    assert network.effects(message.id) == ONCE
