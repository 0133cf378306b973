"""What stands in another chain's state, proven on chain; and titles whose fate hangs on it, for months.

Two foreign chains: one that the test seals itself, whose states are tries of its making, under a light client; and an
embedded chain with its own tries and its own `eth_getProof`, under headers that notaries certify.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from contracts.compiler import artifact_at
from contracts.embedded.chain import EmbeddedChain, open_chain
from contracts.embedded.genesis import Genesis
from contracts.embedded.rpc import answer
from contracts.transactor import Transactor
from ledger.condition import LienState, Meaning, Terms
from ledger.errors import BadInput, Refused
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.packed_nodes import pack_nodes
from ledger.ethereum.qbft import QbftHeader
from ledger.ethereum.state_proof import prove_storage
from ledger.ethereum.trie import Absent, Account, account_key, slot_key, trie_of
from ledger.headers.light_client import summary
from ledger.secp256k1 import SigningKey
from tests.contracts.evm import STRANGER, Deployed, Evm, Outcome, Reverted
from tests.contracts.header_bed import DAY, PERIOD, TRUST_PERIOD, Bed, fields
from tests.contracts.test_conditional_lien import ARBITER, BENEFICIARY, CONTEST, HOLDER, PATIENCE
from tests.simulator.qbft import seal

HERE = Path(__file__).parent
CONTRACT, OTHER, NOBODY = b"\x51" * 20, b"\x52" * 20, b"\x53" * 20
CODE, OTHER_CODE = keccak256(b"code"), keccak256(b"other code")
SLOT, FULL_SLOT = 7, 8


@dataclass(frozen=True)
class Remote:
    """One state of a foreign chain: accounts with their code, and the slots of each."""

    slots: dict[int, int]
    leaves: dict[bytes, bytes]  # raw leaves put into the contract's storage as they are

    @cached_property
    def storage(self) -> Any:
        """The contract's storage trie; it holds other slots too, so that paths have branches."""
        values = {slot_key(slot): rlp_strict.encode(rlp_strict.encode_int(value)) for slot, value in self.slots.items()}
        return trie_of(values | self.leaves)

    @cached_property
    def state(self) -> Any:
        """The state trie."""
        accounts = {
            CONTRACT: Account(1, 0, self.storage.root, CODE),
            OTHER: Account(1, 5, self.storage.root, OTHER_CODE),
        }
        accounts |= {bytes([k]) * 20: Account(k, k, self.storage.root, CODE) for k in range(16)}
        return trie_of({account_key(address): account.rlp() for address, account in accounts.items()})

    def proof(self, account: bytes = CONTRACT, slot: int = SLOT) -> bytes:
        """The packed proof of an account and a slot."""
        nodes = self.state.proof(account_key(account))
        if account in (CONTRACT, OTHER):
            nodes = nodes + self.storage.proof(slot_key(slot))
        return pack_nodes(nodes)


CROWD = {number: number * 3 for number in range(100, 140)} | {FULL_SLOT: 2**256 - 1}
UNSET = Remote(CROWD, {})
SET = Remote(CROWD | {SLOT: 5}, {})
ZERO_LEAF = Remote(CROWD, {slot_key(SLOT): b"\x80"})


