"""What an alarm is: its label, how bad it is, what happened where and since when, what shows it, and who acts. Pure.

May never happen here: two alarms of one deed with two names, or one name for two deeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ledger.canonical import JsonValue


class Severity(StrEnum):
    """`CRITICAL`: value or a rule is at stake now; `WARNING`: it may come to be; `BLIND`: the watch sees less."""

    CRITICAL = "critical"
    WARNING = "warning"
    BLIND = "blind"


class Label(StrEnum):
    """What went wrong. Stable: programs match on it."""

    PROPOSAL_MISSING = "PROPOSAL_MISSING"
    COMMIT_REPEATED = "COMMIT_REPEATED"
    VALUE_UNBACKED = "VALUE_UNBACKED"
    STATE_REWRITTEN = "STATE_REWRITTEN"
    EQUIVOCATION = "EQUIVOCATION"
    QUORUM_UNEXPECTED = "QUORUM_UNEXPECTED"
    RULES_CHANGED = "RULES_CHANGED"
    VERDICT_DIFFERS = "VERDICT_DIFFERS"
    LOG_FORKED = "LOG_FORKED"
    ANCHOR_UNCOSIGNED = "ANCHOR_UNCOSIGNED"
    FREEZE_IGNORED = "FREEZE_IGNORED"
    LANE_SILENT = "LANE_SILENT"
    CAP_NEARLY_SPENT = "CAP_NEARLY_SPENT"
    CHAIN_REWRITTEN = "CHAIN_REWRITTEN"
    CHAIN_STALLED = "CHAIN_STALLED"
    NODES_DISAGREE = "NODES_DISAGREE"
    SIGHT_LOST = "SIGHT_LOST"


@dataclass(frozen=True, slots=True)
class Kind:
    """How bad a label is, and who acts next."""

    severity: Severity
    acts: str


_PAUSE = "any member pauses the lane at its destination (24 hours), then the quorum voids or bars"
KINDS: Mapping[Label, Kind] = {
    Label.PROPOSAL_MISSING: Kind(Severity.CRITICAL, _PAUSE),
    Label.COMMIT_REPEATED: Kind(Severity.CRITICAL, _PAUSE),
    Label.VALUE_UNBACKED: Kind(Severity.CRITICAL, _PAUSE),
    Label.STATE_REWRITTEN: Kind(Severity.CRITICAL, "the chain's operators; members pause every lane from and to it"),
    Label.EQUIVOCATION: Kind(Severity.CRITICAL, "the member's operator retires the key, the quorum rotates it out"),
    Label.QUORUM_UNEXPECTED: Kind(Severity.CRITICAL, "the members of the epoch named; any member pauses the lanes"),
    Label.RULES_CHANGED: Kind(Severity.CRITICAL, "the committee says who ordered it; any member pauses the lanes"),
    Label.VERDICT_DIFFERS: Kind(Severity.CRITICAL, "anybody replays the block; the quorum resolves what is disputed"),
    Label.LOG_FORKED: Kind(Severity.CRITICAL, "the log's operator answers; notaries stop cosigning"),
    Label.ANCHOR_UNCOSIGNED: Kind(Severity.WARNING, "the anchorer; readers take no anchor without cosignatures"),
    Label.FREEZE_IGNORED: Kind(Severity.CRITICAL, "the beneficiary of the freeze; any member pauses the lane"),
    Label.LANE_SILENT: Kind(
        Severity.WARNING, "the relay's operator, then the notaries: `pledgetrail explain` says whom"
    ),
    Label.CAP_NEARLY_SPENT: Kind(Severity.WARNING, "the lane's owner; the quorum approves or voids what is held"),
    Label.CHAIN_REWRITTEN: Kind(Severity.CRITICAL, "the quorum begins a new generation of the chain's lanes"),
    Label.CHAIN_STALLED: Kind(Severity.WARNING, "the chain's operators, or this machine's clock"),
    Label.NODES_DISAGREE: Kind(Severity.BLIND, "whoever runs this watch replaces the node that is wrong"),
    Label.SIGHT_LOST: Kind(Severity.BLIND, "whoever runs this watch repairs the way to it"),
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One deed, told once.

    `subject`: what it is about, the same each time it is seen; with the label it makes the `id`. `where`: chain
    (CAIP-2), block, transaction and log index, lane and sequence, as far as there are any. `since`: seconds since 1970,
    by the chain's time where it stands on one. `evidence`: what a third party can check without this watch.
    """

    label: Label
    subject: str
    what: str
    since: int
    where: Mapping[str, JsonValue] = field(default_factory=dict)
    evidence: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """32 hex digits: the same deed, found again after a restart or a rewind, has the same."""
        return hashlib.sha256(f"{self.label}\n{self.subject}".encode()).hexdigest()[:32]

    @property
    def severity(self) -> Severity:
        """By its label."""
        return KINDS[self.label].severity

    def as_json(self) -> dict[str, JsonValue]:
        """As it stands in the file of alarms, without the time at which it was told."""
        return {
            "id": self.id,
            "label": self.label.value,
            "severity": self.severity.value,
            "subject": self.subject,
            "what": self.what,
            "where": dict(self.where),
            "since": self.since,
            "evidence": dict(self.evidence),
            "acts": KINDS[self.label].acts,
        }
