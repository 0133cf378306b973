"""Configuration, keys and lines: what is refused before anything is captured, and what a sensor's lines become."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ledger import durable_file
from ledger.canonical import JsonValue
from ledger.capture import statement_file
from ledger.capture.agent import Running
from ledger.capture.chain import Chain
from ledger.capture.config import FileSource, load_agent, load_camera, load_sensor
from ledger.capture.keys import KeyPlace, make_key, open_key
from ledger.capture.lines import CURSOR_FILE, GrowingFile, Line, from_descriptor
from ledger.capture.live import LiveSource
from ledger.capture.sensor import Sensor, read_line
from ledger.capture.spool import Spool
from ledger.capture.verbs_run import Troubles
from ledger.cli import build
from ledger.errors import Unavailable
from ledger.evidence import GapStatement, ReadingStatement, SignedEvidence, SoftwareKey, Statement, read_statement
from ledger.evidence.request import read_request
from tests.ledger.capture.estate import KEY, Receiver
from tests.ledger.capture.films import film
from tests.ledger.capture.test_live import ALWAYS_VALID
from tests.ledger.refusals import refused

CAMERA: dict[str, Any] = {
    "device": "camera-1",
    "label": "Hall, north",
    "key": {"algorithm": "Ed25519", "file": "device.key"},
    "folder": "spool",
    "ledger": "http://127.0.0.1:9",
    "place": "hall",
    "lot": "lot-1",
    "step": "firing",
    "source": {"file": "film.mp4", "name": "r-1", "started_at": "2026-03-01T12:00:00.000Z"},
}
SENSOR: dict[str, Any] = {name: CAMERA[name] for name in ("label", "key", "folder", "ledger")} | {
    "device": "scale-1",
    "source": {"file": "readings.jsonl"},
    "subject": "pallet-1",
    "place": "hall",
}
READING = {"quantity": "weight", "value": "12.50", "unit": "KGM"}


def write(folder: Path, value: object) -> Path:
    path = folder / "device.json"
    path.write_text(json.dumps(value))
    return path


class TestConfiguration:
    def test_a_camera_s_file(self, tmp_path: Path) -> None:
        config = load_camera(write(tmp_path, CAMERA))
        assert isinstance(config.source, FileSource) and config.source.path == tmp_path / "film.mp4"
        assert config.agent == load_agent(tmp_path / "device.json")
        assert config.agent.key == KeyPlace("Ed25519", file=tmp_path / "device.key")

    def test_sources_of_all_kinds(self, tmp_path: Path) -> None:
        (tmp_path / "url").write_text("rtsp://viewer:secret@camera/stream\n")
        for source, url in (
            ({"rtsp": "rtsp://camera/stream"}, "rtsp://camera/stream"),
            ({"rtsp_file": "url"}, "rtsp://viewer:secret@camera/stream"),
            ({"camera": "/dev/video0", "size": "1280x720", "fps": "25", "coding": "h264"}, "/dev/video0"),
        ):
            config = load_camera(write(tmp_path, CAMERA | {"source": source}))
            assert isinstance(config.source, LiveSource) and config.source.url == url
            assert "secret" not in repr(config)
        token = {"token": {"library": "/lib/x.so", "label": "t", "key": "k", "pin_file": "pin"}, "algorithm": "P-256"}
        agent = load_camera(write(tmp_path, CAMERA | {"key": token})).agent
        assert agent.key.token is not None and agent.key.token.pin_file == tmp_path / "pin"

    @pytest.mark.parametrize(
        "url", ["https://ledger.example", "http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"]
    )
    def test_evidence_goes_out_encrypted_or_not_out_at_all(self, tmp_path: Path, url: str) -> None:
        assert load_camera(write(tmp_path, CAMERA | {"ledger": url})).agent.ledger == url

    @pytest.mark.parametrize(
        "changes",
        [
            {"extra": 1},
            {"device": ""},
            {"device": 7},
            {"device": "a\nb"},
            {"source": {}},
            {"source": {"rtsp": "a", "file": "b"}},
            {"source": {"file": "a"}},
            {"source": "-"},
            {"segment_seconds": 0.1},
            {"segment_seconds": "2"},
            {"spool_bytes": 10},
            {"spool_bytes": 1e9},
            {"key": {"file": "device.key"}},
            {"key": {"algorithm": "Ed25519", "file": "a", "token": {}}},
            {"mqtt": {"host": "broker"}},
            {"mqtt": {"host": "broker", "port": 70_000}},
            {"ledger": "http://ledger.example"},
            {"ledger": "http://192.0.2.1:8080"},
            {"ledger": "http://127.0.0.1.example"},
            {"ledger": "http://user@127.0.0.1@ledger.example"},
            {"ledger": "ledger.example"},
            {"ledger": "http://[::1"},
        ],
    )
    def test_another_file_is_refused(self, tmp_path: Path, changes: dict[str, object]) -> None:
        with pytest.raises(Exception) as told:
            load_camera(write(tmp_path, CAMERA | changes))
        file = str(tmp_path / "device.json")
        found = getattr(told.value, "code", ""), getattr(told.value, "where", "")
        assert found in (("CONFIG_FORMAT", file), ("EVIDENCE_FIELD", f"{file}: device")), told.value
        assert load_camera(write(tmp_path, CAMERA))

    def test_an_unknown_algorithm_or_a_broken_file(self, tmp_path: Path) -> None:
        with refused("KEY_ALGORITHM"):
            load_camera(write(tmp_path, CAMERA | {"key": {"algorithm": "none", "file": "x"}}))
        with refused("CONFIG_UNREADABLE"):
            load_camera(tmp_path / "none.json")
        (tmp_path / "device.json").write_text("{")
        with refused("JSON_SYNTAX"):
            load_sensor(tmp_path / "device.json")


class TestKeys:
    @pytest.mark.parametrize("algorithm", ["Ed25519", "P-256"])
    def test_a_key_file_is_made_once_and_for_its_owner_only(self, tmp_path: Path, algorithm: Any) -> None:
        path = tmp_path / "device.key"
        key = make_key(path, algorithm)
        assert path.stat().st_mode & 0o777 == 0o600 and make_key(path, algorithm) == key
        assert open_key(KeyPlace(algorithm, file=path)).public_key == key.public_key

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
    def test_a_key_that_others_can_read_is_not_used(self, tmp_path: Path, mode: int) -> None:
        place = KeyPlace("Ed25519", file=tmp_path / "device.key")
        make_key(tmp_path / "device.key", "Ed25519")
        (tmp_path / "device.key").chmod(mode)
        with refused("KEY_MODE"):
            open_key(place)
        (tmp_path / "device.key").chmod(0o400)
        assert open_key(place)

    def test_what_is_no_key_is_refused_before_anything_is_captured(self, tmp_path: Path) -> None:
        with refused("KEY_MISSING"):
            open_key(KeyPlace("Ed25519", file=tmp_path / "none"))
        path = tmp_path / "device.key"
        for content, algorithm, code in ((b"short", "Ed25519", "KEY_LENGTH"), (bytes(32), "P-256", "KEY_INVALID")):
            path.write_bytes(content)
            path.chmod(0o600)
            with refused(code):
                open_key(KeyPlace(algorithm, file=path))  # type: ignore[arg-type]


class TestLines:
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"value": 12.5}, "READING_LINE"),
            ({"value": None}, "READING_LINE"),
            ({"extra": "1"}, "READING_LINE"),
            ({"subject": None}, "READING_LINE"),
            ({"subject": 7}, "READING_LINE"),
            ({"observed_at": 17}, "READING_LINE"),
            ({"observed_at": "1970"}, "EVIDENCE_FIELD"),
            ({"value": ["1"] * 5000}, "JSON_SIZE"),
        ],
    )
    def test_a_line_that_is_no_reading(self, changes: dict[str, object], code: str) -> None:
        with refused(code):
            read_line(json.dumps(READING | changes).encode(), place=None, subject="pallet-1")
        assert read_line(json.dumps(READING).encode(), place=None, subject="pallet-1").value == "12.50"

    def test_no_subject_anywhere(self) -> None:
        with refused("READING_LINE"):
            read_line(json.dumps(READING).encode(), place=None, subject=None)

    @pytest.mark.parametrize("raw", [b"", b"NaN", b"[]", b'{"value":NaN}', b"\xff", b'{"value":"1","value":"2"}'])
    def test_what_is_no_json(self, raw: bytes) -> None:
        with pytest.raises(Exception) as told:
            read_line(raw, place=None, subject="s")
        assert getattr(told.value, "code", "").startswith(("JSON_", "READING_LINE"))

    def test_a_pipe_gives_whole_lines_bounded(self) -> None:
        reads, writes = os.pipe()
        os.write(writes, b"one\ntwo\n" + b"x" * 9000 + b"\nthree\nfour")
        os.close(writes)
        lines = [line.raw for line in from_descriptor(reads, threading.Event())]
        os.close(reads)
        assert [lines[0], lines[1], *lines[-2:]] == [b"one", b"two", b"three", b"four"]
        assert all(len(raw) <= 4097 for raw in lines)


class Row:
    """A sensor over a spool and a growing file."""

    def __init__(self, folder: Path, *, max_bytes: int = 10**9) -> None:
        self.folder, self.stopping = folder, threading.Event()
        self.spool = Spool(folder / "spool", max_bytes=max_bytes)
        self.chain = Chain(ALWAYS_VALID, KEY, spool=self.spool, clock=lambda: datetime.now(UTC))
        self.sensor = Sensor(self.chain, "hall", "pallet-1", self.stopping)

    def lines(self) -> list[Line]:
        """What is in the file now and was not kept."""
        last = self.chain.last
        file = GrowingFile(self.folder / "readings", self.spool.folder, 0 if last is None else last.statement.sequence)
        return list(file._whole_lines())

    def take_all(self) -> None:
        last = self.chain.last
        file = GrowingFile(self.folder / "readings", self.spool.folder, 0 if last is None else last.statement.sequence)
        for line in file._whole_lines():
            self.sensor.take(line)

    def stated(self) -> list[Statement]:
        found = []
        while (first := self.spool.first()) is not None:
            assert isinstance(first[1], SignedEvidence)
            found.append(read_statement(first[1].statement_bytes))
            self.spool.drop(first[0])
        return found

    def close(self) -> None:
        self.spool.close()


def values(statements: list[Statement]) -> list[str]:
    return [each.value if isinstance(each, ReadingStatement) else "gap" for each in statements]


def append(folder: Path, *each: str) -> None:
    with (folder / "readings").open("a") as file:
        for value in each:
            file.write(json.dumps(READING | {"value": value}) + "\n")


class TestGrowingFile:
    @pytest.mark.parametrize("point", ["before signing", "behind the note", "behind keeping"])
    def test_each_line_is_one_reading_wherever_the_process_dies(
        self, tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        append(tmp_path, *(str(n) for n in range(1, 6)))
        for dies_at in range(1, 6):
            row = Row(tmp_path)
            count = iter(range(1, 100))

            def dies(real: Callable[..., Any], *, behind: bool, at: int = dies_at, count: Any = count) -> Any:
                def called(*arguments: Any, **options: Any) -> Any:
                    now = next(count)
                    if now == at and not behind:
                        raise KeyboardInterrupt
                    result = real(*arguments, **options)
                    if now == at:
                        raise KeyboardInterrupt
                    return result

                return called

            with monkeypatch.context() as patch:
                if point == "behind the note":
                    patch.setattr("ledger.capture.lines.write_whole", dies(durable_file.write_whole, behind=True))
                else:
                    patch.setattr(Chain, "keep", dies(Chain.keep, behind=point == "behind keeping"))
                with suppress(KeyboardInterrupt):
                    row.take_all()
            row.close()
        last = Row(tmp_path)
        last.take_all()
        append(tmp_path, "6")
        last.take_all()
        assert values(last.stated()) == ["1", "2", "3", "4", "5", "6"]

    def test_half_a_line_is_left_until_it_is_whole(self, tmp_path: Path) -> None:
        row = Row(tmp_path)
        append(tmp_path, "1")
        with (tmp_path / "readings").open("a") as file:
            file.write(json.dumps(READING | {"value": "2"})[:-1])
        row.take_all()
        with (tmp_path / "readings").open("a") as file:
            file.write("}\n")
        row.take_all()
        assert values(row.stated()) == ["1", "2"]

    def test_a_file_that_was_replaced_is_read_from_its_start(self, tmp_path: Path) -> None:
        row = Row(tmp_path)
        append(tmp_path, "1", "2")
        row.take_all()
        (tmp_path / "readings").rename(tmp_path / "readings.old")
        append(tmp_path, "3")
        row.take_all()
        assert values(row.stated()) == ["1", "2", "3"]

    def test_a_line_that_is_no_reading_is_stated_as_lost(self, tmp_path: Path) -> None:
        row = Row(tmp_path)
        append(tmp_path, "1", "1e3", "NaN", "4")
        row.take_all()
        stated = row.stated()
        assert values(stated) == ["1", "gap", "4"]
        assert isinstance(stated[1], GapStatement) and (stated[1].reason, stated[1].unsigned) == ("source", 2)

    def test_a_full_spool_lets_the_file_wait(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(statement_file, "MAX_LINES", 2)
        row = Row(tmp_path, max_bytes=2500)
        append(tmp_path, *(str(n) for n in range(1, 9)))
        thread = threading.Thread(target=row.take_all)
        thread.start()
        found: list[Statement] = []
        limit = time.monotonic() + 60
        while len(found) < 8 and time.monotonic() < limit:
            found += row.stated()
            time.sleep(0.02)
        thread.join(60)
        assert values(found) == [str(n) for n in range(1, 9)]

    def test_a_damaged_note_is_named(self, tmp_path: Path) -> None:
        row = Row(tmp_path)
        (row.spool.folder / CURSOR_FILE).write_bytes(b"{}")
        with refused("SPOOL_DAMAGED"):
            row.lines()


def test_what_a_line_knows_better_counts(tmp_path: Path) -> None:
    row = Row(tmp_path)
    at = (datetime.now(UTC) - timedelta(seconds=5)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    more = {"subject": "cow-7", "place": "meadow", "observed_at": at}
    row.sensor.take(Line(json.dumps(READING | more).encode()))
    row.sensor.take(Line(json.dumps(READING).encode()))
    first, second = row.stated()
    assert isinstance(first, ReadingStatement) and isinstance(second, ReadingStatement)
    assert (first.subject, first.place) == ("cow-7", "meadow")
    assert (second.subject, second.place) == ("pallet-1", "hall")
    row.sensor.take(Line(json.dumps(READING | more).encode()))  # an hour that was over already
    assert row.chain.loss is not None and row.chain.loss.reason == "clock"


class TestProgram:
    def test_keygen_enrol_request_and_status(self, tmp_path: Path) -> None:
        config = str(write(tmp_path, CAMERA))
        run = CliRunner()
        shown = json.loads(run.invoke(build(), ["camera", "keygen", "--config", config]).stdout)
        assert shown["algorithm"] == "Ed25519" and shown["device"] == "camera-1"
        again = json.loads(run.invoke(build(), ["camera", "keygen", "--config", config]).stdout)
        assert again == shown
        raw = run.invoke(build(), ["camera", "enrol-request", "--config", config]).stdout.strip().encode()
        request = read_request(raw)
        assert (request.device, request.label, request.public_key.hex()) == ("camera-1", "Hall, north", shown["key"])
        with refused("STATUS_MISSING"):
            run.invoke(build(), ["camera", "status", "--config", config], catch_exceptions=False)

    def test_a_recording_that_was_cut_short_is_refused_and_nothing_signed(self, tmp_path: Path) -> None:
        whole = film("plain")
        (tmp_path / "film.mp4").write_bytes(whole[: len(whole) // 2])
        config = write(tmp_path, CAMERA)
        make_key(tmp_path / "device.key", "Ed25519")
        command = [sys.executable, "-m", "ledger.cli", "camera", "run", "--config", str(config)]
        with pytest.raises(Exception, match="VIDEO_TRUNCATED"):
            CliRunner().invoke(build(), command[3:], catch_exceptions=False)
        with Spool(tmp_path / "spool") as spool:
            assert spool.last is None and spool.count == 0

    def test_standard_input_becomes_readings_and_the_program_ends_with_it(self, tmp_path: Path) -> None:
        config = write(tmp_path, SENSOR | {"source": "-"})
        make_key(tmp_path / "device.key", "Ed25519")
        ran = subprocess.Popen(
            [sys.executable, "-c", "from ledger.cli import main; main()", "sensor", "run", "--config", str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert ran.stdin is not None
        ran.stdin.write(b"".join(json.dumps(READING | {"value": str(n)}).encode() + b"\n" for n in range(3)))
        ran.stdin.close()
        limit = time.monotonic() + 60
        status: dict[str, Any] = {}
        while time.monotonic() < limit and status.get("kept") != 3:
            path = tmp_path / "spool" / "status.json"
            status = json.loads(path.read_text()) if path.exists() else {}
            time.sleep(0.05)
        ran.terminate()  # the ledger is away: what was read waits
        assert ran.wait(60) == 0
        assert status["waiting"]["count"] == 3 and status["uplink"]["code"] == "UPLINK_DOWN"
        with Spool(tmp_path / "spool") as spool:
            assert spool.waiting() == (1, 2, 3)


def test_a_thread_that_fails_ends_the_program_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Receiver):
        def state(self, evidence: SignedEvidence) -> None:
            raise ZeroDivisionError

    make_key(tmp_path / "device.key", "Ed25519")
    config = load_sensor(write(tmp_path, SENSOR | {"source": {"file": "readings"}}))
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    append(tmp_path, "1")
    with Running(config.agent, intake=Broken()) as running:
        running.read(config)
        assert running.finished.wait(60)
        while running.problem is None:
            time.sleep(0.01)
        assert running.problem.code == "AGENT_FAILED"
    with Spool(tmp_path / "spool") as spool:
        assert spool.waiting() == (1,)


def trouble(code: str, **more: str) -> dict[str, JsonValue]:
    return {"code": code, "what": "It is so.", "where": "there", "cure": "Mend it.", **more}


def test_trouble_is_told_once_when_it_begins_when_it_changes_and_when_it_is_over() -> None:
    told, now = list[str](), [0.0]
    troubles = Troubles(told.append, lambda: now[0])
    for uplink in (None, trouble("UPLINK_DOWN"), trouble("UPLINK_DOWN"), trouble("DEVICE_UNKNOWN"), None, None):
        now[0] += 60.0
        troubles.look({"capture": None, "uplink": uplink})
    assert told == [
        "uplink: UPLINK_DOWN: It is so. (there) Mend it.",
        "uplink: DEVICE_UNKNOWN: It is so. (there) Mend it.",
        "uplink: works again",
    ]


def test_trouble_that_comes_and_goes_floods_nobody_and_the_ledger_s_pace_is_none() -> None:
    told, now = list[str](), [0.0]
    troubles = Troubles(told.append, lambda: now[0])
    for second in range(100):
        now[0] = float(second)
        troubles.look({"capture": trouble("SOURCE_LOST") if second % 2 else None, "uplink": trouble("UPLINK_LATER")})
    assert 2 <= len(told) <= 10 and {line.split(":")[0] for line in told} == {"capture"}


def test_what_a_stranger_s_server_says_obeys_no_terminal() -> None:
    told = list[str]()
    Troubles(told.append).look({"capture": None, "uplink": trouble("X", what="\x1b[2J\nuplink: works again")})
    assert told == ["uplink: X: ?[2J?uplink: works again (there) Mend it."]


def test_an_agent_nobody_listens_to_says_so_while_it_runs_and_how_much_waits_at_its_end(tmp_path: Path) -> None:
    make_key(tmp_path / "device.key", "Ed25519")
    append(tmp_path, "1", "2")
    config = write(tmp_path, SENSOR | {"source": {"file": "readings"}})
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "sensor", "run", "--config", str(config)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None and process.stdout is not None
        assert json.loads(process.stdout.readline())["device"] == "scale-1"
        assert process.stderr.readline().startswith("uplink: UPLINK_DOWN: ")
        process.send_signal(signal.SIGTERM)
        assert process.stderr.read() == "handed over 0, waiting in the spool 2\n"
    assert process.returncode == 0


def test_a_serial_line_is_opened_again(tmp_path: Path) -> None:
    make_key(tmp_path / "device.key", "Ed25519")
    os.mkfifo(tmp_path / "line")
    config = load_sensor(write(tmp_path, SENSOR | {"source": {"line": "line"}}))
    receiver = Receiver()
    with Running(config.agent, intake=receiver) as running:
        running.read(config)
        limit = time.monotonic() + 60
        for value in ("1", "2"):
            with (tmp_path / "line").open("w") as pipe:
                pipe.write(json.dumps(READING | {"value": value}) + "\n")
            while time.monotonic() < limit and len(receiver.stated) < int(value):
                time.sleep(0.02)
    assert values([read_statement(each.statement_bytes) for each in receiver.stated]) == ["1", "2"]


class Away(Receiver):
    """A ledger that does not answer until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.back = threading.Event()

    def state(self, evidence: SignedEvidence) -> None:
        if not self.back.wait(0.05):
            raise Unavailable("UPLINK_DOWN", "The ledger is away.")
        super().state(evidence)


