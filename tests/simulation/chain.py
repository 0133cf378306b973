"""A small honest chain: blocks, transactions and three contracts whose rules are the Python twins in `ledger`.

A block holds the state after it, so that a reorganisation only forgets blocks. What a contract refuses stands in no
block. `View` is one process's node of a chain, with its faults; it speaks as much JSON-RPC as a relay's watcher asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, cast

from eth_abi.abi import encode

from contracts.binding import Contract, DecodedLog
from contracts.chain_rules import Policy, Rules
from contracts.manifest import ChainManifest, Role
from ledger import interoperable
from ledger.attestation import EXPIRED, SAME, Verdict, attestation_digest, verdict_digest, word
from ledger.conservation import Arrivals, Transfer, count_out
from ledger.errors import Refused, Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import MESSAGE_SENT, Chain, Kind, Message, Proposal
from ledger.quorum import Certificate, Committee
from notary.policy import MESSAGE_COMMITTED

FINALITY = 3
PERIOD = 1.0  # virtual seconds between two blocks
GENESIS_TIME = 1_800_000_000
GRACE_SECONDS = 60
ASSET, OUTCOME = b"\xa5" * 32, b"\x0c" * 32
PROPOSED, ATTESTED, JUDGED = (keccak256(name) for name in (b"Proposed", b"Attested", b"CommitJudged"))
_NAMES = {PROPOSED: "Proposed", ATTESTED: "Attested", JUDGED: "CommitJudged"}
_CONTRACTS = ("Gateway", "TransactionRegistry")
_ATTRIBUTES = (b"kind(uint8)", b"generation(uint32)", b"sequence(uint64)", b"expiry(uint64)", b"gasLimit(uint64)")


@lru_cache(maxsize=4096)
def decoded(log: Log) -> DecodedLog | None:
    """A log of the model's contracts by name and fields."""
    topic = log.topics[0]
    if topic == MESSAGE_SENT:
        return DecodedLog("Gateway", "MessageSent", {"sendId": log.topics[1]})
    if topic == MESSAGE_COMMITTED:
        fields = {"id": log.topics[1], "executed": bool(log.data[31]), "outcome": log.data[32:]}
        return DecodedLog("Gateway", "MessageCommitted", fields)
    fields = {"id": log.topics[1], "credential": log.data[:32], "state": int.from_bytes(log.data[32:], "big")}
    return DecodedLog("TransactionRegistry", _NAMES[topic], fields)


@dataclass(frozen=True)
class _Model:
    address: bytes

    def decode_log(self, log: Log) -> DecodedLog | None:
        return decoded(log) if log.address == self.address else None


class ModelManifest(ChainManifest):
    """A chain's manifest whose contracts are the model's."""

    def contract(self, name: str) -> Contract:
        """The model's contract of that name."""
        return cast(Contract, _Model(self.contracts[name]))


def manifest_of(role: Role, number: int, seed: int) -> ModelManifest:
    """One of the three chains of a run."""
    contracts = {name: bytes([number]) * 19 + bytes([place]) for place, name in enumerate(_CONTRACTS)}
    genesis = hashlib.sha256(f"{seed} {role.value}".encode()).digest()
    rules = Rules(finality_blocks=FINALITY)
    return ModelManifest(role.value, role, 7000 + number, genesis, rules, 0, 0, contracts)


@dataclass
class State:
    """What all contracts of one chain hold. `records`: by message id, the registry's state."""

    committee: Committee
    previous: Committee | None = None
    previous_until: int = 0
    sent: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # lane: next sequence, total
    used: frozenset[tuple[bytes, int, int]] = frozenset()
    arrivals: dict[bytes, Arrivals] = field(default_factory=dict)
    minted: int = 0
    records: dict[bytes, int] = field(default_factory=dict)

    def copy(self) -> State:
        """A state that can be changed alone."""
        return replace(self, sent=dict(self.sent), arrivals=dict(self.arrivals), records=dict(self.records))

    def committees(self, now: int) -> list[Committee]:
        """Those whose signatures count, the current one first."""
        return [self.committee, *([self.previous] if self.previous and now < self.previous_until else [])]

    def of_epoch(self, epoch: int, now: int) -> Committee:
        """The committee of an epoch that counts; `Refused` SET_EPOCH."""
        for each in self.committees(now):
            if each.epoch == epoch:
                return each
        raise Refused("SET_EPOCH", f"epoch {epoch} does not count")