@dataclass(slots=True)
class Reading:
    """A light client of a chain that the test seals, a reader over it, and a contract of liens."""

    bed: Bed
    reader: Deployed
    liens: Deployed
    titles: Deployed
    subjects: int = 0

    def header_at(self, time: int, remote: Remote) -> QbftHeader:
        """Seal and hold a header of that time with that state."""
        skip = (time - self.bed.chain.head.timestamp) // PERIOD
        self.bed.evm.time = max(self.bed.evm.time, time)
        header = self.bed.chain.mine(skip=skip, timestamp=time, state_root=remote.state.root)
        self.bed.update(header)
        return header

    def read(self, header: QbftHeader, proof: bytes, account: bytes = CONTRACT, slot: int = SLOT) -> Any:
        """Ask the reader."""
        return self.reader.call("read", abi(header), account, slot.to_bytes(32, "big"), proof)

    def read_slot(self, header: QbftHeader, proof: bytes, account: bytes = CONTRACT, code: bytes = CODE) -> Any:
        """Ask the reader about a known contract."""
        return self.reader.call("read_slot", abi(header), account, code, SLOT.to_bytes(32, "big"), proof)

    def freeze(self, date: int) -> Terms:
        """A title released if the slot is set by the date, forfeited otherwise."""
        self.subjects += 1
        subject = keccak256(bytes([self.subjects]))
        self.titles.send("issue", subject, HOLDER)
        parties = (self.titles.address, subject, HOLDER, BENEFICIARY, ARBITER)
        condition = (self.reader.address, CONTRACT, CODE, SLOT.to_bytes(32, "big"), Meaning.RELEASES)
        terms = Terms(*parties, *condition, date, CONTEST, PATIENCE, bytes(32))
        self.liens.send("agree", terms.as_abi(), by=HOLDER)
        self.titles.send("transfer", subject, self.liens.address, by=HOLDER)
        self.liens.send("freeze", terms.as_abi(), by=STRANGER)
        return terms

    def prove(self, what: str, terms: Terms, header: QbftHeader, proof: bytes) -> Outcome:
        """Prove *set* or *unset*."""
        return self.liens.send(f"prove_{what}", terms.as_abi(), abi(header), proof, by=STRANGER)

    def state(self, terms: Terms) -> LienState:
        """Where a lien stands."""
        id = terms.id(chain_id=self.bed.evm.chain_id, contract=self.liens.address)  # noqa: A001
        return LienState(self.liens.call("lien", id)[0])


def abi(header: QbftHeader) -> tuple[Any, ...]:
    return fields(summary(header))


@pytest.fixture
def reading() -> Reading:
    bed = Bed.lay()
    evm = bed.evm
    reader = evm.deploy("RemoteReader", bed.client.address, False)
    return Reading(bed, reader, evm.deploy("ConditionalLien"), evm.deploy(HERE / "Titles.vy"))


def refused(act: Callable[[], Any], reason: str) -> None:
    with pytest.raises(Reverted) as found:
        act()
    assert found.value.reason == reason


# -- reading --------------------------------------------------------------------------------------------------------


def test_an_account_and_its_slot_are_read_as_they_stand(reading: Reading) -> None:
    now = reading.bed.chain.head.timestamp
    header = reading.header_at(now + 10, SET)
    account, slot = reading.read(header, SET.proof())
    assert account == (True, 1, 0, SET.storage.root, CODE)
    assert slot == (True, 5)
    assert reading.read(header, SET.proof(slot=FULL_SLOT), slot=FULL_SLOT)[1] == (True, 2**256 - 1)
    assert reading.read_slot(header, SET.proof()) == (True, 5)


def test_C12_absence_is_an_answer_of_its_own_and_never_the_value_zero(reading: Reading) -> None:
    header = reading.header_at(reading.bed.chain.head.timestamp + 10, UNSET)
    account, slot = reading.read(header, UNSET.proof())
    assert (account[0], slot) == (True, (False, 0))
    assert reading.read_slot(header, UNSET.proof()) == (False, 0)
    account, slot = reading.read(header, UNSET.proof(NOBODY), NOBODY)
    assert (account[0], slot[0]) == (False, False)
    refused(lambda: reading.read_slot(header, UNSET.proof(NOBODY), NOBODY), "RemoteReader: account absent")


