"""Finding messages by a transaction, a two-phase transaction or a place in a list; what a two-phase one waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from contracts.manifest import Manifest, Role
from ledger import interoperable
from ledger.attestation import word
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import Message
from ledger.two_phase import Action, Report, Stage, prepare_payload
from relay.explain import Moment
from relay.index import Index
from relay.journey import Journey
from relay.legs import TwoPhase, turn_of_transaction
from relay.told import tell_two_phase
from relay.watcher import Rewound, Watcher
from tests.relay import written
from tests.relay.test_journeys import Chains
from tests.relay.written import MANIFEST, MESSAGE, attested, committed, emitted, message, proposed, sent
from tests.simulator.nodes import WrittenNode

COORDINATOR = b"\xc0" * 20
TRANSACTION = keccak256(b"two-phase")
PREPARE_BY = 1_500
HERE, THERE, RECORD = Role.ORIGIN, Role.DESTINATION, Role.TRANSACTION


def coordinated() -> Manifest:
    """The written deployment with a coordinator on its transaction chain."""
    chain = MANIFEST.chain(RECORD)
    beside = replace(chain, contracts=chain.contracts | {"Coordinator": COORDINATOR})
    return replace(MANIFEST, chains=(*MANIFEST.chains[:2], beside))


class Indexed(Chains):
    """Three written chains, folded into journeys and an index."""

    def __init__(self, manifest: Manifest) -> None:
        super().__init__()
        self.manifest, self.index = manifest, Index(manifest)
        for number, node in enumerate(self.nodes.values()):
            node._made = 1_000 * number  # so that no transaction of two chains has one hash
        self.watchers = {role: Watcher(node, manifest.chain(role)) for role, node in self.nodes.items()}
        inner = self.docket

        class Both:
            """The docket and the index, as the relay feeds them."""

            @staticmethod
            def take(block: Any) -> None:
                self.index.take(block)
                self.index.take(block)  # a sink that fails has its block given to the others again
                inner.take(block)

            @staticmethod
            def rewind(rewound: Rewound) -> None:
                self.index.rewind(rewound)
                inner.rewind(rewound)

            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

        self.docket = Both()  # type: ignore[assignment]

    @property
    def journeys(self) -> Mapping[bytes, Journey]:
        return self.docket.journeys

    def moment(self) -> Moment:
        return Moment(self.manifest, dict(self.docket.times))

    def transaction(self) -> TwoPhase:
        found = self.index.two_phase(TRANSACTION)
        assert found is not None
        return found

    def who(self) -> tuple[str, str]:
        turn = turn_of_transaction(self.transaction(), self.journeys, self.moment())
        return turn.who, turn.does


@pytest.fixture
def chains(monkeypatch: pytest.MonkeyPatch) -> Iterator[Indexed]:
    manifest = coordinated()
    monkeypatch.setattr(written, "MANIFEST", manifest)  # what `emitted` looks addresses up in
    yield Indexed(manifest)


def hashes(node: WrittenNode, block: int) -> list[bytes]:
    return [bytes.fromhex(each[2:]) for each in node.request("eth_getBlockByNumber", hex(block), False)["transactions"]]


def test_a_transaction_of_any_chain_finds_the_messages_it_is_about(chains: Indexed) -> None:
    other = message(1)
    blocks = [
        (HERE, chains.add(HERE, sent(MESSAGE), sent(other))),
        (RECORD, chains.add(RECORD, proposed(MESSAGE), attested(MESSAGE))),
        (THERE, chains.add(THERE, committed(MESSAGE))),
    ]
    chains.read()
    found = [[chains.index.messages_of(each) for each in hashes(chains.nodes[role], block)] for role, block in blocks]
    assert found == [[(MESSAGE.id,), (other.id,)], [(MESSAGE.id,), (MESSAGE.id,)], [(MESSAGE.id,)]]
    assert chains.index.messages_of(b"\x77" * 32) == ()


@pytest.mark.parametrize("role", [HERE, RECORD, THERE])
def test_E03_nothing_above_a_fork_is_found(chains: Indexed, role: Role) -> None:
    chains.add(HERE, sent(MESSAGE))
    chains.add(RECORD, proposed(MESSAGE), begun(legs=2), told(0, MESSAGE))
    chains.add(THERE, committed(MESSAGE))
    chains.read()
    gone = hashes(chains.nodes[role], 1)
    assert all(chains.index.messages_of(each) for each in gone if role is not RECORD)
    chains.nodes[role].reorganise(0)
    chains.add(role)
    chains.add(role)
    chains.read()
    assert [chains.index.messages_of(each) for each in gone] == [()] * len(gone)
    assert len(chains.index) == (0 if role is HERE else 1)
    assert (chains.index.two_phase(TRANSACTION) is None) == (role is RECORD)


def test_the_list_has_one_order_whatever_order_the_chains_are_read_in(chains: Indexed) -> None:
    again = Indexed(chains.manifest)
    again.nodes = chains.nodes
    again.watchers = {role: Watcher(node, chains.manifest.chain(role)) for role, node in chains.nodes.items()}
    for sequence in range(5):
        chains.add(HERE, sent(message(sequence)))
        chains.read()
    again.read(RECORD, THERE, HERE)
    pages, mark = [], None
    while page := chains.index.after(mark, 2):
        pages.append([each[3] for each in page])
        mark = page[-1]
    assert pages == [[message(0).id, message(1).id], [message(2).id, message(3).id], [message(4).id]]
    assert again.index.after(None, 10) == chains.index.after(None, 10)


# -- two-phase transactions ------------------------------------------------------------------------------------------


def begun(*, legs: int) -> Log:
    named = {"id": TRANSACTION, "initiator": b"\x55" * 20, "salt": bytes(32), "prepare_by": PREPARE_BY, "legs": legs}
    return emitted(RECORD, "Coordinator", "Begun", **named)


def told(leg: int, found: Message, action: Action = Action.PREPARE) -> Log:
    return emitted(RECORD, "Coordinator", "Told", id=TRANSACTION, leg=leg, action=action, message=found.id)


def prepared(leg: int) -> Log:
    return emitted(RECORD, "Coordinator", "LegPrepared", id=TRANSACTION, leg=leg)


def decided(stage: Stage) -> Log:
    return emitted(RECORD, "Coordinator", "Decided", id=TRANSACTION, state=stage)


def asking(sequence: int) -> Message:
    """A message of the coordinator's to a leg; it travels like any other."""
    return message(sequence)