@dataclass(frozen=True)
class Send:
    """A transfer leaves. `salt` makes two differ where one takes the other's sequence after a reorganisation."""

    chain: ModelManifest
    destination: Chain
    sender: bytes
    quantity: int
    expiry: int
    salt: int

    def run(self, state: State, now: int) -> list[Log]:
        """The vault locks and the gateway counts."""
        proposal = self.proposal(state)
        message = proposal.message
        total = count_out(state.sent.get(message.lane, (0, 0))[1], Transfer.read(proposal.payload))
        state.sent[message.lane] = (message.sequence + 1, total)
        return [sent_log(proposal)]

    def proposal(self, state: State) -> Proposal:
        """What it sends where the chain is as it is."""
        probe = self._proposal(0, 0)
        sequence, total = state.sent.get(probe.message.lane, (1, 0))
        return self._proposal(sequence, total + self.quantity)

    def _proposal(self, sequence: int, total: int) -> Proposal:
        beneficiary = self.salt.to_bytes(20, "big")
        payload = Transfer(ASSET, self.quantity, total, beneficiary).encode()
        ends = (self.chain.end, self.destination, 1, sequence, self.sender, b"\x44" * 20, self.expiry, 400_000)
        return Proposal(Message(Kind.TRANSFER, *ends, keccak256(payload)), payload)


def sent_log(proposal: Proposal) -> Log:
    """The gateway's log of a message."""
    message = proposal.message
    values = (message.kind, message.generation, message.sequence, message.expiry, message.gas_limit)
    attributes = [keccak256(name)[:4] + word(value) for name, value in zip(_ATTRIBUTES, values, strict=True)]
    ends = (
        interoperable.encode(message.origin.chain_id, message.sender),
        interoperable.encode(message.destination.chain_id, message.recipient),
    )
    data = encode(["bytes", "bytes", "bytes", "uint256", "bytes[]"], [*ends, proposal.payload, 0, attributes])
    return Log(message.origin.gateway, (MESSAGE_SENT, message.id), data)


@dataclass(frozen=True)
class Commit:
    """A proven message is executed, once."""

    chain: ModelManifest
    proposal: Proposal
    certificate: Certificate

    def run(self, state: State, now: int) -> list[Log]:
        """The gateway's checks, in its order."""
        message = self.proposal.message
        place = (message.lane, message.generation, message.sequence)
        if message.destination != self.chain.end or message.generation != 1:
            raise Refused("LANE", "Gateway: lane")
        if message.expiry <= now:
            raise Refused("EXPIRED", "Gateway: expired")
        self.require_new(state, place)
        self.certificate.check(message, state.of_epoch(self.certificate.epoch, now))
        transfer = Transfer.read(self.proposal.payload)
        state.arrivals[message.lane] = state.arrivals.get(message.lane, Arrivals()).count_in(transfer)
        state.used |= {place}
        state.minted += transfer.quantity
        data = word(1) + OUTCOME
        return [Log(self.chain.end.gateway, (MESSAGE_COMMITTED, message.id), data)]

    @staticmethod
    def require_new(state: State, place: tuple[bytes, int, int]) -> None:
        """The gateway's guard against replay."""
        if place in state.used:
            raise Refused("CALL_REVERTED", "Gateway: already committed")


def _recorded(chain: ModelManifest, topic: bytes, message_id: bytes, state: int) -> Log:
    return Log(chain.contracts["TransactionRegistry"], (topic, message_id), bytes(32) + word(state))


@dataclass(frozen=True)
class Propose:
    """A message is recorded."""

    chain: ModelManifest
    id: bytes

    def run(self, state: State, now: int) -> list[Log]:
        """Once."""
        if self.id in state.records:
            raise Refused("CALL_REVERTED", "TransactionRegistry: id exists")
        state.records[self.id] = 1
        return [_recorded(self.chain, PROPOSED, self.id, 1)]


@dataclass(frozen=True)
class Attest:
    """A root's certificate is recorded for one of its messages."""

    chain: ModelManifest
    message: Message
    certificate: Certificate

    def run(self, state: State, now: int) -> list[Log]:
        """After the proposal, and once."""
        if state.records.get(self.message.id) != 1:
            raise Refused("CALL_REVERTED", "TransactionRegistry: not proposed")
        self.certificate.check(self.message, state.of_epoch(self.certificate.epoch, now))
        state.records[self.message.id] = 2
        return [_recorded(self.chain, ATTESTED, self.message.id, 2)]


