"""A chain's committee as its storage proves it, followed from the manifest's by the orders of each committee."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from contracts.binding import Contract, creation_code
from contracts.compiler import artifact
from contracts.epochs import Epochs, order_of, read_table
from contracts.manifest import ChainManifest, Role, Rules
from contracts.node import Node, RpcNode
from contracts.proven_storage import ProvenStorage, slot_of
from contracts.transactor import Transactor
from ledger.attestation import word
from ledger.bundle import Notaries
from ledger.bundle.succession import RotationOrder, read_rotation_order, successor
from ledger.checkpoint import CosignerKey
from ledger.errors import Problem
from ledger.ethereum.header import Header, header_from_rpc
from ledger.ethereum.keccak import keccak256
from ledger.membership import records_digest
from ledger.quorum import Committee
from ledger.secp256k1 import SigningKey
from tests.chains import COSIGNING_KEYS, DEPLOYER, NOTARY_KEYS, anvil, fund
from tests.contracts.committees import attested
from tests.contracts.test_committee_evidence import FIRST, SECOND
from tests.ledger.bundle.estate import TRUST_ROOT
from tests.ledger.refusals import refused
from tests.rotations import announce, carry_out, joiner, pass_time, possessions, record, rotate

CHAIN_ID, DELAY, GRACE = 7301, 3_600, 86_400
OLD = NOTARY_KEYS
NEW = (NOTARY_KEYS[1], NOTARY_KEYS[2], NOTARY_KEYS[3], joiner(1), joiner(2))
LATER = (joiner(1), joiner(2), joiner(3), joiner(4))
Lie = Callable[[str, Sequence[Any], Any], Any]


@dataclass
class Liar:
    """A node whose answers pass through `lie`; `asked` counts requests by method."""

    inner: Node
    lie: Lie = lambda _method, _params, result: result
    asked: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.inner.url

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        for method, _ in calls:
            self.asked[method] = self.asked.get(method, 0) + 1
        results = self.inner.batch(calls)
        return [self.lie(method, params, result) for (method, params), result in zip(calls, results, strict=True)]


@dataclass
class Place:
    """A chain with nothing but a committee on it."""

    node: Liar
    transactor: Transactor
    chain: ChainManifest

    @property
    def committee(self) -> Contract:
        return self.chain.contract("Committee")

    def epochs(self, *keys: SigningKey, epoch: int = 1) -> Epochs:
        """What somebody sees who trusts these keys, the first committee's by default."""
        return Epochs(self.chain, Committee(epoch, tuple(key.address for key in keys or OLD)), self.node)

    def head(self) -> Header:
        return header_from_rpc(self.node.inner.request("eth_getBlockByNumber", "latest", False))

    def rotate(self, before: Sequence[SigningKey], following: Sequence[SigningKey], epoch: int) -> None:
        rotate(self.transactor, self.chain, before, following, epoch=epoch, delay=DELAY)

    def refuses(self, epochs: Epochs, code: str) -> None:
        """Refused, and once the node tells the truth the same reader reads the chain as it is."""
        with pytest.raises(Problem) as caught:
            epochs.at(self.head())
        assert caught.value.code == code, caught.value
        self.node.lie = lambda _method, _params, result: result
        assert epochs.at(self.head()).current.number == self.committee.read(self.node, "epoch")


@pytest.fixture
def place() -> Iterator[Place]:
    with anvil(CHAIN_ID) as running:
        client = RpcNode(running.url)
        fund(client, DEPLOYER.address)
        transactor = Transactor(client, DEPLOYER, chain_id=CHAIN_ID)
        records = [record(key).as_abi() for key in OLD]
        mined = transactor.send(None, creation_code("Committee", records, possessions(OLD), DELAY, GRACE, False))
        assert mined.contract is not None
        contracts = {"Committee": mined.contract, "Gateway": b"\x01" * 20}
        rules = Rules(trie="keeps_zero_leaves")
        chain = ChainManifest("alone", Role.ORIGIN, CHAIN_ID, b"\x01" * 32, rules, 1, mined.block + 1, contracts)
        yield Place(Liar(client), transactor, chain)
        client.close()


def addresses(keys: Sequence[SigningKey]) -> tuple[bytes, ...]:
    return tuple(key.address for key in keys)


def test_the_first_committee_is_read_as_the_contract_says_it(place: Place) -> None:
    found = place.epochs().at(place.head())
    assert (found.current.number, found.current.members, found.current.until) == (1, addresses(OLD), None)
    assert found.current.records == records_digest([record(key) for key in OLD])
    assert found.current.records == place.committee.read(place.node, "records", 1)
    assert (found.current.barred, found.current.quorum, found.previous) == (frozenset(), 3, None)
    assert [found.current.index_of(key.address) for key in (*OLD, joiner(1))] == [0, 1, 2, 3, None]


