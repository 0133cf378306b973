"""A journal moves whole or not at all, and an old copy of it signs nothing (attack rows B13, G03)."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.checkpoint import Checkpoint
from notary.durable import JOURNAL_FILE
from notary.guard import Guard
from notary.journal import Journal
from notary.moving import export_journal, import_journal, read_export
from notary.notary import Notary
from notary.proven import Witnessed
from notary.signer import Signer, create_keys, open_signer
from tests.acceptance.loaded import Loaded, loaded
from tests.chains import Deployed
from tests.notary.subject import Subject, locator, refusal, write_keys
from tests.notary.test_journal import HERE, MESSAGE, VERDICT, promise
from tests.notary.test_processes import run


class Place:
    """A notary's folder on a machine. `machine`: what that machine remembers, outside the folder."""

    def __init__(self, root: Path, machine: str = "machine", folder: str = "notary0", index: int = 0) -> None:
        self.folder, self.machine = root / folder, root / machine
        write_keys(self.folder, index)

    @property
    def signer(self) -> Signer:
        return open_signer(self.folder)

    @contextmanager
    def guard(self) -> Iterator[Guard]:
        with closing(Guard(self.machine, self.signer.public.address)) as guard:
            yield guard

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        with self.guard() as guard, closing(self.open(guard)) as journal:
            yield journal

    def open(self, guard: Guard) -> Journal:
        return Journal(self.folder, owner=self.signer.public.address, guard=guard)

    def promise(self, *sequences: int) -> None:
        with self.journal() as journal:
            for sequence in sequences:
                promise(journal, replace(MESSAGE, sequence=sequence))

    def rows(self) -> list[Any]:
        with sqlite3.connect(self.folder / JOURNAL_FILE) as db:
            tables = ("promises", "attestations", "verdicts", "checkpoints", "doubts", "finals", "vouched", "checked")
            return [db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]

    def send(self, target: Path, *, move: bool = False) -> None:
        with self.guard() as guard:
            export_journal(self.folder, self.signer, guard, target, move=move)

    def take(self, source: Path) -> None:
        with self.guard() as guard:
            import_journal(self.folder, self.signer, guard, source)

    def refuses(self, code: str, work: Callable[[], object]) -> None:
        """Assert that it is refused with `code`, and that the journal stays as it was."""
        before = self.rows() if (self.folder / JOURNAL_FILE).exists() else None
        assert refusal(work).code == code
        assert before is None or self.rows() == before

    def opens(self) -> None:
        with self.journal():
            pass


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_b13_g03_an_old_copy_of_the_folder_signs_nothing_until_the_newest_is_back(place: Place, tmp_path: Path) -> None:
    place.promise(1, 2)
    shutil.copytree(place.folder, tmp_path / "backup")
    place.promise(3)
    shutil.move(place.folder, tmp_path / "newest")
    shutil.copytree(tmp_path / "backup", place.folder)
    place.refuses("JOURNAL_OLD", place.opens)
    place.refuses("JOURNAL_OLD", place.opens)
    shutil.rmtree(place.folder)
    shutil.copytree(tmp_path / "newest", place.folder)
    place.opens()


def test_b13_k10_an_old_copy_that_forgot_a_signed_header_signs_nothing(place: Place, tmp_path: Path) -> None:
    place.promise(1)
    shutil.copytree(place.folder, tmp_path / "backup")
    with place.journal() as journal:
        journal.vouch(MESSAGE.origin, Witnessed(7, b"\x07" * 32))
    shutil.rmtree(place.folder)
    shutil.copytree(tmp_path / "backup", place.folder)
    place.refuses("JOURNAL_OLD", place.opens)


def test_b13_a_key_that_promised_here_does_not_begin_anew_in_another_folder(place: Place, tmp_path: Path) -> None:
    place.promise(1)
    fresh = Place(tmp_path, folder="fresh")
    fresh.refuses("JOURNAL_OLD", fresh.opens)
    Place(tmp_path, folder="other", index=1).opens()  # another key may
    place.opens()


def test_g03_one_key_in_two_folders_of_a_machine_runs_once(place: Place, tmp_path: Path) -> None:
    place.opens()
    twin = Place(tmp_path, folder="twin")
    with place.journal():
        twin.refuses("KEY_IN_USE", twin.opens)
    twin.opens()


