"""The proof bundle: one file that says what happened to one unit and proves it offline, years later. Pure.

`assemble` makes one out of plain values, `verify` says what one proves; README.md beside this file is the format.
"""

from ledger.bundle.assemble import assemble
from ledger.bundle.contents import filmed_for
from ledger.bundle.enrolment import DEVICE_DOMAIN, read_enrolment, write_enrolment
from ledger.bundle.findings import Findings, Proven
from ledger.bundle.format import Attested, BlockLog, Bundle, Judged, LoggedObject, dump, load
from ledger.bundle.trust_root import TRUST_ROOT_DOMAIN, TrustRoot
from ledger.bundle.verify import verify

__all__ = [
    "DEVICE_DOMAIN",
    "TRUST_ROOT_DOMAIN",
    "Attested",
    "BlockLog",
    "Bundle",
    "Findings",
    "Judged",
    "LoggedObject",
    "Proven",
    "TrustRoot",
    "assemble",
    "dump",
    "filmed_for",
    "load",
    "read_enrolment",
    "verify",
    "write_enrolment",
]
