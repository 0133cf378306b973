"""`pledgetrail fsck` finds every flipped bit and every edited row, names the object, and finds nothing else."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ledger import verbs
from ledger.errors import Problem
from ledger.evidence import Terms
from ledger.evidence.terms import Limits
from ledger.intake.media_config import MEDIA_FOLDER
from ledger.store import Ledger
from ledger.store.check import Found, Severity, check_folder
from ledger.store.check.rows import BOUND, BOUND_BY_SUMS_ALONE, DERIVED
from ledger.store.crossing_files import CROSSINGS_FOLDER, read_sealed
from ledger.store.database import _TABLES
from ledger.store.ledger import DATABASE_FILE
from ledger.store.page_sums import SUMS, WAL, beside
from tests.fsck_flips import checked, filled, flips
from tests.ledger.intake.speaking import NOON, Voice, listening
from tests.ledger.refusals import refused
from tests.ledger.tea import cosign_log, open_ledger, whole_story

FLIPS = 60  # of every tier; `make fsck-flips` does 1,000


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "ledger"))


def damage(folder: Path) -> list[tuple[str, str]]:
    """Code and object of every finding of damage."""
    return [(each.code, each.thing) for each in checked(folder) if each.severity is Severity.DAMAGE]


def test_C11_every_flipped_bit_is_found_and_its_object_named(folder: Path) -> None:
    assert checked(folder) == ()
    missed = [flip for flip in flips(folder, FLIPS, seed=20260921) if not flip.named]
    assert missed == []
    assert checked(folder) == ()


def test_C11_a_bit_of_unused_space_is_found_too(folder: Path) -> None:
    """SQLite itself sees nothing there: neither its check nor any query."""
    path = folder / DATABASE_FILE
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database:
        row = database.execute(
            "SELECT pageno, unused FROM dbstat WHERE name = 'statement' AND pagetype = 'leaf' AND unused > 500"
        ).fetchone()
    page = row[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096 + 8 + 2 * 100)  # behind the cell pointers, before the cells
        assert file.read(1) == b"\0"
        file.seek(-1, os.SEEK_CUR)
        file.write(b"\1")
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert damage(folder) == [("PAGE_DAMAGED", f"{DATABASE_FILE} page {page} (of statement)")]


EDITS = {
    "C11 a statement": ("UPDATE statement SET canonical = canonical || ' ' WHERE entry = 0", "statement of entry 0"),
    "C11 a device's words": (
        "UPDATE evidence SET statement = replace(statement, 'picking', 'packing') WHERE sequence = 1",
        "evidence of entry 1",
    ),
    "C11 a signature": ("UPDATE evidence SET signature = zeroblob(64) WHERE sequence = 2", "evidence of entry 2"),
    "C11 a signature stripped": ("UPDATE evidence SET signature = x'' WHERE sequence = 2", "evidence of entry 2"),
    "C11 the number evidence is found by": (
        "UPDATE evidence SET sequence = 77 WHERE sequence = 2",
        "evidence of entry 2",
    ),
    "C11 the lot a segment is found by": ("UPDATE segment SET lot = 'other'", "segment of entry 1"),
    "C11 the video a segment names": (
        "UPDATE segment SET media_cid = (SELECT max(media_cid) FROM segment)",
        "segment of entry",
    ),
    "C11 an event": ("UPDATE event SET canonical = replace(canonical, '120', '999')", "event of entry"),
    "C11 an event's time": ("UPDATE event SET event_time = '2020-01-01T00:00:00.000000Z'", "event of entry"),
    "C11 what an event is about": ("UPDATE event_identifier SET identifier = identifier || '1'", "event_identifier"),
    "C11 a salt": ('UPDATE entry SET salt = zeroblob(32) WHERE "index" = 1', "evidence of entry 1"),
    "C11 an entry": ('UPDATE entry SET digest = zeroblob(32) WHERE "index" = 1', "checkpoint of size"),
    "C11 an entry that is no digest": ("UPDATE entry SET digest = 'text' WHERE \"index\" = 1", "entry 1"),
    "C11 an entry's domain": (
        "UPDATE entry SET domain = 'pledgetrail/other/v1' WHERE \"index\" = 0",
        "statement of entry 0",
    ),
    "C11 an entry in the middle taken out": ('DELETE FROM entry WHERE "index" = 3', "entry 3"),
    "C11 the last entry and its object taken out": (
        'DELETE FROM event WHERE entry = (SELECT max("index") FROM entry);'
        ' DELETE FROM entry WHERE "index" = (SELECT max("index") FROM entry)',
        "checkpoint of size",
    ),
    "C11 an object taken out": ("DELETE FROM event WHERE entry = (SELECT max(entry) FROM event)", "entry"),
    "C11 a checkpoint's size": ("UPDATE checkpoint SET size = size - 1", "checkpoint of size"),
    "C11 a checkpoint's note": ("UPDATE checkpoint SET note = replace(note, 'tea', 'pea')", "checkpoint of size"),
    "C11 a published note": ("UPDATE checkpoint SET cosigned = x'00'", "checkpoint of size"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_found_even_where_the_sums_were_made_to_fit(folder: Path, name: str) -> None:
    """Somebody who can write the database can write the sums; what an entry binds is found all the same."""
    edit, named = EDITS[name]
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as database:
        database.create_function("replace", 3, _replace)
        database.executescript(edit)
        assert database.total_changes
    beside(folder / DATABASE_FILE, SUMS).unlink()
    assert [thing for _, thing in damage(folder) if thing.startswith(named)], checked(folder)


@pytest.fixture(scope="module")
def doubted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger whose scale was given terms, was doubted for a value and for its clock, was released, and revoked."""
    folder = tmp_path_factory.mktemp("doubted")
    limits = {"weight": Limits(Decimal(0), Decimal(1200))}
    with listening(folder) as at:
        book, voice = at.ledger.evidence, Voice()
        for days in (3, 2):
            book.agree(Terms("scale-1", NOON - timedelta(days=days), limits=limits, speed_kmh=100 - days))
        at.hear(voice.reading())
        at.hear(voice.reading(value="9000"))
        at.hear(voice.reading(NOON + timedelta(hours=1)))
        at.hear(voice.gap(at=NOON + timedelta(hours=1)))
        book.release("scale-1", NOON, "its spool was lost")
        for hours in (9, 8):
            book.revoke("scale-1", NOON + timedelta(hours=hours), "it was sold")
    return folder / "ledger"


