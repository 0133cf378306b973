"""What is erased is in no file any more; the log still verifies, and says that something stood there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import typer
from starlette.testclient import TestClient
from typer.testing import CliRunner

from ledger import verbs
from ledger.api.app import create_app
from ledger.erasure import ERASURE_DOMAIN, Kind, Reason, mark_of, read_erasure
from ledger.errors import Problem
from ledger.evidence import Code, DeviceFinding, Judged
from ledger.history import history_of
from ledger.http.addresses import page_path
from ledger.intake.media import FolderStore
from ledger.intake.media_config import MEDIA_FOLDER
from ledger.segment_body import MEDIA_TYPE, SegmentBody, write_segment_body
from ledger.store import Database, Held, Ledger, SqlEvidenceBook, StoredSegment
from ledger.store.erasure_book import Erasable, ErasureBook
from ledger.store.ledger import DATABASE_FILE, UPLOADS_FOLDER
from tests.fsck_flips import checked
from tests.ledger.refusals import refused
from tests.ledger.tea import CAMERA, NOW, TEA, UNITS, Direct, cosign_log, document, film, open_ledger

LATER = NOW + timedelta(days=1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Two steps filmed, four events, and a cosigned log over all of it."""
    ledger = open_ledger(tmp_path / "ledger")
    film(ledger, tmp_path / "spool", ["picking", "pan-firing"])
    ledger.events.capture_document(document(), NOW)
    cosign_log(ledger)
    yield ledger
    ledger.close()


def segments(ledger: Ledger) -> tuple[StoredSegment, ...]:
    return ledger.evidence.segments_of_lots([TEA.normal])


def last_segment(ledger: Ledger) -> StoredSegment:
    return max(segments(ledger), key=lambda each: each.statement.sequence)


def erase(ledger: Ledger, digest: bytes) -> Erasable:
    thing = ledger.erasures.of_digest(digest)
    ledger.erasures.erase(thing, Reason.REQUEST, LATER)
    ledger.erasures.finish()
    return thing


def files_with(folder: Path, *needles: bytes) -> list[str]:
    """The files of the folder, write-ahead log and all, in which any of these bytes stands."""
    return [
        path.name
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    ]


def pieces(data: bytes, size: int = 48) -> list[bytes]:
    """The bytes cut small: a page that kept only a part of them would still hold one."""
    return [data[at : at + size] for at in range(0, len(data) - size, size)]


def only_of(ledger: Ledger, segment: StoredSegment) -> list[bytes]:
    """Pieces of a segment's video and of what was signed about it that stand in nothing else."""
    others = [each for each in segments(ledger) if each.entry != segment.entry]
    elsewhere = [ledger.media.get(each.media_cid) + each.signed.statement_bytes for each in others]
    own = pieces(ledger.media.get(segment.media_cid)) + pieces(segment.signed.statement_bytes)
    found = [piece for piece in own if not any(piece in other for other in elsewhere)]
    assert len(found) > 10
    return [*found, segment.signed.signature, ledger.log.entry(segment.entry).salt]


def test_an_erased_event_is_in_no_file_and_its_log_still_verifies(ledger: Ledger, tmp_path: Path) -> None:
    event = ledger.events.find(about=UNITS[0].normal)[-1]
    before = ledger.log.entry(event.entry)
    size, root = ledger.log.size, ledger.log.root()
    held = files_with(tmp_path / "ledger", before.salt)
    assert held  # else the search below could not fail
    thing = erase(ledger, event.event.digest)
    assert thing == Erasable(event.entry, Kind.EVENT, event.event.digest)
    assert files_with(tmp_path / "ledger", before.salt, event.event.canonical()[:200]) == []
    after = ledger.log.entry(event.entry)
    assert (after.digest, after.salt) == (before.digest, b"")
    assert not after.holds(event.event.canonical())
    assert ledger.log.root(size) == root
    assert checked(tmp_path / "ledger") == ()


