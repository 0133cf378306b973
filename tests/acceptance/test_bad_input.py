"""What a user can get wrong: one clear error with code, place and cure, and nothing half written."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from examples.demo import story
from ledger.capture.scene import encode_scene
from ledger.store import utc_now
from tests.acceptance.loaded import Loaded, loaded
from tests.acceptance.program import run


@pytest.fixture(scope="module")
def program() -> Iterator[Loaded]:
    with loaded() as program:
        yield program


def demo(home: Path, *arguments: str) -> list[str]:
    return ["demo", "--exit", "--data", str(home / "data"), "--port", "0", *arguments]


def video(home: Path, content: bytes) -> list[str]:
    path = home / "film.mp4"
    path.write_bytes(content)
    return ["--video", str(path)]


def cut_short(home: Path) -> list[str]:
    whole = home / "whole.mp4"
    encode_scene(whole, caption="1 PICKING", started_at=utc_now(), seconds=3)
    return video(home, whole.read_bytes()[:-2_000])


def document(home: Path, content: bytes) -> list[str]:
    path = home / "events.json"
    path.write_bytes(content)
    return ["--epcis", str(path)]


BROKEN_EVENT = {
    "@context": ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld"],
    "type": "EPCISDocument",
    "schemaVersion": "2.0",
    "creationDate": "2026-09-21T08:00:00.000Z",
    "epcisBody": {"eventList": [{"type": "ObjectEvent", "action": "MAYBE"}]},
}


def without_events(home: Path) -> list[str]:
    return document(home, json.dumps({**BROKEN_EVENT, "epcisBody": {"eventList": []}}).encode())


def from_tomorrow(home: Path) -> list[str]:
    return document(home, story.events(utc_now() + timedelta(days=2)))


def broken_accounts(home: Path) -> list[str]:
    (home / "accounts.json").write_text('{"deployer": "0x01"}')
    return ["--accounts", str(home / "accounts.json")]


REFUSED: dict[str, tuple[Callable[[Path], list[str]], str, int]] = {
    "a_video_that_is_no_video": (lambda home: video(home, b"not a video at all" * 100), "VIDEO_NOT_VIDEO", 1),
    "an_empty_video": (lambda home: video(home, b""), "VIDEO_EMPTY", 1),
    "a_video_cut_short": (cut_short, "VIDEO_TRUNCATED", 1),
    "a_video_that_is_not_there": (lambda home: ["--video", str(home / "none.mp4")], "VIDEO_MISSING", 1),
    "an_empty_document": (lambda home: document(home, b""), "JSON_SYNTAX", 1),
    "a_document_in_xml": (lambda home: document(home, b"<epcis/>"), "EPCIS_SYNTAX", 1),
    "a_document_that_is_no_json": (lambda home: document(home, b"picked, fired, packed"), "JSON_SYNTAX", 1),
    "a_document_that_breaks_the_schema": (
        lambda home: document(home, json.dumps(BROKEN_EVENT).encode()),
        "EPCIS_FIELD",
        1,
    ),
    "a_document_about_nothing": (without_events, "EPCIS_NO_SUBJECT", 1),
    "a_document_from_the_future": (from_tomorrow, "EVENT_TIME_FUTURE", 1),
    "accounts_that_are_not_there": (lambda home: ["--accounts", str(home / "none.json")], "FILE_UNREADABLE", 1),
    "accounts_in_a_folder_that_is_not_there": (
        lambda home: ["--accounts", str(home / "no" / "accounts.json")],
        "FILE_UNREADABLE",
        1,
    ),
    "accounts_that_are_a_folder": (lambda home: ["--accounts", str(home)], "FILE_UNREADABLE", 1),
    "accounts_that_name_no_keys": (broken_accounts, "ACCOUNTS_FORMAT", 1),
    "a_document_that_is_not_there": (lambda home: ["--epcis", str(home / "none.json")], "FILE_UNREADABLE", 1),
    "a_port_that_is_none": (lambda _home: ["--port", "70000"], "PORT_INVALID", 2),
    "a_node_option_without_a_url": (lambda _home: ["--node", "origin"], "NODE_OPTION", 2),
    "one_node_of_three": (lambda _home: ["--node", "origin=http://127.0.0.1:9"], "NODES_INCOMPLETE", 2),
    "a_table_where_nothing_can_be_written": (
        lambda home: ["--json", str(home / "no" / "such" / "folder.json")],
        "FILE_UNWRITABLE",
        2,
    ),
    "a_table_that_is_a_folder": (lambda home: ["--json", str(home)], "FILE_UNWRITABLE", 2),
    "an_unknown_option": (lambda _home: ["--no-such-option"], "", 2),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_demo_refuses(program: Loaded, tmp_path: Path, name: str) -> None:
    build, code, status = REFUSED[name]
    arguments = build(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    ran = program.run(demo(tmp_path, *arguments), home=tmp_path)
    assert ran.status == status, ran.out + ran.err
    assert ran.err.startswith(f"{code}: ") if code else ran.err.strip()
    assert "Traceback" not in ran.err
    assert {path.name for path in tmp_path.iterdir()} - {"out.txt", "err.txt"} == before


def test_the_program_as_it_is_installed_refuses_alike(program: Loaded, tmp_path: Path) -> None:
    arguments = demo(tmp_path, *broken_accounts(tmp_path))
    forked, started = program.run(arguments, home=tmp_path), run(arguments, home=tmp_path)
    assert (started.status, started.out, started.err) == (forked.status, forked.out, forked.err)
    assert started.status == 1 and started.err.startswith("ACCOUNTS_FORMAT: ")


def test_a_port_in_use_is_refused_before_anything_is_written(program: Loaded, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = program.run(demo(tmp_path, "--port", str(taken.getsockname()[1])), home=tmp_path)
    assert (ran.status, ran.err.partition(":")[0]) == (1, "PORT_IN_USE")
    assert "--port" in ran.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("found", ["pledgetrail-data/0\n", "pledgetrail-data/2\n", ""])
def test_a_data_folder_of_another_version_is_refused_and_left_alone(
    program: Loaded, tmp_path: Path, found: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "VERSION").write_text(found)
    ran = program.run(demo(tmp_path), home=tmp_path)
    assert (ran.status, ran.err.partition(":")[0]) == (1, "DATA_VERSION")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["VERSION"]


def test_somebody_elses_folder_is_refused_and_left_alone(program: Loaded, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("two years of work")
    ran = program.run(demo(tmp_path), home=tmp_path)
    assert (ran.status, ran.err.partition(":")[0]) == (1, "DATA_VERSION")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["thesis.txt"]


BUNDLES: dict[str, tuple[bytes | None, str]] = {
    "a_file_that_is_not_there": (None, "FILE_UNREADABLE"),
    "an_empty_file": (b"", "BUNDLE_FORMAT"),
    "a_file_that_is_no_bundle": (b"PK\x03\x04 hello", "BUNDLE_FORMAT"),
    "a_bundle_without_its_body": (b"pledgetrail-bundle/1\n" + bytes(32), "BUNDLE_CORRUPT"),
}


@pytest.mark.parametrize("name", BUNDLES)
def test_verify_refuses(program: Loaded, tmp_path: Path, name: str) -> None:
    content, code = BUNDLES[name]
    path = tmp_path / "unit.bundle"
    if content is not None:
        path.write_bytes(content)
    ran = program.run(["verify", str(path)], home=tmp_path)
    assert (ran.status, ran.err.partition(":")[0]) == (1, code)
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "verb", ["", "demo", "verify", "doctor", "chain", "chain run", "notary", "notary run", "relay"]
)
def test_every_verb_explains_itself(program: Loaded, tmp_path: Path, verb: str) -> None:
    ran = program.run([*verb.split(), "--help"], home=tmp_path)
    assert ran.status == 0
    assert "Usage: pledgetrail" in ran.out
