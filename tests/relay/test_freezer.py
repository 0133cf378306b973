"""Freezes over the simulator: what another chain makes due is proven with nobody's help, once, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from contracts.manifest import Observer, Policy, Role
from contracts.node import data
from contracts.plan import PLEDGE_LANES, ApplicationPlan, HeaderTerms
from contracts.proven_storage import slot_of
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.freeze import FreezeState, FreezeTerms, Trigger
from relay.ask import answer_about
from relay.freezer import LOOK_SECONDS
from relay.freezes import FreezeBook, Proof, Slots, Watch
from relay.relay import Relay
from relay.watcher import REMEMBERED_BLOCKS, Rewound, SeenBlock, SeenLog
from tests.acceptance.test_freeze import loan
from tests.contracts.world import CHAIN_IDS, HOLDER, LENDER, OWNER, STRANGER, World, deployed_world
from tests.relay.test_panel import PLACE
from tests.simulator.network import Network

START, DAY = 1_800_000_000, 24 * 3600
HERE, THERE = Role.ORIGIN, Role.DESTINATION
LANES = [
    replace(lane, policy=Policy.CERTIFIED) if lane.recipient == "WarehouseReceipt" else lane for lane in PLEDGE_LANES
]


@dataclass
class Yard:
    """A receipt's chain that reads the lender's, under one clock that tests move on."""

    world: World
    clock: list[int]
    made: list[int] = field(default_factory=list)

    def pass_time(self, seconds: int) -> None:
        self.clock[0] += seconds
        for role in (HERE, THERE):
            self.block(role)

    def block(self, role: Role) -> None:
        if role is HERE:
            self.world.send(role, "WarehouseReceipt", "enrol_keeper", OWNER.address)
        else:
            self.world.send(role, "AnchorMirror", "admit", 7101, OWNER.address)

    @property
    def observer(self) -> Observer:
        (found,) = (each for each in self.world.manifest.chain(HERE).observers if each.origin == CHAIN_IDS[THERE])
        return found

    def guard(self, **changed: Any) -> FreezeTerms:
        """The holder agrees and hands a receipt of its own over."""
        self.made.append(1)
        name, world = b"guarded %d" % len(self.made), self.world
        registry, contract = world.contract(THERE, "PledgeRegistry"), world.contract(HERE, "ConditionalFreeze")
        code = keccak256(data(world.nodes[THERE].request("eth_getCode", f"0x{registry.address.hex()}", "latest")))
        reader = self.observer.reader
        assert reader is not None
        title = world.contract(HERE, "WarehouseReceipt").address
        parties = (title, keccak256(name), HOLDER.address, LENDER.address, reader, registry.address)
        slots = [
            slot_of("PledgeRegistry", "loans", loan(world, name + each)).to_bytes(32, "big") for each in (b"f", b"r")
        ]
        terms = FreezeTerms(
            *parties, code, slots[0], Trigger.WHEN_SET, 0, slots[1], DAY, self.clock[0] + 30 * DAY, bytes(32)
        )
        terms = replace(terms, **changed)
        world.send(HERE, "WarehouseReceipt", "enrol_keeper", OWNER.address)
        world.send(HERE, "WarehouseReceipt", "issue", terms.subject, keccak256(name + b" pile"), HOLDER.address, 7)
        world.send(HERE, "ConditionalFreeze", "agree", terms.as_abi(), by=HOLDER)
        world.send(HERE, "WarehouseReceipt", "transfer", terms.subject, contract.address, by=HOLDER)
        world.send(HERE, "ConditionalFreeze", "take_up", terms.as_abi(), by=STRANGER)
        return terms

    def lend(self, network: Network, terms: FreezeTerms, which: bytes) -> None:
        """Open the loan that sets a slot on the lender's chain."""
        name = b"guarded %d" % len(self.made) + which
        assert network.open_loan(name, goods=name) == loan(self.world, name)

    def id(self, terms: FreezeTerms) -> bytes:
        return terms.id(chain_id=CHAIN_IDS[HERE], contract=self.world.contract(HERE, "ConditionalFreeze").address)

    def state(self, terms: FreezeTerms) -> FreezeState:
        return FreezeState(self.world.read(HERE, "ConditionalFreeze", "freeze_state", self.id(terms))[0])

    def holder(self, terms: FreezeTerms) -> bytes:
        return bytes(self.world.read(HERE, "WarehouseReceipt", "holder_of", terms.subject))


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    clock = [START]
    planned: dict[str, Any] = {
        "lanes": LANES,
        "applications": (ApplicationPlan("ConditionalFreeze", HERE),),
        "changed": {THERE: {"headers": HeaderTerms(is_read=True)}},
    }
    with deployed_world(tmp_path_factory.mktemp("yard"), clock=lambda: clock[0], **planned) as world:
        yield Yard(world, clock)


