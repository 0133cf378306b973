"""Whole journeys over the simulator: what arrives, what waits and why, and that nothing happens twice."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

import pytest

from contracts.manifest import Role
from contracts.node import NodeError
from contracts.submitter import Submitter
from contracts.transactor import Mined
from ledger.attestation import DIFFERS
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from relay import relay as running
from relay.answers import read_verdict
from relay.journey import State, Step, places
from relay.panel import NotaryPanel
from relay.reading import BlockSink
from relay.relay import Progress, Relay
from relay.retry import REFUSALS_BEFORE_FATAL
from relay.watcher import Rewound, SeenBlock
from tests.contracts.world import HOLDER, OWNER, STRANGER, World, word
from tests.simulator.inline import Killed
from tests.simulator.network import Network, is_over, state_of
from tests.simulator.notaries import Answer

ONCE = Counter({"MessageSent": 1, "Proposed": 1, "Attested": 1, "MessageCommitted": 1, "CommitJudged": 1})
SEND, RECEIPT = "eth_sendRawTransaction", "eth_getTransactionReceipt"


def test_an_anchor_is_carried_from_the_origin_to_a_closed_credential(network: Network) -> None:
    message = network.carry_anchor().message
    relay = network.relay()
    network.run(relay, until=lambda: is_over(relay, message.id))
    journey = relay.journeys[message.id]
    assert (journey.state, journey.executed, journey.explain()) == (State.CLOSED, True, "closed")
    assert [name for name, _ in places(journey)] == ["sent", "proposed", "attested", "committed", "judged"]
    assert {"propose", "attest", "commit", "judge", "certify", "recheck"} <= set(journey.milliseconds)
    assert network.effects(message.id) == ONCE
    network.settle(relay)
    assert network.effects(message.id) == ONCE


def test_a_loan_becomes_active_and_a_second_over_the_same_goods_is_refused(network: Network) -> None:
    relay = network.relay()

    def loan_is(loan: bytes, state: int) -> bool:
        return bool(network.world.read(Role.DESTINATION, "PledgeRegistry", "loans", loan)[4] == state)

    active, refused = 2, 3
    first = network.open_loan(b"loan one", goods=b"pile")
    network.run(relay, until=lambda: loan_is(first, active))
    second = network.open_loan(b"loan two", goods=b"pile")
    network.run(relay, until=lambda: loan_is(second, refused))
    network.run(relay, until=lambda: all(journey.is_over for journey in relay.journeys.values()))
    assert loan_is(first, active)
    # Four instructions, the release of the receipt that was frozen for nothing, and an acknowledgement for each.
    assert [journey.state for journey in relay.journeys.values()] == [State.CLOSED] * 10
    assert all(network.effects(message_id) == ONCE for message_id in relay.journeys)


# -- notaries -------------------------------------------------------------------------------------------------------


def test_one_notary_down_leaves_the_journey_working(network: Network) -> None:
    network.notaries[1].silent = True
    message = network.carry_anchor().message
    relay = network.relay()
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert state_of(relay, message.id) is State.CLOSED


def test_two_notaries_down_stop_it_with_a_clear_sentence_and_it_resumes(network: Network) -> None:
    for index in (0, 2):
        network.notaries[index].silent = True
    message = network.carry_anchor().message
    relay = network.relay()
    network.settle(relay)
    assert relay.journeys[message.id].explain() == "proposed: waiting for 1 more attestation (2 of 3 given)"
    assert network.effects(message.id) == Counter({"MessageSent": 1, "Proposed": 1})
    network.notaries[2].silent = False
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert network.effects(message.id) == ONCE


def test_two_notaries_that_leave_before_the_verdict_are_waited_for(network: Network) -> None:
    message = network.carry_anchor().message
    relay = network.relay()
    for notary in network.notaries[:2]:
        notary.twist = lambda answer: answer if "verdict" not in answer else {}
    network.settle(relay)
    assert relay.journeys[message.id].explain() == "committed: waiting for 1 more verdict (2 of 3 given)"
    network.notaries[0].twist = lambda answer: answer
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert network.effects(message.id) == ONCE


def test_a_lying_notary_changes_nothing(network: Network) -> None:
    def lie(answer: Answer) -> Answer:
        return answer | {"member": 1, "signature": "0x" + "11" * 64 + "1b"}

    network.notaries[0].twist = lie
    message = network.carry_anchor().message
    relay = network.relay()
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert network.effects(message.id) == ONCE


def test_what_a_quorum_refuses_is_set_aside_with_their_reason_until_a_person_retries(network: Network) -> None:
    for notary in network.notaries[:2]:
        notary.refuses = Refused("LANE", "the lane is not open", where="lane")
    message = network.carry_anchor().message
    relay = network.relay()
    network.settle(relay)
    journey = relay.journeys[message.id]
    assert journey.set_aside[Step.COMMIT].code == "LANE"
    assert journey.explain().startswith("proposed: set aside at ")
    assert "LANE: the lane is not open" in journey.explain()
    asked = len(network.notaries[0].asked)
    network.settle(relay)
    assert len(network.notaries[0].asked) == asked, "what is set aside is left alone"
    for notary in network.notaries:
        notary.refuses = None
    network.settle(relay)
    assert not journey.is_over
    relay.retry(message.id)
    network.run(relay, until=lambda: journey.is_over)
    assert network.effects(message.id) == ONCE


def test_a_refusal_that_passes_sets_nothing_aside(network: Network) -> None:
    for notary in network.notaries[:2]:
        notary.refuses = Refused("LANE", "opened, and not final yet", where="lane")
    message = network.carry_anchor().message
    relay = network.relay()
    network.run(relay, until=lambda: len(network.notaries[0].asked) > 3)
    for notary in network.notaries:
        notary.refuses = None
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert (relay.journeys[message.id].set_aside, network.effects(message.id)) == ({}, ONCE)


def test_a_quorum_that_finds_a_difference_disputes(network: Network) -> None:
    def differ(answer: Answer) -> Answer:
        if "verdict" not in answer:
            return answer
        found = replace(read_verdict(answer), verdict=DIFFERS)
        return network.notaries[answer["member"]].sign_verdict(found)

    for notary in network.notaries[1:]:
        notary.twist = differ
    message = network.carry_anchor().message
    relay = network.relay()
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert state_of(relay, message.id) is State.DISPUTED
    assert network.effects(message.id) == ONCE


# -- the relay dies -------------------------------------------------------------------------------------------------

POINTS = {
    f"{when}_{what}_is_{done}": (role, attribute, method, skip)
    for role, what, skip in (
        (Role.TRANSACTION, "propose", 0),
        (Role.DESTINATION, "commit", 0),
        (Role.TRANSACTION, "attest", 1),
        (Role.TRANSACTION, "judge", 2),
    )
    for when, done, attribute, method in (
        ("before", "sent", "kill_before", SEND),
        ("after", "sent", "kill_after", SEND),
        ("before_the_answer_to", "read", "kill_after", RECEIPT),
    )
}


class Nobody:
    """A reader that does not care."""

    def take(self, block: SeenBlock) -> None: ...

    def rewind(self, rewound: Rewound) -> None: ...


def trouble_of(relay: Relay) -> str | None:
    """The code of what is in the relay's way."""
    return relay.trouble.code if relay.trouble is not None else None


