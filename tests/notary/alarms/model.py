"""Model chains behind the watch's seams: blocks of facts with reorganisations above finality, lag and silence.

A transaction is what it logs, and what its sender does once it is final. `ModelChain` is one process's sight of a
chain, `ModelNotaries` what the notaries' APIs would say.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.chain_rules import Rules
from contracts.manifest import ChainManifest, Cosigner, Lane, Limits, Manifest, Role, Rotation
from ledger.checkpoint import Cosigner as CosigningKey
from ledger.checkpoint import LogSigner
from ledger.errors import Problem, Unavailable
from ledger.proposal import Proposal
from ledger.quorum import Committee
from ledger.secp256k1 import SigningKey
from notary.alarms.facts import Fact, Place, SeenBlock, Standing, Word
from notary.proven import Witnessed

BEGAN = 1_800_000_000
FINALITY = 2  # blocks above one that is final
DELAY, GRACE = 600, 300  # seconds
KEPT = 1_000  # blocks that a node still serves, where not all are kept
KEYS = tuple(SigningKey.from_secret(bytes([0x31 + index]) * 32) for index in range(4))
COSIGNING = tuple(CosigningKey(f"notary{index}.example", bytes([0x41 + index]) * 32) for index in range(4))
LOG_SIGNER = LogSigner("log.example/tea", b"\x51" * 32)
IDS = {Role.ORIGIN: 7101, Role.DESTINATION: 7102, Role.TRANSACTION: 7103}
CONTRACTS = {
    Role.ORIGIN: ("Gateway", "Administration", "Committee", "WarehouseReceipt", "AnchorRegistry", "Vault"),
    Role.DESTINATION: ("Gateway", "Administration", "Committee", "PledgeRegistry", "AnchorMirror", "Voucher"),
    Role.TRANSACTION: ("Gateway", "Administration", "Committee", "GoodsRegistry", "TransactionRegistry"),
}
VALUE = {Role.ORIGIN: ("Voucher", Role.DESTINATION, "Vault"), Role.DESTINATION: ("Vault", Role.ORIGIN, "Voucher")}
LIMITS = Limits(10**6, 10**12, 3_600)


def address(role: Role, name: str) -> bytes:
    """Where a contract stands."""
    return hashlib.sha256(f"{role} {name}".encode()).digest()[:20]


def a_manifest() -> Manifest:
    """The deployment that the model plays: three chains, value both ways between two of them."""
    chains = []
    for role, chain_id in IDS.items():
        contracts = {name: address(role, name) for name in CONTRACTS[role]}
        lanes: tuple[Lane, ...] = ()
        if role in VALUE:
            sender, origin, recipient = VALUE[role]
            lanes = (
                Lane(
                    IDS[origin],
                    address(origin, sender),
                    contracts[recipient],
                    carries_value=True,
                    limits=LIMITS,
                ),
            )
        rules = Rules(finality_blocks=FINALITY)
        genesis = hashlib.sha256(role.encode()).digest()
        chains.append(ChainManifest(role.value, role, chain_id, genesis, rules, 1, 5, contracts, lanes=lanes))
    committee = Committee(1, tuple(key.address for key in KEYS))
    cosigners = tuple(Cosigner(key.name, key.key.public_key) for key in COSIGNING)
    return Manifest(
        tuple(chains), committee, cosigners, LOG_SIGNER.name, LOG_SIGNER.key.public_key, Rotation(DELAY, GRACE)
    )


@dataclass(slots=True)
class Said:
    """A log that is not in a block yet; `fields` may depend on the time of the block that it comes to stand in."""

    contract: str
    name: str
    fields: Mapping[str, Any] | Callable[[int], Mapping[str, Any]]
    proposal: Proposal | None = None


@dataclass(slots=True)
class Deed:
    """A transaction: its logs, what happens once it is final, and what it changes in the state without a log."""

    logs: Sequence[Said]
    then: Callable[[], None] | None = None


@dataclass(slots=True)
class _Block:
    number: int
    hash: bytes
    parent: bytes
    time: int
    deeds: list[Deed]


@dataclass
class ModelChain:
    """One chain, as its node shows it. `faults`: raised by the next looks, one each."""

    chain: ChainManifest
    random: random.Random
    keeps_all: bool = False
    now: int = BEGAN
    waiting: list[Deed] = field(default_factory=list)
    faults: list[Problem] = field(default_factory=list)
    lag: int = 0
    finality: int = FINALITY
    is_still: bool = False
    stolen: dict[tuple[str, bytes], int] = field(default_factory=dict)
    rewrites: dict[str, bytes] = field(default_factory=dict)
    code: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._blocks = {0: _Block(0, self.chain.genesis, bytes(32), BEGAN, [])}
        self._head, self._fired, self._salt, self._seen = 0, 0, 0, 0
        self._roots: dict[str, bytes] = {}
        self._counted: dict[tuple[str, bytes], list[int]] = {}
        self._counted_to = 0

    # -- what happens on it --------------------------------------------------------------------------------------

    def send(self, *logs: Said, then: Callable[[], None] | None = None) -> None:
        """A transaction, for the next block."""
        self.waiting.append(Deed(logs, then))

    def mine(self) -> None:
        """The next block, of all that waits."""
        self._add(self.waiting, self.now)
        self.waiting = []

    def reorganise(self, depth: int) -> None:
        """Other blocks above the one that is so deep; what they held comes again, mixed anew."""
        depth = min(depth, self._head)
        gone = [self._blocks.pop(number) for number in range(self._head - depth + 1, self._head + 1)]
        self._head -= depth
        deeds = [deed for block in gone for deed in block.deeds]
        self._salt += 1
        cut = self.random.randint(0, len(deeds))
        for count, (part, block) in enumerate(zip((deeds[:cut], deeds[cut:]), gone[:2], strict=False)):
            self._add(part, block.time)
            if count == 0 and len(gone) == 1:
                self.waiting[:0] = deeds[cut:]
        while self._head < gone[-1].number:
            self._add([], gone[-1].time)

    def vanish(self, depth: int) -> None:
        """So many blocks are gone with all that they held."""
        for number in range(self._head - depth + 1, self._head + 1):
            del self._blocks[number]
        self._head -= depth
        self._salt += 1

    def _add(self, deeds: list[Deed], time: int) -> None:
        number, parent = self._head + 1, self._blocks[self._head].hash
        named = b"%d %d %d %d" % (self.chain.chain_id, number, self._salt, len(deeds))
        self._blocks[number] = _Block(number, hashlib.sha256(parent + named).digest(), parent, time, deeds)
        self._head = number
        if not self.keeps_all:
            self._blocks.pop(number - KEPT, None)

    def settle(self) -> None:
        """What has become final: its senders go on, and the state counts it."""
        while self._fired < self._head - self.finality:
            self._fired += 1
            for deed in self._blocks[self._fired].deeds:
                if deed.then is not None:
                    deed.then()

    # -- what the watch sees -------------------------------------------------------------------------------------

    def look(self, known: Witnessed | None) -> Standing:
        if self.faults:
            raise self.faults.pop(0)
        if known is not None:
            held = self._blocks.get(known.number)
            if held is not None and held.hash != known.hash:
                raise Unavailable("FINAL_REWRITTEN", f"block {known.number}")
        final = max(self._seen, self._head - self.finality - self.lag)
        self._seen = min(final, self._head - self.finality)
        head = max(0, self._head - self.lag)
        return Standing(self._seen, self._blocks[head].time, head)

    def recent(self, number: int) -> SeenBlock:
        block = self._blocks[number]
        return SeenBlock(self.chain.chain_id, number, block.hash, block.parent, block.time, tuple(self._facts(block)))

    def block(self, number: int) -> SeenBlock:
        block = self._blocks[number]
        facts = tuple(self._facts(block))
        if number != self._counted_to + 1:  # read again from the beginning
            self._counted = {}
        self._counted_to = number
        for fact in facts:
            self._count(fact)
            self._roots[fact.contract] = block.hash
        return SeenBlock(self.chain.chain_id, number, block.hash, block.parent, block.time, facts)

    def state(self) -> Mapping[str, tuple[bytes, bytes]]:
        return {
            name: (self.code.get(name, b"\x0c" * 32), self.rewrites.get(name, self._roots.get(name, bytes(32))))
            for name in self.chain.contracts
        }

    def books(self, wanted: Iterable[tuple[str, bytes]]) -> Mapping[tuple[str, bytes], tuple[int, int]]:
        held = {place: self._counted[place] for place in wanted}
        return {place: (left + self.stolen.get(place, 0), right) for place, (left, right) in held.items()}

    def _facts(self, block: _Block) -> Iterable[Fact]:
        for index, deed in enumerate(block.deeds):
            for log, said in enumerate(deed.logs):
                place = Place(self.chain.chain_id, block.number, block.hash, block.time, index, log)
                fields = said.fields(block.time) if callable(said.fields) else said.fields
                yield Fact(place, said.contract, said.name, fields, said.proposal)

    def _count(self, fact: Fact) -> None:
        """The ends' own books, as their contracts keep them."""
        side = {
            "ValueSent": 0 if fact.contract == "Vault" else 1,
            "ValueReleased": 1,
            "VoucherMinted": 0,
            "ValueReturned": 1 if fact.contract == "Vault" else 0,
        }.get(fact.name)
        if side is not None:
            held = self._counted.setdefault((fact.contract, fact.fields["asset"]), [0, 0])
            held[side] += fact.fields["quantity"]


@dataclass
class ModelNotaries:
    """What the notaries' APIs say now."""

    words: dict[str, Word] = field(default_factory=dict)

    def ask(self) -> list[Word]:
        return list(self.words.values())