@pytest.mark.parametrize(
    "advance",
    [
        lambda journal: promise(journal, replace(MESSAGE, sequence=9)),
        lambda journal: journal.judge(VERDICT),
        lambda journal: journal.accept_checkpoint(Checkpoint("log.example", 5, bytes(32)), b"note"),
        lambda journal: journal.vouch(MESSAGE.origin, Witnessed(7, b"\x07" * 32)),
    ],
    ids=["promise", "verdict", "checkpoint", "header"],
)
def test_every_kind_of_entry_is_remembered_outside_before_anything_is_signed(
    place: Place, advance: Callable[[Journal], None]
) -> None:
    place.promise(1)
    with place.journal() as journal:
        before = journal.tally
        advance(journal)
        with_entry = json.loads((place.machine / f"{place.signer.public.address.hex()}.json").read_text())["tally"]
        assert with_entry == journal.tally > before
        advance(journal)
        assert journal.tally == with_entry
    with place.journal() as again:
        assert again.tally == with_entry


def test_a_record_that_cannot_be_read_or_written_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.promise(1)
    record = place.machine / f"{place.signer.public.address.hex()}.json"
    kept = record.read_bytes()
    for damaged in (b"", b"{}", b"[" * 100, b'{"tally": "x", "moved": 0}'):
        record.write_bytes(damaged)
        place.refuses("GUARD_UNREADABLE", place.opens)
    record.write_bytes(kept)
    with monkeypatch.context() as patched:
        patched.setattr("notary.guard.write_whole", full)
        assert refusal(lambda: place.promise(2)).code == "JOURNAL_WRITE"
    place.opens()


REPEATED: dict[str, Callable[[Journal], None]] = {
    "promise": lambda journal: promise(journal, replace(MESSAGE, sequence=2)),
    "verdict": lambda journal: journal.judge(VERDICT),
    "checkpoint": lambda journal: journal.accept_checkpoint(Checkpoint("log.example", 5, bytes(32)), b"note"),
}