@pytest.mark.parametrize("name", POINTS)
def test_a_relay_killed_leaves_everything_to_the_next(network: Network, name: str) -> None:
    role, attribute, method, skip = POINTS[name]
    message = network.carry_anchor().message
    first = network.relay()
    sent = skip + 1 if method == RECEIPT else skip
    network.run(first, until=lambda: network.node(role).calls.count(SEND) >= sent)
    setattr(network.node(role), attribute, method)
    with pytest.raises(Killed):
        network.run(first, until=lambda: is_over(first, message.id))
    second = network.relay()
    network.run(second, until=lambda: is_over(second, message.id))
    network.settle(second, steps=5)
    assert network.effects(message.id) == ONCE
    assert second.journeys[message.id].set_aside == {}


def test_a_relay_killed_while_it_asks_the_notaries_asks_again(network: Network) -> None:
    def die(_answer: Answer) -> Answer:
        raise Killed

    message = network.carry_anchor().message
    network.notaries[3].twist = die
    first = network.relay()
    with pytest.raises(Killed):
        network.run(first, until=lambda: is_over(first, message.id))
    network.notaries[3].twist = lambda answer: answer
    second = network.relay()
    network.run(second, until=lambda: is_over(second, message.id))
    assert network.effects(message.id) == ONCE


