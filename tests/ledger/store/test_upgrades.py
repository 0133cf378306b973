"""A folder of an earlier program is brought to today's tables with every row in it; a kill half way harms nothing."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.erasure import Reason
from ledger.evidence import Code, DeviceFinding, sign_statement
from ledger.intake.receive import Receiver
from ledger.store import Database, Ledger, upgrades
from ledger.store.database import remove
from ledger.store.ledger import DATABASE_FILE
from ledger.store.marks import APPLICATION_ID, look
from ledger.store.page_sums import BESIDE, SUMS, WAL, Pages, beside
from ledger.store.tables import SCHEMA_VERSION
from tests.fsck_flips import checked
from tests.ledger.intake.speaking import Voice, scale
from tests.ledger.refusals import refused
from tests.ledger.store import shapes
from tests.ledger.store.shapes import SHAPES
from tests.ledger.tea import CAMERA_KEY, NOW, TEA, cosign_log, open_ledger, whole_story

ROOT = Path(__file__).parents[3]
Shape = Mapping[str, str]
Rows = dict[str, list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed ledger of today with rows in every table that is not about erasing."""
    folder = tmp_path_factory.mktemp("today")
    ledger = whole_story(folder)
    ledger.evidence.enrol(scale())
    voice, receiver = Voice(), Receiver(ledger.evidence, ledger.media)
    for minute in range(3):
        at = NOW + timedelta(minutes=minute)
        receiver.statement(voice.reading(at, place=None if minute == 1 else "pen").envelope(), received_at=at)
    ledger.evidence.record(DeviceFinding(Code.FLOOD, "scale-1", None, "It sent more than it may.", NOW))
    segment = ledger.evidence.segments_of_lots([TEA.normal])[-1]
    ahead = replace(segment.statement, sequence=99, previous=bytes(range(32)))
    ledger.evidence.announce(sign_statement(ahead, CAMERA_KEY), ahead, received_at=NOW)
    ledger.signed_video.keep({segment.signed.digest: {}}, NOW)
    ledger.scans.count(TEA.normal, NOW)
    cosign_log(ledger)
    ledger.close()
    assert checked(folder / "ledger") == ()
    return folder / "ledger"


