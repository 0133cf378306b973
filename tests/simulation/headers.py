"""Sealed headers: what a chain's validators say of a block that is final, and a light client that believes a quorum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.attestation import word
from ledger.errors import Refused
from ledger.ethereum.tx_receipt import Log
from tests.simulation.state import State

VALIDATORS, SEALS = 4, 3  # of a chain that seals its blocks, and how many seals make a header

Seals = tuple[tuple[int, bytes], ...]  # by validator


@dataclass(frozen=True)
class Shown:
    """Where a log stands in its origin's block: what hashes to the block's hash. `logs`: all of them."""

    number: int
    parent: bytes
    timestamp: int
    logs: tuple[Log, ...]

    def proves(self, block_hash: bytes, log: Log) -> bool:
        """Whether the block with this hash holds the log."""
        whole = hash_of(self.parent, self.number, self.timestamp, self.logs, block_hash[:4]) == block_hash
        return whole and log in self.logs


@dataclass(frozen=True)
class Renew:
    """A header of another chain is shown to the light client."""

    origin: int
    number: int
    hash: bytes
    seals: Seals

    def run(self, state: State, now: int) -> list[Log]:
        """Sealed by a quorum of that chain's validators, each counted once."""
        self.require_seals(self.hash, self.seals)
        if state.headers.get((self.origin, self.number), self.hash) != self.hash:
            raise Refused("CALL_REVERTED", "LightClient: another header of this height")
        state.headers[self.origin, self.number] = self.hash
        return []

    @staticmethod
    def require_seals(block_hash: bytes, seals: Seals) -> None:
        """The light client's guard."""
        good = {index for index, given in seals if index < VALIDATORS and given == seal_of(index, block_hash)}
        if len(good) < SEALS:
            raise Refused("HEADER_SEALS", "LightClient: too few seals")


def seal_of(index: int, block_hash: bytes) -> bytes:
    """A validator's seal of a block; only it makes one."""
    return hashlib.sha256(b"seal %d" % index + block_hash).digest()


def seals_of(block_hash: bytes, validators: Iterable[int]) -> Seals:
    """The seals of these validators."""
    return tuple((index, seal_of(index, block_hash)) for index in validators)


def hash_of(parent: bytes, number: int, timestamp: int, logs: Sequence[Log], salt: bytes) -> bytes:
    """A block's hash: of everything in it. `salt`, which two forks differ in, stands in front."""
    said = b"".join(b"".join((log.address, *log.topics, log.data)) for log in logs)
    return salt + hashlib.sha256(salt + parent + word(number) + word(timestamp) + said).digest()[4:]