@dataclass(frozen=True)
class Judge:
    """A quorum's verdict closes a message."""

    chain: ModelManifest
    verdict: Verdict
    signatures: bytes

    def run(self, state: State, now: int) -> list[Log]:
        """Once, and of this registry."""
        verdict = self.verdict
        final = {SAME: 4, EXPIRED: 6}.get(verdict.verdict, 5)
        if state.records.get(verdict.id, 0) not in ((1, 2) if final == 6 else (2,)):
            raise Refused("CALL_REVERTED", "TransactionRegistry: not attested, or judged")
        registry = self.chain.contracts["TransactionRegistry"]
        digest = verdict_digest(chain_id=self.chain.chain_id, registry=registry, verdict=verdict)
        state.of_epoch(verdict.epoch, now).check(verdict.epoch, digest, self.signatures)
        state.records[verdict.id] = final
        return [_recorded(self.chain, JUDGED, verdict.id, final)]


@dataclass(frozen=True)
class Rotate:
    """The next epoch begins; the one before counts for a grace period."""

    epoch: int

    def run(self, state: State, now: int) -> list[Log]:
        """One at a time, in order."""
        if self.epoch != state.committee.epoch + 1:
            raise Refused("SET_EPOCH", "Committee: not the next epoch")
        state.previous, state.previous_until = state.committee, now + GRACE_SECONDS
        state.committee = Committee(self.epoch, state.committee.members)
        return []


Transaction = Send | Commit | Propose | Attest | Judge | Rotate


