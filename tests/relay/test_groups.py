"""Many messages in one transaction: what goes together, and that one bad message among them is left out alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from contracts.manifest import Role
from contracts.node import NodeError
from contracts.submitter import Submitter
from ledger.errors import Problem, Refused, Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Proposal
from relay.carrier import Carrier
from relay.grouping import JUDGING_WAITS_SECONDS
from relay.journey import Journey, State, Step
from relay.notaries import RefusedLeaves, UnreadyLeaves, _problem
from relay.panel import Leaf
from relay.relay import Relay
from relay.roots import MAX_ITEM_PAYLOAD, MAX_TOGETHER, Root, runs
from tests.contracts.world import CHAIN_IDS, LENDER, OWNER
from tests.ledger.refusals import refused
from tests.relay.test_panel import PLACE, Scripted, attestation, panel, refuses, silent
from tests.relay.test_whole_journeys import ONCE, RECEIPT, SEND
from tests.relay.written import MESSAGE, PAYLOAD, message
from tests.simulator.inline import Killed
from tests.simulator.network import Network, is_over
from tests.simulator.notaries import Answer
from tests.simulator.pool import PoolNode

LOG = keccak256(b"a log of many")


def send(network: Network, count: int) -> list[Proposal]:
    """Messages of one lane, each in a block of its own, all sent before any relay looks."""
    world, mirror = network.world, network.world.contract(Role.DESTINATION, "AnchorMirror").address
    if world.read(Role.DESTINATION, "Gateway", "lanes", lane(network))[0] == 0:
        world.send(Role.DESTINATION, "Administration", "open_lane", 7101, LENDER.address, mirror, 1, False)
    world.send(Role.DESTINATION, "AnchorMirror", "admit", 7101, LENDER.address)
    address, found = world.address(Role.DESTINATION, "AnchorMirror"), list[Proposal]()
    for size in range(1, count + 1):
        payload = LOG + size.to_bytes(32, "big") + keccak256(size.to_bytes(8, "big"))
        mined = world.send(Role.ORIGIN, "Gateway", "sendMessage", address, payload, [], by=LENDER)
        found += world.sent(Role.ORIGIN, mined)
    return found


def at_home(network: Network) -> Relay:
    """A relay that has carried one message: it takes more blocks in one look than it did of chains it did not know."""
    relay = network.relay()
    carried(network, relay, send(network, 1))
    network.notaries[0].asked.clear()
    return relay


def lane(network: Network) -> bytes:
    ends = [network.manifest.chain(role).end for role in (Role.ORIGIN, Role.DESTINATION)]
    mirror = network.world.contract(Role.DESTINATION, "AnchorMirror").address
    return replace(MESSAGE, origin=ends[0], destination=ends[1], sender=LENDER.address, recipient=mirror).lane


def carried(network: Network, relay: Relay, sent: Sequence[Proposal]) -> None:
    network.run(relay, until=lambda: all(is_over(relay, each.message.id) for each in sent))
    assert {relay.journeys[each.message.id].state for each in sent} == {State.CLOSED}
    assert all(network.effects(each.message.id) == ONCE for each in sent)


def transactions(relay: Relay, sent: Sequence[Proposal], name: str) -> Counter[bytes]:
    return Counter(getattr(relay.journeys[each.message.id], name).transaction for each in sent)


def test_messages_that_wait_together_are_recorded_certified_and_delivered_together(network: Network) -> None:
    relay = at_home(network)
    before = network.node(Role.DESTINATION).calls.count(SEND)
    sent = send(network, 12)
    carried(network, relay, sent)
    for name in ("proposed", "attested", "commit"):
        assert list(transactions(relay, sent, name).values()) == [12], name
    asked = [path for path in network.notaries[0].asked if path == "/attestations"]
    assert len(asked) == 1, "one root for all of them"
    assert network.node(Role.DESTINATION).calls.count(SEND) - before == 1


def test_verdicts_are_asked_for_together_and_each_is_recorded(network: Network) -> None:
    relay = at_home(network)
    sent = send(network, 12)
    carried(network, relay, sent)
    asked = Counter(path for path in network.notaries[0].asked if path.startswith("/verdicts"))
    assert asked == {"/verdicts/together": 1}
    assert len(transactions(relay, sent, "judged")) == 12, "the registry takes one verdict in a transaction"


def test_a_verdict_that_a_quorum_refuses_holds_up_no_other(network: Network) -> None:
    sent = send(network, 5)
    bad = sent[2].message.id

    def refuse(answer: Answer) -> Answer:
        if answer.get("verdict", {}).get("id") == f"0x{bad.hex()}":
            raise Refused("ORIGIN_DIFFERS", "its origin was executed falsely")
        return answer

    for notary in network.notaries[:2]:
        notary.twist = refuse
    relay = network.relay()
    carried(network, relay, [each for each in sent if each.message.id != bad])
    network.run(relay, until=lambda: Step.JUDGE in relay.journeys[bad].set_aside)
    assert relay.journeys[bad].set_aside[Step.JUDGE].code == "ORIGIN_DIFFERS"
    for notary in network.notaries:
        notary.twist = lambda answer: answer
    relay.retry(bad)
    carried(network, relay, sent)


def test_verdicts_are_not_asked_for_again_because_too_many_transactions_are_under_way(network: Network) -> None:
    sent = send(network, 3)
    relay = network.relay()
    payer = relay._payers[CHAIN_IDS[Role.TRANSACTION]]
    submit, full = payer.submit, [0]

    def refuse(*arguments: Any, **options: Any) -> Any:
        if options["tag"].startswith(b"judge|") and full[0] < 4:
            full[0] += 1
            raise Unavailable("IN_FLIGHT", "48 transactions are under way on this chain")
        return submit(*arguments, **options)

    payer.submit = refuse  # type: ignore[method-assign]
    carried(network, relay, sent)
    assert full == [4]
    assert [path for path in network.notaries[0].asked if path.startswith("/verdicts")] == ["/verdicts/together"]


def test_a_message_that_a_quorum_refuses_is_left_out_of_the_root_and_has_their_reason(network: Network) -> None:
    sent = send(network, 5)
    bad = sent[2].message.id

    def refuse(answer: Answer) -> Answer:
        ids = answer.get("ids", [])
        if f"0x{bad.hex()}" in ids:
            raise RefusedLeaves({ids.index(f"0x{bad.hex()}"): Refused("UNBACKED", "more than was locked")})
        return answer

    for notary in network.notaries:
        notary.twist = refuse
    relay = network.relay()
    carried(network, relay, [each for each in sent if each.message.id != bad])
    network.run(relay, until=lambda: Step.COMMIT in relay.journeys[bad].set_aside)
    assert relay.journeys[bad].set_aside[Step.COMMIT].code == "UNBACKED"
    assert network.effects(bad) == Counter({"MessageSent": 1, "Proposed": 1})
    good = [each for each in sent if each.message.id != bad]
    assert list(transactions(relay, good, "commit").values()) == [4]
    for notary in network.notaries:
        notary.twist = lambda answer: answer
    relay.retry(bad)
    network.run(relay, until=lambda: is_over(relay, bad))
    assert network.effects(bad) == ONCE


@pytest.mark.parametrize("step", [Step.PROPOSE, Step.COMMIT])
def test_a_message_that_spoils_a_transaction_is_found_and_set_aside_alone(network: Network, step: Step) -> None:
    sent = send(network, 9)
    bad = sent[4]
    role = Role.TRANSACTION if step is Step.PROPOSE else Role.DESTINATION
    mark = bad.message.payload_digest if step is Step.PROPOSE else bad.payload

    def spoilt(params: list[Any], honest: Any) -> Any:
        if mark.hex() in params[0]["data"]:
            raise NodeError("execution reverted: Gateway: poison", rpc_code=3)
        return honest

    network.node(role).lies["eth_estimateGas"] = spoilt
    relay = network.relay()
    good = [each for each in sent if each is not bad]
    carried(network, relay, good)
    name = "proposed" if step is Step.PROPOSE else "commit"
    assert len(transactions(relay, good, name)) <= 4, "halved, and not sent one by one"
    network.run(relay, until=lambda: step in relay.journeys[bad.message.id].set_aside)
    assert "poison" in relay.journeys[bad.message.id].set_aside[step].what
    assert all(relay.journeys[each.message.id].set_aside == {} for each in good)


def test_J06_what_another_relay_has_delivered_is_left_out_at_once(network: Network) -> None:
    sent = send(network, 8)
    for other in sent[:3]:
        network.world.commit(other)
    network.node(Role.DESTINATION).behind = 3
    relay = network.relay()
    network.run(relay, until=lambda: network.node(Role.DESTINATION).calls.count(SEND) > 0)
    assert network.node(Role.DESTINATION).calls.count("eth_estimateGas") == 2
    network.node(Role.DESTINATION).behind = 0
    carried(network, relay, sent)
    assert all(relay.journeys[each.message.id].set_aside == {} for each in sent)


def test_J06_every_message_arrives_once_though_all_other_relays_drop_double_and_reorder(network: Network) -> None:
    sent = send(network, 6)
    dropping, doubling, honest = network.relay(payer=OWNER), network.relay(payer=LENDER), network.relay()

    def drop(*_arguments: Any, **_options: Any) -> Any:
        raise Unavailable("IN_FLIGHT", "not today")

    for payer in dropping._payers.values():
        payer.submit = drop  # type: ignore[method-assign]
    for other in doubling._payers.values():
        other.submit = twice(other.submit)  # type: ignore[method-assign]
    ready = doubling._turns.ready
    doubling._turns.ready = lambda queue, most: ready(queue, most)[::-1]  # type: ignore[method-assign]
    done = lambda: all(is_over(honest, each.message.id) for each in sent)  # noqa: E731
    network.run(dropping, doubling, honest, until=done)
    assert all(network.effects(each.message.id) == ONCE for each in sent)
    assert all(honest.journeys[each.message.id].set_aside == {} for each in sent)


def twice(submit: Any) -> Any:
    """Everything a second time, as long as it simulates."""

    def doubled(*arguments: Any, **options: Any) -> Any:
        ticket = submit(*arguments, **options)
        with suppress(Refused):
            submit(*arguments, **options)
        return ticket

    return doubled


def test_a_group_that_fails_in_its_block_is_tried_again_and_nobody_is_blamed(network: Network) -> None:
    sent = send(network, 4)
    relay = network.relay()
    node = network.node(Role.DESTINATION)

    def overtaken(_params: object, honest: object) -> object:
        node.lies.clear()
        network.world.commit(sent[1])
        return honest

    node.lies["eth_estimateGas"] = overtaken
    carried(network, relay, sent)
    assert all(relay.journeys[each.message.id].set_aside == {} for each in sent)


def test_a_late_message_of_a_root_is_proven_under_it_too(network: Network) -> None:
    sent = send(network, 3)
    relay = network.relay()
    carried(network, relay, sent)
    more = send(network, 1)
    carried(network, relay, more)
    assert len(transactions(relay, [*sent, *more], "commit")) == 2


def carrier_to_a_pool(network: Network) -> tuple[Carrier, PoolNode, Submitter]:
    """A carrier whose transaction chain takes what it is sent and mines nothing until it is told to."""
    chain_id = network.manifest.chain(Role.TRANSACTION).chain_id
    pool = PoolNode(chain_id)
    payer = Submitter(pool, LENDER, chain_id=chain_id)
    payers = {number: Submitter(node, LENDER, chain_id=number) for number, node in network.nodes.items()}
    return Carrier(network.manifest, payers | {chain_id: payer}, network.panel()), pool, payer


def seen(network: Network, sent: Sequence[Proposal]) -> list[Journey]:
    """The journeys of messages that a relay has read and taken no step of."""
    relay = network.relay()
    for watcher in relay._reading.watchers:
        relay._reading.read(watcher)
    return [relay.journeys[each.message.id] for each in sent]


def test_a_root_that_is_on_its_way_to_the_registry_is_not_paid_for_twice(network: Network) -> None:
    early, late = seen(network, send(network, 2))
    carrier, pool, payer = carrier_to_a_pool(network)
    assert carrier._certifier.certify([early, late]) == {}
    assert carrier.take(Step.ATTEST, [early]) == {}
    problem = carrier.take(Step.ATTEST, [late])[late.id]
    assert (type(problem), problem.code, len(pool.sent)) == (Unavailable, "NOT_FINAL", 1)
    # It failed in its block: what was sent settles nothing, and is sent again.
    pool.fails.add(pool.sent[0].data)
    pool.mine()
    (ticket,) = payer.poll()
    assert isinstance(ticket.outcome, Refused)
    assert carrier.take(Step.ATTEST, [late]) == {}
    assert len(pool.sent) == 2


def test_a_root_is_not_sent_by_two_threads_in_the_same_moment(network: Network) -> None:
    early, late = seen(network, send(network, 2))
    carrier, pool, payer = carrier_to_a_pool(network)
    assert carrier._certifier.certify([early, late]) == {}
    submit, meanwhile = payer.submit, list[Problem]()

    def slow(*arguments: Any, **options: Any) -> Any:
        meanwhile.append(carrier.take(Step.ATTEST, [late])[late.id])
        return submit(*arguments, **options)

    payer.submit = slow  # type: ignore[method-assign]
    assert carrier.take(Step.ATTEST, [early]) == {}
    assert ([problem.code for problem in meanwhile], len(pool.sent)) == (["NOT_FINAL"], 1)


def test_another_root_is_sent_though_one_is_on_its_way(network: Network) -> None:
    first, second = seen(network, send(network, 2))
    carrier, pool, _payer = carrier_to_a_pool(network)
    assert carrier.take(Step.ATTEST, [first]) == {}
    assert carrier.take(Step.ATTEST, [second]) == {}
    assert len(pool.sent) == 2


def test_verdicts_wait_for_deliveries_and_not_for_long(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    (proposal,) = send(network, 1)
    relay, asked = network.relay(), network.notaries[0].asked
    with monkeypatch.context() as patched:
        patched.setattr(relay._grouping, "_is_delivering", lambda: True)
        network.settle(relay)
    assert Step.JUDGE in relay.journeys[proposal.message.id].open_steps()
    # As of a message that is always about to be delivered.
    relay._turns.want(b"\x01" * 32, {Step.COMMIT: CHAIN_IDS[Role.DESTINATION]})
    for _ in range(10):
        relay.step()
    assert asked.count("/verdicts") == 0
    network.clock.advance(JUDGING_WAITS_SECONDS)
    network.run(relay, until=lambda: is_over(relay, proposal.message.id))
    assert asked.count("/verdicts") == 1


POINTS = {
    f"{when}_{what}": (role, attribute, method, skip)
    for role, what, skip in ((Role.TRANSACTION, "propose", 0), (Role.DESTINATION, "commit", 0))
    for when, attribute, method in (
        ("before_broadcasting", "kill_before", SEND),
        ("after_broadcasting", "kill_after", SEND),
        ("before_the_receipt_of", "kill_before", RECEIPT),
        ("after_the_receipt_of", "kill_after", RECEIPT),
    )
} | {
    "after_attest": (Role.TRANSACTION, "kill_after", SEND, 1),
    "after_judge": (Role.TRANSACTION, "kill_after", SEND, 3),
}


@pytest.mark.parametrize("seed", [1, 3, 6])
@pytest.mark.parametrize("name", POINTS)
def test_J05_a_relay_killed_with_a_group_in_flight_leaves_one_effect_of_each(
    network: Network, name: str, seed: int
) -> None:
    role, attribute, method, skip = POINTS[name]
    sent = send(network, seed)
    first = network.relay()
    after = skip + 1 if method == RECEIPT else skip
    network.run(first, until=lambda: network.node(role).calls.count(SEND) >= after)
    setattr(network.node(role), attribute, method)
    with pytest.raises(Killed):
        carried(network, first, sent)
        # A single message is over before the last point is met: there is nothing left to kill.
        raise Killed
    setattr(network.node(role), attribute, "")
    second = network.relay()
    carried(network, second, sent)
    assert all(second.journeys[each.message.id].set_aside == {} for each in sent)


# -- what the notaries say of a root --------------------------------------------------------------------------------

LEAVES = [Leaf(message(sequence), PLACE) for sequence in range(5)]


def names(kind: type[RefusedLeaves] | type[UnreadyLeaves], *leaves: int, code: str = "LANE") -> Any:
    problem = Refused if kind is RefusedLeaves else Unavailable

    def answer() -> Any:
        raise kind({leaf: problem(code, "because") for leaf in leaves})

    return answer


class Naming(Scripted):
    """Signs any root but one that holds a message it names."""

    def __init__(self, index: int, *named: bytes, kind: type[Problem] = Refused) -> None:
        super().__init__(index, silent)
        self._index, self._named, self._kind = index, named, kind
        self.roots = 0

    def ask(self, path: str, body: Answer) -> Answer:
        self.roots += 1
        places = [leaf["log_index"] for leaf in body["leaves"]]
        bad = {
            at: self._kind("LANE", "because")
            for at, place in enumerate(places)
            if LEAVES[place].message.id in self._named
        }
        if bad:
            raise RefusedLeaves(bad) if self._kind is Refused else UnreadyLeaves(bad)
        return attestation(self._index, [LEAVES[place].message for place in places])


def ask(*notaries: Naming) -> tuple[list[int], dict[int, str]]:
    """Which of the five were certified, and the others' codes."""
    from relay.panel import NotaryPanel
    from tests.contracts.world import COMMITTEE
    from tests.simulator.inline import Inline

    placed = [Leaf(leaf.message, replace(PLACE, log_index=at)) for at, leaf in enumerate(LEAVES)]
    found = NotaryPanel(notaries, COMMITTEE, executor=lambda _name: Inline()).certify(placed)
    ids = [leaf.message.id for leaf in LEAVES]
    certified = [] if found.root is None else [ids.index(each) for each in found.root.ids]
    if found.root is not None:
        for each in found.root.ids:
            found.root.certificate(each).check(LEAVES[ids.index(each)].message, COMMITTEE)
    return certified, {ids.index(each): problem.code for each, problem in found.refused.items()}