def test_C12_a_leaf_that_holds_zero_is_refused_except_where_the_manifest_knows_it(reading: Reading) -> None:
    header = reading.header_at(reading.bed.chain.head.timestamp + 10, ZERO_LEAF)
    refused(lambda: reading.read_slot(header, ZERO_LEAF.proof()), "state_proof: zero leaf")
    keeping = reading.bed.evm.deploy("RemoteReader", reading.bed.client.address, True)
    asked = (abi(header), CONTRACT, CODE, SLOT.to_bytes(32, "big"), ZERO_LEAF.proof())
    assert keeping.call("read_slot", *asked) == (False, 0)


def test_another_account_code_or_slot_proves_nothing(reading: Reading) -> None:
    header = reading.header_at(reading.bed.chain.head.timestamp + 10, UNSET)
    refused(lambda: reading.read_slot(header, UNSET.proof(OTHER), OTHER), "RemoteReader: other code")
    refused(lambda: reading.read_slot(header, UNSET.proof(), code=OTHER_CODE), "RemoteReader: other code")
    for foreign in (UNSET.proof(OTHER), UNSET.proof(slot=FULL_SLOT), SET.proof(), UNSET.proof()[:-1], b""):
        with pytest.raises(Reverted):
            reading.read_slot(header, foreign)
        with pytest.raises((Refused, BadInput)):
            prove_storage(UNSET.state.root, CONTRACT, SLOT, foreign)
    assert reading.read_slot(header, UNSET.proof()) == (False, 0)


def test_a_header_that_is_not_held_proves_nothing(reading: Reading) -> None:
    header = reading.header_at(reading.bed.chain.head.timestamp + 10, UNSET)
    honest = abi(header)
    for place in range(5):
        forged = list(honest)
        forged[place] = honest[place] + 1 if isinstance(honest[place], int) else SET.state.root
        proof = SET.proof() if place == 2 else UNSET.proof()
        asked = (tuple(forged), CONTRACT, CODE, SLOT.to_bytes(32, "big"), proof)
        refused(lambda asked=asked: reading.reader.call("read_slot", *asked), "held_headers: not held")  # type: ignore[misc]
    assert reading.read_slot(header, UNSET.proof()) == (False, 0)


def test_a_reader_of_nothing_is_not_deployed(reading: Reading) -> None:
    refused(lambda: reading.bed.evm.deploy("RemoteReader", NOBODY, False), "RemoteReader: no headers")


# -- liens on sealed headers ----------------------------------------------------------------------------------------


def refresh_until(reading: Reading, time: int, remote: Remote) -> None:
    """Keep an idle client alive: a header each third of the trust period."""
    step = TRUST_PERIOD // 3
    while reading.bed.chain.head.timestamp + step < time:
        reading.header_at(reading.bed.chain.head.timestamp + step, remote)


@pytest.mark.parametrize("offset", [-PERIOD, 0, PERIOD])
def test_after_nine_months_a_header_decides_at_the_date_and_not_before(reading: Reading, offset: int) -> None:
    date = reading.bed.chain.head.timestamp + 270 * DAY
    terms = reading.freeze(date)
    refresh_until(reading, date - 1 * DAY, UNSET)
    header = reading.header_at(date + offset, UNSET)
    if offset < 0:
        refused(lambda: reading.prove("unset", terms, header, UNSET.proof()), "ConditionalLien: header before the date")
        assert reading.state(terms) == LienState.FROZEN
        header = reading.header_at(date, UNSET)
    reading.prove("unset", terms, header, UNSET.proof())
    assert reading.state(terms) == LienState.FORFEITED


def test_a_slot_set_in_time_releases_also_under_a_header_filled_in_later(reading: Reading) -> None:
    chain, date = reading.bed.chain, reading.bed.chain.head.timestamp + 10 * DAY
    terms = reading.freeze(date)
    skip = (date - PERIOD - chain.head.timestamp) // PERIOD
    early = chain.mine(skip=skip, timestamp=date - PERIOD, state_root=SET.state.root)
    late = reading.header_at(date + DAY, SET)
    refused(lambda: reading.prove("set", terms, early, SET.proof()), "held_headers: not held")
    refused(lambda: reading.prove("unset", terms, late, SET.proof()), "ConditionalLien: slot is set")
    refused(lambda: reading.prove("unset", terms, late, UNSET.proof()), "trie_proof: not the node its parent names")
    reading.prove("set", terms, late, SET.proof())
    assert reading.state(terms) == LienState.CLAIMED
    reading.bed.update(early)
    reading.prove("set", terms, early, SET.proof())
    assert reading.state(terms) == LienState.RELEASED