def test_the_record_says_when_and_why_and_nothing_else(ledger: Ledger) -> None:
    event = ledger.events.find(about=UNITS[0].normal)[-1]
    erase(ledger, event.event.digest)
    (statement,) = ledger.statements.of_domain(ERASURE_DOMAIN)
    record = read_erasure(statement.canonical)
    assert (record.entry, record.kind, record.at, record.reason) == (event.entry, Kind.EVENT, LATER, Reason.REQUEST)
    assert record.canonical() == statement.canonical
    assert ledger.log.entry(statement.entry).holds(statement.canonical)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"at":"2026-09-22T08:00:00.000Z","entry":1,"kind":"event","reason":"Mr Wang asked"}', "ERASURE_FORMAT"),
        (b'{"at":"2026-09-22T08:00:00.000Z","entry":1,"kind":"unit","reason":"request"}', "ERASURE_FORMAT"),
        (b'{"at":"2026-09-22T08:00:00.000Z","entry":1,"kind":"event","name":"W","reason":"request"}', "EVIDENCE_FIELD"),
        (b'{"at":"2026-09-22","entry":1,"kind":"event","reason":"request"}', "EVIDENCE_FIELD"),
        (b'{"at":"2026-09-22T08:00:00.000Z","entry":"1","kind":"event","reason":"request"}', "EVIDENCE_FIELD"),
    ],
)
def test_a_record_that_says_anything_more_is_refused(raw: bytes, code: str) -> None:
    with refused(code):
        read_erasure(raw)


def test_an_erased_segment_takes_its_video_and_its_upload_along_and_no_shared_part(
    ledger: Ledger, tmp_path: Path
) -> None:
    gone = last_segment(ledger)
    needles = only_of(ledger, gone)
    shared = [each for each in segments(ledger) if each.init_cid == gone.init_cid and each.entry != gone.entry]
    assert shared
    uploads = tmp_path / "ledger" / UPLOADS_FOLDER
    uploads.mkdir(exist_ok=True)
    (uploads / f"{gone.signed.digest.hex()}.part").write_bytes(ledger.media.get(gone.media_cid))
    assert len(files_with(tmp_path / "ledger", *needles)) >= 3  # database, media, upload
    erase(ledger, gone.signed.digest)
    assert files_with(tmp_path / "ledger", *needles) == []
    assert not ledger.media.has(gone.media_cid)
    assert all(ledger.media.has(cid) for each in segments(ledger) for cid in (each.init_cid, each.media_cid))
    assert checked(tmp_path / "ledger") == ()


def test_the_devices_chain_goes_on_from_the_digest_that_stays(ledger: Ledger, tmp_path: Path) -> None:
    gone = last_segment(ledger)
    erase(ledger, gone.signed.digest)
    assert ledger.evidence.known(CAMERA.id)[2].number == gone.statement.sequence
    film(ledger, tmp_path / "spool", ["packing"])
    added = last_segment(ledger)
    assert added.statement.sequence > gone.statement.sequence
    assert [found.finding.code for found in ledger.evidence.findings(CAMERA.id)] == []
    assert checked(tmp_path / "ledger") == ()


def test_a_statement_that_does_not_follow_the_erased_one_is_still_refused(ledger: Ledger, tmp_path: Path) -> None:
    """The camera lost its spool, and begins again at number 1 as if nothing had been said."""
    erase(ledger, last_segment(ledger).signed.digest)
    held = segments(ledger)
    with refused("REPLAY"):
        film(ledger, tmp_path / "another-spool", ["packing"])
    assert segments(ledger) == held
    assert ledger.evidence.findings(CAMERA.id)


def test_findings_about_it_go_along_and_those_about_others_stay(ledger: Ledger, tmp_path: Path) -> None:
    """They may repeat what it said, and keep an envelope of the same number."""
    gone, kept = last_segment(ledger), segments(ledger)[0]
    findings = {
        each.entry: DeviceFinding(
            Code.FORK, CAMERA.id, each.statement.sequence, "Two of one number.", NOW, {"said": said}, kept=said.encode()
        )
        for each, said in ((gone, "Mrs Li picks with her left hand"), (kept, "nobody is seen here"))
    }
    for finding in findings.values():
        ledger.evidence.record(finding)
    about = {each.finding.sequence: each.entry for each in ledger.evidence.findings(CAMERA.id)}
    erase(ledger, gone.signed.digest)
    assert [each.finding for each in ledger.evidence.findings(CAMERA.id)] == [findings[kept.entry]]
    assert files_with(tmp_path / "ledger", b"Mrs Li") == []
    assert files_with(tmp_path / "ledger", b"nobody is seen here")
    assert ledger.log.entry(about[gone.statement.sequence]).salt == b""
    with refused("ERASED"):
        ledger.evidence.record(findings[gone.entry])
    assert checked(tmp_path / "ledger") == ()


