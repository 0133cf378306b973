"""Evidence: what a device says about video, a measured value or a loss, signed, and chained to what it said before
(RFC 9334).

`statement` is what is said and its bytes (`segment`, `reading`, `gap`); `signed` is those bytes with the device's
signature, and how they travel; `keys` are what devices sign with; `terms` are what is expected of a device;
`verification` decides whether to believe it, and `findings` say what is wrong with what is kept all the same. May never
happen here: believing a statement because it is well-formed, or because a server stored it.
"""

from ledger.evidence.fields import NO_PREVIOUS
from ledger.evidence.findings import FINDING_DOMAIN, Code, DeviceFinding
from ledger.evidence.gap import GapStatement
from ledger.evidence.keys import Algorithm, DeviceSigner, SoftwareKey
from ledger.evidence.orders import ORDER_DOMAIN, DeviceOrder
from ledger.evidence.reading import ReadingStatement
from ledger.evidence.segment import Media, SegmentStatement
from ledger.evidence.signed import SignedEvidence, Stated, read_envelope, read_stated, sign_statement
from ledger.evidence.statement import EVIDENCE_DOMAIN, Statement, as_segment, read_segment, read_statement
from ledger.evidence.terms import TERMS_DOMAIN, Terms
from ledger.evidence.verification import ChainLink, Device, Evidence, Judged, Past, judge_evidence, verify_evidence

__all__ = [
    "EVIDENCE_DOMAIN",
    "FINDING_DOMAIN",
    "NO_PREVIOUS",
    "ORDER_DOMAIN",
    "TERMS_DOMAIN",
    "Algorithm",
    "ChainLink",
    "Code",
    "Device",
    "DeviceFinding",
    "DeviceOrder",
    "DeviceSigner",
    "Evidence",
    "GapStatement",
    "Judged",
    "Media",
    "Past",
    "ReadingStatement",
    "SegmentStatement",
    "SignedEvidence",
    "SoftwareKey",
    "Stated",
    "Statement",
    "Terms",
    "as_segment",
    "judge_evidence",
    "read_envelope",
    "read_segment",
    "read_stated",
    "read_statement",
    "sign_statement",
    "verify_evidence",
]