@dataclass(frozen=True)
class Block:
    """A block, its logs (one transaction each), its transactions and the state after it."""

    number: int
    hash: bytes
    parent: bytes
    timestamp: int
    transactions: tuple[Transaction, ...]
    logs: tuple[Log, ...]
    state: State

    @property
    def is_whole(self) -> bool:
        """Whether the logs are those the header commits to."""
        return hash_of(self.parent, self.number, self.timestamp, self.logs, self.hash[:4]) == self.hash

    @cached_property
    def rpc(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Header and receipts as a node tells them."""
        names = [f"0x{hashlib.sha256(self.hash + bytes([index])).hexdigest()}" for index in range(len(self.logs))]
        shown = {"number": hex(self.number), "hash": _hex(self.hash), "parentHash": _hex(self.parent)}
        header = shown | {"timestamp": hex(self.timestamp), "transactions": names}
        receipts = [self._receipt(index, name) for index, name in enumerate(names)]
        return header, receipts

    def transaction(self, index: int) -> bytes:
        """The hash of a transaction."""
        return hashlib.sha256(self.hash + bytes([index])).digest()

    def _receipt(self, index: int, name: str) -> dict[str, Any]:
        log = self.logs[index]
        told = {"address": _hex(log.address), "topics": [_hex(each) for each in log.topics], "data": _hex(log.data)}
        return {
            "blockHash": _hex(self.hash),
            "blockNumber": hex(self.number),
            "transactionHash": name,
            "transactionIndex": hex(index),
            "gasUsed": "0x5208",
            "status": "0x1",
            "logs": [told | {"logIndex": hex(index)}],
        }


def hash_of(parent: bytes, number: int, timestamp: int, logs: Sequence[Log], salt: bytes) -> bytes:
    """A block's hash: of everything in it. `salt`, which two forks differ in, stands in front."""
    said = b"".join(b"".join((log.address, *log.topics, log.data)) for log in logs)
    return salt + hashlib.sha256(salt + parent + word(number) + word(timestamp) + said).digest()[4:]


class ModelChain:
    """A chain that mines what is pending. `seen`: told of every block that is mined on it."""

    def __init__(self, manifest: ModelManifest, committee: Committee, *, fork: int = 0) -> None:
        self.manifest, self._fork = manifest, fork
        self.pending: list[Transaction] = []
        self.refused = 0
        self.skew = 0  # seconds by which its producers' clocks are ahead
        self.seen: Callable[[ModelChain, Block], None] = lambda _chain, _block: None
        genesis = Block(0, manifest.genesis, bytes(32), GENESIS_TIME, (), (), State(committee))
        self.blocks = [genesis]
        self._longest = 0

    @property
    def head(self) -> Block:
        """The latest block."""
        return self.blocks[-1]

    @property
    def final(self) -> Block:
        """The highest block that was ever final: a reorganisation may leave the chain shorter, and never takes it."""
        return self.blocks[max(0, self._longest - FINALITY)]

    def simulate(self, transaction: Transaction, *, behind: int = 0) -> None:
        """Whether a transaction would succeed; errors as the contracts'."""
        block = self.blocks[max(0, len(self.blocks) - 1 - behind)]
        transaction.run(block.state.copy(), block.timestamp)

    def mine(self, now: float) -> Block:
        """Append a block of what is pending and succeeds, each transaction once."""
        parent, state = self.head, self.head.state.copy()
        timestamp = max(parent.timestamp + 1, GENESIS_TIME + int(now) + self.skew)
        done: list[Transaction] = []
        logs: list[Log] = []
        for transaction in self.pending:
            trial = state.copy()
            try:
                logs += transaction.run(trial, timestamp)
            except Refused:
                self.refused += 1
                continue
            state = trial
            done.append(transaction)
        self.pending = []
        salt = self._fork.to_bytes(4, "big")
        block_hash = hash_of(parent.hash, parent.number + 1, timestamp, logs, salt)
        block = Block(parent.number + 1, block_hash, parent.hash, timestamp, tuple(done), tuple(logs), state)
        self.blocks.append(block)
        self._longest = max(self._longest, block.number)
        self.seen(self, block)
        return block

    def reorganise(self, depth: int, fork: int) -> list[Transaction]:
        """Leave the newest blocks behind, never a final one; what stood in them."""
        depth = min(depth, self.head.number - self.final.number)
        left = self.blocks[len(self.blocks) - depth :]
        del self.blocks[len(self.blocks) - depth :]
        self._fork = fork
        return [transaction for block in left for transaction in block.transactions]

    def forked(self, at: int, fork: int) -> ModelChain:
        """Another chain that shares the blocks up to `at`: what a liar shows, or a fork deeper than finality."""
        other = ModelChain(self.manifest, self.blocks[0].state.committee, fork=fork)
        other.blocks, other._longest = self.blocks[: at + 1], at
        return other


class View:
    """One process's node of a chain: implements `contracts.node.Node`. All faults are off until somebody sets them.

    `lag`: newest blocks it does not show; `omits`: it leaves out logs; `shown`: another chain that it shows instead.
    """

    def __init__(self, chain: ModelChain) -> None:
        self.chain = chain
        self.heal()

    def heal(self) -> None:
        """An honest node again."""
        self.is_down, self.omits, self.lag = False, False, 0
        self.shown: ModelChain | None = None

    @property
    def url(self) -> str:
        return f"model://{self.chain.manifest.name}"

    def head(self) -> Block:
        """The newest block it shows. Errors: `Unavailable` NODE_UNREACHABLE."""
        if self.is_down:
            raise Unavailable("NODE_UNREACHABLE", "the node did not answer", where=self.url)
        blocks = (self.shown or self.chain).blocks
        return blocks[max(0, len(blocks) - 1 - self.lag)]

    def block(self, number: int) -> Block:
        """A block it shows. Errors: `Unavailable` NODE_UNREACHABLE, NODE_BEHIND."""
        if not 0 <= number <= self.head().number:
            raise Unavailable("NODE_BEHIND", "the node does not have the block", where=f"block {number}")
        block = (self.shown or self.chain).blocks[number]
        return replace(block, logs=block.logs[1:]) if self.omits and block.logs else block

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        head = self.head().number
        return [self._answer(method, params, head) for method, params in calls]

    def _answer(self, method: str, params: Sequence[Any], head: int) -> Any:
        if method == "eth_blockNumber":
            return hex(head)
        number = int(params[0], 16)
        if number > head:
            return None
        return (self.shown or self.chain).blocks[number].rpc[0 if method == "eth_getBlockByNumber" else 1]


def root_digest(end: Chain, root: bytes, epoch: int) -> bytes:
    """What is signed over a root of messages for a destination."""
    return attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=epoch)


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"


LANE_POLICY = int(Policy.NOTARY)
