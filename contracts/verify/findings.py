"""What a verification writes down: comparisons made, differences found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference between manifest and chain. `code` is stable; the rest is for people, as in `ledger.errors`."""

    code: str
    what: str
    where: str
    cure: str

    def as_json(self) -> dict[str, str]:
        """Its four parts."""
        return {"code": self.code, "what": self.what, "where": self.where, "cure": self.cure}


REDEPLOY = "Do not use this deployment; deploy anew, or correct the manifest if it is the one that errs."
ORDER = "Ask the committee which order changed it, and write the present state into the manifest."


@dataclass(slots=True)
class Comparison:
    """One aspect of one chain, while it is compared: how much was, and what differs."""

    chain: str
    aspect: str
    compared: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    def equal(self, code: str, subject: str, *, stated: Any, found: Any, cure: str = REDEPLOY) -> bool:
        """Compare a value; a difference is a finding that names both."""
        self.compared += 1
        if type(stated) is type(found) and stated == found:
            return True
        what = f"{subject} is {shown(found)}, and {shown(stated)} in the manifest"
        self.findings.append(Finding(code, what, self.chain, cure))
        return False

    def hold(self, code: str, what: str, *, holds: bool, cure: str = REDEPLOY) -> bool:
        """Write a finding down unless something holds; `what` says what is wrong."""
        self.compared += 1
        if not holds:
            self.findings.append(Finding(code, what, self.chain, cure))
        return holds

    def note(self, code: str, what: str, cure: str) -> None:
        """Write down what is no difference."""
        self.notes.append(Finding(code, what, self.chain, cure))


def shown(value: Any) -> str:
    """A value for people: bytes as hex, long ones shortened."""
    if isinstance(value, bytes):
        text = value.hex()
        return f"0x{text}" if len(text) <= 64 else f"0x{text[:32]}… ({len(value)} bytes)"
    if isinstance(value, tuple):
        return f"({', '.join(shown(item) for item in value)})"
    return str(value)
