"""A small honest chain: blocks of transactions whose rules are the Python twins in `ledger`.

A block holds the state after it, so that a reorganisation only forgets blocks. What a contract refuses stands in no
block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ledger.attestation import attestation_digest
from ledger.errors import Refused
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import Chain
from tests.simulation.headers import VALIDATORS, Seals, Shown, hash_of, seals_of
from tests.simulation.lanes import FINALITY, GENESIS_TIME, ModelManifest
from tests.simulation.state import State, Transaction, first_state


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

    @cached_property
    def is_whole(self) -> bool:
        """Whether the logs are those the header commits to."""
        return hash_of(self.parent, self.number, self.timestamp, self.logs, self.hash[:4]) == self.hash

    @property
    def shown(self) -> Shown:
        """What proves each of its logs to whoever holds its hash."""
        return Shown(self.number, self.parent, self.timestamp, self.logs)

    @cached_property
    def rpc(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Header and receipts as a node tells them; each log as a transaction of its own."""
        names = [_hex(self.transaction(index)) for index in range(len(self.logs))]
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


class ModelChain:
    """A chain that mines what is pending. `seen`: told of every block that is mined on it. `validators`: how many of
    its validators seal this history.
    """

    def __init__(self, manifest: ModelManifest, members: Sequence[bytes], *, fork: int = 0) -> None:
        self.manifest, self._fork = manifest, fork
        self.pending: list[Transaction] = []
        self.refused = 0
        self.skew = 0  # seconds by which its producers' clocks are ahead
        self.validators = VALIDATORS
        self.seen: Callable[[ModelChain, Block], None] = lambda _chain, _block: None
        state = first_state(manifest.chain_id, members)
        self.blocks = [Block(0, manifest.genesis, bytes(32), GENESIS_TIME, (), (), state)]
        self._longest = 0

    @property
    def head(self) -> Block:
        """The latest block."""
        return self.blocks[-1]

    @property
    def final(self) -> Block:
        """The highest block that was ever final: a reorganisation may leave the chain shorter, and never takes it."""
        return self.blocks[max(0, self._longest - FINALITY)]

    def simulate(self, transaction: Transaction) -> None:
        """Whether a transaction would succeed at the head; errors as the contracts'."""
        transaction.run(self.head.state.copy(), self.head.timestamp)

    def mine(self, now: float) -> Block:
        """Append a block of what is pending and succeeds, each transaction once."""
        parent = self.head
        timestamp = max(parent.timestamp + 1, GENESIS_TIME + int(now) + self.skew)
        state, done, logs = self._execute(parent.state, timestamp) if self.pending else (parent.state, (), ())
        salt = self._fork.to_bytes(4, "big")
        block_hash = hash_of(parent.hash, parent.number + 1, timestamp, logs, salt)
        block = Block(parent.number + 1, block_hash, parent.hash, timestamp, done, logs, state)
        self.blocks.append(block)
        self._longest = max(self._longest, block.number)
        self.seen(self, block)
        return block

    def _execute(self, state: State, timestamp: int) -> tuple[State, tuple[Transaction, ...], tuple[Log, ...]]:
        done, logs = list[Transaction](), list[Log]()
        pending, self.pending = self.pending, []
        for transaction in pending:
            trial = state.copy()
            try:
                logs += transaction.run(trial, timestamp)
            except Refused:
                self.refused += 1
                continue
            state = trial
            done.append(transaction)
        return state, tuple(done), tuple(logs)

    def reorganise(self, depth: int, fork: int) -> list[Transaction]:
        """Leave the newest blocks behind, never a final one; what stood in them."""
        depth = min(depth, self.head.number - self.final.number)
        left = self.blocks[len(self.blocks) - depth :]
        del self.blocks[len(self.blocks) - depth :]
        self._fork = fork
        return [transaction for block in left for transaction in block.transactions]

    def rewrite(self, depth: int, fork: int) -> None:
        """Leave blocks behind that were final: what no chain of the manifest may do."""
        del self.blocks[len(self.blocks) - depth :]
        self._longest, self._fork = self.head.number, fork

    def forked(self, at: int, fork: int, *, validators: int = 1) -> ModelChain:
        """Another chain that shares the blocks up to `at`: what a liar shows, or a fork deeper than finality."""
        other = ModelChain(self.manifest, (), fork=fork)
        other.blocks, other._longest, other.validators = self.blocks[: at + 1], at, validators
        return other

    def seals(self, number: int) -> Seals:
        """Who sealed one of its blocks: nobody before it is final."""
        block = self.blocks[number]
        return seals_of(block.hash, range(self.validators if number <= self.final.number else 0))


def root_digest(end: Chain, root: bytes, epoch: int) -> bytes:
    """What is signed over a root of messages for a destination."""
    return attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=epoch)


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