def test_B01_after_a_rotation_both_epochs_are_known_and_the_past_one_ends_with_its_grace(place: Place) -> None:
    place.rotate(OLD, NEW, 1)
    head = place.head()
    found = place.epochs().at(head)
    assert (found.current.number, found.current.members) == (2, addresses(NEW))
    assert found.previous is not None
    until = place.committee.read(place.node, "valid_until", 1)
    assert (found.previous.members, found.previous.until) == (addresses(OLD), until)
    assert found.epoch(1, now=until - 1) == found.previous
    assert found.epoch(1, now=until) is None
    assert found.epoch(2, now=until) == found.current
    assert found.epoch(3, now=until) is None


def test_B03_rotations_are_followed_one_after_the_other_also_by_who_comes_late(place: Place) -> None:
    early = place.epochs()
    assert early.at(place.head()).current.number == 1
    place.rotate(OLD, NEW, 1)
    assert early.at(place.head()).current.number == 2
    place.rotate(NEW, LATER, 2)
    late = place.epochs()
    assert early.at(place.head()) == late.at(place.head())
    assert late.at(place.head()).current.members == addresses(LATER)
    assert [late.members_at(number) for number in (1, 2, 3, 4)] == [*map(addresses, (OLD, NEW, LATER)), None]


def test_what_has_not_changed_is_not_asked_again(place: Place) -> None:
    place.rotate(OLD, NEW, 1)
    epochs = place.epochs()
    first = epochs.at(place.head())
    place.node.request("anvil_mine", "0x1")
    place.node.asked.clear()
    assert epochs.at(place.head()) == first
    assert place.node.asked.keys() <= {"eth_getProof"} and sum(place.node.asked.values()) <= 1


def test_a_barred_member_stays_known_and_counts_no_more(place: Place) -> None:
    index = 2
    evidence = (attested(message, OLD[index]) for message in (FIRST, SECOND))
    call = place.committee.encode_call("report", *(each.as_abi() for each in evidence))
    place.transactor.send(place.committee.address, call)
    found = place.epochs().at(place.head()).current
    assert (found.members, found.barred) == (addresses(OLD), frozenset({index}))
    assert found.seat.signers == tuple(None if i == index else key.address for i, key in enumerate(OLD))
    assert found.quorum == 3


def test_B04_a_committee_that_the_trusted_one_did_not_order_is_refused(place: Place) -> None:
    place.rotate(OLD, NEW, 1)
    strangers = tuple(joiner(number) for number in range(10, 14))
    with pytest.raises(Problem) as caught:
        place.epochs(*strangers).at(place.head())
    assert caught.value.code == "SET_AUTH"
    assert place.epochs().at(place.head()).current.number == 2


def test_B04_another_committee_under_the_trusted_number_is_refused(place: Place) -> None:
    with pytest.raises(Problem) as caught:
        place.epochs(*NEW).at(place.head())
    assert caught.value.code == "SET_AUTH"


def test_B14_a_chain_that_has_not_come_to_the_trusted_epoch_is_waited_for(place: Place) -> None:
    later = place.epochs(*NEW, epoch=2)
    with pytest.raises(Problem) as caught:
        later.at(place.head())
    assert (caught.value.code, caught.value.http_status) == ("EPOCH_BEHIND", 503)
    place.rotate(OLD, NEW, 1)
    found = later.at(place.head())
    assert (found.current.members, found.previous and found.previous.members) == (addresses(NEW), addresses(OLD))


def test_an_order_with_another_salt_beside_the_one_taken_is_no_hindrance(place: Place) -> None:
    everyone = dict(enumerate(OLD))
    announce(place.transactor, place.committee, NEW, by=everyone, epoch=1)
    announce(place.transactor, place.committee, NEW, by=everyone, epoch=1, salt=b"\x09" * 32)
    pass_time(place.node, DELAY)
    carry_out(place.transactor, place.committee, NEW)
    assert place.epochs().at(place.head()).current.members == addresses(NEW)


def changed_proof(method: str, _params: Sequence[Any], result: Any) -> Any:
    if method != "eth_getProof":
        return result
    result = deepcopy(result)
    result["accountProof"] = result["accountProof"][:-1]
    return result


def another_word(method: str, _params: Sequence[Any], result: Any) -> Any:
    if method == "eth_getProof":
        result = deepcopy(result)
        for entry in result["storageProof"]:
            entry["value"] = "0x7"
    return result


def another_code(method: str, _params: Sequence[Any], result: Any) -> Any:
    return f"{result[:-2]}99" if method == "eth_getCode" else result


STATE_LIES = {"a proof cut short": changed_proof, "another value": another_word, "another table": another_code}


@pytest.mark.parametrize("lie", STATE_LIES.values(), ids=STATE_LIES)
def test_E08_a_node_that_shows_another_state_than_the_header_holds_is_refused(place: Place, lie: Lie) -> None:
    place.node.lie = lie
    place.refuses(place.epochs(), "STATE_UNPROVEN")


def _without_logs(name: str) -> Lie:
    topic = f"0x{next(t for t, found in _topics().items() if found == name).hex()}"
    return lambda method, params, result: [] if method == "eth_getLogs" and params[0]["topics"][0] == topic else result