def begins(chains: Indexed) -> None:
    chains.add(HERE, sent(asking(0)), sent(asking(1)))
    chains.add(RECORD, begun(legs=2), told(0, asking(0)), told(1, asking(1)))


def answers(chains: Indexed) -> None:
    begins(chains)
    chains.add(THERE, committed(asking(0)), committed(asking(1)))


def is_prepared(chains: Indexed) -> None:
    answers(chains)
    chains.add(RECORD, prepared(0), prepared(1))


def commits(chains: Indexed) -> None:
    is_prepared(chains)
    chains.add(RECORD, decided(Stage.COMMITTED))


def tells(chains: Indexed) -> None:
    commits(chains)
    chains.add(HERE, sent(asking(2)), sent(asking(3)))
    chains.add(RECORD, told(0, asking(2), Action.COMMIT), told(1, asking(3), Action.COMMIT))


def ends(chains: Indexed) -> None:
    tells(chains)
    chains.add(THERE, committed(asking(2)), committed(asking(3)))


def passes(chains: Indexed) -> None:
    begins(chains)
    chains.add(RECORD, timestamp=PREPARE_BY)


def expires(chains: Indexed) -> None:
    commits(chains)
    chains.add(THERE, timestamp=MESSAGE.expiry)


TURNS: dict[str, tuple[Callable[[Indexed], None], str, str]] = {
    "its legs are being asked": (begins, "the relay", "delivers the message to the destination"),
    "its legs were asked and say nothing": (answers, "the relay", "calls `report` at leg 0's participant"),
    "every leg is prepared and nothing is decided": (is_prepared, "a chain", "makes the coordinator's next"),
    "its deadline passed with a leg missing": (passes, "the relay", "calls the coordinator's `expire`"),
    "it is decided and no leg was told": (commits, "the relay", "calls the coordinator's `tell` for leg 0"),
    "it is decided and what told a leg expired": (expires, "the relay", "calls the coordinator's `tell` for leg 0"),
    "its legs are being told": (tells, "the relay", "delivers the message to the destination"),
    "every leg knows": (ends, "nobody", "it is over"),
}


