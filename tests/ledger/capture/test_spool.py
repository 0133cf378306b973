"""What waits is kept in order, bounded, and costs the same to add to, however much waits already."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.capture import statement_file
from ledger.capture.chain import LOSS_FILE, Chain
from ledger.capture.delivery import IDLE_SECONDS, MAX_WAIT_SECONDS, Delivery
from ledger.capture.spool import DAMAGED, Spool
from ledger.capture.uplink import Later
from ledger.errors import Refused, Unavailable
from ledger.evidence import (
    Evidence,
    GapStatement,
    ReadingStatement,
    SegmentStatement,
    SignedEvidence,
    read_statement,
    verify_evidence,
)
from ledger.segment_body import SegmentBody, read_segment_body
from tests.ledger.capture.estate import KEY, NOW, OTHER_KEY, Receiver, device
from tests.ledger.capture.films import NOON
from tests.ledger.evidence.test_evidence import FIRST
from tests.ledger.refusals import refused

DOWN = Unavailable("UPLINK_DOWN", "The ledger is away.")


class Row:
    """A device that speaks once a second, of weights and now and then of video."""

    def __init__(self, folder: Path, *, max_bytes: int = 10**9) -> None:
        self.spool = Spool(folder, max_bytes=max_bytes)
        self.chain = Chain(device(), KEY, spool=self.spool, clock=lambda: NOW)

    def weigh(self) -> Evidence:
        def make(sequence: int, previous: bytes) -> ReadingStatement:
            at = NOON + timedelta(seconds=sequence)
            return ReadingStatement("camera-1", sequence, previous, at, None, "pallet-1", "weight", "12.5", "KGM")

        return self.chain.keep(make)

    def show(self, media: bytes = b"media" * 100) -> Evidence:
        def make(sequence: int, previous: bytes) -> SegmentStatement:
            at = NOON + timedelta(seconds=sequence)
            return replace(
                FIRST,
                device="camera-1",
                sequence=sequence,
                previous=previous,
                recorded_from=at,
                recorded_until=at + timedelta(seconds=1),
                media=replace(FIRST.media, duration_ms=1000),
            )

        return self.chain.keep(make, init=b"init", media=media)


def drain(delivery: Delivery) -> None:
    while delivery.step() != IDLE_SECONDS:
        assert delivery.problem is None or delivery.problem.code == "SPOOL_DAMAGED"


def handed_over(spool: Spool, receiver: Receiver) -> list[int]:
    """What a delivery brings to the receiver, in the order of arrival, each verified after the one before."""
    order: list[SignedEvidence] = []

    class Ordered:
        def submit(self, evidence: SignedEvidence, init: bytes, media: bytes) -> None:
            receiver.submit(evidence, init, media)
            order.append(evidence)

        def state(self, evidence: SignedEvidence) -> None:
            receiver.state(evidence)
            order.append(evidence)

    drain(Delivery(spool, Ordered()))
    believed: list[Evidence] = []
    for signed in order:
        known = believed[-1] if believed else None
        believed.append(verify_evidence(signed, device=device(), previous=known, received_at=NOW))
    return [each.statement.sequence for each in believed]


def test_video_and_readings_go_in_the_order_they_were_signed(tmp_path: Path) -> None:
    row = Row(tmp_path)
    for kind in "wwvvwvwww":
        row.weigh() if kind == "w" else row.show()
    assert row.spool.count == 9 and row.spool.waiting() == tuple(range(1, 10))
    receiver = Receiver()
    assert handed_over(row.spool, receiver) == list(range(1, 10))
    assert len(receiver.taken) == 3 and len(receiver.stated) == 6
    assert row.spool.count == 0


def test_numbers_go_on_after_a_restart_whatever_was_handed_over(tmp_path: Path) -> None:
    for expected, kind in enumerate("wwvwwvvw", start=1):
        row = Row(tmp_path)
        assert (row.weigh() if kind == "w" else row.show()).statement.sequence == expected
        drain(Delivery(row.spool, Receiver()))
        row.spool.close()


def test_many_readings_are_few_files_and_go_when_they_were_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_file, "MAX_LINES", 20)
    row = Row(tmp_path)
    for _ in range(50):
        row.weigh()
    assert len(list(tmp_path.glob("*.statements"))) == 3
    assert len(handed_over(row.spool, Receiver())) == 50
    assert len(list(tmp_path.glob("*.statements"))) == 1  # the newest one says which number comes next
    row.show()
    assert not list(tmp_path.glob("*.statements"))


def test_half_a_line_of_a_power_cut_was_never_signed_for(tmp_path: Path) -> None:
    row = Row(tmp_path)
    for _ in range(3):
        row.weigh()
    row.spool.close()
    (path,) = tmp_path.glob("*.statements")
    whole = path.read_bytes()
    for kept in range(len(whole) - 1, len(whole) - 60, -7):
        path.write_bytes(whole[:kept])
        again = Row(tmp_path)
        assert again.spool.waiting() == (1, 2)
        assert again.weigh().statement.sequence == 3
        again.spool.close()
        assert path.read_bytes() == whole


def test_a_reading_the_disk_did_not_take_has_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(tmp_path)
    row.weigh()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with refused("SPOOL_DISK"):
            row.weigh()
    assert row.weigh().statement.sequence == 2
    assert handed_over(row.spool, Receiver()) == [1, 2]


def test_adding_looks_at_nothing_that_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(tmp_path)
    for _ in range(20):
        row.show()

    def searched(*_: object) -> None:
        raise AssertionError("adding searches the backlog")

    monkeypatch.setattr(Path, "glob", searched)
    monkeypatch.setattr(Path, "iterdir", searched)
    monkeypatch.setattr(Path, "read_bytes", searched)
    row.show()
    assert row.spool.count == 21


class TestLoss:
    def test_what_does_not_fit_is_stated_as_a_gap_once_there_is_room(self, tmp_path: Path) -> None:
        row = Row(tmp_path, max_bytes=40_000)
        taken = 0
        while True:
            try:
                row.show()
                taken += 1
            except Unavailable as problem:
                assert problem.code == "SPOOL_FULL"
                break
        for second in range(3):
            begins = NOON + timedelta(seconds=taken + 1 + second)
            row.chain.lose(begins, begins + timedelta(seconds=1), "spool-full", count=1)
        for _ in range(3):
            with refused("SPOOL_FULL"):
                row.show()
        assert row.chain.loss is not None and row.spool.count == taken  # no gap before there is room for what follows
        begun = Receiver()
        assert handed_over(row.spool, begun) == list(range(1, taken + 1))
        assert row.show().statement.sequence == taken + 2
        receiver = Receiver()
        drain(Delivery(row.spool, receiver))
        (gap,) = (read_statement(each.statement_bytes) for each in receiver.stated)
        assert isinstance(gap, GapStatement) and (gap.reason, gap.unsigned) == ("spool-full", 3)
        assert row.chain.loss is None

    def test_a_loss_is_remembered_across_a_crash(self, tmp_path: Path) -> None:
        row = Row(tmp_path)
        row.weigh()
        row.chain.lose(NOON, NOON + timedelta(seconds=1.5), "source", count=2)
        row.spool.close()
        again = Row(tmp_path)
        again.weigh()
        receiver = Receiver()
        assert handed_over(again.spool, receiver) == [1, 2, 3]
        gap = read_statement(receiver.stated[1].statement_bytes)
        assert isinstance(gap, GapStatement) and gap.unsigned == 2 and gap.lost_from == NOON + timedelta(seconds=1)
        assert not (tmp_path / LOSS_FILE).exists()

    def test_a_damaged_note_of_a_loss_is_named(self, tmp_path: Path) -> None:
        Spool(tmp_path).close()
        for damage in (b"", b"[]", b'{"from":"x"}', b"\xff"):
            (tmp_path / LOSS_FILE).write_bytes(damage)
            with Spool(tmp_path) as spool, refused("SPOOL_DAMAGED"):
                Chain(device(), KEY, spool=spool, clock=lambda: NOW)

    def test_one_gap_covers_an_outage(self, tmp_path: Path) -> None:
        row = Row(tmp_path)
        row.chain.lose(NOON + timedelta(seconds=5), NOON + timedelta(seconds=6), "source", count=1)
        row.chain.lose(NOON + timedelta(seconds=6), NOON + timedelta(seconds=9), "spool-full", count=4)
        loss = row.chain.loss
        assert loss is not None and (loss.reason, loss.count) == ("source", 5)
        assert (loss.begins, loss.ends) == (NOON + timedelta(seconds=5), NOON + timedelta(seconds=9))


class TestDelivery:
    def test_waits_grow_to_a_bound_and_keep_their_jitter(self, tmp_path: Path) -> None:
        row = Row(tmp_path)
        row.weigh()
        receiver = Receiver(problems=[DOWN] * 40)
        calm = Delivery(row.spool, receiver, jitter=lambda: 0.0)
        waits = [calm.step() for _ in range(20)]
        assert waits[:3] == [0.25, 0.5, 1.0] and max(waits) == MAX_WAIT_SECONDS / 2
        wild = Delivery(row.spool, receiver, jitter=lambda: 1.0)
        assert max(wild.step() for _ in range(20)) == MAX_WAIT_SECONDS
        assert getattr(wild.problem, "code", None) == "UPLINK_DOWN" and row.spool.count == 1
        assert wild.step() == 0.0
        assert wild.taken == 1 and getattr(wild.problem, "code", None) is None

    def test_OD12_a_ledger_that_asks_for_time_gets_it_and_some_jitter(self, tmp_path: Path) -> None:
        row = Row(tmp_path)
        row.weigh()
        asked = Later("http://ledger", "7"), Later("http://ledger", "7"), Later("http://ledger", "-1 day")
        receiver = Receiver(problems=list(asked))
        assert Delivery(row.spool, receiver, jitter=lambda: 0.0).step() == 7.0
        assert Delivery(row.spool, receiver, jitter=lambda: 1.0).step() == 10.5
        assert Delivery(row.spool, receiver, jitter=lambda: 0.0).step() == 1.0
        assert Later("", "9999").seconds == 3600.0 and row.spool.count == 1

    def test_a_refusal_waits_and_gives_nothing_up(self, tmp_path: Path) -> None:
        row = Row(tmp_path)
        row.show()
        row.weigh()
        receiver = Receiver(problems=[Refused("DEVICE_REVOKED", "The key was revoked.")])
        delivery = Delivery(row.spool, receiver)
        assert delivery.step() >= 30
        assert getattr(delivery.problem, "code", None) == "DEVICE_REVOKED"
        assert row.spool.waiting() == (1, 2)
        assert [delivery.step(), delivery.step()] == [0.0, 0.0] and row.spool.count == 0

    def test_a_damaged_file_is_put_aside_and_does_not_hold_up_the_rest(self, tmp_path: Path) -> None:
        row = Row(tmp_path)
        for _ in range(3):
            row.show()
        damaged = tmp_path / "0000000000000002.segment"
        damaged.write_bytes(damaged.read_bytes()[:-1])
        receiver = Receiver()
        delivery = Delivery(row.spool, receiver)
        drain(delivery)
        sent = [read_statement(read_segment_body(raw).evidence.statement_bytes).sequence for raw in receiver.taken]
        assert sent == [1, 3] and row.spool.count == 0
        assert damaged.with_name(damaged.name + DAMAGED).exists() and delivery.set_aside == [str(damaged)]


def test_another_key_or_another_device_s_spool_is_refused(tmp_path: Path) -> None:
    row = Row(tmp_path)
    row.weigh()
    with refused("CAMERA_KEY"):
        Chain(device(), OTHER_KEY, spool=row.spool, clock=lambda: NOW)
    with refused("CAMERA_SPOOL"):
        Chain(device("camera-2"), KEY, spool=row.spool, clock=lambda: NOW)
    first = row.spool.first()
    assert first is not None and not isinstance(first[1], SegmentBody)