@pytest.fixture
def network(yard: Yard) -> Network:
    return Network(yard.world)


def settle(network: Network, relay: Relay, looks: int = 4) -> None:
    for _ in range(looks):
        network.settle(relay, steps=4)
        network.clock.advance(LOOK_SECONDS)


def test_a_title_is_frozen_and_given_back_with_nobodys_help_and_each_is_said_once(yard: Yard, network: Network) -> None:
    relay, terms = network.relay(), yard.guard()
    settle(network, relay)
    assert yard.state(terms) is FreezeState.GUARDED, "nothing has happened there"
    yard.lend(network, terms, b"f")
    network.run(relay, until=lambda: yard.state(terms) is FreezeState.FROZEN)
    settle(network, relay)
    assert answer_about(relay, f"0x{yard.id(terms).hex()}")["state"] == "frozen"
    assert yard.state(terms) is FreezeState.FROZEN
    yard.lend(network, terms, b"r")
    network.run(relay, until=lambda: yard.state(terms) is FreezeState.RETURNED)
    assert yard.holder(terms) == HOLDER.address
    settle(network, relay)
    assert network.effects(yard.id(terms)) == {
        "FreezeAgreed": 1,
        "TitleGuarded": 1,
        "TitleFrozen": 1,
        "TitleReturned": 1,
    }
    assert relay.freezer.told(yard.id(terms)) is not None


def test_two_relays_and_one_that_starts_again_prove_it_once(yard: Yard, network: Network) -> None:
    terms = yard.guard()
    relays = [network.relay(), network.relay(payer=OWNER)]
    yard.lend(network, terms, b"f")
    network.run(*relays, until=lambda: yard.state(terms) is FreezeState.FROZEN)
    again = network.relay()
    for relay in (*relays, again):
        settle(network, relay, looks=2)
    assert network.effects(yard.id(terms))["TitleFrozen"] == 1
    assert again.freezer.told(yard.id(terms)) == relays[0].freezer.told(yard.id(terms))


def test_C12_what_was_unset_at_the_date_freezes_though_it_was_set_since(yard: Yard, network: Network) -> None:
    date = yard.clock[0] + 10 * DAY
    terms = yard.guard(freezes_when=Trigger.WHEN_UNSET, date=date)
    relay = network.relay()
    settle(network, relay)
    assert yard.state(terms) is FreezeState.GUARDED, "the date has not come"
    yard.pass_time(10 * DAY)
    yard.block(THERE)
    yard.lend(network, terms, b"f")  # too late
    network.run(relay, until=lambda: yard.state(terms) is FreezeState.FROZEN)


def test_C12_what_was_set_in_time_freezes_nothing(yard: Yard, network: Network) -> None:
    terms = yard.guard(freezes_when=Trigger.WHEN_UNSET, date=yard.clock[0] + 10 * DAY)
    yard.lend(network, terms, b"f")
    yard.pass_time(10 * DAY)
    yard.block(THERE)
    relay = network.relay()
    settle(network, relay)
    assert (yard.state(terms), network.effects(yard.id(terms))["TitleFrozen"]) == (FreezeState.GUARDED, 0)


def test_a_freeze_that_is_over_lapses_and_one_whose_reader_nobody_knows_says_so(yard: Yard, network: Network) -> None:
    code = yard.world.contract(HERE, "AnchorRegistry").address  # a contract, and no reader
    strange = yard.guard(reader=code)
    terms = yard.guard(until=yard.clock[0] + 2 * DAY)
    relay = network.relay()
    settle(network, relay)
    told = relay.freezer.told(yard.id(strange))
    assert told is not None and told["problem"]["code"] == "READER_UNKNOWN"
    assert yard.state(terms) is FreezeState.GUARDED
    yard.pass_time(2 * DAY)
    network.run(relay, until=lambda: yard.state(terms) is FreezeState.RETURNED)
    assert yard.holder(terms) == HOLDER.address
    assert yard.state(strange) is FreezeState.GUARDED


