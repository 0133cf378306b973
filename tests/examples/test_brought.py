"""What the user brought: checked by the code that will take it, kept at first use, and never exchanged."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from examples.demo import story
from examples.demo.brought import BEGINNING_FILE, DOCUMENT_FILE, begin, check_document, check_videos, now
from examples.demo.folder import DataFolder
from ledger.errors import Problem

DOCUMENT = story.events(now() - timedelta(days=1))
OTHER = story.events(now() - timedelta(days=2))
VIDEOS = ("11" * 32, "22" * 32)


def refused(folder: DataFolder, document: bytes | None, videos: tuple[str, ...], *, filmed: bool = True) -> str:
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    with pytest.raises(Problem) as caught:
        begin(folder, document, videos, filmed=filmed)
    assert caught.value.cure
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == before
    return caught.value.code


def test_a_story_begins_once(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as folder:
        began = begin(folder, None, (), filmed=False)
        assert began.start.microsecond % 1000 == 0
        assert begin(folder, None, (), filmed=False) == began
        assert began.events == story.events(began.start)


def test_the_users_document_is_kept_and_used_when_none_is_named(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as folder:
        began = begin(folder, DOCUMENT, VIDEOS, filmed=False)
        assert begin(folder, DOCUMENT, VIDEOS, filmed=False) == began
        assert begin(folder, None, (), filmed=True) == began
        assert began.events == DOCUMENT


@pytest.mark.parametrize(
    ("began_with", "document", "videos"),
    [
        ((DOCUMENT, ()), OTHER, ()),
        ((None, ()), DOCUMENT, ()),
        ((DOCUMENT, VIDEOS), None, VIDEOS[:1]),
        ((DOCUMENT, VIDEOS), None, VIDEOS[::-1]),
        ((None, ()), None, VIDEOS),
    ],
)
def test_a_folder_refuses_what_it_did_not_begin_with(
    tmp_path: Path, began_with: tuple[bytes | None, tuple[str, ...]], document: bytes | None, videos: tuple[str, ...]
) -> None:
    with DataFolder(tmp_path) as folder:
        began = begin(folder, *began_with, filmed=False)
        assert refused(folder, document, videos) == "DATA_OTHER_INPUT"
        assert begin(folder, *began_with, filmed=False) == began


def test_videos_are_asked_for_again_until_all_is_filmed(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as folder:
        began = begin(folder, None, VIDEOS, filmed=False)
        assert refused(folder, None, (), filmed=False) == "DATA_OTHER_INPUT"
        assert begin(folder, None, VIDEOS, filmed=False) == began


def test_killed_before_the_story_began_it_begins_with_what_is_given_now(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as folder:
        (folder / DOCUMENT_FILE).write_bytes(OTHER)
        assert begin(folder, DOCUMENT, (), filmed=False).document == DOCUMENT
        assert begin(folder, None, (), filmed=False).document == DOCUMENT


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"start": "soon", "document": null, "videos": []}'])
def test_a_beginning_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    with DataFolder(tmp_path) as folder:
        began = begin(folder, None, (), filmed=False)
        whole = (folder / BEGINNING_FILE).read_bytes()
        (folder / BEGINNING_FILE).write_bytes(content)
        assert refused(folder, None, ()) == "DATA_DAMAGED"
        (folder / BEGINNING_FILE).write_bytes(whole)
        assert begin(folder, None, (), filmed=False) == began


def test_a_kept_document_that_was_changed_is_refused(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as folder:
        began = begin(folder, DOCUMENT, (), filmed=False)
        (folder / DOCUMENT_FILE).write_bytes(OTHER)
        assert refused(folder, None, ()) == "DATA_DAMAGED"
        (folder / DOCUMENT_FILE).write_bytes(DOCUMENT)
        assert begin(folder, None, (), filmed=False) == began


def without_events() -> bytes:
    document = json.loads(DOCUMENT)
    document["epcisBody"]["eventList"] = []
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (without_events(), "EPCIS_NO_SUBJECT"),
        (story.events(now() + timedelta(days=2)), "EVENT_TIME_FUTURE"),
    ],
)
def test_a_document_that_would_fail_later_is_refused_now(tmp_path: Path, document: bytes, code: str) -> None:
    path = tmp_path / "events.json"
    path.write_bytes(document)
    with pytest.raises(Problem) as caught:
        check_document(path)
    assert caught.value.code == code
    assert str(path) in caught.value.where
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(DOCUMENT)
    assert check_document(path) == DOCUMENT


def test_a_fifth_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        check_videos([tmp_path / "film.mp4"] * 5)
    assert caught.value.code == "TOO_MANY_VIDEOS"
    assert check_videos([]) == ()
