"""What a chain does by itself, and which proofs it can therefore give and check: its rules and its capabilities.

A manifest states both. A notary re-executes by the rules; a lane that asks for more than its two chains are capable of
is refused before anything is deployed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Literal

from ledger.errors import Refused

Trie = Literal["standard", "keeps_zero_leaves"]

_TRIES = ("standard", "keeps_zero_leaves")
_FEES = ("eip1559", "free")


class Policy(IntEnum):
    """What a destination asks for as proof, as `lane_word.vy` numbers it. Its lower-case name stands in manifests."""

    NOTARY = 1
    CERTIFIED = 2
    RELAY = 3
    NOTARY_AND_RELAY = 4

    @property
    def needs_seals(self) -> bool:
        """Whether it rests on headers that the origin's own validators sealed."""
        return self in (Policy.RELAY, Policy.NOTARY_AND_RELAY)

    @property
    def observed_under(self) -> Policy | None:
        """The policy under which a gateway looks for the observer it asks; None where it asks nobody."""
        return {Policy.NOTARY: None, Policy.CERTIFIED: Policy.CERTIFIED}.get(self, Policy.RELAY)

    @classmethod
    def named(cls, name: str) -> Policy:
        """By its lower-case name. Errors: `Refused` POLICY_CAPABILITY for *hash_lock*; ValueError for no policy."""
        if name == "hash_lock":
            raise Refused(
                "POLICY_CAPABILITY",
                "a hash lock moves value between two accounts and carries no messages",
                cure="Name the pair of locks as a value lane.",
            )
        if name != name.lower() or name.upper() not in cls.__members__:
            raise ValueError(f"unknown policy {name[:80]!r}")
        return cls[name.upper()]


class Finality(StrEnum):
    """When a block is final. `DEPTH`: when `finality_blocks` blocks stand above it, at once where that is 0 (sealed
    chains, which never take a block back). `FINALIZED`: when the chain's own consensus says so, under the tag of that
    name, and `finality_blocks` stand above it.
    """

    DEPTH = "depth"
    FINALIZED = "finalized"


class Seals(StrEnum):
    """Whether a chain's headers prove by themselves that its validators agreed on them.

    `QBFT`: sealed, and the header names the validators. `QBFT_CONTRACT`: sealed, but a contract chooses the validators,
    so that no light client can follow them by headers.
    """

    NONE = "none"
    QBFT = "qbft"
    QBFT_CONTRACT = "qbft_contract"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a chain's blocks are made, kept and proven.

    `fork`: the one that every block follows. `system_calls`: blocks begin with the writes of EIP-4788 and EIP-2935
    and end with the requests of EIP-7002 and EIP-7251 where those contracts stand. `withdrawals`: blocks may credit
    accounts by EIP-4895. `base_fee`: "eip1559" computes it from the parent, "free" lets the producer set it.
    `trie`: how cleared slots are kept (anvil keeps zero leaves). `finality_blocks`: a block is final when this many
    stand above it; 0 where blocks are never reorganised. `proof_window`: nodes prove the state of this many newest
    blocks; 0 is every block.
    `finality`: see `Finality`. `seals`: see `Seals`. `verifies`: the policies this chain can check as a destination.
    """

    fork: str = "prague"
    system_calls: bool = True
    withdrawals: bool = False
    base_fee: Literal["eip1559", "free"] = "eip1559"
    trie: Trie = "standard"
    finality_blocks: int = 0
    finality: Finality = Finality.DEPTH
    proof_window: int = 0
    seals: Seals = Seals.NONE
    verifies: tuple[Policy, ...] = tuple(Policy)

    def as_json(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return {
            "fork": self.fork,
            "system_calls": self.system_calls,
            "withdrawals": self.withdrawals,
            "base_fee": self.base_fee,
            "trie": self.trie,
            "finality_blocks": self.finality_blocks,
            "finality": self.finality.value,
            "proof_window": self.proof_window,
            "capabilities": {
                "seals": self.seals.value,
                "verifies": [policy.name.lower() for policy in self.verifies],
            },
        }

    @classmethod
    def from_json(cls, value: Any) -> Rules:
        """Read them. Errors: KeyError, TypeError, ValueError where malformed; `Refused` as `Policy.named`."""
        if value["trie"] not in _TRIES or value["base_fee"] not in _FEES:
            raise ValueError("unknown trie or fee rule")
        capabilities = value["capabilities"]
        return cls(
            fork=_text(value["fork"]),
            system_calls=flag(value["system_calls"]),
            withdrawals=flag(value["withdrawals"]),
            base_fee=value["base_fee"],
            trie=value["trie"],
            finality_blocks=count(value["finality_blocks"]),
            # Manifests written before there was a choice say nothing of it.
            finality=Finality(value.get("finality", Finality.DEPTH)),
            proof_window=count(value["proof_window"]),
            seals=Seals(capabilities["seals"]),
            verifies=tuple(Policy.named(name) for name in capabilities["verifies"]),
        )


def require_served(policy: Policy, *, origin: Rules, destination: Rules, where: str) -> None:
    """Refuse a lane that asks for a proof its origin cannot give or its destination cannot check.

    Errors: `Refused` POLICY_CAPABILITY with the reason.
    """
    name = policy.name.lower().replace("_", " ")
    if policy not in destination.verifies:
        verified = ", ".join(each.name.lower() for each in destination.verifies) or "nothing"
        raise Refused(
            "POLICY_CAPABILITY",
            f"the destination cannot check policy {name}, only {verified}",
            where=where,
            cure="Open the lane with a policy that the destination's manifest lists under `verifies`.",
        )
    if policy.needs_seals and origin.seals is not Seals.QBFT:
        reason = "carry no seals of its validators"
        if origin.seals is Seals.QBFT_CONTRACT:
            reason = "do not name its validators, whom a contract chooses: no light client can follow them"
        raise Refused(
            "POLICY_CAPABILITY",
            f"policy {name} needs sealed headers, and those of the origin {reason}",
            where=where,
            cure="Take policy certified, which is worth what the committee is worth, or notary.",
        )


def count(value: Any) -> int:
    """A JSON value that is a number of things; ValueError otherwise."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.80} is not a count")
    return value


def flag(value: Any) -> bool:
    """A JSON value that is true or false; ValueError otherwise."""
    if type(value) is not bool:
        raise ValueError(f"{value!r:.80} is neither true nor false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.80} is not text")  # what `Manifest.load` turns into BadInput
    return value
