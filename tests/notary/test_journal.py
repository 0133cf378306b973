"""The journal: one promise per place of a lane, for ever, whatever process asks (attack rows B13, G04)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.attestation import DIFFERS, SAME, Verdict
from ledger.checkpoint import Checkpoint
from ledger.proposal import Chain, Kind, Message
from notary import policy
from notary.durable import JOURNAL_FILE
from notary.journal import MAX_DOUBTS, Doubt, Journal
from notary.proven import Witnessed
from tests.chains import NOTARY_KEYS
from tests.notary.subject import Subject, locator, refusal

OWNER = b"\x01" * 20
HERE, THERE = Chain(7101, b"\x0a" * 32, b"\x0b" * 20), Chain(7102, b"\x0c" * 32, b"\x0d" * 20)
MESSAGE = Message(
    kind=Kind.NOTICE,
    origin=HERE,
    destination=THERE,
    generation=1,
    sequence=5,
    sender=b"\x0e" * 20,
    recipient=b"\x0f" * 20,
    expiry=2_000_000_000,
    gas_limit=400_000,
    payload_digest=b"\x10" * 32,
)
RIVAL = replace(MESSAGE, payload_digest=b"\x11" * 32)
ROOT, DIGEST = b"\x12" * 32, b"\x13" * 32
VERDICT = Verdict(MESSAGE.id, 1, ROOT, ROOT, DIGEST, 7, SAME, True, bytes(32), 1, 2, 3)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path, owner=OWNER)
    yield opened
    opened.close()


def promise(journal: Journal, *messages: Message, blocks: tuple[tuple[Chain, Witnessed], ...] = ()) -> None:
    journal.promise(messages, epoch=1, root=ROOT, digest=DIGEST, blocks=blocks)


def test_a_promise_is_remembered_by_place_and_may_be_repeated(journal: Journal) -> None:
    promise(journal, MESSAGE)
    promise(journal, MESSAGE)
    assert journal.attested_at(MESSAGE) == journal.attested_at(RIVAL) == MESSAGE.id
    assert journal.counts() == (1, 0)


def test_b13_a_second_message_for_one_place_is_refused_and_nothing_of_its_request_stays(journal: Journal) -> None:
    promise(journal, MESSAGE)
    innocent = replace(MESSAGE, sequence=6)
    assert refusal(lambda: promise(journal, innocent, RIVAL)).code == "EQUIVOCATION"
    assert journal.attested_at(innocent) is None
    assert journal.counts() == (1, 0)
    promise(journal, innocent)


def test_b13_it_is_refused_after_the_journal_was_closed_and_opened_again(tmp_path: Path) -> None:
    first = Journal(tmp_path, owner=OWNER)
    promise(first, MESSAGE)
    first.close()
    second = Journal(tmp_path, owner=OWNER)
    try:
        assert refusal(lambda: promise(second, RIVAL)).code == "EQUIVOCATION"
        promise(second, MESSAGE)
    finally:
        second.close()


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"sequence": 6},
        {"sequence": 2**64 - 1},
        {"generation": 2},
        {"sender": b"\x20" * 20},
        {"recipient": b"\x20" * 20},
        {"destination": replace(THERE, chain_id=7103)},
        {"origin": replace(HERE, gateway=b"\x20" * 20)},
        {"origin": replace(HERE, genesis=b"\x20" * 32)},
    ],
    ids="-".join,
)
def test_another_place_is_free(journal: Journal, elsewhere: dict[str, object]) -> None:
    promise(journal, MESSAGE)
    promise(journal, replace(RIVAL, **elsewhere))  # type: ignore[arg-type]
    assert journal.counts() == (2, 0)


def test_b13_a_notary_refuses_a_message_where_it_attested_another(subject: Subject) -> None:
    sent = subject.chains.send()
    rival = replace(sent.message, payload_digest=b"\x21" * 32)
    subject.notary.close()
    journal = Journal(subject.folder, owner=NOTARY_KEYS[0].address)
    promise(journal, rival)
    journal.close()
    subject.restart()
    subject.refuses(lambda notary: notary.attest([locator(sent)]), "EQUIVOCATION")
    other = subject.chains.send()
    assert subject.notary.attest([locator(other)]).ids == (other.message.id,)


def test_policy_lets_the_same_message_again_and_no_other() -> None:
    policy.require_first(MESSAGE, attested=None)
    policy.require_first(MESSAGE, attested=MESSAGE.id)
    assert refusal(lambda: policy.require_first(MESSAGE, attested=RIVAL.id)).code == "EQUIVOCATION"


def test_one_final_block_per_number(journal: Journal) -> None:
    promise(journal, MESSAGE, blocks=((HERE, Witnessed(9, b"\x01" * 32)),))
    innocent = replace(MESSAGE, sequence=6)
    rewritten = refusal(lambda: promise(journal, innocent, blocks=((HERE, Witnessed(9, b"\x02" * 32)),)))
    assert (rewritten.code, journal.attested_at(innocent)) == ("FINAL_REWRITTEN", None)
    promise(journal, innocent, blocks=((THERE, Witnessed(9, b"\x02" * 32)), (HERE, Witnessed(8, b"\x03" * 32))))
    assert journal.witnessed(HERE) == Witnessed(9, b"\x01" * 32)
    assert journal.final(HERE, 8) == b"\x03" * 32
    assert journal.final(HERE, 7) is None


def test_a_verdict_is_kept_per_commit_and_the_first_stays(journal: Journal) -> None:
    journal.judge(VERDICT)
    journal.judge(replace(VERDICT, verdict=DIFFERS))
    retried = replace(VERDICT, commit_transaction=b"\x30" * 32)
    journal.judge(retried)
    assert journal.verdict(VERDICT.id, VERDICT.commit_transaction) == VERDICT
    assert journal.verdict(VERDICT.id, b"\x30" * 32) == retried
    assert journal.verdict(VERDICT.id, b"\x31" * 32) is None


@pytest.mark.parametrize(
    "changed", [{"verdict": DIFFERS}, {"executed": False}, {"outcome": ROOT}, {"commit_block": DIGEST}], ids=str
)
def test_policy_refuses_to_contradict_a_verdict(changed: dict[str, object]) -> None:
    policy.require_same_verdict(VERDICT, recorded=None)
    policy.require_same_verdict(replace(VERDICT, epoch=2), recorded=VERDICT)
    contradiction = replace(VERDICT, **changed)  # type: ignore[arg-type]
    assert refusal(lambda: policy.require_same_verdict(contradiction, recorded=VERDICT)).code == "VERDICT_CONFLICT"


def test_the_last_checkpoint_only_grows(journal: Journal) -> None:
    larger, smaller = Checkpoint("log.example", 9, ROOT), Checkpoint("log.example", 8, DIGEST)
    journal.accept_checkpoint(larger, b"larger")
    journal.accept_checkpoint(smaller, b"smaller")
    assert journal.checkpoint("log.example") == larger
    assert journal.checkpoint_note("log.example") == b"larger"
    assert journal.checkpoint("other.example") is None
    assert journal.checkpoint_note("other.example") == b""


def test_doubts_about_the_log_are_kept_once_and_never_without_bound(journal: Journal) -> None:
    doubts = [
        Doubt("PROOF_INVALID", size, bytes([size]) * 32, b"offered", b"held", 5, size) for size in range(MAX_DOUBTS + 3)
    ]
    for doubt in [*doubts, *doubts]:
        journal.doubt(doubt)
    assert journal.doubts() == doubts[:MAX_DOUBTS]
    fork = Doubt("SPLIT_VIEW", 5, DIGEST, b"offered", b"held", 5, 1000)
    journal.doubt(fork)
    assert journal.doubts()[-1] == fork
    journal.accept_checkpoint(Checkpoint("log.example", 7, bytes([7]) * 32), b"proven after all")
    assert [doubt.size for doubt in journal.doubts()] == [*(size for size in range(MAX_DOUBTS) if size != 7), 5]


def test_a_fork_stays_known_whatever_is_accepted_later(journal: Journal) -> None:
    fork = Doubt("SPLIT_VIEW", 9, ROOT, b"offered", b"held", 9, 1)
    journal.doubt(fork)
    journal.accept_checkpoint(Checkpoint("log.example", 9, ROOT), b"note")
    assert journal.doubts() == [fork]


def test_b13_a_second_process_on_one_folder_is_refused(journal: Journal, tmp_path: Path) -> None:
    assert refusal(lambda: Journal(tmp_path, owner=OWNER)).code == "FOLDER_IN_USE"
    journal.close()
    Journal(tmp_path, owner=OWNER).close()


def test_a_journal_of_another_key_is_refused_and_stays(journal: Journal, tmp_path: Path) -> None:
    promise(journal, MESSAGE)
    journal.close()
    assert refusal(lambda: Journal(tmp_path, owner=b"\x02" * 20)).code == "JOURNAL_OWNER"
    reopened = Journal(tmp_path, owner=OWNER)
    assert reopened.counts() == (1, 0)
    reopened.close()


def test_a_journal_of_another_version_is_refused(journal: Journal, tmp_path: Path) -> None:
    journal.close()
    with sqlite3.connect(tmp_path / JOURNAL_FILE) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    assert refusal(lambda: Journal(tmp_path, owner=OWNER)).code == "JOURNAL_VERSION"


def test_a_journal_of_the_version_before_is_taken_on_whole_by_its_owner_alone(journal: Journal, tmp_path: Path) -> None:
    promise(journal, MESSAGE)
    journal.close()
    with sqlite3.connect(tmp_path / JOURNAL_FILE) as db:
        db.execute("DROP TABLE vouched")  # which is what it lacked
        db.execute("PRAGMA user_version = 3")
    db.close()
    assert refusal(lambda: Journal(tmp_path, owner=b"\x02" * 20)).code == "JOURNAL_OWNER"
    with sqlite3.connect(tmp_path / JOURNAL_FILE) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,), "a stranger changes nothing"
    db.close()
    for _ in range(2):
        taken = Journal(tmp_path, owner=OWNER)
        assert taken.attested_at(MESSAGE) == MESSAGE.id
        taken.vouch(MESSAGE.origin, Witnessed(7, b"\x07" * 32))
        taken.close()


@pytest.mark.parametrize("content", [b"not a database at all" * 400, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_journal_is_refused_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / JOURNAL_FILE
    path.write_bytes(content)
    assert refusal(lambda: Journal(tmp_path, owner=OWNER)).code == "JOURNAL_DAMAGED"
    assert path.read_bytes() == content


def test_c11_a_damaged_page_is_noticed_when_the_journal_is_opened(journal: Journal, tmp_path: Path) -> None:
    for sequence in range(200):
        promise(journal, replace(MESSAGE, sequence=sequence))
    journal.close()
    path = tmp_path / JOURNAL_FILE
    raw = bytearray(path.read_bytes())
    page = raw.rindex(MESSAGE.lane) & ~0xFFF
    raw[page : page + 64] = b"\xee" * 64
    path.write_bytes(raw)
    assert refusal(lambda: Journal(tmp_path, owner=OWNER)).code == "JOURNAL_DAMAGED"


def test_a_journal_that_cannot_be_opened_or_written_durably_is_refused_and_the_folder_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / JOURNAL_FILE).mkdir()
    assert refusal(lambda: Journal(tmp_path, owner=OWNER)).code == "JOURNAL_UNREADABLE"
    (tmp_path / JOURNAL_FILE).rmdir()
    monkeypatch.setattr("notary.durable._FULL", 3)  # a database that does not take the setting
    assert refusal(lambda: Journal(tmp_path, owner=OWNER)).code == "JOURNAL_DURABILITY"
    monkeypatch.undo()
    Journal(tmp_path, owner=OWNER).close()


def test_k10_a_full_disk_is_an_error_before_anything_is_signed_and_passes_by_itself(journal: Journal) -> None:
    promise(journal, MESSAGE)
    pages = journal._file.row("PRAGMA page_count")
    assert pages is not None
    journal._file.row(f"PRAGMA max_page_count = {pages[0]}")
    many = [replace(MESSAGE, sequence=sequence) for sequence in range(100, 1000)]
    assert refusal(lambda: promise(journal, *many)).code == "JOURNAL_WRITE"
    assert journal.counts() == (1, 0)
    journal._file.row("PRAGMA max_page_count = 100000")
    promise(journal, *many)
    assert journal.counts() == (901, 0)


def test_the_journal_is_written_through_and_for_its_owner_alone(journal: Journal, tmp_path: Path) -> None:
    assert (tmp_path / JOURNAL_FILE).stat().st_mode & 0o077 == 0
    row = journal._file.row("PRAGMA synchronous")
    assert row == (2,), "FULL: a promise is on disk before its signature exists"
