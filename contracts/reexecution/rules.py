"""What the manifest says about a chain that re-execution must know. Wrong rules make honest blocks differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ledger.errors import WrongUse
from ledger.ethereum.header import Header
from ledger.ethereum.qbft import QbftHeader

FORKS = ("prague",)


@dataclass(frozen=True, slots=True)
class ChainRules:
    """`chain_id`: EIP-155. `fork`: the one that every checked block follows.

    `trie`: "keeps_zero_leaves" for nodes (anvil) that leave zero slots and empty accounts in their tries;
    the truth of every value is computed all the same, only the presence of such a leaf is taken from the
    node's own proofs. `system_writes`: blocks begin with the writes of EIP-4788 and EIP-2935 where those
    contracts stand, and end with the requests of EIP-7002 and EIP-7251. `withdrawals`: blocks may credit
    accounts by EIP-4895. `base_fee`: "eip1559" computes it from the parent, "free" lets the producer set it.
    `sealed`: validators seal the headers as QBFT says, whose hash leaves the seals out and whose difficulty is 1.
    """

    chain_id: int
    fork: str = "prague"
    trie: Literal["standard", "keeps_zero_leaves"] = "standard"
    system_writes: bool = True
    withdrawals: bool = False
    base_fee: Literal["eip1559", "free"] = "eip1559"
    sealed: bool = False

    def __post_init__(self) -> None:
        if self.fork not in FORKS:
            raise WrongUse(
                "RULES_FORK",
                f"re-execution knows the forks {', '.join(FORKS)}, not {self.fork!r}",
                where=f"chain {self.chain_id}",
                cure="Name a supported fork in the manifest, or do not ask for re-execution on this chain.",
            )
        if self.trie not in ("standard", "keeps_zero_leaves") or self.base_fee not in ("eip1559", "free"):
            raise WrongUse("RULES_VALUE", "the trie or base_fee rule is unknown", where=f"chain {self.chain_id}")
        if not 0 < self.chain_id < 2**64:
            raise WrongUse("RULES_VALUE", "a chain id lies in 1..2**64-1", where=str(self.chain_id))

    @property
    def most_traced(self) -> int | None:
        """The most transactions of a block that is worth tracing, None without such a bound. anvil executes the block's
        beginning anew for each transaction that it traces: 11 ms for ten of them, half a second for sixty-four.
        """
        return 16 if self.trie == "keeps_zero_leaves" else None

    @property
    def header_form(self) -> type[Header]:
        """How the chain hashes its headers."""
        return QbftHeader if self.sealed else Header