def test_absence_of_the_account_is_no_absence_of_the_slot(reading: Reading) -> None:
    date = reading.bed.chain.head.timestamp + 10 * DAY
    terms = reading.freeze(date)
    header = reading.header_at(date, UNSET)
    # A proof that another address is absent is no proof about this one.
    with pytest.raises(Reverted):
        reading.prove("unset", terms, header, UNSET.proof(NOBODY))
    zero = reading.header_at(date + PERIOD, ZERO_LEAF)
    refused(lambda: reading.prove("unset", terms, zero, ZERO_LEAF.proof()), "state_proof: zero leaf")
    assert reading.state(terms) == LienState.FROZEN
    reading.prove("unset", terms, header, UNSET.proof())


def test_an_expired_client_keeps_the_lien_for_the_arbiter(reading: Reading) -> None:
    date = reading.bed.chain.head.timestamp + 10 * DAY
    terms = reading.freeze(date)
    header = reading.header_at(date, UNSET)
    reading.bed.evm.time = date + TRUST_PERIOD
    refused(lambda: reading.prove("unset", terms, header, UNSET.proof()), "LightClient: expired")
    arbitrate = ("arbitrate", terms.as_abi(), True)
    refused(lambda: reading.liens.send(*arbitrate, by=ARBITER), "ConditionalLien: too early for the arbiter")
    reading.bed.evm.time = date + PATIENCE
    reading.liens.send(*arbitrate, by=ARBITER)
    assert reading.state(terms) == LienState.RELEASED
    refused(lambda: reading.prove("unset", terms, header, UNSET.proof()), "ConditionalLien: not waiting for this")


def test_E02_a_frozen_client_proves_nothing_and_its_cure_keeps_the_lien(reading: Reading) -> None:
    date = reading.bed.chain.head.timestamp + 10 * DAY
    terms = reading.freeze(date)
    header = reading.header_at(date, UNSET)
    chain = reading.bed.chain
    twin = seal(chain.propose(skip=0, timestamp=date, state_root=SET.state.root), chain.validators[:3])
    reading.bed.update(twin)
    refused(lambda: reading.prove("unset", terms, header, UNSET.proof()), "held_headers: frozen")
    assert reading.state(terms) == LienState.FROZEN
    cured = chain.mine(skip=DAY, timestamp=date + DAY * PERIOD, state_root=UNSET.state.root)
    reading.bed.evm.time = date + DAY * PERIOD
    reading.bed.cure(cured)
    reading.prove("unset", terms, cured, UNSET.proof())
    assert reading.state(terms) == LienState.FORFEITED


# -- an embedded chain and certified headers ------------------------------------------------------------------------

KEY = SigningKey.from_secret(b"\x33" * 32)
FOREIGN = 7301
START = 1_800_000_000