def test_a_root_is_formed_again_without_what_a_quorum_names() -> None:
    bad = LEAVES[3].message.id
    assert ask(*(Naming(index, bad) for index in range(4))) == ([0, 1, 2, 4], {3: "LANE"})


def test_one_lagging_notary_beside_a_dead_one_delays_only_what_it_cannot_see() -> None:
    late = Naming(2, LEAVES[0].message.id, LEAVES[1].message.id, kind=Unavailable)
    dead = Naming(3)
    dead.ask = lambda path, body: silent()  # type: ignore[method-assign]
    assert ask(Naming(0), Naming(1), late, dead) == ([2, 3, 4], {0: "WAITING", 1: "WAITING"})


def test_a_liar_that_names_every_leaf_holds_up_nobody() -> None:
    everything = [leaf.message.id for leaf in LEAVES]
    assert ask(Naming(0), Naming(1), Naming(2), Naming(3, *everything)) == ([0, 1, 2, 3, 4], {})
    bad = everything[3]
    honest = [Naming(index, bad) for index in range(3)]
    assert ask(*honest, Naming(3, *everything)) == ([0, 1, 2, 4], {3: "LANE"})


def test_nobody_is_asked_without_end() -> None:
    class Fickle(Naming):
        def ask(self, path: str, body: Answer) -> Answer:
            self.roots += 1
            raise UnreadyLeaves({0: Unavailable("NOT_FINAL", "because")})

    fickle = [Fickle(index) for index in range(4)]
    assert ask(*fickle) == ([], dict.fromkeys(range(5), "WAITING"))
    assert fickle[0].roots == 5


