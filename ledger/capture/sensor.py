"""The sensor: lines become signed, chained readings, each kept before the next is read.

What happens here: a line is one JSON object with `quantity`, `value`, `unit` and, where the configuration does not say
or the line knows better, `subject`, `place`, `observed_at`. A line that is no reading is counted and stated as a gap,
never left out in silence. A file that grows is remembered: a line is read once, whenever the process dies.
What may never happen here: a value rounded by a binary fraction, or one file line in two statements.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from threading import Event

from ledger.canonical import JsonValue, parse_json
from ledger.capture.chain import Chain, Make, whole_milliseconds
from ledger.capture.lines import Line
from ledger.errors import BadInput, Problem, Unavailable
from ledger.evidence import ReadingStatement
from ledger.evidence.fields import read_time

MAX_LINE_BYTES = 4096
WAIT_SECONDS = 0.25
_NEEDED, _OPTIONAL = {"quantity", "value", "unit"}, {"subject", "place", "observed_at"}


@dataclass(frozen=True, slots=True)
class Given:
    """What a line says. `observed_at`: UTC, None where only the time of arrival is known."""

    quantity: str
    value: str
    unit: str
    subject: str
    place: str | None
    observed_at: datetime | None


@dataclass(slots=True)
class Sensor:
    """Keeps the lines it is given. `place`, `subject`: for lines that do not say. `problem`: of the last line."""

    chain: Chain
    place: str | None
    subject: str | None
    stopping: Event
    kept: int = 0
    problem: Problem | None = None

    def take(self, line: Line) -> None:
        """Sign and keep one line's reading; what cannot be kept is remembered as lost, and stated.

        A line of a file waits for room in the spool instead: it does not run away.
        """
        while not self._is_settled(line):
            if self.stopping.wait(WAIT_SECONDS):
                return
        line.kept()

    def _is_settled(self, line: Line) -> bool:
        """Whether the line was kept or given up."""
        now = whole_milliseconds(self.chain.clock())
        try:
            given = read_line(line.raw, place=self.place, subject=self.subject)
            line.about_to_keep(self._next_number())
            self.chain.keep(self._stating(given, given.observed_at or now))
        except Problem as problem:
            self.problem = problem
            if line.can_wait and problem.code == "SPOOL_FULL":
                return False
            self.chain.lose(now, now, _reason(problem), count=1)
        else:
            self.problem, self.kept = None, self.kept + 1
        return True

    def _next_number(self) -> int:
        last = self.chain.last
        # A gap that is to be stated comes first.
        return (0 if last is None else last.statement.sequence) + (1 if self.chain.loss is None else 2)

    def _stating(self, given: Given, observed_at: datetime) -> Make:
        device = self.chain.device.id
        last = self.chain.last
        if last is not None and given.observed_at is None and observed_at < last.statement.ends:
            observed_at = last.statement.ends  # two readings within the clock's step

        def make(sequence: int, previous: bytes) -> ReadingStatement:
            return ReadingStatement(
                device=device,
                sequence=sequence,
                previous=previous,
                observed_at=observed_at,
                place=given.place,
                subject=given.subject,
                quantity=given.quantity,
                value=given.value,
                unit=given.unit,
            )

        return make


def read_line(raw: bytes, *, place: str | None, subject: str | None) -> Given:
    """What a line says, with `place` and `subject` where it does not.

    Raises `BadInput` READING_LINE, JSON_…, EVIDENCE_FIELD.
    """
    value = parse_json(raw, max_bytes=MAX_LINE_BYTES, max_depth=2)
    if not isinstance(value, dict) or not _NEEDED <= set(value) <= _NEEDED | _OPTIONAL:
        raise _bad(f"it has not the fields {', '.join(sorted(_NEEDED))}, and at most {', '.join(sorted(_OPTIONAL))}")
    known: dict[str, JsonValue] = {"place": place, "subject": subject, "observed_at": None} | value
    texts = {name: text for name, text in known.items() if isinstance(text, str)}
    if missing := sorted(name for name in known if name not in texts and (name in value or name == "subject")):
        raise _bad(f"{', '.join(missing)} is no text; a value is written as text, as it was measured")
    observed_at = read_time(texts["observed_at"]) if "observed_at" in texts else None
    return Given(texts["quantity"], texts["value"], texts["unit"], texts["subject"], texts.get("place"), observed_at)


def _reason(problem: Problem) -> str:
    if problem.code.startswith("SPOOL_"):
        return "spool-full"
    if isinstance(problem, Unavailable):
        return "key"
    return "clock" if problem.code == "EVIDENCE_TIME" else "source"


def _bad(why: str) -> BadInput:
    return BadInput("READING_LINE", f"The line is no reading: {why}.", cure="See the sensor's part of the handbook.")
