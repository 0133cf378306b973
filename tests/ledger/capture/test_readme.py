"""The device side's handbook says what the program does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.capture.config import load_camera, load_sensor
from ledger.capture.live import LiveSource
from ledger.capture.sensor import read_line
from ledger.cli import build
from ledger.evidence.gap import GAP_REASONS
from ledger.store import Ledger

ROOT = Path(__file__).parents[3]
README = (ROOT / "ledger/capture/README.md").read_text("utf-8")
HOUSE = (ROOT / "ledger/README.md").read_text("utf-8")
CAMERA = json.loads(re.findall(r"```json\n(.*?)```", README, re.DOTALL)[0])


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "stream.url").write_text("rtsp://viewer:secret@camera/stream\n")
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(CAMERA))
    config = load_camera(path)
    assert isinstance(config.source, LiveSource) and config.agent.device == CAMERA["device"]


@pytest.mark.parametrize("source", re.findall(r"^\| `(\{.*?\}|\"-\")`", README, re.MULTILINE))
def test_every_source_of_the_tables_is_one(tmp_path: Path, source: str) -> None:
    value, path = json.loads(source), tmp_path / "device.json"
    common = {name: CAMERA[name] for name in ("device", "label", "key", "folder", "ledger")}
    is_sensor = value == "-" or "line" in value or set(value) == {"file"}
    if is_sensor:
        path.write_text(json.dumps(common | {"source": value}))
        assert load_sensor(path).source
    else:
        path.write_text(json.dumps(CAMERA | {"source": value}))
        assert load_camera(path).source


def test_the_line_is_a_reading() -> None:
    line = re.search(r"A line is `(\{.*?\})`", README)
    assert line is not None
    assert read_line(line[1].encode(), place=None, subject="pallet-1").unit == "KGM"


@pytest.mark.parametrize("code", sorted(set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", README))))
def test_every_code_of_the_failure_table_exists(code: str) -> None:
    assert any(f'"{code}"' in path.read_text("utf-8") for path in (ROOT / "ledger").rglob("*.py")), code


@pytest.mark.parametrize("reason", re.findall(r"`(clock|source|spool-full|stopped)`", README))
def test_every_reason_it_names_can_be_stated(reason: str) -> None:
    assert reason in GAP_REASONS


@pytest.mark.parametrize(
    "verb", sorted(set(re.findall(r"`pledgetrail ((?:camera|device|intake|sensor) [a-z-]+)", README)))
)
def test_every_verb_it_names_is_one(verb: str) -> None:
    assert CliRunner().invoke(build(), [*verb.split(), "--help"]).exit_code == 0


def test_a_ledger_of_ones_own_begins_as_its_handbook_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    block = HOUSE.split("## A ledger of your own")[1].split("```")[1].strip()
    commands = [shlex.split(line.partition(">")[0]) for line in block.splitlines()]
    assert [command[1] for command in commands] == [
        *("ledger", "camera", "camera", "device", "device", "camera", "device", "fsck")
    ]
    source = {"file": "film.mp4", "name": "r-1", "started_at": "2026-03-01T12:00:00.000Z"}
    (tmp_path / "camera.json").write_text(json.dumps(CAMERA | {"source": source}))
    for program, *arguments in commands:
        assert program == "pledgetrail"
        if arguments[1:2] == ["run"]:
            assert CliRunner().invoke(build(), [*arguments[:2], "--help"]).exit_code == 0
            if arguments[0] == "ledger":
                Ledger.open(Path(arguments[3]), origin=arguments[5]).close()
            continue
        done = CliRunner().invoke(build(), arguments, env={"COLUMNS": "200"})
        assert done.exit_code == 0, (arguments, done.exception)
        if "enrol-request" in arguments:
            (tmp_path / "request.json").write_text(done.stdout)
        if "list" in arguments:
            assert CAMERA["device"] in done.stdout