def test_G01_two_relays_at_once_do_no_harm(network: Network) -> None:
    messages = [network.carry_anchor().message for _ in range(2)]
    relays = [network.relay(payer=HOLDER), network.relay()]
    network.run(*relays, until=lambda: all(is_over(relay, m.id) for relay in relays for m in messages))
    for relay in relays:
        network.settle(relay, steps=5)
    for message in messages:
        assert network.effects(message.id) == ONCE
        assert [relay.journeys[message.id].set_aside for relay in relays] == [{}, {}]


def test_G01_losing_a_race_inside_one_block_is_no_failure(network: Network) -> None:
    message = network.carry_anchor().message
    relay = network.relay()
    node = network.node(Role.TRANSACTION)

    def overtaken(_params: object, honest: object) -> object:
        # Simulated and found good; before it is sent, somebody else's is in a block.
        node.lies.clear()
        network.world.send(Role.TRANSACTION, "TransactionRegistry", "propose", [message.as_abi()])
        return honest

    node.lies["eth_estimateGas"] = overtaken
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert node.calls.count(SEND) == 3, "the proposal that lost the race was sent too"
    assert network.effects(message.id) == ONCE
    assert relay.journeys[message.id].set_aside == {}


# -- chains misbehave -----------------------------------------------------------------------------------------------


def test_a_transaction_chain_out_of_reach_delays_the_record_and_not_the_delivery(network: Network) -> None:
    message = network.carry_anchor().message
    relay = network.relay()
    network.node(Role.TRANSACTION).down = True
    network.run(relay, until=lambda: state_of(relay, message.id) is State.COMMITTED)
    network.settle(relay)
    assert trouble_of(relay) == "NODE_UNREACHABLE"
    assert [position.trouble is None for position in relay.positions] == [True, True, False]
    assert network.effects(message.id) == Counter({"MessageSent": 1, "MessageCommitted": 1})
    network.node(Role.TRANSACTION).down = False
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert trouble_of(relay) is None
    assert network.effects(message.id) == ONCE


def test_a_node_that_answers_garbage_stops_only_its_chain(network: Network) -> None:
    message = network.carry_anchor().message
    relay = network.relay()
    network.node(Role.TRANSACTION).lies["eth_getBlockByNumber"] = lambda _params, _honest: {"hash": 5}
    network.node(Role.TRANSACTION).lies["eth_blockNumber"] = lambda _params, _honest: {}
    network.run(relay, until=lambda: state_of(relay, message.id) is State.COMMITTED)
    assert trouble_of(relay) == "NODE_GARBAGE"
    network.node(Role.TRANSACTION).lies.clear()
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert network.effects(message.id) == ONCE


def test_a_destination_that_leaves_the_commit_behind_is_delivered_to_again_and_only_once(network: Network) -> None:
    message = network.carry_anchor().message
    relay = network.relay()
    network.notaries[0].silent = network.notaries[1].silent = False
    for notary in network.notaries:
        notary.twist = lambda answer: answer if "verdict" not in answer else {}
    network.run(relay, until=lambda: state_of(relay, message.id) is State.COMMITTED)
    commit = relay.journeys[message.id].commit
    assert commit is not None
    node = network.node(Role.DESTINATION)
    node.forked_above = commit.block - 1
    network.run(relay, until=lambda: relay.journeys[message.id].commit is None)
    node.forked_above = None
    for notary in network.notaries:
        notary.twist = lambda answer: answer
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert network.effects(message.id) == ONCE
    assert relay.journeys[message.id].commit == commit


