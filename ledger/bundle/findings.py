"""What a verification found: each step that held, by whose word and as of when, and what nothing here proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ledger.canonical import JsonValue


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


@dataclass(frozen=True, slots=True)
class Findings:
    """A bundle that held; `proven` goes from what is claimed down to what has to be believed.

    `trust_root_was_given`: False when the bundle's own copy was all there was to believe.
    `contradictions`: what does not fit together in the history itself; proven to be said, not proven to be so.
    """

    subject: str
    fingerprint: str
    trust_root_was_given: bool
    proven: tuple[Proven, ...]
    contradictions: tuple[str, ...]
    not_proven: tuple[str, ...]

    def as_json(self) -> dict[str, JsonValue]:
        """The findings as data, for `--json` and for pages."""
        return {
            "held": True,
            "subject": self.subject,
            "trust_root": {"fingerprint": self.fingerprint, "given": self.trust_root_was_given},
            "proven": [step.as_json() for step in self.proven],
            "contradictions": list(self.contradictions),
            "not_proven": list(self.not_proven),
        }


def utc_text(moment: datetime | int) -> str:
    """A time for people, UTC to the second; POSIX seconds beyond the calendar stay a number."""
    if isinstance(moment, int):
        try:
            moment = datetime.fromtimestamp(moment, UTC)
        except (ValueError, OverflowError, OSError):
            return f"{moment} s"
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
