"""What findings say of evidence, against the columns by which it is left out of a decision; and rows that are missing.

A doubt is kept twice: as a logged finding, and as a column that queries ask. Whoever takes away the column's word, or
the finding's row, would let a loan be decided by a reading that nobody believes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from ledger.errors import Problem
from ledger.evidence import Code, GapStatement, read_statement
from ledger.evidence.findings import DOUBTS, FINDING_DOMAIN
from ledger.store.check.found import Found

_TRUSTED: Final = (
    "SELECT entry FROM evidence WHERE trusted_time IS NOT ((device, sequence) NOT IN"
    " (SELECT device, sequence FROM finding WHERE sequence IS NOT NULL AND code IN ({marks}))) ORDER BY entry"
)
_USABLE: Final = (
    "SELECT e.entry FROM reading AS r JOIN evidence AS e USING (digest) WHERE r.usable IS NOT ((e.device, e.sequence)"
    " NOT IN (SELECT device, sequence FROM finding WHERE sequence IS NOT NULL AND code IN ({marks}))) ORDER BY e.entry"
)
_FINDINGS: Final = "SELECT entry FROM statement WHERE domain = ? AND digest NOT IN (SELECT digest FROM finding)"
_PARTLESS: Final = (
    "SELECT entry, statement FROM evidence WHERE digest NOT IN (SELECT digest FROM segment)"
    " AND digest NOT IN (SELECT digest FROM reading) ORDER BY entry"
)


def check_doubts(database: sqlite3.Connection) -> Iterator[Found]:
    """Columns that do not follow from the findings, findings without a row, and evidence without its own."""
    for table, column, query, codes in (
        ("evidence", "trusted_time", _TRUSTED, {Code.UNTRUSTED_TIME}),
        ("reading", "usable", _USABLE, DOUBTS),
    ):
        asked = query.format(marks=",".join("?" * len(codes)))
        for (entry,) in database.execute(asked, sorted(codes)):
            what = f"Columns that do not follow from the findings about it: {column}."
            yield Found("ROW_CHANGED", f"{table} of entry {entry}", what)
    for (entry,) in database.execute(_FINDINGS, (FINDING_DOMAIN,)):
        yield Found("ROW_UNBOUND", f"finding of entry {entry}", "A logged finding has no row: nobody is shown it.")
    for entry, raw in database.execute(_PARTLESS):
        try:
            whole = isinstance(read_statement(raw), GapStatement)
        except (Problem, TypeError, AttributeError):
            continue  # named as what it is
        if not whole:
            yield Found("ROW_UNBOUND", f"evidence of entry {entry}", "Its row of segments or readings is not there.")
