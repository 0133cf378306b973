"""The running ledger finds silence by itself: each once, whoever looks, and says when it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ledger.data_folder import open_book
from ledger.errors import Unavailable
from ledger.evidence import Code, Terms
from ledger.history.devices import finding_as_json
from ledger.history.silence import MAX_RANGE, record_silences
from ledger.history.silence_watch import SilenceWatch
from ledger.intake_verbs import mqtt
from ledger.serving import start
from ledger.store import Ledger
from tests.ledger.intake.speaking import NOON, OTHER_KEY, Listening, Voice, listening, scale
from tests.ledger.refusals import refused

MINUTE = timedelta(minutes=1)
TERMS = Terms("scale-1", NOON, every_seconds=60, grace_seconds=30)
WAIT_SECONDS = 60.0


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Listening]:
    with listening(tmp_path) as found:
        found.ledger.evidence.agree(TERMS)
        yield found


def looks(watch: SilenceWatch, clock: Clock, minutes: float) -> list[str]:
    """When the silences began (as text) that a look finds at this minute."""
    clock.now = NOON + minutes * MINUTE
    return [finding.facts["since"] for finding in watch.step()]


def wait_for(condition: Callable[[], object], what: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(0.01)


def told(at: Listening) -> list[tuple[object, object]]:
    """What became of each silence, the newest first."""
    book = at.ledger.evidence
    found = [finding_as_json(book, stored) for stored in book.findings("scale-1")]
    return [(each["overAt"], each["answered"]) for each in found]


def test_a_silence_is_found_as_soon_as_it_is_one_and_only_once(at: Listening) -> None:
    voice, clock = Voice(), Clock()
    watch = SilenceWatch(at.ledger.evidence, clock=clock)
    at.hear(voice.reading(NOON), NOON)
    assert [looks(watch, clock, minutes) for minutes in (1, 1.4, 1.6, 2, 30)] == [
        [],
        [],
        ["2026-05-04T12:00:00.000Z"],
        [],
        [],
    ]
    at.hear(voice.reading(NOON + 31 * MINUTE), NOON + 31 * MINUTE)
    assert looks(watch, clock, 31.5) == []
    assert looks(watch, clock, 33) == ["2026-05-04T12:31:00.000Z"]
    assert at.codes() == [Code.SILENCE] * 2


def test_who_speaks_in_time_is_never_found(at: Listening) -> None:
    voice, clock = Voice(), Clock()
    watch = SilenceWatch(at.ledger.evidence, clock=clock)
    for minute in range(5):
        at.hear(voice.reading(NOON + minute * MINUTE), NOON + minute * MINUTE)
        assert looks(watch, clock, minute + 0.5) == []
    assert at.codes() == []


def test_several_watches_and_the_command_line_find_each_silence_once_together(at: Listening) -> None:
    clock = Clock(NOON + 10 * MINUTE)
    ready = threading.Barrier(4)
    found: list[int] = []

    def look() -> None:
        watch = SilenceWatch(at.ledger.evidence, clock=clock)
        ready.wait()
        found.append(len(watch.step()))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert record_silences(at.ledger.evidence, "scale-1", now=NOON + 11 * MINUTE) == ()
    assert (sorted(found), at.codes()) == ([0, 0, 0, 1], [Code.SILENCE])


def test_a_device_that_never_spoke_is_one_silence_however_long_it_is_watched(at: Listening) -> None:
    """Also where its terms are older than the days that are looked at, and after the program was started again."""
    clock = Clock(NOON + MAX_RANGE + 60 * MINUTE)
    for _ in range(3):
        SilenceWatch(at.ledger.evidence, clock=clock).step()
        clock.now += timedelta(hours=5)
    assert at.codes() == [Code.SILENCE]
    assert at.ledger.evidence.findings("scale-1")[0].finding.facts["since"] == "2026-05-04T12:00:00.000Z"


def test_a_silence_is_over_once_the_device_speaks_and_answered_once_nothing_is_missing(at: Listening) -> None:
    voice, clock = Voice(), Clock()
    watch = SilenceWatch(at.ledger.evidence, clock=clock)
    at.hear(voice.reading(NOON), NOON)
    looks(watch, clock, 5)
    assert told(at) == [(None, False)]
    for minute in (1, 2, 3):  # kept in its spool meanwhile, and handed in late
        at.hear(voice.reading(NOON + minute * MINUTE), NOON + 6 * MINUTE)
    assert told(at) == [((NOON + MINUTE).isoformat(), False)]
    at.hear(voice.reading(NOON + 4 * MINUTE), NOON + 6 * MINUTE)
    assert told(at) == [((NOON + MINUTE).isoformat(), True)]
    assert at.codes() == [Code.SILENCE]  # that it was found then stays


def test_a_silence_that_a_device_ended_without_its_backlog_is_over_and_not_answered(at: Listening) -> None:
    voice, clock = Voice(), Clock()
    at.hear(voice.reading(NOON), NOON)
    looks(SilenceWatch(at.ledger.evidence, clock=clock), clock, 5)
    at.hear(voice.reading(NOON + 6 * MINUTE), NOON + 6 * MINUTE)
    assert told(at) == [((NOON + 6 * MINUTE).isoformat(), False)]


def test_who_was_revoked_is_not_expected_any_more(at: Listening) -> None:
    clock = Clock()
    at.ledger.evidence.revoke("scale-1", NOON + MINUTE, "sold")
    assert looks(SilenceWatch(at.ledger.evidence, clock=clock), clock, 60) == []
    at.ledger.evidence.enrol(scale("scale-2", OTHER_KEY))
    at.ledger.evidence.agree(replace(TERMS, device="scale-2"))
    assert len(looks(SilenceWatch(at.ledger.evidence, clock=clock), clock, 60)) == 1


def test_who_has_no_cadence_is_not_looked_at(at: Listening) -> None:
    at.ledger.evidence.agree(replace(TERMS, every_seconds=0))
    assert at.ledger.evidence.watched() == ()
    at.ledger.evidence.agree(TERMS)
    assert at.ledger.evidence.watched() == ("scale-1",)


def test_a_clock_that_was_put_back_finds_nothing_and_breaks_nothing(at: Listening) -> None:
    clock = Clock()
    watch = SilenceWatch(at.ledger.evidence, clock=clock)
    assert len(looks(watch, clock, 60)) == 1
    assert looks(watch, clock, 1) == []
    assert looks(watch, clock, 61) == []


def test_each_look_reads_only_what_is_new(at: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked = Clock(), list[timedelta]()
    spoken = type(at.ledger.evidence).spoken

    def counting(book: object, device: str, since: datetime, until: datetime) -> object:
        asked.append(until - since)
        return spoken(book, device, since, until)  # type: ignore[arg-type]

    monkeypatch.setattr(type(at.ledger.evidence), "spoken", counting)
    watch = SilenceWatch(at.ledger.evidence, clock=clock)
    for minutes in (3000, 3000.5, 3001):
        looks(watch, clock, minutes)
    assert asked == [timedelta(minutes=2999.5), MINUTE / 2, MINUTE / 2]


def test_a_store_that_is_away_is_looked_at_again(at: Listening) -> None:
    """Nothing is lost by a look that failed; a defect does not end the watch either, and both are told."""
    clock = Clock(NOON + 10 * MINUTE)
    failures: list[Exception] = [Unavailable("STORE_BUSY", "Busy."), RuntimeError("a defect")]
    watch = SilenceWatch(at.ledger.evidence, clock=clock, every_seconds=0.01)
    look, told_of = watch.step, list[object]()

    def failing() -> object:
        told_of.append(watch.problem)
        if failures:
            raise failures.pop(0)
        return look()

    watch.step = failing  # type: ignore[method-assign, assignment]
    with watch.running():
        wait_for(lambda: at.codes() == [Code.SILENCE] and watch.problem is None, "the silence")
    assert [type(problem) for problem in told_of[:3]] == [type(None), Unavailable, RuntimeError]


def test_a_range_of_another_device_is_refused(at: Listening) -> None:
    with refused("DEVICE_UNKNOWN"):
        record_silences(at.ledger.evidence, "scale-9", now=NOON)


def test_a_ledger_that_runs_finds_the_silence_by_itself(tmp_path: Path) -> None:
    """By the machine's own clock, in the thread that `ledger run` starts."""
    ledger = Ledger.open(tmp_path, origin="ledger.example/log")
    now = ledger.clock().replace(microsecond=0)
    device = replace(scale(), valid_from=now - timedelta(days=1), valid_until=now + timedelta(days=1))
    ledger.evidence.enrol(device)
    ledger.evidence.agree(Terms("scale-1", now - 10 * MINUTE, every_seconds=60, grace_seconds=30))
    ledger.close()
    serving = start(tmp_path, origin="ledger.example/log", host="127.0.0.1", port=0, trust_root=None, public_url=None)
    try:
        wait_for(lambda: serving.ledger.evidence.findings("scale-1"), "a finding")
    finally:
        serving.stop()


def test_the_intake_finds_the_silence_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pledgetrail intake mqtt` watches for as long as it runs."""
    with listening(tmp_path, clock=NOON) as found:
        device = replace(scale("scale-2", OTHER_KEY), valid_from=NOON - timedelta(days=9))
        found.ledger.evidence.enrol(replace(device, valid_until=NOON + timedelta(days=20_000)))
        found.ledger.evidence.agree(replace(TERMS, device="scale-2"))
    (tmp_path / "intake.json").write_text('{"data": "ledger", "broker_host": "127.0.0.1", "broker_port": 1}')
    seen: list[Code] = []

    def runs(_start: object, _show: object) -> None:
        book = open_book(tmp_path / "ledger")
        wait_for(lambda: book.findings("scale-2"), "a finding")
        seen.extend(stored.finding.code for stored in book.findings("scale-2"))

    monkeypatch.setattr("ledger.program.run_until_interrupted", runs)
    mqtt(tmp_path / "intake.json")
    assert seen == [Code.SILENCE]
    assert "silence-watch" not in [thread.name for thread in threading.enumerate()]