def test_a_judgement_that_was_set_aside_is_taken_up_when_its_commit_is_left_behind(network: Network) -> None:
    def refuse(answer: Answer) -> Answer:
        if "verdict" in answer:
            raise Refused("PROOF_ABSENT", "no such log in this block")
        return answer

    message = network.carry_anchor().message
    relay = network.relay()
    for notary in network.notaries:
        notary.twist = refuse
    network.run(relay, until=lambda: message.id in relay.journeys and bool(relay.journeys[message.id].set_aside))
    journey = relay.journeys[message.id]
    assert set(journey.set_aside) == {Step.JUDGE}
    assert journey.commit is not None
    network.node(Role.DESTINATION).forked_above = journey.commit.block - 1
    network.run(relay, until=lambda: journey.commit is None)
    trial = relay._turns.trial((message.id, Step.COMMIT))
    assert (journey.set_aside, trial is not None and trial.sent) == ({}, False)
    network.node(Role.DESTINATION).forked_above = None
    for notary in network.notaries:
        notary.twist = lambda answer: answer
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert (journey.state, network.effects(message.id)) == (State.CLOSED, ONCE)


def test_a_node_that_limits_its_rate_delays_and_sets_nothing_aside(network: Network) -> None:
    def limited(_params: object, _honest: object) -> object:
        raise NodeError("rate limited", rpc_code=-32005)

    message = network.carry_anchor().message
    relay = network.relay()
    for role in (Role.DESTINATION, Role.TRANSACTION):
        network.node(role).lies["eth_estimateGas"] = limited
    network.settle(relay, steps=60)
    journey = relay.journeys[message.id]
    assert journey.set_aside == {}
    assert {problem.code for problem in journey.waiting.values()} == {"NODE_ERROR"}
    trial = relay._turns.trial((message.id, Step.COMMIT))
    assert trial is not None and trial.failures > REFUSALS_BEFORE_FATAL
    # What failed so often before has all its tries left when the contract says no once.
    world_says_no = [NodeError("execution reverted: not now", rpc_code=3)]

    def once(_params: object, honest: object) -> object:
        if world_says_no:
            raise world_says_no.pop()
        return honest

    network.node(Role.DESTINATION).lies["eth_estimateGas"] = once
    network.node(Role.TRANSACTION).lies.clear()
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert network.effects(message.id) == ONCE


def test_a_transaction_chain_that_accepts_and_does_not_mine_holds_up_no_delivery(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "GROUPS_AT_ONCE", dict.fromkeys(Step, 2))
    mined = threading.Event()

    def stalled(_params: object, honest: object) -> object:
        mined.wait(60)
        return honest

    network.node(Role.TRANSACTION).lies[RECEIPT] = stalled
    messages = {network.carry_anchor().message.id for _ in range(6)}
    left, delivered = set(messages), threading.Event()

    class Watching:
        def take(self, block: SeenBlock) -> None:
            for seen in block.logs:
                if seen.decoded.name == "MessageCommitted":
                    left.discard(seen.decoded.fields["id"])
            if not left:
                delivered.set()

        def rewind(self, rewound: Rewound) -> None: ...

    relay = threaded(network, Watching())
    try:
        relay.start()
        assert delivered.wait(30)
        assert not mined.is_set()
    finally:
        mined.set()
        relay.stop()
        relay.panel.close()


def test_a_node_that_shows_blocks_late_delays_and_repeats_nothing(network: Network) -> None:
    message = network.carry_anchor().message
    relay = network.relay()
    for role in Role:
        network.node(role).behind = 1
    network.settle(relay, steps=30)
    assert not is_over(relay, message.id)
    for role in Role:
        network.node(role).behind = 0
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert network.effects(message.id) == ONCE
    assert relay.journeys[message.id].set_aside == {}


# -- messages that cannot arrive ------------------------------------------------------------------------------------


