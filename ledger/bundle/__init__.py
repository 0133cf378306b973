"""The proof bundle: one file that says what happened to one unit and proves it offline, years later. Pure.

`assemble` makes one out of plain values, `verify` says what one proves; README.md beside this file is the format.
"""

from ledger.bundle.assemble import assemble, assemble_crossed, crossing_of
from ledger.bundle.contents import filmed_for
from ledger.bundle.enrolment import DEVICE_DOMAIN, read_enrolment, write_enrolment
from ledger.bundle.epochs import cosigned_in
from ledger.bundle.findings import Findings, Proven
from ledger.bundle.format import (
    Attested,
    BlockLog,
    Bundle,
    Crossing,
    Judged,
    Link,
    LoggedObject,
    Pledge,
    SealedHeader,
    dump,
    load,
)
from ledger.bundle.header_certificate import HeaderCertificate
from ledger.bundle.sealed import (
    CREDENTIAL_DOMAIN,
    CROSSING_DOMAIN,
    CrossingRecord,
    credential_record,
    crossing_record,
    read_crossing_record,
)
from ledger.bundle.subject import EventSubject, EvidenceSubject, GoodsSubject, Subject, read_subject
from ledger.bundle.trust_root import TRUST_ROOT_DOMAIN, Lending, Notaries, TrustRoot, Validators
from ledger.bundle.verify import verify, verify_statement

__all__ = [
    "CREDENTIAL_DOMAIN",
    "CROSSING_DOMAIN",
    "DEVICE_DOMAIN",
    "TRUST_ROOT_DOMAIN",
    "Attested",
    "BlockLog",
    "Bundle",
    "Crossing",
    "CrossingRecord",
    "EventSubject",
    "EvidenceSubject",
    "Findings",
    "GoodsSubject",
    "HeaderCertificate",
    "Judged",
    "Lending",
    "Link",
    "LoggedObject",
    "Notaries",
    "Pledge",
    "Proven",
    "SealedHeader",
    "Subject",
    "TrustRoot",
    "Validators",
    "assemble",
    "assemble_crossed",
    "cosigned_in",
    "credential_record",
    "crossing_of",
    "crossing_record",
    "dump",
    "filmed_for",
    "load",
    "read_crossing_record",
    "read_enrolment",
    "read_subject",
    "verify",
    "verify_statement",
    "write_enrolment",
]
