"""What waits at the MQTT desk, what is given up, and when a message is acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Unavailable
from ledger.evidence import Code, SignedEvidence, read_envelope
from ledger.intake.mqtt import ROOM_OF_A_DEVICE, WAIT_SECONDS, Desk, Message
from ledger.intake.quota import Quota
from ledger.intake.receive import Receiver
from ledger.segment_body import read_segment_body
from tests.ledger.capture.estate import NOW as FILMED
from tests.ledger.capture.estate import bodies, device
from tests.ledger.intake.speaking import NOON, OTHER_KEY, Listening, Voice, listening, scale
from tests.ledger.refusals import refused

TOPIC = "pledgetrail/scale-1/evidence"


@dataclass
class Table:
    """A desk whose clock a test moves; `settled` are the messages acknowledged so far, by name."""

    at: Listening
    now: float = 0.0
    settled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        quota = Quota(1, 100, clock=lambda: self.now)
        receiver = Receiver(self.at.ledger.evidence, self.at.ledger.media, quota)
        self.desk = Desk(receiver, lambda: NOON, lambda: self.now)

    def put(self, name: str, signed: SignedEvidence | bytes, topic: str = TOPIC, *, retain: bool = False) -> None:
        payload = signed if isinstance(signed, bytes) else signed.envelope()
        message = Message(topic, payload, retain, "application/json")
        self.desk.take(message, lambda: self.settled.append(name))


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    with listening(tmp_path) as at:
        yield Table(at)


def test_a_message_is_acknowledged_once_its_row_is_there(table: Table) -> None:
    table.put("first", Voice().reading())
    assert (table.settled, table.at.held()) == (["first"], 1)


def test_OD14_a_message_is_not_acknowledged_while_the_store_is_away(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Voice().reading()
    with monkeypatch.context() as patch:

        def away(*_arguments: object, **_options: object) -> None:
            raise Unavailable("STORE_UNAVAILABLE", "The disk is full.")

        patch.setattr(type(table.at.ledger.evidence), "add", away)
        with refused("STORE_UNAVAILABLE"):
            table.put("first", first)
    assert table.settled == []
    table.put("first again", first)
    assert (table.settled, table.at.held()) == (["first again"], 1)


def test_what_waits_and_meets_a_defect_stays_unacknowledged_and_holds_up_nobody(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.at.ledger.evidence.enrol(scale("scale-2", OTHER_KEY))
    voice = Voice()
    first, second = voice.reading(), voice.reading()
    table.put("second", second)
    with monkeypatch.context() as patch:

        def fails(*_arguments: object, **_options: object) -> None:
            raise RuntimeError("nobody foresaw this")

        patch.setattr(Receiver, "statement", fails)
        table.desk.look_again()
        assert (table.settled, table.desk.waiting) == ([], 0)
        table.put("first", first)
        table.now += WAIT_SECONDS
        table.desk.look_again()
        assert (table.settled, table.at.held()) == ([], 0)
    table.put("quiet", Voice("scale-2", OTHER_KEY).reading(), "pledgetrail/scale-2/evidence")
    for name, signed in (("first again", first), ("second again", second)):  # at the next connection
        table.put(name, signed)
    assert (table.settled, table.at.held()) == (["quiet", "first again", "second again"], 2)


def test_what_comes_before_its_predecessor_waits_for_it(table: Table) -> None:
    voice = Voice()
    first, second, third = (voice.reading() for _ in range(3))
    table.put("third", third)
    table.put("second", second)
    assert (table.settled, table.desk.waiting, table.at.held()) == ([], 2, 0)
    table.put("first", first)
    assert (table.settled[0], sorted(table.settled), table.desk.waiting) == ("first", ["first", "second", "third"], 0)
    assert (table.at.held(), table.at.codes()) == (3, [])


def test_what_waited_in_vain_is_kept_as_a_finding_and_acknowledged(table: Table) -> None:
    voice = Voice()
    voice.reading()
    second = voice.reading()
    table.put("second", second)
    table.now += WAIT_SECONDS - 1
    table.desk.look_again()
    assert (table.settled, table.at.codes()) == ([], [])
    table.now += 1
    table.desk.look_again()
    assert (table.settled, table.at.codes(), table.desk.waiting) == (["second"], [Code.OUT_OF_TURN], 0)
    assert read_envelope(table.at.ledger.evidence.findings("scale-1")[0].finding.kept) == second


def test_OD12_a_device_has_no_more_room_than_its_share(table: Table) -> None:
    table.at.ledger.evidence.enrol(scale("scale-2", OTHER_KEY))
    voice = Voice(number=5, digest=bytes([1]) * 32)
    for number in range(ROOM_OF_A_DEVICE + 3):
        table.put(str(number), voice.reading())
    assert (len(table.settled), table.desk.waiting) == (3, ROOM_OF_A_DEVICE)
    assert table.at.codes() == [Code.OUT_OF_TURN] * 3
    table.put("quiet", Voice("scale-2", OTHER_KEY).reading(), "pledgetrail/scale-2/evidence")
    assert "quiet" in table.settled and table.at.held("scale-2") == 1


def test_OD12_what_waits_in_vain_costs_one_look_however_much_of_it_there_is(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk looks again between any two messages: a device could else hold up all others by what it leaves out."""
    looked, statement = list[int](), Receiver.statement

    def counted(self: Receiver, envelope: bytes, **options: Any) -> Any:
        looked.append(len(envelope))
        return statement(self, envelope, **options)

    voice = Voice()
    first, *rest = (voice.reading() for _ in range(ROOM_OF_A_DEVICE + 1))
    for signed in reversed(rest):
        table.put("waits", signed)
    monkeypatch.setattr(Receiver, "statement", counted)
    for _ in range(3):
        table.desk.look_again()
    assert (len(looked), table.desk.waiting) == (3, ROOM_OF_A_DEVICE)
    looked.clear()
    table.put("first", first)
    assert (table.at.held(), table.desk.waiting) == (ROOM_OF_A_DEVICE + 1, 0)
    assert len(looked) == ROOM_OF_A_DEVICE + 1


