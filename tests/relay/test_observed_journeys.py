"""Lanes whose destination sees the origin by itself: sealed or certified headers and observations, carried by a relay.

The estate's and the lender's chains are sealed by validators, the transaction chain is not: a loan crosses lanes of
every policy.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from contracts.binding import Contract
from contracts.embedded.genesis import Genesis
from contracts.embedded.server import EmbeddedNode
from contracts.manifest import Policy, Role, Rules, Seals
from contracts.node import Node, RpcNode
from contracts.plan import PLEDGE_LANES, HeaderTerms
from contracts.transactor import Transactor
from ledger.bundle import Crossing, HeaderCertificate, TrustRoot
from ledger.bundle.crossing import Crossed, follow
from ledger.bundle.epochs import JustNow
from ledger.bundle.handed import verify_anchor, verify_told
from ledger.headers.held import MAX_HEIGHT
from ledger.headers.seals import pack_seals
from relay.bundling import trust_root_of, way_of
from relay.journey import Journey, State, Step
from relay.relay import Relay
from relay.renewing import CLIENT_LOOK_SECONDS
from relay.shown import show_status
from tests.contracts.world import CHAIN_IDS, HOLDER, LENDER, NOTARIES, OWNER, STRANGER, World, deploy_on
from tests.ledger.refusals import refused
from tests.simulator.network import Network, is_over
from tests.simulator.qbft import keys
from tests.simulator.sealed import SealedNode

TRUST_SECONDS = 24 * 3600
POLICIES = (Policy.RELAY, Policy.NOTARY_AND_RELAY, Policy.RELAY, Policy.CERTIFIED)
ALL = {State.CLOSED}


@dataclass
class Time:
    """Seconds by which the chains' clocks are ahead of ours."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Sealed:
    """A network of which two chains are sealed."""

    network: Network
    chains: dict[Role, SealedNode]
    time: Time

    def client(self, origin: Role, destination: Role) -> Contract:
        """The light client of one chain on another."""
        observers = self.network.manifest.chain(destination).observers
        held = next(each for each in observers if (each.origin, each.policy) == (CHAIN_IDS[origin], Policy.RELAY))
        return Contract("LightClient", held.headers)

    def latest(self, origin: Role, destination: Role) -> tuple[int, int]:
        """Height and time of the light client's latest header."""
        height, timestamp, *_ = self.client(origin, destination).read(self.network.world.nodes[destination], "status")
        return height, timestamp


@pytest.fixture(scope="module")
def sealed_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dict[Role, SealedNode], Time]]:
    folder, now = tmp_path_factory.mktemp("sealed"), Time()
    with ExitStack() as stack:
        nodes = {role: stack.enter_context(_Node(folder / role, chain_id, now)) for role, chain_id in CHAIN_IDS.items()}
        sealed = {role: SealedNode(nodes[role], keys(4, first=first)) for role, first in _SEALED.items()}
        planned = {}
        for role, node in sealed.items():
            Transactor(node, OWNER, chain_id=CHAIN_IDS[role]).send(OWNER.address, b"")  # a first block
            terms = HeaderTerms(first_header=node.header(1).unsealed, trust_period=TRUST_SECONDS)
            planned[role] = {"rules": Rules(seals=Seals.QBFT), "headers": terms}
        lanes = [replace(lane, policy=policy) for lane, policy in zip(PLEDGE_LANES, POLICIES, strict=True)]
        shown: dict[Role, Node] = {**nodes, **sealed}
        yield deploy_on(shown, NOTARIES, changed=planned, lanes=lanes), sealed, now


_ANYTHING = {Role.ORIGIN: ("WarehouseReceipt", "enrol_keeper"), Role.DESTINATION: ("PledgeRegistry", "enrol_lender")}
_SEALED = {Role.ORIGIN: 101, Role.DESTINATION: 201}


class _Node:
    """An embedded chain with a client of it."""

    def __init__(self, folder: Path, chain_id: int, now: Time) -> None:
        accounts = {f"0x{key.address.hex()}": 10**24 for key in (OWNER, STRANGER, HOLDER, LENDER)}
        genesis = Genesis(chain_id, accounts, timestamp=int(time.time()) - 60)
        self._server = EmbeddedNode.start(folder, genesis, clock=now)
        self._client = RpcNode(self._server.url)

    def __enter__(self) -> RpcNode:
        return self._client

    def __exit__(self, *_raised: object) -> None:
        self._client.close()
        self._server.stop()


@pytest.fixture
def sealed(sealed_world: tuple[World, dict[Role, SealedNode], Time]) -> Sealed:
    world, chains, now = sealed_world
    return Sealed(Network(world), chains, now)


