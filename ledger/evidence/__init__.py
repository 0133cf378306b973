"""Evidence: what a camera says about a segment of video, signed, and chained to what it said before (RFC
9334).

`statement` is what is said and its bytes; `signed` is those bytes with the device's signature, and how
they travel; `verification` decides whether to believe them. May never happen here: believing a statement
because it is well-formed, or because a server stored it.
"""

from ledger.evidence.signed import SignedEvidence, read_envelope, sign_statement
from ledger.evidence.statement import (
    EVIDENCE_DOMAIN,
    NO_PREVIOUS,
    Media,
    SegmentStatement,
    read_statement,
)
from ledger.evidence.verification import Device, Evidence, verify_evidence

__all__ = [
    "EVIDENCE_DOMAIN",
    "NO_PREVIOUS",
    "Device",
    "Evidence",
    "Media",
    "SegmentStatement",
    "SignedEvidence",
    "read_envelope",
    "read_statement",
    "sign_statement",
    "verify_evidence",
]
