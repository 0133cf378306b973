"""What a verification found: each step that held, by whose word and as of when, and what nothing here proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ledger.canonical import JsonValue
from ledger.erasure import Kind, Reason


@dataclass(frozen=True, slots=True)
class Proven:
    """One step that held. `step`: stable name; `what`: one sentence; `who` vouches for it; `when`: text, UTC.

    `facts`: the ids and hashes to look up elsewhere, as text.
    """

    step: str
    what: str
    who: str
    when: str = ""
    facts: Mapping[str, str] | None = None

    def as_json(self) -> JsonValue:
        """The step as data."""
        facts: dict[str, JsonValue] = dict(self.facts or {})
        return {"step": self.step, "what": self.what, "who": self.who, "when": self.when, "facts": facts}


_HELD: Final = {
    Kind.EVENT: "an event",
    Kind.EVIDENCE: "a device's statement",
    Kind.FINDING: "a finding about a device's statement",
}
_WHY: Final = {
    Reason.REQUEST: "somebody whom it was about asked for it",
    Reason.RETENTION: "the time for which it was to be kept is over",
    Reason.ORDER: "a court or an authority ordered it",
    Reason.MISTAKE: "it should not have been recorded",
}


@dataclass(frozen=True, slots=True)
class Gone:
    """An entry that was erased: what it held, when and why that went, and the entry of the record (`record`)."""

    entry: int
    kind: Kind
    at: datetime
    reason: Reason
    record: int

    @property
    def text(self) -> str:
        """One sentence."""
        return f"Entry {self.entry} of the log held {_HELD[self.kind]}, which was erased: {_WHY[self.reason]}."

    @property
    def when(self) -> str:
        """When it was erased, UTC."""
        return utc_text(self.at)

    def as_json(self) -> dict[str, JsonValue]:
        """It as data."""
        known: dict[str, JsonValue] = {"entry": self.entry, "kind": self.kind.value, "reason": self.reason.value}
        return {**known, "at": self.when, "record": self.record}


@dataclass(frozen=True, slots=True)
class Findings:
    """A bundle that held; `proven` goes from what is claimed down to what has to be believed.

    `trust_root_was_given`: False when the bundle's own copy was all there was to believe.
    `erased`: what is missing because it was erased; everything else holds all the same.
    `contradictions`: what does not fit together in the history itself; proven to be said, not proven to be so.
    """

    subject: str
    fingerprint: str
    trust_root_was_given: bool
    proven: tuple[Proven, ...]
    contradictions: tuple[str, ...]
    not_proven: tuple[str, ...]
    erased: tuple[Gone, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing was erased of what it is about. Only then it proves what a bundle proves."""
        return not self.erased

    def as_json(self) -> dict[str, JsonValue]:
        """The findings as data, for `--json` and for pages."""
        return {
            # A program that looks at nothing else must not take what is left for the whole.
            "held": self.is_whole,
            "verdict": "proven" if self.is_whole else "erased",
            "subject": self.subject,
            "trust_root": {"fingerprint": self.fingerprint, "given": self.trust_root_was_given},
            "proven": [step.as_json() for step in self.proven],
            "contradictions": list(self.contradictions),
            "not_proven": list(self.not_proven),
            "erased": [each.as_json() for each in self.erased],
        }


def utc_text(moment: datetime | int) -> str:
    """A time for people, UTC to the second; POSIX seconds beyond the calendar stay a number."""
    if isinstance(moment, int):
        try:
            moment = datetime.fromtimestamp(moment, UTC)
        except (ValueError, OverflowError, OSError):
            return f"{moment} s"
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
