"""A camera chains what it signs, keeps it before it tells, and never uses a number twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ledger import durable_file
from ledger.capture import spool as spool_module
from ledger.capture.camera import Camera
from ledger.capture.spool import Spool
from ledger.errors import Refused, Unavailable
from ledger.evidence import Evidence, read_statement, verify_evidence
from ledger.segment_body import read_segment_body
from tests.ledger.capture.estate import KEY, NOW, OTHER_KEY, Receiver, camera, device, recording, shot
from tests.ledger.capture.films import NOON
from tests.ledger.refusals import refused

DOWN = Unavailable("UPLINK_DOWN", "The ledger is away.")


def accepted(taken: list[bytes]) -> list[Evidence]:
    """What a receiver believes of these bodies, in order."""
    believed: list[Evidence] = []
    for raw in taken:
        previous = believed[-1] if believed else None
        signed = read_segment_body(raw).evidence
        believed.append(verify_evidence(signed, device=device(), previous=previous, received_at=NOW))
    return believed


def test_every_segment_becomes_evidence_that_follows_the_one_before(tmp_path: Path) -> None:
    receiver = Receiver()
    with Spool(tmp_path / "spool") as spool, recording(tmp_path) as opened:
        filmed = camera(spool, receiver).film(opened, shot())
    believed = accepted(receiver.taken)

    assert tuple(believed) == filmed.evidence and filmed.waiting == 0
    assert [e.statement.sequence for e in believed] == [1, 2, 3]
    assert believed[0].segment.recorded_from == NOON
    assert [e.segment.recorded_until for e in believed[:2]] == [e.segment.recorded_from for e in believed[1:]]


def test_numbers_go_on_across_recordings_and_restarts(tmp_path: Path) -> None:
    receiver = Receiver()
    for index in range(2):
        with Spool(tmp_path / "spool") as spool, recording(tmp_path) as opened:
            camera(spool, receiver).film(opened, shot(f"r-{index}", NOON + index * timedelta(minutes=1)))
    assert [e.statement.sequence for e in accepted(receiver.taken)] == [1, 2, 3, 4, 5, 6]


class TestAwayFromTheLedger:
    def test_what_cannot_be_handed_over_waits_and_goes_in_order(self, tmp_path: Path) -> None:
        receiver = Receiver(problems=[DOWN, DOWN])
        with Spool(tmp_path / "spool") as spool, recording(tmp_path) as opened:
            own = camera(spool, receiver)
            assert own.film(opened, shot()).waiting == 3
            with refused("UPLINK_DOWN"):
                own.deliver()
            assert own.deliver() == 3 and own.deliver() == 0
        assert len(accepted(receiver.taken)) == 3

    def test_a_refusal_is_told_and_nothing_is_given_up(self, tmp_path: Path) -> None:
        receiver = Receiver(problems=[Refused("DEVICE_REVOKED", "The key was revoked.")])
        with Spool(tmp_path / "spool") as spool, recording(tmp_path) as opened:
            with refused("DEVICE_REVOKED"):
                camera(spool, receiver).film(opened, shot())
            assert spool.waiting() == (1, 2, 3) and receiver.taken == []

    def test_what_waits_survives_a_restart_byte_for_byte(self, tmp_path: Path) -> None:
        with Spool(tmp_path / "spool") as spool, recording(tmp_path) as opened:
            camera(spool, Receiver(problems=[DOWN])).film(opened, shot())
            waiting = [spool.read(number) for number in spool.waiting()]
        receiver = Receiver()
        with Spool(tmp_path / "spool") as spool:
            camera(spool, receiver).deliver()
        assert [read_segment_body(raw) for raw in receiver.taken] == waiting


class TestCrashes:
    """The process dies at the n-th durable step of filming; afterwards the same recording is filmed again."""

    @pytest.mark.parametrize("dies_at", range(1, 7))
    def test_no_number_is_ever_used_for_two_contents(
        self, tmp_path: Path, dies_at: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receiver, write, steps = Receiver(), durable_file.write_whole, iter(range(1, 100))

        def dies(path: Path, data: bytes) -> None:
            if next(steps) == dies_at:
                raise KeyboardInterrupt
            write(path, data)

        with monkeypatch.context() as patch:
            patch.setattr(spool_module, "write_whole", dies)
            with (
                pytest.raises(KeyboardInterrupt),
                Spool(tmp_path / "spool") as spool,
                recording(tmp_path) as opened,
            ):
                camera(spool, receiver).film(opened, shot())
        with Spool(tmp_path / "spool") as spool:
            before = {number: spool.read(number) for number in spool.waiting()}
            with recording(tmp_path) as opened:
                camera(spool, Receiver(problems=[DOWN])).film(opened, shot())
            after = {number: spool.read(number) for number in spool.waiting()}
            camera(spool, receiver).deliver()

        assert {number: after[number] for number in before} == before
        assert sorted(after) == [1, 2, 3] and len(accepted(receiver.taken)) == 3

    def test_a_segment_written_just_before_a_crash_keeps_its_number(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = durable_file.write_whole

        def dies(path: Path, data: bytes) -> None:
            if path.name == spool_module.LAST_FILE:
                raise KeyboardInterrupt
            write(path, data)

        with (
            monkeypatch.context() as patch,
            pytest.raises(KeyboardInterrupt),
            Spool(tmp_path / "spool") as spool,
            recording(tmp_path) as opened,
        ):
            patch.setattr(spool_module, "write_whole", dies)
            camera(spool, Receiver()).film(opened, shot())
        receiver = Receiver()
        with Spool(tmp_path / "spool") as spool:
            first = spool.read(1)
            with recording(tmp_path, "sound") as opened:
                camera(spool, receiver).film(opened, shot("r-2", NOON + timedelta(minutes=1)))
        assert read_segment_body(receiver.taken[0]) == first
        assert [e.segment.recording for e in accepted(receiver.taken)] == ["r-1", "r-2", "r-2", "r-2"]

    def test_a_crash_after_handing_over_hands_over_the_same_again(self, tmp_path: Path) -> None:
        class DiesAfterTaking(Receiver):
            def submit(self, *args: object) -> None:
                super().submit(*args)  # type: ignore[arg-type]
                raise KeyboardInterrupt

        first, second = DiesAfterTaking(), Receiver()
        with (
            pytest.raises(KeyboardInterrupt),
            Spool(tmp_path / "spool") as spool,
            recording(tmp_path) as opened,
        ):
            camera(spool, first).film(opened, shot())
        with Spool(tmp_path / "spool") as spool:
            camera(spool, second).deliver()
        assert second.taken[0] == first.taken[0] and len(second.taken) == 3

    def test_filming_the_same_again_signs_nothing_twice(self, tmp_path: Path) -> None:
        receiver = Receiver()
        with Spool(tmp_path / "spool") as spool:
            own = camera(spool, receiver)
            for _ in range(2):
                with recording(tmp_path) as opened:
                    own.film(opened, shot())
        assert len(receiver.taken) == 3


class TestRefused:
    def test_another_recording_under_the_same_name(self, tmp_path: Path) -> None:
        receiver = Receiver()
        with Spool(tmp_path / "spool") as spool:
            own = camera(spool, receiver)
            with recording(tmp_path) as opened:
                own.film(opened, shot())
            for kind, started_at in (("B-frames", NOON), ("plain", NOON + timedelta(minutes=1))):
                with recording(tmp_path, kind) as opened, refused("RECORDING_CHANGED"):
                    own.film(opened, shot(started_at=started_at))
            assert len(receiver.taken) == 3 and spool.waiting() == ()
            with recording(tmp_path, "B-frames") as opened:
                own.film(opened, shot("r-2", NOON + timedelta(minutes=1)))
        assert len(accepted(receiver.taken)) == 6

    def test_a_shorter_recording_under_the_same_name(self, tmp_path: Path) -> None:
        with Spool(tmp_path / "spool") as spool:
            own = camera(spool, Receiver())
            with recording(tmp_path) as opened:
                own.film(opened, shot())
            with recording(tmp_path, seconds=2.0) as opened, refused("RECORDING_CHANGED"):
                own.film(opened, shot())

    @pytest.mark.parametrize(
        ("started_at", "code"),
        [
            (NOON + timedelta(seconds=3), "EVIDENCE_TIME"),
            (NOON - timedelta(days=1), "EVIDENCE_TIME"),
            (NOW + timedelta(hours=1), "EVIDENCE_TIME"),
            (NOON - timedelta(days=31), "DEVICE_NOT_VALID"),
        ],
        ids=["overlaps the one before", "before the one before", "in the future", "before the enrolment"],
    )
    def test_what_a_receiver_would_refuse_is_never_signed(self, tmp_path: Path, started_at: object, code: str) -> None:
        assert isinstance(started_at, type(NOON))
        receiver = Receiver()
        with Spool(tmp_path / "spool") as spool:
            own = camera(spool, receiver)
            with recording(tmp_path) as opened:
                own.film(opened, shot())
            with recording(tmp_path) as opened, refused(code):
                own.film(opened, shot("r-2", started_at))
            assert spool.waiting() == () and len(receiver.taken) == 3
            with recording(tmp_path) as opened:
                own.film(opened, shot("r-3", NOON + timedelta(minutes=1)))
        assert len(accepted(receiver.taken)) == 6

    def test_a_key_that_is_not_the_enrolled_one(self, tmp_path: Path) -> None:
        with Spool(tmp_path / "spool") as spool:
            with refused("CAMERA_KEY"):
                Camera(device(), OTHER_KEY, spool=spool, intake=Receiver(), clock=lambda: NOW)
            assert camera(spool, Receiver(), key=KEY)

    def test_another_device_s_spool(self, tmp_path: Path) -> None:
        with Spool(tmp_path / "spool") as spool, recording(tmp_path) as opened:
            camera(spool, Receiver()).film(opened, shot())
            with refused("CAMERA_SPOOL"):
                Camera(device("camera-2"), KEY, spool=spool, intake=Receiver(), clock=lambda: NOW)


class TestSpool:
    def test_two_processes_cannot_share_a_spool(self, tmp_path: Path) -> None:
        with Spool(tmp_path / "spool"), refused("SPOOL_BUSY"):
            Spool(tmp_path / "spool")
        Spool(tmp_path / "spool").close()

    def test_a_full_spool_refuses_and_keeps_what_it_has(self, tmp_path: Path) -> None:
        with Spool(tmp_path / "spool", max_bytes=20_000) as spool, recording(tmp_path) as opened:
            with refused("SPOOL_FULL"):
                camera(spool, Receiver(problems=[DOWN])).film(opened, shot())
            kept = spool.waiting()
        with Spool(tmp_path / "spool") as spool:
            assert spool.waiting() == kept
            with recording(tmp_path) as opened:
                camera(spool, receiver := Receiver()).film(opened, shot())
        assert len(accepted(receiver.taken)) == 3

    @pytest.mark.parametrize("name", ["last.json", "0000000000000002.segment"])
    def test_a_damaged_file_is_named(self, tmp_path: Path, name: str) -> None:
        with Spool(tmp_path / "spool") as spool, recording(tmp_path) as opened:
            camera(spool, Receiver(problems=[DOWN])).film(opened, shot())
        damaged = tmp_path / "spool" / name
        damaged.write_bytes(damaged.read_bytes()[:-1])
        with pytest.raises(Exception, match=f"SPOOL_DAMAGED.*{name}"), Spool(tmp_path / "spool") as spool:
            camera(spool, Receiver()).deliver()

    def test_a_folder_that_cannot_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with refused("SPOOL_FOLDER"):
            Spool(tmp_path / "file")

    def test_half_written_files_of_a_crash_are_cleared(self, tmp_path: Path) -> None:
        with Spool(tmp_path / "spool") as spool, recording(tmp_path) as opened:
            camera(spool, Receiver(problems=[DOWN])).film(opened, shot())
        (tmp_path / "spool" / "0000000000000004.segment.unfinished").write_bytes(b"half")
        with Spool(tmp_path / "spool") as spool:
            assert spool.waiting() == (1, 2, 3)
            assert spool.last is not None and read_statement(spool.last.statement_bytes).sequence == 3
        assert not list((tmp_path / "spool").glob("*.unfinished"))
