"""What the ledger can say about one unit or lot: its events, its video, and how well each is witnessed.

Read from the store, checked against the log: the one account that the API and every page give.
"""

from ledger.history.readings import ReadingSeries
from ledger.history.records import Record, Records, can_be_checked, records_of
from ledger.history.related import events_about
from ledger.history.unit import DoubtfulStep, EventStep, FilmedStep, UnitHistory, history_of

__all__ = [
    "DoubtfulStep",
    "EventStep",
    "FilmedStep",
    "ReadingSeries",
    "Record",
    "Records",
    "UnitHistory",
    "can_be_checked",
    "events_about",
    "history_of",
    "records_of",
]