TRUSTED, DOUBTED, LATE = (f"(SELECT digest FROM evidence WHERE sequence = {number})" for number in (1, 2, 3))
TURNED = {
    "a doubted reading made usable": (f"UPDATE reading SET usable = 1 WHERE digest = {DOUBTED}", "reading of entry"),
    "a reading whose doubt is no yes or no": (f"UPDATE reading SET usable = 7 WHERE digest = {TRUSTED}", "reading of"),
    "a good reading put aside": (f"UPDATE reading SET usable = 0 WHERE digest = {TRUSTED}", "reading of entry"),
    "a wrong clock believed": (f"UPDATE evidence SET trusted_time = 1 WHERE digest = {LATE}", "evidence of entry"),
    "a finding that nobody is shown": ("DELETE FROM finding WHERE sequence = 2", "finding of entry"),
    "a reading that no query meets": (f"DELETE FROM reading WHERE digest = {TRUSTED}", "evidence of entry"),
    "another key": ("UPDATE device SET public_key = zeroblob(32)", "device 'scale-1'"),
    "another label": ("UPDATE device SET label = label || '!'", "device 'scale-1'"),
    "a longer life": ("UPDATE device SET valid_until = '2999-01-01T00:00:00.000000Z'", "device 'scale-1'"),
    "no revocation": ("UPDATE device SET revoked_at = NULL", "device 'scale-1'"),
    "the later of two revocations": (
        "UPDATE device SET revoked_at = replace(revoked_at, 'T20', 'T21')",
        "device 'scale-1'",
    ),
    "another release": ("UPDATE device SET released_after = 99", "device 'scale-1'"),
    "no terms": ("UPDATE device SET terms = NULL", "device 'scale-1'"),
    "terms of before": (
        "UPDATE device SET terms = (SELECT canonical FROM statement WHERE domain LIKE '%terms%' LIMIT 1)",
        "device 'scale-1'",
    ),
    "a device that was never enrolled": (
        "INSERT INTO device SELECT 'ghost', algorithm, zeroblob(32), label, valid_from, valid_until, NULL, NULL, NULL,"
        " NULL FROM device",
        "device 'ghost'",
    ),
    "a device taken out": ("UPDATE device SET id = 'scale-9'", "device 'scale-1'"),
}