@dataclass(slots=True)
class ChainNode:
    """A node over an embedded chain in this process; it mines whatever is sent, at the time the test says."""

    chain: EmbeddedChain

    @property
    def url(self) -> str:
        """A name for messages."""
        return "in-process:foreign"

    def request(self, method: str, *params: Any) -> Any:
        """Answer as the chain's server does."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        reply = json.loads(answer(self.chain, body))
        assert "error" not in reply, reply
        if method == "eth_sendRawTransaction":
            self.chain.mine()
        return reply["result"]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """One after the other."""
        return [self.request(method, *params) for method, params in calls]


@dataclass(slots=True)
class Embedded:
    """A contract on an embedded chain, and a reader of it under certified headers."""

    node: ChainNode
    contract: bytes
    code_hash: bytes
    evm: Evm
    headers: Deployed
    reader: Deployed

    def send(self, function: str, value: bytes) -> None:
        """Call the foreign contract."""
        calldata = keccak256(f"{function}(bytes32)".encode())[:4] + value
        Transactor(self.node, KEY, chain_id=FOREIGN).send(self.contract, calldata)

    def certify(self) -> tuple[Any, ...]:
        """The latest header, certified."""
        block = self.node.request("eth_getBlockByNumber", "latest", False)
        roots = (bytes.fromhex(block[name][2:]) for name in ("hash", "stateRoot", "receiptsRoot"))
        time = int(block["timestamp"], 16)
        header = (int(block["number"], 16), *roots, time)
        self.evm.time = max(self.evm.time, time)
        self.headers.send("certify", *header, 1, b"quorum", by=STRANGER)
        return header

    def proof(self, slot: int, account: bytes | None = None) -> bytes:
        """The node's own proof under its latest header, packed."""
        address = f"0x{(account or self.contract).hex()}"
        found = self.node.request("eth_getProof", address, [f"0x{slot:064x}"], "latest")
        nodes = [*found["accountProof"], *found["storageProof"][0]["proof"]]
        return pack_nodes(bytes.fromhex(node[2:]) for node in nodes)

    def read(self, header: tuple[Any, ...], slot: int) -> Any:
        """Ask the reader about the contract."""
        asked = (header, self.contract, self.code_hash, slot.to_bytes(32, "big"), self.proof(slot))
        return self.reader.call("read_slot", *asked)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    genesis = Genesis(FOREIGN, {f"0x{KEY.address.hex()}": 10**24})
    node = ChainNode(open_chain(tmp_path_factory.mktemp("foreign"), genesis))
    created = Transactor(node, KEY, chain_id=FOREIGN).send(None, artifact_at(HERE / "WriteOnce.vy").bytecode)
    assert created.contract is not None
    code = bytes.fromhex(node.request("eth_getCode", f"0x{created.contract.hex()}", "latest")[2:])
    evm = Evm(timestamp=START)
    committee = evm.deploy(HERE / "AnyQuorum.vy")
    headers = evm.deploy("CertifiedHeaders", FOREIGN, b"\x6f" * 32, 60, 0, committee.address, DAY)
    reader = evm.deploy("RemoteReader", headers.address, False)
    return Embedded(node, created.contract, keccak256(code), evm, headers, reader)


def test_C12_an_embedded_chains_own_proofs_of_absence_presence_and_absence_again(embedded: Embedded) -> None:
    assert embedded.read(embedded.certify(), 0) == (False, 0)
    embedded.send("change", b"\x05" * 32)
    header = embedded.certify()
    assert embedded.read(header, 1) == (True, int.from_bytes(b"\x05" * 32, "big"))
    assert embedded.read(header, 0) == (False, 0)
    embedded.send("write", bytes(31) + b"\x09")
    header = embedded.certify()
    assert embedded.read(header, 0) == (True, 9)
    embedded.send("change", bytes(32))
    header = embedded.certify()
    assert embedded.read(header, 1) == (False, 0)
    assert embedded.read(header, 0) == (True, 9)


def test_an_account_that_an_embedded_chain_has_not_is_absent(embedded: Embedded) -> None:
    header = embedded.certify()
    asked = (header, NOBODY, bytes(32), embedded.proof(0, NOBODY))
    account, slot = embedded.reader.call("read", *asked)
    assert (account[0], slot) == (False, (False, 0))
    twin, value = prove_storage(header[2], NOBODY, 0, embedded.proof(0, NOBODY))
    assert (twin, value) == (Absent(), Absent())
