"""Media move to another store whole, again and again until all is there, and nothing that was erased stays behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner

from ledger import verbs
from ledger.doctor import State, check_media
from ledger.erasure import Reason
from ledger.errors import Problem
from ledger.intake import media_config
from ledger.intake.media import FolderStore
from ledger.intake.media_config import MEDIA_CONFIG_FILE, MEDIA_FOLDER, open_media
from ledger.store.check.found import Severity
from ledger.store.media_copy import JOURNAL_FILE, Copied, copy_media, switch
from tests.fsck_flips import checked
from tests.ledger.intake.s3_fake import FakeS3, error
from tests.ledger.refusals import refused
from tests.ledger.tea import NOW, TEA, film, open_ledger

S3 = {"store": "s3", "endpoint": "https://s3.test", "bucket": "evidence", "prefix": "media/"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    """Whatever the configuration names as S3 is this store."""
    store = FakeS3()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(media_config, "S3Remote", lambda bucket: store.remote())
    return store


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("filmed")
    ledger = open_ledger(home / "ledger")
    film(ledger, home / "spool", ["picking", "pan-firing"])
    ledger.close()
    (home / "ledger" / "next.json").write_text(json.dumps(S3))
    return home / "ledger"


@pytest.fixture
def data(filmed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filmed, tmp_path / "ledger"))


def objects(data: Path) -> dict[str, bytes]:
    store = FolderStore(data / MEDIA_FOLDER)
    return {path.name: store.get(path.name) for path in (data / MEDIA_FOLDER).glob("*/*")}


def held(s3: FakeS3) -> dict[str, bytes]:
    kept = {key.removeprefix("media/"): value for key, value in s3.held.items()}
    return {name: value for name, value in kept.items() if not name.endswith(".outline")}


def copied(data: Path) -> Copied:
    return copy_media(data, data / "next.json", lambda done, total: None)


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    verbs.register(app)
    done = CliRunner().invoke(app, list(arguments))
    if isinstance(done.exception, Problem):
        raise done.exception
    return done.exit_code, done.output


def test_all_is_there_and_read_again_before_it_counts(data: Path, s3: FakeS3) -> None:
    originals = objects(data)
    done = copied(data)
    assert (done.objects, done.copied, done.there, done.lost) == (len(originals), len(originals), 0, ())
    assert done.copied_bytes == sum(map(len, originals.values())) and held(s3) == originals
    read = [key for method, key, _ in s3.asked if method == "GET"]
    assert {f"media/{cid}" for cid in originals} <= set(read)


def test_another_run_asks_for_nothing_that_was_copied(data: Path, s3: FakeS3) -> None:
    copied(data)
    s3.asked.clear()
    done = copied(data)
    assert (done.copied, done.there) == (0, done.objects) and s3.asked == []


def test_another_configuration_begins_anew(data: Path, s3: FakeS3) -> None:
    copied(data)
    s3.held.clear()
    (data / "next.json").write_text(json.dumps({**S3, "region": "other"}))
    assert copied(data).copied == len(objects(data)) and held(s3) == objects(data)


@pytest.mark.parametrize("after", [1, 2, 5, 8])
def test_a_run_that_breaks_off_is_gone_on_with(data: Path, s3: FakeS3, after: int) -> None:
    def failing(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        return answer if len(s3.asked) <= after else error(503, "SlowDown")

    s3.lie = failing
    with refused("MEDIA_UNAVAILABLE"):
        copied(data)
    assert not (data / MEDIA_CONFIG_FILE).exists()
    noted = (data / JOURNAL_FILE).read_text()
    (data / JOURNAL_FILE).write_text(noted[:-10] if noted.count("\n") > 1 else noted)  # killed while it wrote a line
    s3.lie = None
    assert copied(data).objects == len(objects(data))
    assert held(s3) == objects(data)


def test_what_the_new_store_does_not_hold_as_it_was_given_is_not_copied(data: Path, s3: FakeS3) -> None:
    def spoiling(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.method == "PUT" and not request.url.path.endswith(".outline"):
            s3.held[request.url.path.removeprefix("/evidence/")] = b"something else"
        return answer

    s3.lie = spoiling
    with refused("MEDIA_CORRUPT"):
        copied(data)
    s3.lie = None
    assert copied(data).copied == len(objects(data)) and held(s3) == objects(data)


def test_what_is_damaged_there_is_sent_again(data: Path, s3: FakeS3) -> None:
    cid = min(objects(data))
    s3.held[f"media/{cid}"] = b"damaged"
    assert copied(data).copied == len(objects(data)) and held(s3) == objects(data)


def test_what_was_erased_since_does_not_stay_there(data: Path, s3: FakeS3) -> None:
    copied(data)
    before = objects(data)
    ledger = open_ledger(data)
    gone = ledger.evidence.segments_of_lots([TEA.normal])[-1].signed.digest
    ledger.erasures.erase(ledger.erasures.of_digest(gone), Reason.REQUEST, NOW)
    ledger.erasures.finish()
    ledger.close()
    assert len(objects(data)) < len(before)
    done = copied(data)
    assert done.withdrawn == len(before) - len(objects(data)) and held(s3) == objects(data)
    assert {key.removesuffix(".outline") for key in s3.held} == {f"media/{cid}" for cid in objects(data)}


def test_what_is_not_held_here_is_told_and_nothing_is_switched(data: Path, s3: FakeS3) -> None:
    cid = min(objects(data))
    FolderStore(data / MEDIA_FOLDER).remove(cid)
    status, out = run("media", "copy", str(data), "--to", str(data / "next.json"), "--switch")
    assert status == 1 and f"MEDIA_UNKNOWN: {cid}" in out and not (data / MEDIA_CONFIG_FILE).exists()
    assert held(s3) == objects(data)


def test_the_ledger_goes_on_in_the_new_store(data: Path, s3: FakeS3) -> None:
    originals = objects(data)
    status, out = run("media", "copy", str(data), "--to", str(data / "next.json"), "--switch")
    assert status == 0 and f"{len(originals)} copied" in out
    media = open_media(data)
    assert {cid: media.get(cid) for cid in originals} == originals
    assert [each for each in checked(data) if each.severity is Severity.DAMAGE] == []
    assert not (data / JOURNAL_FILE).exists()
    with refused("MEDIA_SAME"):
        copied(data)


def test_and_back_into_a_folder(data: Path, s3: FakeS3) -> None:
    originals = objects(data)
    copied(data)
    switch(data, data / "next.json")
    for cid in originals:
        FolderStore(data / MEDIA_FOLDER).remove(cid)
    (data / "next.json").write_text('{"store": "folder"}')
    assert copied(data).copied == len(originals) and objects(data) == originals


@pytest.mark.parametrize("to", ["none.json", "../outside.json"])
def test_a_file_that_is_not_beside_media_json(data: Path, s3: FakeS3, to: str) -> None:
    (data / "../outside.json").write_text(json.dumps(S3))
    with refused("MEDIA_CONFIG"):
        copy_media(data, data / to, lambda done, total: None)
    with refused("STORE_FOLDER"):
        copy_media(data.parent, data / "next.json", lambda done, total: None)
    assert s3.held == {}


def test_doctor_says_whether_the_store_answers(data: Path, s3: FakeS3) -> None:
    assert check_media(data) == []
    (data / MEDIA_CONFIG_FILE).write_text(json.dumps(S3))
    assert [each.state for each in check_media(data)] == [State.OK]
    s3.lie = lambda request, answer: error(403, "AccessDenied")
    (found,) = check_media(data)
    assert found.state is State.MISSING and "AccessDenied" in found.found and "rights" in found.cure
    (data / MEDIA_CONFIG_FILE).write_text("{}")
    assert [each.state for each in check_media(data)] == [State.MISSING]


class TestCheck:
    """`pledgetrail fsck` reads all that is there, named or not."""

    def found(self, data: Path) -> list[tuple[str, str]]:
        return sorted((each.code, each.severity.value) for each in checked(data))

    def test_everything_that_is_wrong_there_is_named(self, data: Path, s3: FakeS3) -> None:
        copied(data)
        switch(data, data / "next.json")
        assert self.found(data) == []
        one, two, *_ = sorted(objects(data))
        damaged, stray = bytearray(s3.held[f"media/{one}"]), b"of another ledger"
        damaged[len(damaged) // 2] ^= 1
        s3.held[f"media/{one}"] = bytes(damaged)
        del s3.held[f"media/{two}"]
        unnamed = FolderStore(data.parent / "other").put(stray)
        s3.held |= {f"media/{unnamed}": stray, "media/notes.txt": b"x", "media/two\nlines": b"x"}
        s3.begun = {"u1": (f"media/{two}", {1: b"x"})}
        assert self.found(data) == [
            ("FILE_UNKNOWN", "note"),
            ("FILE_UNKNOWN", "note"),
            ("MEDIA_DAMAGED", "damage"),
            ("MEDIA_MISSING", "damage"),
            ("MEDIA_UNFINISHED", "note"),
            ("MEDIA_UNNAMED", "note"),
        ]
        assert all(each.thing.isprintable() for each in checked(data))
        s3.held[f"media/{unnamed}"] = b"damaged too"
        assert ("MEDIA_DAMAGED", "damage") in self.found(data)
        assert run("media", "tidy", str(data)) == (0, "1 taken away.\n")
        assert "MEDIA_UNFINISHED" not in dict(self.found(data))

    def test_a_store_that_does_not_answer(self, data: Path, s3: FakeS3) -> None:
        copied(data)
        switch(data, data / "next.json")
        s3.lie = lambda request, answer: error(403, "AccessDenied")
        assert {code for code, _ in self.found(data)} == {"MEDIA_UNREADABLE"}
        s3.lie = None
        assert self.found(data) == []