@pytest.mark.parametrize("name", TURNED)
def test_C11_nobody_takes_a_doubt_away_or_turns_a_device_into_another(doubted: Path, tmp_path: Path, name: str) -> None:
    """A row that decides whom and what to believe is bound by what was logged, also where the sums were made to fit."""
    folder = Path(shutil.copytree(doubted, tmp_path / "ledger"))
    assert checked(folder) == ()
    edit, named = TURNED[name]
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as database:
        database.executescript(edit)
        assert database.total_changes
    beside(folder / DATABASE_FILE, SUMS).unlink()
    assert [thing for _, thing in damage(folder) if thing.startswith(named)], checked(folder)


def _replace(value: str | bytes, old: str, new: str) -> str | bytes:
    return value.replace(old.encode(), new.encode()) if isinstance(value, bytes) else value.replace(old, new)


def test_C11_media_that_is_gone_or_another_ones_is_named(folder: Path) -> None:
    files = sorted(path for path in (folder / MEDIA_FOLDER).rglob("*") if path.is_file())
    files[0].unlink()
    files[1].write_bytes(files[2].read_bytes())
    assert damage(folder) == [
        ("MEDIA_DAMAGED", f"media/{files[1].parent.name}/{files[1].name}"),
        ("MEDIA_MISSING", f"media/…/{files[0].name}"),
    ]


@pytest.mark.parametrize("file", ["log.key", "log.vkey"])
def test_C11_a_key_that_is_not_the_logs_is_named(folder: Path, file: str) -> None:
    (folder / file).write_bytes(bytes(32) if file == "log.key" else b"tea.example/log+00000000+AAAA\n")
    assert damage(folder) == [("KEY_DAMAGED", file)]


def test_what_a_start_makes_again_is_not_called_lost(folder: Path) -> None:
    shutil.rmtree(folder / "ledger.tree")
    assert {code for code, _ in damage(folder)} == {"TREE_SHORT"}
    open_ledger(folder).close()
    assert open_ledger(folder).log.size > 0
    ledger = open_ledger(folder)
    ledger.log.root()
    ledger.close()
    assert checked(folder) == ()


def test_a_running_ledger_is_whole_and_goes_on_meanwhile(tmp_path: Path) -> None:
    ledger = whole_story(tmp_path)
    seen = list[Found]()
    for found in check_folder(tmp_path / "ledger", lambda what, _done, _total: _write_during(ledger, what)):
        seen.append(found)
    assert seen == []
    assert beside(tmp_path / "ledger" / DATABASE_FILE, WAL).stat().st_size > 0
    ledger.close()
    assert checked(tmp_path / "ledger") == ()


def _write_during(ledger: Ledger, what: str) -> None:
    if what in ("database", "media"):
        ledger.statements.enter("pledgetrail/test/v1/json", f"{what} {ledger.log.size}".encode())
        cosign_log(ledger)


