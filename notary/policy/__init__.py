"""What this notary will sign: every rule, without I/O, by the row of the design's journey that it belongs to.

Each function takes what has been read and proven, and returns what may be signed or raises a typed refusal. Row 3 is
cosigning, row 5 attesting, row 8 judging a commit. What may never happen here: a default that lets something pass; a
rule that depends on who asks.
"""

from __future__ import annotations

from notary.policy.carriage import (
    POLICIES_SERVED,
    Lane,
    is_open,
    is_superseded,
    read_lane,
    require_carriage,
    require_first,
    require_lane_final,
)
from notary.policy.cosigning import require_cosigner, require_growth
from notary.policy.history import (
    MAX_DRIFT_SECONDS,
    clock_alarm,
    final_height,
    require_final,
    require_history,
    require_network,
    require_undisputed,
)
from notary.policy.leaves import (
    MAX_LEAVES,
    LeafRefusal,
    LeavesNotReady,
    LeavesRefused,
    read_leaf,
    require_all,
    require_one_destination,
)
from notary.policy.seat import require_member, require_seat
from notary.policy.value import Ledgers, require_conserved, require_counted
from notary.policy.verdicts import (
    ENDED,
    EXPIRED_OUTCOME,
    MESSAGE_COMMITTED,
    MESSAGE_VOIDED,
    VOID_OUTCOME,
    Commit,
    is_void,
    policy_of,
    read_commit,
    read_void,
    require_checked_to,
    require_no_rival,
    require_same_verdict,
    require_unexecuted,
    verdict_word,
)

__all__ = [
    "ENDED",
    "EXPIRED_OUTCOME",
    "MAX_DRIFT_SECONDS",
    "MAX_LEAVES",
    "MESSAGE_COMMITTED",
    "MESSAGE_VOIDED",
    "POLICIES_SERVED",
    "VOID_OUTCOME",
    "Commit",
    "Lane",
    "LeafRefusal",
    "LeavesNotReady",
    "LeavesRefused",
    "Ledgers",
    "clock_alarm",
    "final_height",
    "is_open",
    "is_superseded",
    "is_void",
    "policy_of",
    "read_commit",
    "read_lane",
    "read_leaf",
    "read_void",
    "require_all",
    "require_carriage",
    "require_checked_to",
    "require_conserved",
    "require_cosigner",
    "require_counted",
    "require_final",
    "require_first",
    "require_growth",
    "require_history",
    "require_lane_final",
    "require_member",
    "require_network",
    "require_no_rival",
    "require_one_destination",
    "require_same_verdict",
    "require_seat",
    "require_undisputed",
    "require_unexecuted",
    "verdict_word",
]