def test_a_segment_that_comes_in_while_a_shared_part_is_deleted_keeps_it(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The initialisation part is there, goes with the erasure of the only segment that named it, and is named again."""
    add = SqlEvidenceBook.add

    def add_late(book: SqlEvidenceBook, judged: Judged, *, init_cid: str, received_at: datetime) -> Held:
        assert isinstance(ledger.media, FolderStore)
        ledger.media.remove(init_cid)
        return add(book, judged, init_cid=init_cid, received_at=received_at)

    monkeypatch.setattr(SqlEvidenceBook, "add", add_late)
    film(ledger, tmp_path / "spool", ["packing"])
    assert all(ledger.media.has(cid) for each in segments(ledger) for cid in (each.init_cid, each.media_cid))
    assert checked(tmp_path / "ledger") == ()


def test_what_was_erased_is_not_taken_anew(ledger: Ledger, tmp_path: Path) -> None:
    gone, kept = last_segment(ledger), segments(ledger)[0]
    bodies = {
        each.entry: (each.signed, ledger.media.get(each.init_cid), ledger.media.get(each.media_cid))
        for each in (gone, kept)
    }
    event = ledger.events.find(about=UNITS[0].normal)[-1]
    erase(ledger, gone.signed.digest)
    erase(ledger, event.event.digest)
    size = ledger.log.size
    with refused("ERASED"):
        Direct(ledger).submit(*bodies[gone.entry])
    with refused("ERASED"):
        ledger.events.capture_document(document(), NOW)
    assert not ledger.media.has(gone.media_cid)
    assert ledger.events.of_digest(event.event.digest) is None
    with refused("REPLAY"):  # the honest twin: held, and told so
        Direct(ledger).submit(*bodies[kept.entry])
    assert ledger.log.size == size
    assert checked(tmp_path / "ledger") == ()


def test_erasing_again_is_refused_and_changes_nothing(ledger: Ledger) -> None:
    gone = last_segment(ledger)
    thing = erase(ledger, gone.signed.digest)
    size = ledger.log.size
    with refused("ERASED"):
        ledger.erasures.of_digest(gone.signed.digest)
    with refused("ERASED"):
        ledger.erasures.erase(thing, Reason.ORDER, LATER)
    with refused("ERASE_UNKNOWN"):
        ledger.erasures.of_digest(bytes(32))
    ledger.erasures.finish()
    assert ledger.log.size == size


class Killed(BaseException):
    """The process dies here."""


def killed(*_arguments: object, **_named: object) -> None:
    raise Killed


def test_killed_inside_the_transaction_nothing_is_erased(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = last_segment(ledger)
    size = ledger.log.size
    with monkeypatch.context() as patch:
        patch.setattr("ledger.store.erasure_book.enter_raw", killed)
        with pytest.raises(Killed):
            erase(ledger, gone.signed.digest)
    assert ledger.log.size == size
    assert last_segment(ledger) == gone
    assert ledger.log.entry(gone.entry).holds(gone.signed.envelope())


@pytest.mark.parametrize("point", ["before", "media", "pages"])
def test_killed_after_it_the_next_start_finishes(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    gone = last_segment(ledger)
    needles = only_of(ledger, gone)
    where = {"before": (ErasureBook, "finish"), "media": (type(ledger.media), "remove"), "pages": (Database, "rewrite")}
    with monkeypatch.context() as patch:
        patch.setattr(*where[point], killed)
        with pytest.raises(Killed):
            erase(ledger, gone.signed.digest)
    ledger.close()
    assert not any("SALT" in each.code for each in checked(tmp_path / "ledger"))
    again = open_ledger(tmp_path / "ledger")
    assert files_with(tmp_path / "ledger", *needles) == []
    assert [each.entry for each in again.erasures.told_about([TEA.normal])] == [gone.entry]
    again.close()
    assert checked(tmp_path / "ledger") == ()


def test_a_reader_of_an_old_state_puts_it_off_and_loses_nothing(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.store.database.REWRITE_TRIES", 1)
    gone = last_segment(ledger)
    salt = ledger.log.entry(gone.entry).salt
    thing = ledger.erasures.of_digest(gone.signed.digest)
    with closing(sqlite3.connect(tmp_path / "ledger" / DATABASE_FILE, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entry").fetchone()
        ledger.erasures.erase(thing, Reason.ORDER, LATER)
        with refused("STORE_BUSY"):
            ledger.erasures.finish()
        assert files_with(tmp_path / "ledger", salt)
        reader.execute("ROLLBACK")
    ledger.erasures.finish()
    assert files_with(tmp_path / "ledger", salt) == []


def test_rewriting_leaves_nothing_of_what_was_deleted_before(ledger: Ledger, tmp_path: Path) -> None:
    """Rows that were deleted, or moved to another page, stay readable in the file until their page is written anew."""
    folder, marker = tmp_path / "ledger", b"deleted without a trace?"
    with closing(sqlite3.connect(folder / DATABASE_FILE, isolation_level=None)) as other:
        other.execute("PRAGMA secure_delete = OFF")
        other.execute("INSERT INTO scan VALUES (?, 1, ?, ?)", (marker.decode(), "2026", "2026"))
        other.execute("DELETE FROM scan")
    assert files_with(folder, marker)
    ledger.database.rewrite()
    assert files_with(folder, marker) == []
    assert checked(folder) == ()


TAMPERED: dict[str, tuple[str, str]] = {
    "the salt of what was never erased is taken away": (
        "UPDATE entry SET salt = x'' WHERE \"index\" = 2",
        "ROW_CHANGED",
    ),
    "an object is taken away together with its salt": (
        "DELETE FROM event_identifier WHERE event = (SELECT digest FROM event WHERE entry = {event});"
        "DELETE FROM event WHERE entry = {event}; UPDATE entry SET salt = x'' WHERE \"index\" = {event}",
        "SALT_MISSING",
    ),
    "the record's row is taken away": ("DELETE FROM erased_mark; DELETE FROM erased", "SALT_MISSING"),
    "the record is given another reason": ("UPDATE erased SET reason = 'order'", "ROW_CHANGED"),
    "the row is moved to another entry": ("DELETE FROM erased_mark; UPDATE erased SET entry = 1", "ERASURE_UNDONE"),
    "a salt comes back": ("UPDATE entry SET salt = zeroblob(32) WHERE length(salt) = 0", "ERASURE_UNDONE"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_C11_fsck_takes_no_erasure_without_its_record(ledger: Ledger, tmp_path: Path, case: str) -> None:
    gone, *_, other = ledger.events.find(about=UNITS[0].normal)
    erase(ledger, gone.event.digest)
    ledger.close()
    assert checked(tmp_path / "ledger") == ()
    script, code = TAMPERED[case]
    with closing(sqlite3.connect(tmp_path / "ledger" / DATABASE_FILE)) as database:
        database.executescript(script.format(event=other.entry))
        database.commit()
    assert code in {each.code for each in checked(tmp_path / "ledger")}


def test_the_account_says_that_something_stood_there(ledger: Ledger) -> None:
    steps = len(history_of(ledger, UNITS[0]).steps)
    event = ledger.events.find(about=UNITS[0].normal)[-1]
    erase(ledger, event.event.digest)
    history = history_of(ledger, UNITS[0])
    assert [(each.entry, each.kind, each.reason) for each in history.erased] == [
        (event.entry, Kind.EVENT, Reason.REQUEST)
    ]
    assert len(history.steps) == steps - 1
    assert ledger.erasures.told_about(["https://id.gs1.org/01/09520000001999/10/OTHER"]) == ()


def test_a_unit_of_which_all_is_erased_is_not_unknown(ledger: Ledger) -> None:
    for thing in ledger.erasures.about(UNITS[0].normal):
        ledger.erasures.erase(thing, Reason.RETENTION, LATER)
    ledger.erasures.finish()
    assert ledger.events.find(about=UNITS[0].normal) == ()
    history = history_of(ledger, UNITS[0])
    assert history.known
    assert len(history.erased) == 2


def command(*arguments: str) -> tuple[int, str, str]:
    """Exit status, output, and the code of the problem that the shell around it would show."""
    app = typer.Typer(pretty_exceptions_enable=False)
    verbs.register(app)
    result = CliRunner().invoke(app, ["erase", *arguments])
    code = result.exception.code if isinstance(result.exception, Problem) else ""
    return result.exit_code, result.stdout, code


def test_the_command_lists_first_and_erases_only_when_told(ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    ledger.scans.count(UNITS[1].normal, NOW)
    arguments = (UNITS[1].normal, "--data", str(folder), "--reason", "request")
    status, listed, _ = command(*arguments)
    assert status == 0
    assert listed.endswith("2 to erase. Nothing was erased: give --yes to do it.\n")
    assert len(ledger.events.find(about=UNITS[1].normal)) == 2
    status, told, _ = command(*arguments, "--yes")
    assert (status, told.splitlines()[-1]) == (0, "2 erased.")
    assert files_with(folder, UNITS[1].normal.encode()) == []
    assert [each.entry for each in ledger.erasures.told_about([UNITS[1].normal])]
    assert command(*arguments, "--yes")[2] == "ERASE_UNKNOWN"
    assert checked(folder) == ()


BAD_COMMANDS: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "a reason that could name somebody": (
        lambda folder: [UNITS[0].normal, "--data", str(folder), "--reason", "Mr Wang asked"],
        "ERASURE_REASON",
    ),
    "a folder without a ledger": (
        lambda folder: [UNITS[0].normal, "--data", str(folder / MEDIA_FOLDER), "--reason", "order"],
        "STORE_FOLDER",
    ),
    "a digest of nothing": (lambda folder: ["0" * 64, "--data", str(folder), "--reason", "order"], "ERASE_UNKNOWN"),
}


@pytest.mark.parametrize("case", BAD_COMMANDS)
def test_a_command_that_cannot_be_meant_is_refused(ledger: Ledger, tmp_path: Path, case: str) -> None:
    size = ledger.log.size
    arguments, code = BAD_COMMANDS[case]
    assert command(*arguments(tmp_path / "ledger"), "--yes")[2] == code
    assert ledger.log.size == size


def test_marks_tell_nothing_and_differ() -> None:
    marks = {mark_of(unit.normal) for unit in UNITS}
    assert len(marks) == len(UNITS)
    assert {len(mark) for mark in marks} == {32}


def test_only_what_was_erased_is_said_to_be(ledger: Ledger) -> None:
    gone, kept = last_segment(ledger), segments(ledger)[0]
    erase(ledger, gone.signed.digest)
    ledger.erasures.refuse_erased(kept.signed.digest)
    with refused("ERASED"):
        ledger.erasures.refuse_erased(gone.signed.digest)


@pytest.fixture
def client(ledger: Ledger) -> TestClient:
    ledger.bundle_of = lambda subject, _loan: f"bundle of {subject.text}".encode()
    return TestClient(create_app(ledger), follow_redirects=False)


def test_api_and_page_say_that_something_stood_there_in_both_languages(ledger: Ledger, client: TestClient) -> None:
    path, event = page_path(UNITS[0]), ledger.events.find(about=UNITS[0].normal)[-1]
    assert client.get(f"/api/v1/units{path}").json()["erased"] == []
    assert 'data-kind="erased"' not in client.get(path).text
    erase(ledger, event.event.digest)
    told = {"entry": event.entry, "kind": "event", "at": "2026-09-22T08:00:00.000Z", "reason": "request"}
    assert client.get(f"/api/v1/units{path}").json()["erased"] == [told]
    english, chinese = (client.get(f"{path}?lang={code}").text for code in ("en", "zh"))
    for words, page in (
        (("Something stood here and was erased on", "Somebody whom it was about asked for it."), english),
        (("此处曾有记录", "相关个人要求删除。"), chinese),
    ):
        assert all(each in page for each in words)
        assert f'data-kind="erased" data-entries="{event.entry}"' in page


def test_a_bundle_of_what_is_left_can_be_had_and_a_statement_of_what_is_gone_cannot(
    ledger: Ledger, client: TestClient
) -> None:
    *_, kept, gone = ledger.events.find(about=UNITS[0].normal)
    bundle = f"/api/v1/units{page_path(UNITS[0])}/bundle"
    erase(ledger, gone.event.digest)
    assert client.get(bundle).status_code == 200  # `ledger.bundling` says in it what is missing
    assert client.get(f"/api/v1/events/{gone.event.digest.hex()}/bundle").status_code == 200
    answer = client.get(f"/api/v1/events/{gone.event.digest.hex()}/statement")
    assert (answer.status_code, answer.json()["code"]) == (410, "ERASED")
    assert client.get(f"/api/v1/events/{kept.event.digest.hex()}/bundle").status_code == 200


def test_an_erasure_is_found_by_the_digest_of_what_was_erased(ledger: Ledger) -> None:
    *_, kept, gone = ledger.events.find(about=UNITS[0].normal)
    assert ledger.erasures.of_erased(gone.event.digest) is None
    thing = erase(ledger, gone.event.digest)
    found = ledger.erasures.of_erased(gone.event.digest)
    assert found is not None
    assert (found.entry, found.kind, found.reason) == (thing.entry, thing.kind, Reason.REQUEST)
    assert ledger.erasures.of_erased(kept.event.digest) is None


def test_an_erased_statement_sent_again_by_http_is_told_so(ledger: Ledger, client: TestClient) -> None:
    gone, kept = last_segment(ledger), segments(ledger)[0]
    bodies = {
        each.entry: write_segment_body(
            SegmentBody(each.signed, ledger.media.get(each.init_cid), ledger.media.get(each.media_cid))
        )
        for each in (gone, kept)
    }
    erase(ledger, gone.signed.digest)
    kind = {"Content-Type": MEDIA_TYPE}
    answer = client.post("/api/v1/evidence/segments", content=bodies[gone.entry], headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (410, "ERASED")
    twin = client.post("/api/v1/evidence/segments", content=bodies[kept.entry], headers=kind)
    assert (twin.status_code, twin.json()["code"], twin.json()["held"]) == (409, "REPLAY", kept.signed.digest.hex())