def full(*_arguments: Any, **_named: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("kind", REPEATED)
def test_b13_k10_what_could_not_be_noted_is_signed_only_once_it_is(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The entry stands, its note does not: asking again adds nothing to the journal, and must not sign for all that."""
    enter = REPEATED[kind]
    place.promise(1)
    shutil.copytree(place.folder, tmp_path / "backup")
    with place.journal() as journal:
        with monkeypatch.context() as patched:
            patched.setattr("notary.guard.write_whole", full)
            for _ in range(2):
                assert refusal(lambda: enter(journal)).code == "JOURNAL_WRITE"
            if kind == "promise":
                shown = replace(MESSAGE, sequence=2).id  # showing it is signing it
                assert refusal(lambda: journal.attestations(shown)).code == "JOURNAL_WRITE"
        enter(journal)
    shutil.rmtree(place.folder)
    shutil.copytree(tmp_path / "backup", place.folder)
    place.refuses("JOURNAL_OLD", place.opens)


def test_b13_an_entry_whose_note_the_process_did_not_live_to_make_is_noted_at_the_next_start(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.promise(1)
    shutil.copytree(place.folder, tmp_path / "backup")
    with monkeypatch.context() as patched:
        patched.setattr("notary.guard.write_whole", full)  # as if it had died there
        assert refusal(lambda: place.promise(2)).code == "JOURNAL_WRITE"
    place.promise(2)  # the next run signs it, and may be asked for nothing else
    shutil.rmtree(place.folder)
    shutil.copytree(tmp_path / "backup", place.folder)
    place.refuses("JOURNAL_OLD", place.opens)


def test_an_export_is_exact_and_carries_on_elsewhere(place: Place, tmp_path: Path) -> None:
    place.promise(1, 2)
    with place.journal() as journal:
        journal.judge(VERDICT)
        journal.accept_checkpoint(Checkpoint("log.example", 5, bytes(32)), b"note")
    place.send(tmp_path / "journal")
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600
    there = Place(tmp_path, machine="other machine", folder="there")
    there.take(tmp_path / "journal")
    assert there.rows() == place.rows()
    assert sorted(path.name for path in there.folder.iterdir() if "incoming" in path.name) == []
    with there.journal() as journal:
        assert journal.attested_at(replace(MESSAGE, sequence=2)) == replace(MESSAGE, sequence=2).id
        assert journal.verdict(VERDICT.id, VERDICT.commit_transaction) == VERDICT
        assert journal.checkpoint("log.example") == Checkpoint("log.example", 5, bytes(32))
        assert journal.witnessed(HERE) is None
    there.promise(3)
    place.refuses("EXPORT_EXISTS", lambda: place.send(tmp_path / "journal"))


def test_b13_a_journal_that_was_handed_on_signs_no_more_until_it_is_brought_back(place: Place, tmp_path: Path) -> None:
    place.promise(1)
    place.send(tmp_path / "journal", move=True)
    place.refuses("JOURNAL_MOVED", place.opens)
    there = Place(tmp_path, machine="other machine", folder="there")
    there.take(tmp_path / "journal")
    there.promise(2)
    there.send(tmp_path / "back", move=True)
    place.take(tmp_path / "back")
    place.promise(3)
    there.refuses("JOURNAL_MOVED", there.opens)


def test_b13_an_older_export_never_replaces_a_newer_journal(place: Place, tmp_path: Path) -> None:
    place.promise(1)
    place.send(tmp_path / "older")
    place.promise(2)
    place.refuses("JOURNAL_OLD", lambda: place.take(tmp_path / "older"))
    shutil.rmtree(place.folder)
    write_keys(place.folder, 0)
    place.refuses("JOURNAL_OLD", lambda: place.take(tmp_path / "older"))  # the machine remembers
    shutil.rmtree(place.machine)
    place.take(tmp_path / "older")  # one that knows nothing cannot tell: hence `--move` when a journal leaves


def test_b13_an_export_of_as_many_but_other_promises_is_refused(place: Place, tmp_path: Path) -> None:
    there = Place(tmp_path, machine="other machine", folder="there")
    there.promise(7, 8, 9)
    there.send(tmp_path / "theirs")
    place.promise(1)
    place.refuses("JOURNAL_OLD", lambda: place.take(tmp_path / "theirs"))


def test_another_key_s_export_is_refused(place: Place, tmp_path: Path) -> None:
    other = Place(tmp_path, folder="other", index=1)
    other.promise(1)
    other.send(tmp_path / "theirs")
    place.promise(1)
    place.refuses("JOURNAL_OWNER", lambda: place.take(tmp_path / "theirs"))


def test_an_altered_export_is_refused(place: Place, tmp_path: Path) -> None:
    place.promise(1, 2)
    place.send(tmp_path / "journal")
    raw = (tmp_path / "journal").read_bytes()
    head, _, body = raw.partition(b"\n")
    fields = json.loads(head)
    later = json.dumps(fields | {"tally": fields["tally"] + 1}, sort_keys=True, separators=(",", ":")).encode()
    places = (5, len(head) // 2, len(head) - 5, len(head) + 1, len(raw) // 2, len(raw) - 1)
    forged = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in places]
    forged += [
        raw[:-1],
        raw + b"\0",
        b"",
        head,
        b" " + raw,
        later + b"\n" + body,
        json.dumps(fields).encode() + b"\n" + body,
    ]
    there = Place(tmp_path, machine="other machine", folder="there")
    for number, content in enumerate(forged):
        source = tmp_path / f"forged{number}"
        source.write_bytes(content)
        assert refusal(partial(there.take, source)).code in ("EXPORT_FORMAT", "EXPORT_ALTERED"), number
        assert not (there.folder / JOURNAL_FILE).exists()
    assert read_export(raw).tally == fields["tally"]
    there.take(tmp_path / "journal")


def test_the_commands_move_a_journal_and_k01_say_no_secret(chains: Deployed, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(chains.manifest.dump())
    nodes = {f"eip155:{chain_id}": url for chain_id, url in chains.urls.items()}
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        write_keys(tmp_path / name / "notary0", 0)
        fields = {"index": 0, "manifest": "../manifest.json", "nodes": nodes, "folder": "notary0"}
        (tmp_path / name / "notary.json").write_text(json.dumps(fields))
    here, there = (str(tmp_path / name / "notary.json") for name in ("here", "there"))
    moved = run("export-journal", str(tmp_path / "journal"), "--config", here, "--move")
    assert (moved.returncode, json.loads(moved.stdout)["moved"]) == (0, True), moved.stderr
    brought = run("import-journal", str(tmp_path / "journal"), "--config", there)
    assert (brought.returncode, json.loads(brought.stdout)["tally"]) == (0, 0), brought.stderr
    refused = run("run", "--config", here)
    assert (refused.returncode, "JOURNAL_MOVED" in refused.stderr) == (1, True)
    secrets = [path.read_text().strip() for path in (tmp_path / "here" / "notary0").glob("*.key")]
    assert len(secrets) == 2
    said = "".join(each.stdout + each.stderr for each in (moved, brought, refused))
    raw = (tmp_path / "journal").read_bytes()
    for secret in secrets:
        assert secret not in said.lower()
        assert secret.encode() not in raw
        assert bytes.fromhex(secret) not in raw


# Each kills the process, the way a power cut would, at one named point of an attestation.
POINTS = {
    "before the row": "Journal.promise = lambda *a, **k: die()",
    "after the row": "kept = Journal.promise\nJournal.promise = lambda *a, **k: (kept(*a, **k), die())",
    "after the row, before it is noted": "Journal._note = lambda *a, **k: die()",
    "after the signature": "kept = Signer.sign\nSigner.sign = lambda *a, **k: (kept(*a, **k), die())",
}
LOADED = """
import os, signal, sys
from pathlib import Path
from notary.config import NotaryConfig
from notary.journal import Journal
from notary.notary import Notary
from notary.proven import Locator
from notary.signer import Signer
"""
DIES = """
point, config, *places = sys.argv[1:]
places = [Locator(*map(int, each.split(","))) for each in places]
notary = Notary(NotaryConfig.load(Path(config)))
for place in places[:-1]:
    notary.attest([place])
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
exec(point)
notary.attest([places[-1]])
"""


@pytest.fixture(scope="module")
def dying() -> Iterator[Loaded]:
    """A notary's program that dies, loaded once; each run is a process of its own."""
    with loaded((), first=LOADED, then=DIES) as program:
        yield program


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_b13_k10_killed_at_a_named_point_it_goes_on_with_the_same_promises(
    dying: Loaded, chains: Deployed, tmp_path: Path, point: str, seed: int
) -> None:
    (tmp_path / "manifest.json").write_bytes(chains.manifest.dump())
    write_keys(tmp_path / "notary0", 0)
    nodes = {f"eip155:{chain_id}": url for chain_id, url in chains.urls.items()}
    fields = {"index": 0, "manifest": "manifest.json", "nodes": nodes, "folder": "notary0"}
    (tmp_path / "notary.json").write_text(json.dumps(fields))
    sent = [locator(chains.send()) for _ in range(seed)]
    places = [f"{at.chain_id},{at.block},{at.transaction_index},{at.log_index}" for at in sent]
    died = dying.run([POINTS[point], str(tmp_path / "notary.json"), *places], home=tmp_path)
    assert died.status == -signal.SIGKILL, died.err

    subject = Subject(chains, tmp_path / "reference" / "notary0")  # never killed: what the answers must be
    try:
        expected = [subject.notary.attest([at]) for at in sent]
    finally:
        subject.close()
    config = replace(subject.config, folder=tmp_path / "notary0", guard=tmp_path / "notary-guard")
    with closing(Notary(config)) as notary:
        held = [notary.attested(each.ids[0]) for each in expected]
        assert [len(each) for each in held[:-1]] == [1] * (seed - 1)
        assert len(held[-1]) == (0 if point == "before the row" else 1)
        assert [notary.attest([at]) for at in sent] == expected
        assert notary.status().attestations == seed


def test_keys_of_a_fresh_folder_are_not_known_to_the_machine(tmp_path: Path) -> None:
    public = create_keys(tmp_path / "fresh")
    with closing(Guard(tmp_path / "machine", public.address)) as guard:
        assert guard.remembered().tally == 0
        guard.require(0)