def test_a_loan_crosses_lanes_of_every_policy(sealed: Sealed) -> None:
    network = sealed.network
    relay = network.relay()
    anchor = network.carry_anchor().message
    loan = network.open_loan(b"sealed loan", goods=b"sealed pile")
    active = 2
    network.run(
        relay,
        until=lambda: (
            network.world.read(Role.DESTINATION, "PledgeRegistry", "loans", loan)[4] == active
            and all(journey.is_over for journey in relay.journeys.values())
        ),
    )
    assert {journey.state for journey in relay.journeys.values()} == ALL
    assert {journey.policy for journey in relay.journeys.values()} == set(POLICIES)
    by_policy = {journey.policy: network.effects(journey.id) for journey in relay.journeys.values()}
    assert by_policy[Policy.NOTARY_AND_RELAY]["Attested"] == 1
    # Where the destination sees for itself, no notary attests; the verdict over the commit is theirs all the same.
    assert by_policy[Policy.RELAY]["Attested"] == by_policy[Policy.CERTIFIED]["Attested"] == 0
    assert all(effects["MessageCommitted"] == effects["CommitJudged"] == 1 for effects in by_policy.values())
    assert network.effects(anchor.id)["MessageCommitted"] == 1


def test_what_crossed_such_lanes_is_told_in_bundles_with_the_seals_of_its_origin(sealed: Sealed) -> None:
    network, nodes = sealed.network, sealed.network.nodes
    relay = network.relay()
    root = trust_root_of(network.manifest, date(2026, 11, 22))
    assert [each.chain_id for each in root.sealed] == [CHAIN_IDS[Role.ORIGIN], CHAIN_IDS[Role.DESTINATION]]
    assert TrustRoot.load(root.dump()) == root
    anchor, loan = network.carry_anchor().message, network.open_loan(b"told loan", goods=b"told pile")
    network.run(relay, until=lambda: is_over(relay, anchor.id) and len(relay.journeys) > 2 and _all_over(relay))
    told = [journey for journey in relay.journeys.values() if journey.proposal.payload[32:64] == loan]
    assert len(told) == 2
    for journey in (relay.journeys[anchor.id], *told):
        crossing = way_of(nodes, network.manifest, root, journey)
        found = verify_anchor(crossing, root) if journey.id == anchor.id else verify_told(crossing, root)
        assert found.credential == journey.credential
        assert crossing.seals, "both origins are sealed"
        with refused("QUORUM"):
            fewer = replace(crossing.seals[-1], seals=crossing.seals[-1].seals[: 2 * 66])
            broken = replace(crossing, seals=(*crossing.seals[:-1], fewer))
            verify_anchor(broken, root) if journey.id == anchor.id else verify_told(broken, root)
        assert crossing.certified is None, "their lanes rest on no certified header"
        # A reader who pins no validators is told without them, and why.
        bare = replace(root, sealed=())
        assert not way_of(nodes, network.manifest, bare, journey).seals


def test_what_crossed_a_certified_lane_is_told_with_the_header_that_the_notaries_certified(sealed: Sealed) -> None:
    network, nodes = sealed.network, sealed.network.nodes
    relay, root = network.relay(), trust_root_of(sealed.network.manifest, date(2026, 11, 22))
    network.open_loan(b"certified loan", goods=b"certified pile")
    network.run(relay, until=lambda: _certified(relay) is not None and _all_over(relay))
    journey = _certified(relay)
    assert journey is not None
    crossing = way_of(nodes, network.manifest, root, journey)

    def followed(crossing: Crossing) -> Crossed:
        return follow(crossing, JustNow(root), origin=root.transaction, destinations=(root.destination,))

    found = followed(crossing)
    assert found.certified is not None and crossing.certified is not None
    assert found.certified.what.startswith(f"The notaries certified the header of block {journey.origin.block} of ")
    assert not found.sealing.why_not
    with refused("QUORUM"):
        followed(replace(crossing, certified=with_fewer(crossing.certified)))
    # Under a trust root of other notaries it is left out: nothing would seal what former ones said.
    committee = replace(root.pinned.committee, epoch=root.pinned.epoch + 1)
    renewed = root.renewed(replace(root.pinned, committee=committee), root.dated)
    assert way_of(nodes, network.manifest, renewed, journey).certified is None
    assert followed(replace(crossing, certified=None)).sealing.why_not


def _certified(relay: Relay) -> Journey | None:
    """A closed message over the lane of policy *certified*."""
    over = (each for each in relay.journeys.values() if each.policy is Policy.CERTIFIED)
    return next((each for each in over if each.state is State.CLOSED), None)


def with_fewer(found: HeaderCertificate) -> HeaderCertificate:
    """The certificate with one signature too few."""
    signers, parities = (int.from_bytes(found.signatures[at : at + 13], "big") for at in (0, 13))
    last = 1 << (signers.bit_length() - 1)
    kept = b"".join((each & ~last).to_bytes(13, "big") for each in (signers, parities))
    return replace(found, signatures=kept + found.signatures[26:-64])


