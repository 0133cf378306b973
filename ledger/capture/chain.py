"""A device's one row of statements: each gets the next number and the digest of the one before, is signed and spooled.

Every kind passes here: segments, readings, and the gaps that say what was lost. What could not be kept is remembered,
also across a crash, and stated before anything else is signed. What may never happen here: signing what a receiver
would have to refuse, since everything after it would wait for ever; a number used for two contents; a loss nobody
states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.canonical import JsonValue, canonical_json, parse_json
from ledger.capture.spool import Spool
from ledger.durable_file import write_whole
from ledger.errors import BadInput, Problem, Refused, WrongUse
from ledger.evidence import (
    NO_PREVIOUS,
    Device,
    DeviceSigner,
    Evidence,
    GapStatement,
    SignedEvidence,
    Statement,
    read_statement,
    sign_statement,
    verify_evidence,
)
from ledger.evidence.fields import read_time, write_time
from ledger.evidence.statement import MAX_STATEMENT_BYTES
from ledger.evidence.verification import CLOCK_SKEW
from ledger.segment_body import SegmentBody

LOSS_FILE = "loss.json"
_MAX_LOSS_BYTES = 1024

Make = Callable[[int, bytes], Statement]
"""From the next number and the digest before it to a statement."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What was captured and not kept, and is not stated yet. Times are UTC in whole milliseconds."""

    begins: datetime
    ends: datetime
    reason: str
    count: int


class Chain:
    """The row of an enrolled device with its key and its spool. One thread at a time.

    Raises `WrongUse` CAMERA_KEY when the key is not the enrolled one, CAMERA_SPOOL for another device's spool.
    """

    def __init__(self, device: Device, key: DeviceSigner, *, spool: Spool, clock: Callable[[], datetime]) -> None:
        if (key.algorithm, key.public_key) != (device.algorithm, device.public_key):
            raise WrongUse(
                "CAMERA_KEY",
                "This key is not the one enrolled for the device.",
                where=device.id,
                cure="Use the device's own key file, or enrol the key under a new device id.",
            )
        self.device, self.clock, self._key, self._spool = device, clock, key, spool
        self._last = None if spool.last is None else _own(spool.last, device)
        self._loss = _read_loss(spool)

    @property
    def last(self) -> Evidence | None:
        """The newest evidence of this device; None before its first."""
        return self._last

    @property
    def loss(self) -> Loss | None:
        """What was lost and will be stated as soon as there is room."""
        return self._loss

    def keep(self, make: Make, *, init: bytes = b"", media: bytes = b"") -> Evidence:
        """Sign and spool the next statement, after the gap that is to be stated first. `media`: of a segment.

        Raises what `verify_evidence` refuses and what the spool raises; then nothing was signed.
        """
        if self._loss is not None:
            statement = make(*self._next())
            # Nothing else can be signed after a gap that leads nowhere, and the next loss would need one of its own.
            self._spool.check_room(len(init) + len(media) + 2 * MAX_STATEMENT_BYTES)
            self._check_times(statement)
            self._state_loss(until=statement.begins)
        signed, evidence = self._sign(make)
        self._spool.add(SegmentBody(signed, init, media) if media else signed)
        self._last = evidence
        return evidence

    def lose(self, begins: datetime, ends: datetime, reason: str, *, count: int = 0) -> None:
        """Remember that nothing is kept of this time, and that `count` segments or readings were given up."""
        known = self._loss
        if known is not None:
            # One gap covers a whole outage: it keeps the reason it began with.
            begins, ends = min(begins, known.begins), max(ends, known.ends)
            reason, count = known.reason, known.count + count
        self._loss = Loss(begins, max(begins, ends), reason, count)
        fields: dict[str, JsonValue] = {
            "from": write_time(begins),
            "until": write_time(self._loss.ends),
            "reason": reason,
            "count": count,
        }
        try:
            write_whole(self._spool.folder / LOSS_FILE, canonical_json(fields))
        except OSError:
            return  # the disk is what fails: it stays in memory, and the hole in time stays visible

    def _state_loss(self, until: datetime) -> None:
        loss = self._loss
        assert loss is not None
        begins = min(loss.begins, until)
        begins = begins if self._last is None else max(begins, self._last.statement.ends)
        ends = max(begins, min(loss.ends, until))

        def gap(sequence: int, previous: bytes) -> GapStatement:
            device = self.device.id
            return GapStatement(device, sequence, previous, begins, ends, loss.reason, unsigned=loss.count, unsent=0)

        signed, evidence = self._sign(gap)
        self._spool.add(signed)
        self._last, self._loss = evidence, None
        (self._spool.folder / LOSS_FILE).unlink(missing_ok=True)

    def _check_times(self, statement: Statement) -> None:
        """What `verify_evidence` would say of the statement's times behind a gap."""
        went_back = self._last is not None and statement.begins < self._last.statement.ends
        if went_back or statement.ends > self.clock() + CLOCK_SKEW:
            raise Refused(
                "EVIDENCE_TIME",
                "The device's clock is not where its last evidence ends.",
                where=self.device.id,
                cure="Check the clock; what is captured meanwhile is stated as lost.",
            )

    def _sign(self, make: Make) -> tuple[SignedEvidence, Evidence]:
        signed = sign_statement(make(*self._next()), self._key)
        return signed, verify_evidence(signed, device=self.device, previous=self._last, received_at=self.clock())

    def _next(self) -> tuple[int, bytes]:
        if self._last is None:
            return 1, NO_PREVIOUS
        return self._last.statement.sequence + 1, self._last.digest


def whole_milliseconds(moment: datetime) -> datetime:
    """Statements carry whole milliseconds."""
    return moment - timedelta(microseconds=moment.microsecond % 1000)


def _own(last: SignedEvidence, device: Device) -> Evidence:
    statement = read_statement(last.statement_bytes)
    if statement.device != device.id:
        raise WrongUse(
            "CAMERA_SPOOL",
            f"This folder is the spool of {statement.device}.",
            where=device.id,
            cure="Give each device a folder of its own.",
        )
    return Evidence(statement, last, last.digest)


def _read_loss(spool: Spool) -> Loss | None:
    path = spool.folder / LOSS_FILE
    try:
        read = parse_json(path.read_bytes(), max_bytes=_MAX_LOSS_BYTES)
        value = read if isinstance(read, dict) else {}
        times = read_time(str(value["from"])), read_time(str(value["until"]))
        return Loss(*times, str(value["reason"]), int(str(value["count"])))
    except FileNotFoundError:
        return None
    except (OSError, Problem, KeyError, ValueError) as error:
        raise BadInput(
            "SPOOL_DAMAGED",
            "The note of what was lost cannot be read.",
            where=str(path),
            cure="Remove it; the hole in the device's times stays visible.",
        ) from error