def _topics() -> Mapping[bytes, str]:
    return {topic: found[0] for topic, found in Contract("Committee", bytes(20)).interface.events.items()}


def _forged_members(method: str, params: Sequence[Any], result: Any) -> Any:
    """The committee that began is shown with the node's own address in it."""
    if method != "eth_getLogs" or not result or _topics()[bytes.fromhex(result[0]["topics"][0][2:])] != "EpochStarted":
        return result
    old, new = (address_of(key) for key in (NEW[0], joiner(9)))
    return [each | {"data": each["data"].replace(old, new)} for each in result]


def address_of(key: SigningKey) -> str:
    return key.address.hex()


def _other_signatures(method: str, _params: Sequence[Any], result: Any) -> Any:
    if method != "eth_getTransactionByHash":
        return result
    raw = bytearray.fromhex(result["input"][2:])
    raw[300] ^= 1
    return result | {"input": f"0x{raw.hex()}"}


LOG_LIES = {
    "the beginning left out": (_without_logs("EpochStarted"), "EPOCH_UNFOLLOWED"),
    "the order left out": (_without_logs("OrderAnnounced"), "EPOCH_UNFOLLOWED"),
    "other members": (_forged_members, "EPOCH_UNFOLLOWED"),
    "another signature": (_other_signatures, "SET_AUTH"),
    "no transaction": (lambda m, _p, r: None if m == "eth_getTransactionByHash" else r, "NODE_GARBAGE"),
    "a transaction of somebody else": (
        lambda m, _p, r: r | {"input": "0x12345678"} if m == "eth_getTransactionByHash" else r,
        "EPOCH_UNFOLLOWED",
    ),
    "logs that are no list": (lambda m, _p, r: "none" if m == "eth_getLogs" else r, "EPOCH_UNFOLLOWED"),
    "logs that are no objects": (lambda m, _p, r: [7, None, {}] if m == "eth_getLogs" else r, "EPOCH_UNFOLLOWED"),
}


@pytest.mark.parametrize(("lie", "code"), LOG_LIES.values(), ids=LOG_LIES)
def test_E09_a_rotation_whose_order_the_node_does_not_show_is_not_followed(place: Place, lie: Lie, code: str) -> None:
    place.rotate(OLD, NEW, 1)
    place.node.lie = lie
    place.refuses(place.epochs(), code)


def test_a_chain_without_a_committee_proves_none(place: Place) -> None:
    first = header_from_rpc(place.node.request("eth_getBlockByNumber", "0x0", False))
    with pytest.raises(Problem) as caught:
        place.epochs().at(first)
    assert caught.value.code == "STATE_UNPROVEN"


@pytest.mark.parametrize("code", [b"", b"\x00" * 64, bytes.fromhex("600b380380600b5f395ff3"), b"\x60" * 11 + word(32)])
def test_only_a_table_is_read_as_one(code: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read_table(code)
    assert caught.value.code == "STATE_UNPROVEN"


def test_slots_are_where_the_compiler_put_the_variables(place: Place) -> None:
    base = artifact("Committee").slots["seats"]
    assert slot_of("Committee", "seats", 1) == int.from_bytes(keccak256(word(base) + word(1)), "big")
    storage, committee, head = ProvenStorage(place.node), place.committee.address, place.head()
    slots = [slot_of("Committee", "epoch"), slot_of("Committee", "records", 1), slot_of("Committee", "records", 7)]
    words = storage.words(head, {committee: slots})[committee]
    records = int.from_bytes(records_digest([record(key) for key in OLD]), "big")
    assert [words[slot] for slot in slots] == [1, records, 0]
    with pytest.raises(KeyError):
        slot_of("Committee", "no such variable")


def test_E09_the_order_that_began_an_epoch_renews_a_trust_root(place: Place) -> None:
    place.rotate(OLD, NEW, 1)
    members = tuple(key.address for key in OLD)
    cosigners = tuple(CosignerKey(each.name, each.key.public_key) for each in COSIGNING_KEYS)
    origin = replace(TRUST_ROOT.origin, chain_id=CHAIN_ID)
    held = replace(TRUST_ROOT, pinned=Notaries(Committee(1, members), cosigners, 3), origin=origin)

    def fetch(before: Sequence[bytes] = members) -> RotationOrder:
        return order_of(place.chain, place.node, 2, before=before, height=place.head().number)

    order = read_rotation_order(fetch().dump())
    made = successor(held, order, [f"bank-{number}.example" for number in range(len(NEW))], held.dated)
    assert made.pinned.committee == Committee(2, tuple(key.address for key in NEW))
    for lie, code in ((_other_signatures, "SET_AUTH"), (_without_logs("OrderAnnounced"), "EPOCH_UNFOLLOWED")):
        place.node.lie = lie
        with refused(code):
            fetch()
    place.node.lie = Liar.lie
    with refused("SET_AUTH"):
        fetch(tuple(key.address for key in LATER))
    assert fetch() == order