def _all_over(relay: Relay) -> bool:
    return all(journey.is_over for journey in relay.journeys.values())


def test_the_headers_of_other_validators_are_carried_step_by_step(sealed: Sealed) -> None:
    network, chain = sealed.network, sealed.chains[Role.ORIGIN]
    # Each list shares three of four validators with the one before: together they leave nobody of the first.
    for first in (102, 103, 104, 105):
        chain.seal_by(keys(4, first=first))
        network.world.send(Role.ORIGIN, "WarehouseReceipt", "enrol_keeper", STRANGER.address)
    message = network.carry_anchor().message
    relay = network.relay()
    network.run(relay, until=lambda: is_over(relay, message.id))
    assert relay.journeys[message.id].state is State.CLOSED
    height, _ = sealed.latest(Role.ORIGIN, Role.DESTINATION)
    assert height == relay.journeys[message.id].origin.block


def test_several_messages_under_one_header_pay_for_it_once(sealed: Sealed) -> None:
    network = sealed.network
    message = network.carry_anchor().message
    relay = network.relay()
    network.run(relay, until=lambda: is_over(relay, message.id))
    height, _ = sealed.latest(Role.ORIGIN, Role.DESTINATION)
    journey, observing = relay.journeys[message.id], relay._carrier.observing
    sent = network.node(Role.DESTINATION).calls.count("eth_sendRawTransaction")
    observing.observe(message, journey.origin, Policy.RELAY)
    assert network.node(Role.DESTINATION).calls.count("eth_sendRawTransaction") == sent
    assert height == journey.origin.block


def test_E01_an_idle_light_client_is_renewed_each_third_of_its_trust_period(sealed: Sealed) -> None:
    network = sealed.network
    relay = network.relay()
    network.settle(relay)
    before = sealed.latest(Role.ORIGIN, Role.DESTINATION)
    sealed.time.ahead += TRUST_SECONDS / 3 + 60
    for role in (Role.ORIGIN, Role.DESTINATION):  # blocks at the new time; none of them carries a message
        network.world.send(role, *_ANYTHING[role], STRANGER.address)
    network.clock.advance(CLIENT_LOOK_SECONDS)
    network.settle(relay)
    after = sealed.latest(Role.ORIGIN, Role.DESTINATION)
    assert after[1] > before[1] + TRUST_SECONDS / 3
    assert relay.client_troubles == {}


def test_a_client_that_cannot_be_renewed_is_told_and_holds_up_nothing(sealed: Sealed) -> None:
    network, node = sealed.network, sealed.network.node(Role.ORIGIN)
    relay = network.relay()
    network.settle(relay)
    sealed.time.ahead += TRUST_SECONDS / 3 + 60
    for role in (Role.ORIGIN, Role.DESTINATION):
        network.world.send(role, *_ANYTHING[role], STRANGER.address)
    node.lies["eth_getBlockByNumber"] = lambda _params, reply: reply | {"extraData": "0x"}
    network.clock.advance(CLIENT_LOOK_SECONDS)
    network.settle(relay)
    name = f"eip155:{CHAIN_IDS[Role.ORIGIN]} on eip155:{CHAIN_IDS[Role.DESTINATION]}"
    assert relay.client_troubles[name].code == "HEADER_HASH"
    shown = show_status(relay.manifest, relay.positions, {}, relay.client_troubles)
    assert shown["light_clients"][name]["code"] == "HEADER_HASH"
    del node.lies["eth_getBlockByNumber"]
    network.clock.advance(CLIENT_LOOK_SECONDS)
    network.settle(relay)
    assert relay.client_troubles == {}


def test_E02_two_sealed_headers_of_one_height_freeze_the_client_and_nothing_passes_until_the_quorum_cures(
    sealed: Sealed,
) -> None:
    network, chain = sealed.network, sealed.chains[Role.ORIGIN]
    message = network.carry_anchor().message
    height = int(chain.request("eth_blockNumber"), 16)
    client, other = sealed.client(Role.ORIGIN, Role.DESTINATION), chain.other(height)
    transactor = network.world.transactor(Role.DESTINATION, STRANGER)
    # Somebody brings the other block first: the honest one contradicts it, and is carried all the same.
    call = client.encode_call("update", other.unsealed, pack_seals(other), b"")
    transactor.send(client.address, call)
    relay = network.relay()
    network.settle(relay, steps=60)
    journey = relay.journeys[message.id]
    assert (journey.origin.block, journey.commit) == (height, None)
    assert journey.set_aside[Step.COMMIT].code == "CLIENT_FROZEN"
    assert client.read(network.world.nodes[Role.DESTINATION], "status")[3] == MAX_HEIGHT
    assert network.effects(message.id)["MessageCommitted"] == 0
