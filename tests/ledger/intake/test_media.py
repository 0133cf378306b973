"""The media store gives back exactly what was put in, or says which object it cannot give back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.cid import cid_of
from ledger.errors import Refused
from ledger.intake.media import FolderStore, MediaStore
from ledger.outline import outline_of
from tests.ledger.intake.mosquitto import wait_for
from tests.ledger.intake.parts import part
from tests.ledger.refusals import refused

DATA = bytes(range(256)) * 1024 + bytes(reversed(range(256))) * 1024  # two chunks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
def store(folder: Path) -> MediaStore:
    return FolderStore(folder)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.binary(max_size=5000))
def test_what_was_put_is_got_under_its_own_hash(store: MediaStore, data: bytes) -> None:
    cid = store.put(data)
    assert cid == cid_of(data)
    assert (store.get(cid), store.size(cid), store.has(cid)) == (data, len(data), True)


def test_putting_twice_keeps_one_file(store: MediaStore, folder: Path) -> None:
    assert store.put(DATA) == store.put(DATA)
    assert len(files(folder)) == 1


def test_another_process_finds_it(store: MediaStore, folder: Path) -> None:
    cid = store.put(DATA)
    assert FolderStore(folder).get(cid) == DATA


@pytest.mark.parametrize(
    ("start", "length"), [(0, 10), (262_140, 10), (len(DATA) - 5, 100), (len(DATA), 10), (10**9, 1), (7, 0)]
)
def test_ranges_are_those_of_the_whole(store: MediaStore, start: int, length: int) -> None:
    cid = store.put(DATA)
    for _ in range(2):
        assert part(store, cid, start, length) == DATA[start : start + length]


class TestRefused:
    def test_an_object_that_is_not_held(self, store: MediaStore) -> None:
        missing = cid_of(b"never put")
        assert not store.has(missing)
        for ask in (store.get, store.size, lambda cid: part(store, cid, 0, 1)):
            with refused("MEDIA_UNKNOWN"):
                ask(missing)

    @pytest.mark.parametrize("change", ["flip", "shorten", "grow", "empty", "swap"])
    def test_os08_a_changed_object_is_never_handed_out(self, store: MediaStore, folder: Path, change: str) -> None:
        cid, other = store.put(DATA), store.put(b"the honest twin")
        assert part(store, cid, 0, 4) == DATA[:4]
        path = next(path for path in files(folder) if path.name == cid)
        changed = bytearray(DATA)
        changed[300_000] ^= 1
        new: dict[str, bytes] = {
            "flip": bytes(changed),
            "shorten": DATA[:-1],
            "grow": DATA + b"x",
            "empty": b"",
            "swap": b"the honest twin",
        }
        path.write_bytes(new[change])

        with pytest.raises(Exception, match=f"MEDIA_CORRUPT.*{cid}"):
            store.get(cid)
        with refused("MEDIA_CORRUPT"):
            part(FolderStore(folder), cid, 0, 10)
        assert store.get(other) == b"the honest twin"

        assert store.put(DATA) == cid and store.get(cid) == DATA

    def test_a_changed_object_is_seen_by_a_range_too(self, store: MediaStore, folder: Path) -> None:
        cid = store.put(DATA)
        assert part(store, cid, 0, 4) == DATA[:4]
        path = files(folder)[0]
        path.write_bytes(b"\xff" + DATA[1:])
        os.utime(path, ns=(1, 1))
        with refused("MEDIA_CORRUPT"):
            part(store, cid, 100, 4)

    @pytest.mark.parametrize(("start", "length"), [(-1, 5), (0, -1)])
    def test_a_negative_range(self, store: MediaStore, start: int, length: int) -> None:
        with refused("MEDIA_RANGE"):
            part(store, store.put(DATA), start, length)

    @pytest.mark.parametrize(
        "name",
        ["../secret", "..%2fsecret", "/etc/passwd", "a\0b", "CON", "", "x" * 4096, "bafkrei/../../../../secret", "."],
    )
    def test_os06_a_name_that_is_no_cid_never_reaches_the_disk(
        self, store: MediaStore, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        for touch in ("open", "stat", "is_file"):
            monkeypatch.setattr(Path, touch, lambda *args, **options: pytest.fail("the disk was asked"))
        for ask in (store.get, store.size, store.has, lambda cid: part(store, cid, 0, 1)):
            with refused("CID_SYNTAX"):
                ask(name)

    def test_a_folder_that_cannot_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with refused("MEDIA_FOLDER"):
            FolderStore(tmp_path / "file")


class TestIncoming:
    """An object that goes to the disk while it is still looked at."""

    def test_it_is_written_beside_the_look_and_has_its_name_after_it(self, store: MediaStore, folder: Path) -> None:
        outline = outline_of([DATA])
        with store.incoming(DATA, outline.cid) as keep:
            wait_for(lambda: any(path.stat().st_size == len(DATA) for path in files(folder)), "nothing is written")
            assert files(folder)[0].name.startswith(".incoming-") and not store.has(outline.cid)
            assert keep(outline) == outline.cid and store.get(outline.cid) == DATA
        assert [path.name for path in files(folder)] == [outline.cid]

    def test_OV01_what_is_refused_meanwhile_leaves_nothing(self, store: MediaStore, folder: Path) -> None:
        with pytest.raises(Refused), store.incoming(DATA, cid_of(DATA)):
            raise Refused("MANIFEST", "Not as signed.")
        assert not files(folder) and not store.has(cid_of(DATA))
        with pytest.raises(KeyboardInterrupt), store.incoming(DATA, cid_of(DATA)):
            raise KeyboardInterrupt
        assert not files(folder)

    def test_what_is_held_is_not_written_again_and_what_is_damaged_is(self, store: MediaStore, folder: Path) -> None:
        cid, outline = store.put(DATA), outline_of([DATA])
        for damage in (DATA, DATA[:-1] + b"x", DATA[:100]):
            (folder / cid[-2:] / cid).write_bytes(damage)
            with store.incoming(DATA, cid) as keep:
                assert len(files(folder)) == 1 or damage == DATA[:100]
                keep(outline)
            assert store.get(cid) == DATA and len(files(folder)) == 1

    def test_its_name_is_that_of_its_bytes_whatever_it_was_said_to_be(self, store: MediaStore, folder: Path) -> None:
        with store.incoming(DATA, cid_of(b"something else")) as keep:
            keep(outline_of([DATA]))
        assert store.get(cid_of(DATA)) == DATA and len(files(folder)) == 1
        with refused("CID_SYNTAX"), store.incoming(DATA, "../out"):
            pass

    @pytest.mark.parametrize("step", ["fsync", "replace"])
    def test_OS08_a_disk_that_fails_is_told_and_leaves_nothing(
        self, store: MediaStore, folder: Path, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os if step == "fsync" else Path, step, full)
            with refused("MEDIA_UNAVAILABLE"), store.incoming(DATA, cid_of(DATA)) as keep:
                keep(outline_of([DATA]))
            with pytest.raises(Refused), store.incoming(DATA, cid_of(DATA)):
                raise Refused("MANIFEST", "Not as signed.")
        assert not files(folder)
        with store.incoming(DATA, cid_of(DATA)) as keep:
            assert store.get(keep(outline_of([DATA]))) == DATA


class TestCrashes:
    @pytest.mark.parametrize("step", ["fsync", "replace"])
    def test_os08_a_write_that_fails_leaves_nothing_under_the_name(
        self, store: MediaStore, folder: Path, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os if step == "fsync" else Path, step, full)
            with refused("MEDIA_UNAVAILABLE"):
                store.put(DATA)
        assert not store.has(cid_of(DATA)) and files(folder) == []
        assert store.get(store.put(DATA)) == DATA

    def test_a_half_written_file_of_a_dead_process_is_no_object(self, store: MediaStore, folder: Path) -> None:
        cid = cid_of(DATA)
        (folder / cid[-2:]).mkdir()
        (folder / cid[-2:] / ".incoming-dead").write_bytes(DATA[:100])
        assert not store.has(cid)
        assert store.get(store.put(DATA)) == DATA
