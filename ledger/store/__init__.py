"""The ledger's tables: the only room that speaks SQL.

`Ledger.open(folder, origin=…)` opens everything. The books write an object and its log entry together or not at all;
`Log` gives sizes, roots and proofs, signs checkpoints and publishes the cosigned ones. What is read from here is
claimed, not proven: pages check it against the log, notaries and contracts never ask it.
"""

from ledger.store.chain_book import ChainBook, Cursor
from ledger.store.database import Database
from ledger.store.devices import StoredFinding
from ledger.store.entries import Entry
from ledger.store.event_book import CapturedEvent, EventBook, StoredEvent
from ledger.store.evidence_book import EVIDENCE_ENTRY_DOMAIN, Held, SqlEvidenceBook
from ledger.store.evidence_rows import StoredSegment, recording_key
from ledger.store.ledger import Ledger, utc_now
from ledger.store.log import Cosigners, Log, PublishedCheckpoint
from ledger.store.log_key import log_signer
from ledger.store.paper_book import LoanDocument, Lot, Name, PaperBook, ReceiptDocument
from ledger.store.scan_book import ScanBook, Scans

__all__ = [
    "EVIDENCE_ENTRY_DOMAIN",
    "CapturedEvent",
    "ChainBook",
    "Cosigners",
    "Cursor",
    "Database",
    "Entry",
    "EventBook",
    "Held",
    "Ledger",
    "LoanDocument",
    "Log",
    "Lot",
    "Name",
    "PaperBook",
    "PublishedCheckpoint",
    "ReceiptDocument",
    "ScanBook",
    "Scans",
    "SqlEvidenceBook",
    "StoredEvent",
    "StoredFinding",
    "StoredSegment",
    "log_signer",
    "recording_key",
    "utc_now",
]