@pytest.mark.parametrize("what", TURNS)
def test_a_two_phase_transaction_says_whose_turn_it_is(chains: Indexed, what: str) -> None:
    happens, who, does = TURNS[what]
    happens(chains)
    chains.read()
    acts, doing = chains.who()
    assert acts == who
    assert does in doing


def test_a_two_phase_transaction_shows_its_legs_their_messages_and_its_deadline(chains: Indexed) -> None:
    answers(chains)
    chains.add(RECORD, prepared(0))
    chains.read()
    shown = tell_two_phase(chains.transaction(), chains.journeys, chains.moment())
    assert (shown["state"], shown["by"]["time"], shown["by"]["chain"]) == ("preparing", PREPARE_BY, "eip155:7103")
    assert [(leg["prepared"], leg["told"][0]["action"]) for leg in shown["legs"]] == [
        (True, "prepare"),
        (False, "prepare"),
    ]
    assert [each["id"] for each in shown["messages"]] == [f"0x{asking(n).id.hex()}" for n in (0, 1)]
    ends_at = Indexed(chains.manifest)
    ends(ends_at)
    ends_at.read()
    assert tell_two_phase(ends_at.transaction(), ends_at.journeys, ends_at.moment())["by"] is None


def carrying(found: Message, payload: bytes) -> Log:
    numbers = (found.kind, found.generation, found.sequence, found.expiry, found.gas_limit)
    return emitted(
        HERE,
        "Gateway",
        "MessageSent",
        sendId=found.id,
        sender=interoperable.encode(7101, found.sender),
        recipient=interoperable.encode(7103, found.recipient),
        payload=payload,
        value=0,
        attributes=[
            keccak256(name.encode())[:4] + word(number)
            for name, number in zip(written.ATTRIBUTES, numbers, strict=True)
        ],
    )


REPORTS: dict[str, tuple[bytes, bytes, int]] = {
    "a leg's report to the coordinator": (COORDINATOR, Report(TRANSACTION, 1, bytes(32)).encode(), 1),
    "one to somebody else": (b"\xc1" * 20, Report(TRANSACTION, 1, bytes(32)).encode(), 0),
    "one of a leg there is not": (COORDINATOR, Report(TRANSACTION, 7, bytes(32)).encode(), 0),
    "something else of the same length": (COORDINATOR, bytes(160), 0),
    "a request to prepare": (COORDINATOR, prepare_payload(TRANSACTION, 1, b"terms"), 0),
}


@pytest.mark.parametrize("what", REPORTS)
def test_only_a_report_to_the_coordinator_counts_as_one(chains: Indexed, what: str) -> None:
    recipient, payload, count = REPORTS[what]
    answers(chains)
    chains.add(HERE, carrying(replace(message(9), recipient=recipient, payload_digest=keccak256(payload)), payload))
    chains.read()
    assert sum(len(leg.reports) for leg in chains.transaction().legs.values()) == count


def test_a_stranger_who_names_a_transaction_is_no_part_of_it(chains: Indexed) -> None:
    begins(chains)
    chains.read()
    before = chains.transaction()
    # The same log of a contract that is not the coordinator is not ours to read.
    stranger = replace(begun(legs=8), address=b"\xc9" * 20)
    chains.add(RECORD, stranger)
    chains.add(HERE, carrying(replace(message(9), payload_digest=keccak256(TRANSACTION)), TRANSACTION))
    chains.read()
    assert chains.transaction() == before
    assert chains.index.two_phase(keccak256(b"another")) is None
