"""A committee that rotates chain by chain: what another chain does not take yet waits, however long, and goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contracts.binding import interface
from contracts.compiler import artifact
from contracts.manifest import Role
from ledger.errors import Refused, Unavailable
from ledger.proposal import Message, Proposal
from ledger.quorum import Committee
from relay.certifier import Certifier
from relay.explain import QUORUM, SENDER, turn_of
from relay.journey import Journey, State, Step
from relay.panel import Leaf, NotaryPanel
from relay.retry import REFUSALS_BEFORE_FATAL
from relay.rotating import apart, is_apart, renewed
from tests.contracts.world import COMMITTEE, NOTARIES, OWNER
from tests.relay.test_committees import NEXT, answers, panel
from tests.relay.test_panel import PLACE, Scripted
from tests.relay.test_whole_journeys import send_with_short_life
from tests.relay.written import MESSAGE, PAYLOAD
from tests.simulator.inline import Inline
from tests.simulator.network import Network, state_of

WRONG, OVER = "Committee: wrong epoch", "Committee: grace is over"
STEPS = {
    "attest": (Role.TRANSACTION, "TransactionRegistry", Step.ATTEST, State.COMMITTED),
    "judge": (Role.TRANSACTION, "TransactionRegistry", Step.JUDGE, State.COMMITTED),
    "commit": (Role.DESTINATION, "Gateway", Step.COMMIT, State.ATTESTED),
}


def refusing(contract: str, function: str, words: str) -> Callable[[list[Any], Any], Any]:
    """A chain whose committee is of another epoch: its contract refuses this call."""
    selector = interface(artifact(contract)).functions[function][0].hex()

    def lie(params: list[Any], reply: Any) -> Any:
        if params[0]["data"][2:10] == selector:
            raise Refused("CALL_REVERTED", words)
        return reply

    return lie


@pytest.mark.parametrize(
    ("function", "words"), [("attest", WRONG), ("attest", OVER), ("judge", WRONG), ("commit", OVER)]
)
def test_B01_what_a_chain_of_another_epoch_refuses_waits_and_goes_on_by_itself(
    network: Network, function: str, words: str
) -> None:
    role, contract, step, state = STEPS[function]
    relay, sent = network.relay(), network.carry_anchor().message.id
    network.node(role).lies["eth_estimateGas"] = refusing(contract, function, words)
    network.settle(relay, steps=50)
    journey = relay.journeys[sent]
    assert len([each for each in journey.tried if each.code == "EPOCH_APART"]) > REFUSALS_BEFORE_FATAL
    assert (state_of(relay, sent), journey.set_aside) == (state, {})
    turn = turn_of(journey)
    assert (journey.waiting[step].code, turn.who, turn.code) == ("EPOCH_APART", QUORUM, "EPOCH_APART")
    assert "epoch 1" in turn.why
    network.node(role).lies.clear()
    network.run(relay, until=lambda: state_of(relay, sent) is State.CLOSED)
    assert all(count == 1 for count in network.effects(sent).values())


def test_any_other_no_of_a_contract_is_set_aside_as_before(network: Network) -> None:
    relay, sent = network.relay(), network.carry_anchor().message.id
    network.node(Role.TRANSACTION).lies["eth_estimateGas"] = refusing("TransactionRegistry", "attest", "Committee: no")
    network.settle(relay, steps=50)
    assert relay.journeys[sent].set_aside[Step.ATTEST].code == "CALL_REVERTED"


def test_only_a_contracts_no_is_taken_for_it() -> None:
    assert is_apart(Refused("CALL_REVERTED", f"execution reverted: {WRONG}"))
    assert not is_apart(Unavailable("NODE_UNREACHABLE", WRONG))
    assert not is_apart(Refused("CALL_REVERTED", "Committee: below quorum"))
    assert "epoch 1 and 2" in apart("eip155:1", (2, 1), 3).what


def test_B13_a_certificate_of_an_epoch_that_ends_is_asked_for_again_once_another_chain_refuses_it() -> None:
    now = [COMMITTEE]
    certifier, journey = _certifier(now, COMMITTEE), Journey(Proposal(MESSAGE, PAYLOAD), PLACE)
    assert certifier.certify([journey]) == {}
    now.insert(0, NEXT)
    certifier._panel = panel(now, NEXT, NEXT, NEXT, NEXT)
    assert certifier.certify([journey]) == {}
    first = certifier.root_of(journey.id)
    assert first is not None and first.epoch == 1, "within its grace it is used"
    certifier.forget(journey.id)
    assert certifier.certify([journey]) == {}
    again = certifier.root_of(journey.id)
    assert again is not None and again.epoch == 2


def test_B01_who_is_no_member_there_leaves_the_quorum_to_those_who_are() -> None:
    def stranger(index: int) -> Scripted:
        def no() -> dict[str, Any]:
            raise Refused("NOT_A_MEMBER", "the attesting key is no member's of epoch 1")

        return Scripted(index, no)

    strangers = [stranger(index) for index in range(4)]
    waiting = _asked([*strangers], MESSAGE)
    assert waiting is not None and (waiting.code, waiting.what) == (
        "WAITING",
        "waiting for 3 more attestations (0 of 3 given)",
    )
    members = [answers(key, COMMITTEE) for key in NOTARIES[:3]]
    assert _asked([*strangers, *members], MESSAGE) is None


# -- a lane that is opened anew -------------------------------------------------------------------------------------


def renewed_lane(params: list[Any], reply: Any) -> Any:
    """A destination whose gateway holds the lane in its next generation."""
    if params[0]["data"][2:10] == interface(artifact("Gateway")).functions["lanes"][0].hex():
        return "0x" + (2).to_bytes(32, "big").hex() + reply[66:]
    return reply


def test_G02_a_message_whose_lane_was_opened_anew_says_so_and_ends_when_it_expires(network: Network) -> None:
    world, relay, there = network.world, network.relay(), network.node(Role.DESTINATION)
    sent = world.sent(Role.ORIGIN, send_with_short_life(world))[0].message
    there.lies["eth_estimateGas"] = refusing("Gateway", "commit", "Gateway: lane not open")
    there.lies["eth_call"] = renewed_lane
    for notary in network.notaries:
        notary.refuses_attestations = Refused("LANE", "the lane is of generation 2")
    network.settle(relay, steps=40)
    journey = relay.journeys[sent.id]
    assert journey.set_aside == {}
    turn = turn_of(journey)
    assert (turn.code, turn.who) == ("LANE_RENEWED", SENDER)
    assert "generation 1" in turn.why and "generation 2" in turn.why

    def destination_block() -> bool:
        world.send(Role.DESTINATION, "AnchorMirror", "admit", 7101, OWNER.address)
        return journey.is_over

    network.run(relay, until=destination_block)
    assert (journey.state, journey.waiting, journey.explain()) == (State.EXPIRED, {}, "expired")
    assert network.effects(sent.id)["MessageCommitted"] == 0


def test_a_lane_that_was_never_opened_is_no_lane_opened_anew(network: Network) -> None:
    mirror = network.world.address(Role.DESTINATION, "AnchorMirror")
    mined = network.world.send(Role.ORIGIN, "Gateway", "sendMessage", mirror, b"poison", [])
    poison = network.world.sent(Role.ORIGIN, mined)[0].message
    relay = network.relay()
    network.settle(relay, steps=50)
    assert relay.journeys[poison.id].set_aside[Step.COMMIT].code == "CALL_REVERTED"
    assert renewed(poison, poison.generation) is None


def _asked(notaries: list[Scripted], message: Message) -> Any:
    asked = NotaryPanel(notaries, COMMITTEE, executor=lambda _name: Inline())
    return asked.certify([Leaf(message, PLACE)]).refused.get(message.id)


def _certifier(now: list[Committee], committee: Committee) -> Certifier:
    return Certifier(panel(now, committee, committee, committee, committee))
