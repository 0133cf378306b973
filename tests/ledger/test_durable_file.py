"""A small file is there whole or not at all, whatever stops the writer."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ledger.durable_file import UNFINISHED, write_new, write_whole


def test_a_file_is_replaced_whole_with_its_mode_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    write_whole(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_overwritten_and_never_followed(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "kept", tmp_path / "elsewhere"
    elsewhere.write_bytes(b"not ours")
    (tmp_path / f"kept{UNFINISHED}").symlink_to(elsewhere)
    write_whole(path, b"new")
    assert (path.read_bytes(), elsewhere.read_bytes()) == (b"new", b"not ours")
    assert sorted(tmp_path.iterdir()) == [elsewhere, path]


def test_the_content_is_on_the_disk_before_it_has_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "kept", []
    path.write_bytes(b"old")
    honest = os.fsync

    def watched(descriptor: int) -> None:
        seen.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.read_bytes()))
        honest(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_whole(path, b"new")
    assert seen == [(False, b"old"), (True, b"new")]


def test_a_disk_that_fails_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as failing, pytest.raises(OSError, match="No space"):
        failing.setattr(os, "fsync", full)
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_name_that_is_a_folder_is_refused_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "kept", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_new_file_is_not_written_over_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    assert write_new(path, b"first") is True
    assert write_new(path, b"second") is False
    # The same where the other writer comes first after the look.
    monkeypatch.setattr(Path, "exists", lambda _self: False)
    assert write_new(path, b"third") is False
    assert path.read_bytes() == b"first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