def test_OD13_a_week_s_backlog_and_live_readings_arrive_once_in_order_and_live_ones_never_wait(tmp_path: Path) -> None:
    """A thousand buffered readings stand for a million: what keeps one does not look at what waits."""
    make_key(tmp_path / "device.key", "Ed25519")
    key = SoftwareKey((tmp_path / "device.key").read_bytes())
    config = load_sensor(write(tmp_path, SENSOR | {"source": {"file": "readings"}}))
    device = replace(ALWAYS_VALID, id="scale-1", public_key=key.public_key)
    backlog, live = 1000, 50
    with Spool(tmp_path / "spool") as spool:
        chain = Chain(device, key, spool=spool, clock=lambda: datetime.now(UTC))
        sensor = Sensor(chain, "hall", "pallet-1", threading.Event())
        for number in range(backlog):
            sensor.take(Line(json.dumps(READING | {"value": str(number)}).encode()))
    receiver = Away()
    with Running(config.agent, intake=receiver) as running:
        running.read(config)
        append(tmp_path, *(str(backlog + n) for n in range(live)))
        limit = time.monotonic() + 60
        while time.monotonic() < limit and running.spool.count < backlog + live:
            time.sleep(0.02)
        # All live readings were kept while the ledger was away and the whole backlog stood before them.
        assert running.spool.count == backlog + live and receiver.stated == []
        receiver.back.set()
        append(tmp_path, "last")  # no decimal: stated as a gap, in its place
        append(tmp_path, "9999")
        while time.monotonic() < limit and len(receiver.stated) < backlog + live + 2:
            time.sleep(0.02)
    stated = [read_statement(signed.statement_bytes) for signed in receiver.stated]
    assert [each.sequence for each in stated] == list(range(1, backlog + live + 3))
    assert values(stated) == [*(str(n) for n in range(backlog + live)), "gap", "9999"]
