"""The history of one unit out of many events: what happened to it, to its lot, to what it was made of and was inside.

Pure. `trace(unit, events)` says for each event why it belongs; contradictions are findings, never hidden.
"""

from ledger.trace.findings import Finding, find_contradictions, require_order
from ledger.trace.follow import MAX_FOLLOWED, MAX_SCANNED, MAX_TRACED_EVENTS, Reason, Step, Trace, trace

__all__ = [
    "MAX_FOLLOWED",
    "MAX_SCANNED",
    "MAX_TRACED_EVENTS",
    "Finding",
    "Reason",
    "Step",
    "Trace",
    "find_contradictions",
    "require_order",
    "trace",
]
