"""What devices state, and the only bytes that say it: RFC 8785 JSON, every field required, of one of three kinds.

`segment` (video), `reading` (one measured value) and `gap` (what is missing, and why) share one domain and, for each
device, one chain of numbers. May never happen here: a kind that is guessed from the fields.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from ledger.canonical import JsonValue, parse_canonical
from ledger.errors import BadInput
from ledger.evidence.fields import bad
from ledger.evidence.gap import GAP, GapStatement, gap_of_json
from ledger.evidence.reading import READING, ReadingStatement, reading_of_json
from ledger.evidence.segment import SEGMENT, SegmentStatement, segment_of_json

EVIDENCE_DOMAIN: Final = "pledgetrail/evidence/v1/json"
MAX_STATEMENT_BYTES = 16 * 1024

Statement: TypeAlias = SegmentStatement | ReadingStatement | GapStatement


def read_statement(raw: bytes) -> Statement:
    """The statement that `raw` spells; says nothing about who signed it.

    Raises `BadInput` EVIDENCE_SIZE, EVIDENCE_FIELD (missing, unknown or out of range; `where` names it),
    CID_SYNTAX, NON_CANONICAL, JSON_SYNTAX, JSON_DEPTH.
    """
    if len(raw) > MAX_STATEMENT_BYTES:
        raise BadInput("EVIDENCE_SIZE", f"A statement has at most {MAX_STATEMENT_BYTES} bytes, this one {len(raw)}.")
    value = parse_canonical(raw)
    match _kind_of(value):
        case "segment":
            return segment_of_json(value)
        case "reading":
            return reading_of_json(value)
        case "gap":
            return gap_of_json(value)
        case _:
            raise bad("kind", f"is none of {SEGMENT}, {READING}, {GAP}")


def as_segment(statement: Statement) -> SegmentStatement:
    """The statement where it is about a segment. `BadInput` EVIDENCE_KIND."""
    if not isinstance(statement, SegmentStatement):
        raise BadInput(
            "EVIDENCE_KIND",
            "This statement is not about a segment of video.",
            where=f"{statement.device} number {statement.sequence}",
            cure="Send readings and gaps as envelopes, and video with its segment's statement.",
        )
    return statement


def read_segment(raw: bytes) -> SegmentStatement:
    """The segment statement that `raw` spells. `BadInput` EVIDENCE_KIND and what `read_statement` raises."""
    return as_segment(read_statement(raw))


def _kind_of(value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        raise bad("statement", "is not an object")
    if "kind" not in value:
        raise bad("kind", "is missing")
    return value["kind"]