# -- the fold -------------------------------------------------------------------------------------------------------

TERMS = FreezeTerms(
    b"\x01" * 20,
    b"\x02" * 32,
    b"\x03" * 20,
    b"\x04" * 20,
    b"\x05" * 20,
    b"\x06" * 20,
    b"\x07" * 32,
    b"\x08" * 32,
    Trigger.WHEN_SET,
    0,
    b"\x09" * 32,
    DAY,
    START + DAY,
    bytes(32),
)
ID, NOW = b"\x0a" * 32, START
AFTER_DATE = replace(TERMS, freezes_when=Trigger.WHEN_UNSET, date=START)


@pytest.mark.parametrize(
    ("terms", "state", "seen", "now", "due"),
    [
        (TERMS, FreezeState.GUARDED, Slots(NOW, freeze=False, release=False), NOW, None),
        (TERMS, FreezeState.GUARDED, Slots(NOW, freeze=True, release=False), NOW, Proof.FREEZE),
        (TERMS, FreezeState.GUARDED, Slots(NOW, freeze=True, release=True), NOW, Proof.RELEASE),
        (TERMS, FreezeState.FROZEN, Slots(NOW, freeze=True, release=False), NOW, None),
        (TERMS, FreezeState.FROZEN, Slots(NOW, freeze=True, release=True), NOW, Proof.RELEASE),
        (TERMS, FreezeState.GUARDED, Slots(NOW, freeze=True, release=False), START + DAY, Proof.LAPSE),
        (TERMS, FreezeState.AGREED, Slots(NOW, freeze=True, release=True), START + DAY, None),
        (TERMS, FreezeState.RETURNED, Slots(NOW, freeze=True, release=True), START + DAY, None),
        (AFTER_DATE, FreezeState.GUARDED, Slots(START - 1, freeze=False, release=False), NOW, None),
        (AFTER_DATE, FreezeState.GUARDED, Slots(START, freeze=False, release=False), NOW, Proof.FREEZE),
        (AFTER_DATE, FreezeState.GUARDED, Slots(START, freeze=True, release=False), NOW, None),
    ],
)
def test_what_is_due_of_a_freeze(
    terms: FreezeTerms, state: FreezeState, seen: Slots, now: int, due: Proof | None
) -> None:
    assert Watch(terms, bytes(20), [(1, state)]).due(seen, now) is due


def said(number: int, name: str, **fields: Any) -> SeenBlock:
    decoded = type("Decoded", (), {"contract": "ConditionalFreeze", "name": name, "fields": {"id": ID, **fields}})
    log = SeenLog(PLACE, decoded, Log(b"\x0b" * 20, (), b""))  # type: ignore[arg-type]
    return SeenBlock(7101, number, bytes(32), bytes(32), NOW, (log,))


def empty(number: int) -> SeenBlock:
    return SeenBlock(7101, number, bytes(32), bytes(32), NOW, ())


def test_E03_a_fork_takes_back_what_a_freeze_had_become() -> None:
    book = FreezeBook()
    for block in (said(1, "FreezeAgreed", terms=TERMS.as_abi()), said(2, "TitleGuarded"), said(3, "TitleFrozen")):
        book.take(block)
        book.take(block)
    assert [watch.state for _, watch in book.live()] == [FreezeState.FROZEN]
    book.rewind(Rewound(7102, 0))
    book.rewind(Rewound(7101, 2))
    assert [watch.state for _, watch in book.live()] == [FreezeState.GUARDED]
    book.rewind(Rewound(7101, 0))
    assert book.named(ID) is None


def test_J07_what_has_ended_is_forgotten_once_no_fork_can_give_it_back() -> None:
    book = FreezeBook()
    for block in (said(1, "FreezeAgreed", terms=TERMS.as_abi()), said(2, "TitleGuarded"), said(3, "TitleReturned")):
        book.take(block)
    book.take(empty(3 + REMEMBERED_BLOCKS))
    assert book.named(ID) is not None
    book.take(empty(4 + REMEMBERED_BLOCKS))
    assert book.named(ID) is None