def test_whoever_refuses_without_naming_a_leaf_refuses_all() -> None:
    found = panel(refuses("PAUSED"), refuses("PAUSED")).certify([Leaf(MESSAGE, PLACE)])
    assert (found.root, found.refused[MESSAGE.id].code) == (None, "PAUSED")


MALFORMED: dict[str, Any] = {
    "a_leaf_beyond_the_root": [{"leaf": 64, "code": "LANE"}],
    "a_leaf_below_zero": [{"leaf": -1, "code": "LANE"}],
    "a_leaf_that_is_text": [{"leaf": "1"}],
    "a_leaf_that_is_true": [{"leaf": True}],
    "no_object": [5, None, "x"],
    "no_list": {"leaf": 1},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_leaves_that_are_none_are_passed_over(name: str) -> None:
    problem = _problem({"code": "X", "what": "y", "refused": MALFORMED[name]}, "notary 1", 409)
    assert type(problem) is Refused and problem.code == "X"
    kept = _problem({"refused": [*([{}] * 3), {"leaf": 2, "code": "LANE", "what": "closed"}]}, "notary 1", 503)
    assert isinstance(kept, UnreadyLeaves) and {leaf: each.code for leaf, each in kept.leaves.items()} == {2: "LANE"}


# -- what goes together ---------------------------------------------------------------------------------------------


def proposals(count: int, **changed: Any) -> list[Proposal]:
    return [Proposal(replace(message(sequence), **changed), PAYLOAD) for sequence in range(count)]


def test_only_messages_of_one_lane_kind_and_generation_go_together() -> None:
    mixed = proposals(3) + proposals(2, generation=2) + proposals(2, sender=b"\x35" * 20) + proposals(1, kind=2)
    assert [len(run) for run in runs(mixed)] == [3, 2, 2, 1]
    assert [len(run) for run in runs(proposals(MAX_TOGETHER + 1))] == [MAX_TOGETHER, 1]


def test_what_is_too_long_for_an_item_goes_alone() -> None:
    long = Proposal(message(9), b"x" * (MAX_ITEM_PAYLOAD + 1))
    fits = Proposal(message(8), b"x" * MAX_ITEM_PAYLOAD)
    assert [len(run) for run in runs([*proposals(2), long, fits])] == [3, 1]


def test_a_root_proves_only_what_stands_under_it() -> None:
    held = proposals(3)
    root = Root(7102, tuple(each.message.id for each in held[:2]), 1, b"")
    assert root.certificate(held[1].message.id).index == 1
    with pytest.raises(ValueError, match="not in tuple"):
        root.certificate(held[2].message.id)
    with refused("LEAF_ORDER"):
        root.together([held[0], held[0]])