def aged(today: Path, folder: Path, shape: str, *, sums: bool = True) -> Path:
    """A copy of the folder whose database has the shape that an earlier program gave it, with all rows it had room for.

    `sums`: with page sums, which the very first programs did not keep.
    """
    shutil.copytree(today, folder)
    path, old = folder / DATABASE_FILE, folder / "old.sqlite"
    with closing(sqlite3.connect(old, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("ATTACH ? AS today", (str(path),))
        for name, sql in SHAPES[shape].items():
            database.execute(sql)
            if sql.startswith("CREATE TABLE"):
                columns = ", ".join(f'"{each[1]}"' for each in database.execute(f"PRAGMA main.table_info({name})"))
                database.execute(f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM today.{name}")
        database.execute(f"PRAGMA main.application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA main.user_version = {shape[0]}")
        database.execute("DETACH today")
    remove(path)
    old.rename(path)
    if sums:
        pages = Pages(path)
        pages.begin()
        pages.close()
    return folder


def rows(path: Path, room: Shape = shapes.V6) -> Rows:
    """Every row that there is room for, by table, with its columns in today's order."""
    with closing(sqlite3.connect(path)) as database:
        found = Rows()
        for name in (each for each, sql in room.items() if sql.startswith("CREATE TABLE")):
            columns = ", ".join(sorted(f'"{each[1]}"' for each in database.execute(f"PRAGMA table_info({name})")))
            found[name] = sorted(database.execute(f"SELECT {columns} FROM {name}").fetchall(), key=repr)
        return found


def structure(path: Path) -> dict[str, object]:
    """What SQLite says of each table and index, whichever way it came about; columns in no order."""
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = dict[str, object]()
        for table in tables:
            told = {pragma: database.execute(f"PRAGMA {pragma}({table})").fetchall() for pragma in _TOLD}
            columns = {each[1:] for each in told["table_info"]}
            links = {each[2:] for each in told["foreign_key_list"]}
            indexes = {
                (each[3], each[2], tuple(name for _, _, name in database.execute(f"PRAGMA index_info({each[1]})")))
                for each in told["index_list"]
            }
            named = {each[1] for each in told["index_list"] if each[3] == "c"}
            found[table] = (columns, links, indexes, named)
        return found


_TOLD = ("table_info", "foreign_key_list", "index_list")


@pytest.mark.parametrize("sums", [True, False], ids=["with sums", "without sums"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_folder_of_each_earlier_shape_opens_with_every_row(
    today: Path, tmp_path: Path, shape: str, sums: bool
) -> None:
    folder = aged(today, tmp_path / "old", shape, sums=sums)
    assert beside(folder / DATABASE_FILE, SUMS).exists() == sums
    ledger = open_ledger(folder)
    had = {name: kept if name in SHAPES[shape] else [] for name, kept in rows(today / DATABASE_FILE).items()}
    assert rows(folder / DATABASE_FILE) == had
    goes_on(ledger)
    ledger.close()
    assert structure(folder / DATABASE_FILE) == structure(today / DATABASE_FILE)
    assert checked(folder) == ()


def goes_on(ledger: Ledger) -> None:
    """Its log, its devices and what came into the product since."""
    said = ledger.evidence.last("scale-1")
    assert said is not None
    voice = Voice(number=said.statement.sequence, digest=said.digest)
    at = NOW + timedelta(hours=1)
    Receiver(ledger.evidence, ledger.media).statement(voice.reading(at, place="pen").envelope(), received_at=at)
    ledger.erasures.erase(ledger.erasures.of_digest(voice.digest), Reason.MISTAKE, at)
    ledger.erasures.finish()
    cosign_log(ledger)
    ledger.log.proof(0)


def test_what_was_erased_under_an_earlier_program_stays_erased(today: Path, tmp_path: Path) -> None:
    ledger = open_ledger(Path(shutil.copytree(today, tmp_path / "today")))
    goes_on(ledger)
    ledger.close()
    folder = aged(tmp_path / "today", tmp_path / "old", "5")
    open_ledger(folder).close()
    kept = rows(folder / DATABASE_FILE)
    assert kept == rows(tmp_path / "today" / DATABASE_FILE)
    assert kept["erased"] and kept["erased_mark"]
    assert checked(folder) == ()


def test_whoever_changes_the_tables_adds_a_shape_and_a_step(tmp_path: Path) -> None:
    Database.open(tmp_path / "new.sqlite").close()
    with closing(sqlite3.connect(tmp_path / "last.sqlite")) as database:
        for sql in shapes.V6.values():
            database.execute(sql)
    assert structure(tmp_path / "new.sqlite") == structure(tmp_path / "last.sqlite")
    assert {int(name[0]) for name in SHAPES} == set(range(upgrades.OLDEST, SCHEMA_VERSION))
    assert [step.leaves for step in upgrades.STEPS] == list(range(upgrades.OLDEST, SCHEMA_VERSION))


_KILLED = """
import json, os, signal, sys
from pathlib import Path
from ledger.store import Database, upgrades
from ledger.store.marks import look
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def open_and_die(path, leaves, when):
    def take(step, connection, told):
        if step.leaves == leaves and when == "before":
            die()
        real(step, connection, die if step.leaves == leaves and when == "half way" else told)
        if step.leaves == leaves:
            die()
    real, upgrades.take, upgrades.FILLED_AT_ONCE = upgrades.take, take, 1
    Database.open(path)
path = Path(sys.argv[1])
for leaves, when in json.loads(sys.argv[2]):
    child = os.fork()
    if not child:
        open_and_die(path, leaves, when)
    print(os.waitpid(child, 0)[1], look(path).version)
"""
KILLS = [(2, "before"), (2, "after"), (3, "after"), (4, "after"), (5, "half way"), (5, "after")]


def test_killed_in_any_step_the_next_start_goes_on_with_that_step(today: Path, tmp_path: Path) -> None:
    folder = aged(today, tmp_path / "old", "2")
    path = folder / DATABASE_FILE
    command = [sys.executable, "-c", _KILLED, str(path), json.dumps(KILLS)]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert told == "".join(f"{int(signal.SIGKILL)} {leaves}\n" for leaves, _ in KILLS)
    assert "place" not in {name for _, name, *_ in _columns(path, "reading")}
    open_ledger(folder).close()
    assert rows(path)["reading"] == rows(today / DATABASE_FILE)["reading"]
    assert structure(path) == structure(today / DATABASE_FILE)
    assert checked(folder) == ()


def _columns(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(f"PRAGMA table_info({table})").fetchall()


def test_a_step_that_fails_leaves_the_version_before_it_whole(
    today: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = aged(today, tmp_path / "old", "4")
    path = folder / DATABASE_FILE
    before = rows(path, shapes.V4)
    real = upgrades.STEPS
    failing = upgrades.Step(5, "to fail", ("UPDATE reading SET usable = 0", "CREATE TABLE erased (what)"))
    monkeypatch.setattr(upgrades, "STEPS", (*real[:-1], failing))
    with refused("STORE_UNAVAILABLE"):
        Database.open(path)
    found = look(path)
    assert found is not None and found.version == 5
    assert rows(path, shapes.V4)["reading"] == before["reading"]
    monkeypatch.setattr(upgrades, "STEPS", real)
    open_ledger(folder).close()
    assert checked(folder) == ()


def test_two_that_start_at_once_upgrade_once(today: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = aged(today, tmp_path / "old", "2")
    ready, opened = threading.Barrier(4), list[Database]()

    def start() -> None:
        ready.wait()
        opened.append(Database.open(folder / DATABASE_FILE))

    threads = [threading.Thread(target=start) for _ in range(4)]
    with caplog.at_level(logging.WARNING):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(opened) == 4
    assert [said for said in _said(caplog) if "version" in said] == [
        f"{folder / DATABASE_FILE}: upgrading from schema version {step.leaves}: {step.what}" for step in upgrades.STEPS
    ]
    for each in opened:
        each.close()
    assert checked(folder) == ()


def test_a_long_step_says_how_far_it_is(
    today: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(upgrades, "FILLED_AT_ONCE", 2)
    monkeypatch.setattr("ledger.store.database.UPGRADE_WORD_SECONDS", 0.0)
    path = aged(today, tmp_path / "old", "5") / DATABASE_FILE
    with caplog.at_level(logging.WARNING):
        Database.open(path).close()
    assert _said(caplog)[1:] == [f"{path}: {done} of 3 rows are upgraded" for done in (2, 3)]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        Database.open(path).close()
    assert _said(caplog) == []


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def _first_of_all(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        for sql in shapes.V1.values():
            database.execute(sql)
        database.execute("INSERT INTO device VALUES ('camera', x'00', 'Camera', '', '', NULL)")
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute("PRAGMA user_version = 1")


@pytest.mark.parametrize(
    ("version", "code"), [(0, "STORE_TOO_OLD"), (1, "STORE_TOO_OLD"), (SCHEMA_VERSION + 1, "STORE_VERSION")]
)
def test_refuses_what_no_step_leads_on_from_and_leaves_every_byte_of_it(
    tmp_path: Path, version: int, code: str
) -> None:
    """Also what was not folded yet when its program was killed: folded without sums it would look damaged there."""
    live, path = tmp_path / "live.sqlite", tmp_path / "killed.sqlite"
    if version < upgrades.OLDEST:
        _first_of_all(live)
    else:
        Database.open(live).close()
    with closing(sqlite3.connect(live, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA user_version = {version}")
        for suffix in BESIDE:
            if beside(live, suffix).exists():
                shutil.copy(beside(live, suffix), beside(path, suffix))
    held = {suffix: _bytes(beside(path, suffix)) for suffix in BESIDE if suffix != "-shm"}
    assert held[WAL]
    with refused(code):
        Database.open(path)
    assert {suffix: _bytes(beside(path, suffix)) for suffix in BESIDE if suffix != "-shm"} == held


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def test_refuses_a_version_that_the_tables_belie(today: Path, tmp_path: Path) -> None:
    """A mark that was damaged or set by hand: no step goes over tables that it would have made."""
    folder = Path(shutil.copytree(today, tmp_path / "ledger"))
    path = folder / DATABASE_FILE
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 4")
    before = rows(path)
    with refused("STORE_UNAVAILABLE"):
        Database.open(path)
    assert rows(path) == before


def test_fsck_names_an_earlier_version_and_upgrades_nothing(today: Path, tmp_path: Path) -> None:
    folder = aged(today, tmp_path / "old", "5")
    held = (folder / DATABASE_FILE).read_bytes()
    assert [(each.code, each.thing) for each in checked(folder)] == [("DATABASE_VERSION", DATABASE_FILE)]
    assert (folder / DATABASE_FILE).read_bytes() == held
    open_ledger(folder).close()
    assert checked(folder) == ()