def test_a_message_that_the_destination_refuses_blocks_no_other(network: Network) -> None:
    # No lane leads from the owner to the mirror.
    mirror = network.world.address(Role.DESTINATION, "AnchorMirror")
    mined = network.world.send(Role.ORIGIN, "Gateway", "sendMessage", mirror, b"poison", [])
    poison = network.world.sent(Role.ORIGIN, mined)[0].message
    message = network.carry_anchor().message
    relay = network.relay()
    network.run(relay, until=lambda: is_over(relay, message.id))
    network.run(relay, until=lambda: Step.COMMIT in relay.journeys[poison.id].set_aside)
    said = relay.journeys[poison.id].explain()
    assert said.startswith("attested: set aside at commit: CALL_REVERTED: ")
    assert "Gateway: lane not open" in said
    assert network.effects(message.id) == ONCE
    assert network.effects(poison.id)["MessageCommitted"] == 0


def test_an_application_that_reverts_blocks_no_other_and_is_delivered_again_when_asked(network: Network) -> None:
    # A lane leads from the holder to the mirror, but the mirror does not listen to the holder yet.
    world = network.world
    mirror = world.contract(Role.DESTINATION, "AnchorMirror").address
    world.send(Role.DESTINATION, "Administration", "open_lane", 7101, HOLDER.address, mirror, 1, False)
    payload = keccak256(b"another log") + (7).to_bytes(32, "big") + keccak256(b"root")
    address = world.address(Role.DESTINATION, "AnchorMirror")
    mined = world.send(Role.ORIGIN, "Gateway", "sendMessage", address, payload, [], by=HOLDER)
    poison = world.sent(Role.ORIGIN, mined)[0].message
    message = network.carry_anchor().message
    relay = network.relay()
    network.run(relay, until=lambda: is_over(relay, message.id) and relay.journeys[poison.id].judged is not None)
    journey = relay.journeys[poison.id]
    assert (journey.state, journey.executed) == (State.COMMITTED, False)
    assert journey.explain() == "committed: the application's call failed; it waits for a retry"
    network.settle(relay, steps=10)
    assert network.effects(poison.id) == ONCE
    # Asked without a cure, it fails once more and waits again.
    relay.retry(poison.id)
    network.run(relay, until=lambda: network.effects(poison.id)["MessageCommitted"] == 2)
    network.settle(relay, steps=10)
    assert network.effects(poison.id)["MessageCommitted"] == 2, "once for each time a person asked"
    world.send(Role.DESTINATION, "AnchorMirror", "admit", 7101, HOLDER.address)
    relay.retry(poison.id)
    network.run(relay, until=lambda: journey.is_over)
    assert (journey.state, journey.executed, journey.outcome) == (State.CLOSED, True, word(b"mirrored"))
    assert network.effects(poison.id) == ONCE + Counter({"MessageCommitted": 2, "CommitJudged": 1})


def test_E11_an_expired_message_is_recorded_as_such_by_the_destinations_block_time(network: Network) -> None:
    world = network.world
    late = world.sent(Role.ORIGIN, send_with_short_life(world))[0].message
    relay = network.relay()
    for notary in network.notaries:
        notary.twist = lambda answer: {} if "ids" in answer else answer

    def destination_block() -> bool:
        world.send(Role.DESTINATION, "AnchorMirror", "admit", 7101, OWNER.address)
        return is_over(relay, late.id)

    network.run(relay, until=destination_block)
    assert (state_of(relay, late.id), relay.journeys[late.id].explain()) == (State.EXPIRED, "expired")
    assert relay.journeys[late.id].open_steps() == ()
    assert network.effects(late.id) == Counter({"MessageSent": 1, "Proposed": 1, "CommitJudged": 1})
    assert world.read(Role.TRANSACTION, "TransactionRegistry", "transactions", late.id)[0] == 6


def send_with_short_life(world: World) -> Mined:
    """A message that expires as soon as a slow machine lets it leave at all: each try gives it twice as long."""
    mirror = world.address(Role.DESTINATION, "AnchorMirror")
    for seconds in (2, 4, 8, 16, 32):
        latest = world.nodes[Role.ORIGIN].request("eth_getBlockByNumber", "latest", False)
        expiry = int(latest["timestamp"], 16) + seconds
        attribute = keccak256(b"expiry(uint64)")[:4] + expiry.to_bytes(32, "big")
        try:
            return world.send(Role.ORIGIN, "Gateway", "sendMessage", mirror, b"late", [attribute])
        except Refused as refused:
            # Past already when it was simulated, or only when its block was made.
            assert "expiry is past" in refused.what or refused.code == "TX_FAILED", refused
    raise AssertionError("no message could be sent with 32 seconds to live")


