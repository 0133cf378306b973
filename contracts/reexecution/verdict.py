"""The three answers of a check, and the error that carries a disagreement to where the answer is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ledger.errors import Refused
from ledger.ethereum.header import Header


class Verdict(StrEnum):
    """`SAME`: recomputed and equal. `DIFFERS`: something disagrees or does not prove. `UNKNOWN`: no
    answer was had.
    """

    SAME = "same"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BlockCheck:
    """The verdict on one block. `reason` names what disagreed, or what was missing; empty for `SAME`.

    `block_hash` and `header` are those of the block that was checked, None where none was had. After `SAME`
    the header is the parent for the next check. `gas_used` and `transactions` are counts of what was
    executed.
    """

    number: int
    block_hash: bytes | None
    verdict: Verdict
    reason: str = ""
    header: Header | None = None
    transactions: int = 0
    gas_used: int = 0


class Disagreement(Refused):
    """REEXECUTION_DIFFERS: the node's claim, its proofs and our execution are not all true together."""

    def __init__(self, what: str, *, where: str = "") -> None:
        super().__init__("REEXECUTION_DIFFERS", what, where=where)


class Inexecutable(Refused):
    """REEXECUTION_UNSUPPORTED: the block holds something that this re-execution does not know how to run."""

    def __init__(self, what: str, *, where: str = "") -> None:
        super().__init__("REEXECUTION_UNSUPPORTED", what, where=where)