def test_OD12_what_is_beyond_the_quota_waits_and_comes_in_later(table: Table) -> None:
    voice = Voice()
    for number in range(102):
        table.put(str(number), voice.reading())
    assert (table.at.held(), table.desk.waiting) == (100, 2)
    table.now += 2
    table.desk.look_again()
    assert (table.at.held(), table.desk.waiting, table.at.codes()) == (102, 0, [])


def test_OD01_a_statement_on_another_device_s_topic_makes_no_row(table: Table) -> None:
    table.at.ledger.evidence.enrol(scale("scale-2", OTHER_KEY))
    size = table.at.ledger.log.size
    table.put("spoofed", Voice().reading(), "pledgetrail/scale-2/evidence")
    assert (table.settled, table.at.ledger.log.size) == (["spoofed"], size)
    table.put("honest", Voice().reading())
    assert table.at.held() == 1


def test_OD04_a_retained_message_makes_no_row(table: Table) -> None:
    table.put("retained", Voice().reading(), retain=True)
    assert (table.settled, table.at.held()) == (["retained"], 0)


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff" * 20, b'{"a":1e999}', b"[" * 5000, b"x" * 40_000])
def test_nonsense_is_settled_and_makes_no_row(table: Table, payload: bytes) -> None:
    table.put("nonsense", payload)
    table.put("elsewhere", payload, "pledgetrail/a/b")
    assert (table.settled, table.at.held()) == (["nonsense", "elsewhere"], 0)
    table.put("honest", Voice().reading())
    assert table.at.held() == 1


def test_a_lost_connection_lets_go_of_what_waits(table: Table) -> None:
    voice = Voice()
    voice.reading()
    table.put("second", voice.reading())
    table.desk.forget()
    table.now += WAIT_SECONDS
    table.desk.look_again()
    assert (table.settled, table.at.codes()) == ([], [])


def test_a_segment_is_announced_and_missed_until_its_video_comes(table: Table, tmp_path: Path) -> None:
    ledger = table.at.ledger
    ledger.evidence.enrol(device())
    (first, *_) = bodies(tmp_path / "camera")
    announced = read_segment_body(first).evidence
    for name in ("once", "twice"):
        table.put(name, announced, "pledgetrail/camera-1/evidence")
    assert (table.settled, ledger.evidence.announced("camera-1")) == (["once", "twice"], (1,))
    assert ledger.evidence.last("camera-1") is None
    Receiver(ledger.evidence, ledger.media).segment(first, received_at=FILMED + timedelta(hours=1))
    assert ledger.evidence.announced("camera-1") == ()