# -- the relay itself -----------------------------------------------------------------------------------------------


def test_a_defect_that_one_message_meets_does_not_stop_the_others(network: Network) -> None:
    one, two = (network.carry_anchor().message for _ in range(2))
    for notary in network.notaries:
        notary.twist = lambda answer: 1 // 0 if f"0x{one.id.hex()}" in answer.get("ids", ()) else answer
    relay = network.relay()
    network.run(relay, until=lambda: is_over(relay, two.id))
    assert {problem.code for problem in relay.journeys[one.id].set_aside.values()} == {"RELAY_DEFECT"}
    for notary in network.notaries:
        notary.twist = lambda answer: answer
    relay.retry(one.id)
    network.run(relay, until=lambda: is_over(relay, one.id))
    assert network.effects(one.id) == ONCE


def test_a_reader_that_fails_is_given_the_block_again(network: Network) -> None:
    class Failing:
        def __init__(self) -> None:
            self.failures = 3
            self.taken: list[int] = []

        def take(self, block: SeenBlock) -> None:
            if block.chain_id == 7101:
                if self.failures:
                    self.failures -= 1
                    raise OSError("disk full")
                self.taken.append(block.number)

        def rewind(self, rewound: Rewound) -> None:
            raise AssertionError("nothing was rewound")

    sink = Failing()
    message = network.carry_anchor().message
    relay = network.relay(sinks=[sink])
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert sink.failures == 0
    assert sink.taken == list(range(sink.taken[0], sink.taken[0] + len(sink.taken)))


def threaded(network: Network, sink: BlockSink) -> Relay:
    """A relay with threads of its own, which reads from where this test began."""
    relay = connected(network, sink)
    for watcher in relay._reading.watchers:
        watcher.next_block = network._from[watcher.chain.chain_id]
    return relay


def connected(network: Network, sink: BlockSink) -> Relay:
    payers = {chain_id: Submitter(node, STRANGER, chain_id=chain_id) for chain_id, node in network.nodes.items()}
    return Relay(network.manifest, payers, NotaryPanel(network.notaries, network.manifest.committee), [sink])


def test_it_reads_from_the_deployments_first_block(network: Network) -> None:
    firsts = [chain.first_block for chain in network.manifest.chains]
    assert [position.next_block for position in connected(network, Nobody()).positions] == firsts
    assert all(first > 0 for first in firsts)


def test_what_is_over_is_not_held_in_memory(network: Network) -> None:
    relay = network.relay()
    messages = [network.carry_anchor().message for _ in range(3)]
    network.run(relay, until=lambda: all(is_over(relay, message.id) for message in messages))
    relay.step()
    assert (len(relay._turns), relay._carrier.held()) == (0, 0)
    relay.retry(messages[0].id)
    network.settle(relay, steps=3)
    assert len(relay._turns) == 0
    assert all(network.effects(message.id) == ONCE for message in messages)


def test_it_runs_in_threads_of_its_own_and_stops(network: Network) -> None:
    message = network.carry_anchor().message
    closed = threading.Event()

    class Watching:
        def take(self, block: SeenBlock) -> None:
            for seen in block.logs:
                if (seen.decoded.name, seen.decoded.fields.get("id")) == ("CommitJudged", message.id):
                    closed.set()

        def rewind(self, rewound: Rewound) -> None: ...

    relay = threaded(network, Watching())
    relay.start()
    relay.nudge()
    assert closed.wait(60)
    relay.stop()
    relay.panel.close()
    assert relay.step() is Progress.STOP
    assert network.effects(message.id) == ONCE
    assert relay.journeys[message.id].outcome in (word(b"mirrored"), word(b"older than the mirror"))