def test_C11_a_flipped_bit_of_the_write_ahead_log_is_found(tmp_path: Path) -> None:
    ledger = whole_story(tmp_path / "live")
    copy = Path(shutil.copytree(tmp_path / "live" / "ledger", tmp_path / "killed"))
    beside(copy / DATABASE_FILE, "-shm").unlink()
    assert checked(copy) == ()
    wal = beside(copy / DATABASE_FILE, WAL)
    raw = wal.read_bytes()
    for at in (3, len(raw) // 2, len(raw) - 1):
        wal.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        assert "WAL_DAMAGED" in {code for code, _ in damage(copy)}
        beside(copy / DATABASE_FILE, "-shm").unlink(missing_ok=True)
    ledger.close()


@pytest.mark.parametrize("at", [0, 31, 32, -1])
def test_C11_what_crossed_is_found_changed_in_digest_and_content(folder: Path, at: int) -> None:
    (kept,) = (folder / CROSSINGS_FOLDER).iterdir()
    raw = bytearray(kept.read_bytes())
    raw[at] ^= 1
    kept.write_bytes(raw)
    assert damage(folder) == [("CROSSING_DAMAGED", f"crossings/{kept.name}")]
    with refused("CROSSING_DAMAGED"):
        read_sealed(kept)
    kept.unlink()  # a relay hands it over again
    assert damage(folder) == []


def test_files_that_are_not_ours_are_noted_and_no_damage(folder: Path) -> None:
    (folder / MEDIA_FOLDER / "notes.txt").write_text("bought new disks")
    (folder / "ledger.tree" / "old").write_bytes(b"")
    (folder / CROSSINGS_FOLDER / "anchor-1.cbor").write_bytes(b"of an earlier program")
    found = checked(folder)
    assert {(each.code, each.severity) for each in found} == {("FILE_UNKNOWN", Severity.NOTE)}
    assert {each.thing for each in found} == {"media/notes.txt", "ledger.tree/old", "crossings/anchor-1.cbor"}


def test_every_table_is_bound_by_the_log_or_named_with_the_reason_why_not() -> None:
    """A table that comes new must be given its rule, or its reason."""
    ruled = {bound.table for bound in BOUND} | {table for table, _, _ in DERIVED}
    assert {table.name for table in _TABLES} == ruled | BOUND_BY_SUMS_ALONE.keys() | {
        "entry",
        "checkpoint",
        "device",
        "event_identifier",
    }


def run(*arguments: str) -> tuple[int, str, Problem | None]:
    """Exit status, standard output, and the problem that the shell around it would show."""
    app = typer.Typer(pretty_exceptions_enable=False)
    verbs.register(app)
    result = CliRunner().invoke(app, ["fsck", *arguments], env={"COLUMNS": "160"})
    problem = result.exception if isinstance(result.exception, Problem) else None
    return problem.exit_status if problem else result.exit_code, result.stdout, problem


def test_the_command_says_what_is_wrong_and_ends_with_1(folder: Path) -> None:
    assert run(str(folder))[:2] == (0, "Everything is what was written.\n")
    (folder / "log.key").write_bytes(bytes(32))
    status, told, _ = run(str(folder))
    assert status == 1
    assert "KEY_DAMAGED" in told
    assert "1 damaged object." in told
    status, told, _ = run(str(folder), "--json")
    assert status == 1
    as_json = json.loads(told)
    assert as_json["held"] is False
    assert [(each["code"], each["thing"], each["severity"]) for each in as_json["found"]] == [
        ("KEY_DAMAGED", "log.key", "damage")
    ]


def test_refuses_a_folder_without_a_ledger(tmp_path: Path) -> None:
    with refused("FSCK_FOLDER"):
        list(check_folder(tmp_path, lambda _what, _done, _total: None))
    status, _, problem = run(str(tmp_path))
    assert (status, problem and problem.code) == (2, "FSCK_FOLDER")
    assert list(tmp_path.iterdir()) == []
