"""A QBFT chain that seals headers as the specification says: proposers in turn, votes, rounds, commit seals.

Keys are in the test's hand: it decides who seals, and may seal what no honest validator would.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger.ethereum.keccak import keccak256
from ledger.ethereum.qbft import EMPTY_OMMERS, MIX_HASH, ExtraData, QbftHeader, Vote, quorum
from ledger.secp256k1 import SigningKey

CHAIN_ID: Final = 7201
START: Final = 1_800_000_000  # seconds
PERIOD: Final = 2  # seconds between blocks

FORKS: Final[dict[str, dict[str, Any]]] = {"berlin": {}}
FORKS["london"] = {"base_fee_per_gas": 0}
FORKS["shanghai"] = FORKS["london"] | {"withdrawals_root": keccak256(b"\x80")}
FORKS["cancun"] = FORKS["shanghai"] | {
    "blob_gas_used": 0,
    "excess_blob_gas": 0,
    "parent_beacon_block_root": bytes(32),
}
FORKS["prague"] = FORKS["cancun"] | {"requests_hash": b"\xe3" * 32}


def keys(count: int, *, first: int = 1) -> tuple[SigningKey, ...]:
    """Validator keys; the same numbers are the same keys."""
    return tuple(SigningKey.from_secret(number.to_bytes(32, "big")) for number in range(first, first + count))


def ascending(members: Iterable[SigningKey]) -> tuple[SigningKey, ...]:
    """Keys in the order in which QBFT lists their addresses."""
    return tuple(sorted(members, key=lambda key: key.address))


def seal(header: QbftHeader, signers: Iterable[SigningKey]) -> QbftHeader:
    """The header with these commit seals, in this order, and no others."""
    digest = header.seal_digest
    seals = (key.sign(digest).pack() for key in signers)
    packed = tuple(one[:64] + bytes([one[64] - 27]) for one in seals)
    return changed(header, seals=packed)


def changed(header: QbftHeader, **extra: Any) -> QbftHeader:
    """The header with some of its extra data changed; seals stay as they are."""
    return replace(header, extra_data=replace(header.extra, **extra).rlp())


@dataclass
class QbftChain:
    """A chain in header-validator mode. `validators`: of the next block, ascending."""

    validators: tuple[SigningKey, ...]
    fork: str = "prague"
    blocks: list[QbftHeader] = field(default_factory=list)
    votes: dict[Vote, set[bytes]] = field(default_factory=dict)
    joined: dict[bytes, SigningKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.validators = ascending(self.validators)
        addresses = tuple(key.address for key in self.validators)
        self.blocks.append(
            QbftHeader(**self._fields(0, bytes(32), START, bytes(20)), extra_data=ExtraData(bytes(32), addresses).rlp())
        )

    @property
    def head(self) -> QbftHeader:
        """The latest block."""
        return self.blocks[-1]

    def propose(self, *, skip: int = 1, vote: Vote | None = None, decided_in: int = 0, **changes: Any) -> QbftHeader:
        """The unsealed header `skip` blocks above the head, of a round; `changes` replaces fields."""
        number, parent = self.head.number + skip, self.head.hash if skip == 1 else keccak256(b"%d" % skip)
        proposer = self.validators[(number + decided_in) % len(self.validators)].address
        extra = ExtraData(bytes(32), tuple(key.address for key in self.validators), vote, decided_in)
        fields = self._fields(number, parent, self.head.timestamp + skip * PERIOD, proposer)
        return QbftHeader(**fields | {"extra_data": extra.rlp()} | changes)

    def mine(self, signers: Sequence[int] | None = None, **changes: Any) -> QbftHeader:
        """Append the next block, sealed by these validators by index (a quorum of them), and count its vote."""
        proposed = self.propose(**changes)
        if signers is None:
            signers = range(quorum(len(self.validators)))
        sealed = seal(proposed, (self.validators[index] for index in signers))
        self.blocks.append(sealed)
        if sealed.extra.vote is not None:
            self._count(sealed.extra.vote, sealed.beneficiary)
        return sealed

    def change(self, key: SigningKey, *, add: bool) -> None:
        """Mine blocks that vote until a validator has joined or left."""
        self.joined[key.address] = key
        before = self.validators
        while self.validators == before:
            self.mine(vote=Vote(key.address, add))

    def _count(self, vote: Vote, proposer: bytes) -> None:
        voters = self.votes.setdefault(vote, set())
        voters.add(proposer)
        if len(voters) <= len(self.validators) // 2:
            return
        others = [key for key in self.validators if key.address != vote.recipient]
        self.validators = ascending([*others, self.joined[vote.recipient]] if vote.add else others)
        self.votes.clear()

    def _fields(self, number: int, parent: bytes, timestamp: int, proposer: bytes) -> dict[str, Any]:
        roots = [keccak256(f"{self.fork} {name} {number}".encode()) for name in ("state", "transactions", "receipts")]
        plain: dict[str, Any] = {"parent_hash": parent, "ommers_hash": EMPTY_OMMERS, "beneficiary": proposer}
        plain |= {"state_root": roots[0], "transactions_root": roots[1], "receipts_root": roots[2]}
        plain |= {"logs_bloom": bytes(256), "difficulty": 1, "number": number, "gas_limit": 30_000_000}
        plain |= {"gas_used": 0, "timestamp": timestamp, "prev_randao": MIX_HASH, "nonce": bytes(8)}
        return plain | FORKS[self.fork]
