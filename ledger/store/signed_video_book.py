"""The verdicts on the signatures that cameras put into their video, beside the evidence they are about.

They can be drawn again from the media and the chains kept with them. May never happen here: a verdict without its
evidence, or one segment's completed and the other's not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlmodel import col, select

from ledger.canonical import JsonValue, canonical_json
from ledger.evidence import Evidence
from ledger.intake.signed_video import Before
from ledger.store.database import Database
from ledger.store.tables import SegmentRow, SignedVideoRow

_AT_ONCE = 500


class SignedVideoBook:
    """The verdicts of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def kept(self, evidence_digest: bytes) -> Mapping[str, JsonValue] | None:
        """The verdict beside this evidence; None where its video carried no signature."""
        return self.of([evidence_digest]).get(evidence_digest)

    def of(self, evidence_digests: Iterable[bytes]) -> dict[bytes, Mapping[str, JsonValue]]:
        """The verdicts beside these pieces of evidence, by digest."""
        wanted, found = list(evidence_digests), dict[bytes, Mapping[str, JsonValue]]()
        with self._database.reading() as session:
            for at in range(0, len(wanted), _AT_ONCE):
                query = select(SignedVideoRow).where(col(SignedVideoRow.digest).in_(wanted[at : at + _AT_ONCE]))
                found.update((row.digest, json.loads(row.document)) for row in session.exec(query))
        return found

    def before(self, evidence: Evidence) -> Before | None:
        """The segment before, where it is of the same recording and was judged too."""
        with self._database.reading() as session:
            here = session.get(SegmentRow, evidence.digest)
            there = session.get(SegmentRow, evidence.statement.previous)
            row = session.get(SignedVideoRow, evidence.statement.previous)
        if here is None or there is None or row is None or here.recording != there.recording:
            return None
        return Before(there.digest, there.init_cid, there.media_cid, json.loads(row.document))

    def keep(self, documents: Mapping[bytes, Mapping[str, JsonValue]], at: datetime) -> None:
        """Keep these verdicts, all or none, in place of what was kept."""
        with self._database.writing() as session:
            for digest, document in documents.items():
                row = session.get(SignedVideoRow, digest) or SignedVideoRow(digest=digest, document=b"", judged_at=at)
                row.document, row.judged_at = canonical_json(dict(document)), at
                session.add(row)
