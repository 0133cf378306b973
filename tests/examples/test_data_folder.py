"""The data folder: ours or left alone, one process at a time, and new until its version stands whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.demo.folder import BEGINNING, LOCK_FILE, VERSION, VERSION_FILE, DataFolder
from ledger.errors import Problem


def refused(path: Path) -> str:
    with pytest.raises(Problem) as caught:
        DataFolder(path)
    assert caught.value.cure
    return caught.value.code


def test_a_new_folder_says_its_version_and_the_same_one_opens_again(tmp_path: Path) -> None:
    for _ in range(2):
        with DataFolder(tmp_path / "data") as folder:
            assert (folder / VERSION_FILE).read_text() == VERSION


@pytest.mark.parametrize("left", sorted(BEGINNING))
def test_killed_while_it_began_the_folder_is_still_new(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"pledge")
    with DataFolder(tmp_path) as folder:
        assert (folder / VERSION_FILE).read_text() == VERSION


@pytest.mark.parametrize("found", [b"", b"pledgetrail-data/2\n", b"\xff" * 1_000_000])
def test_another_version_is_refused_and_left_alone(tmp_path: Path, found: bytes) -> None:
    (tmp_path / VERSION_FILE).write_bytes(found)
    assert refused(tmp_path) == "DATA_VERSION"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(VERSION_FILE, found)]


def test_somebody_elses_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("two years of work")
    assert refused(tmp_path) == "DATA_VERSION"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_in_use_is_refused_until_it_is_let_go(tmp_path: Path) -> None:
    with DataFolder(tmp_path):
        assert refused(tmp_path) == "DATA_IN_USE"
    with DataFolder(tmp_path):
        pass


@pytest.mark.parametrize("name", [LOCK_FILE, VERSION_FILE])
def test_a_folder_where_a_file_belongs_is_refused(tmp_path: Path, name: str) -> None:
    with DataFolder(tmp_path):
        pass
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    assert refused(tmp_path) == "DATA_FOLDER"
    (tmp_path / name).rmdir()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"a file")
    assert refused(tmp_path / "data") == "DATA_FOLDER"
    assert (tmp_path / "data").read_bytes() == b"a file"
