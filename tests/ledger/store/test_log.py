"""The log of one store: it proves what it holds, signs one root per size, and publishes only what a quorum cosigned."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from ledger.checkpoint import Cosigner, add_cosignatures, cosign, open_checkpoint
from ledger.log_proof import read_log_proof, verify_logged
from ledger.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from ledger.store import Cosigners, Ledger
from ledger.store.ledger import DATABASE_FILE, KEY_FILE
from tests.ledger.refusals import refused
from tests.ledger.tea import COSIGNERS, NOTARY_KEYS, NOW, ORIGIN, cosign_log, open_ledger

DOMAIN = "pledgetrail/test/v1/json"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path / "ledger")


def _grow(ledger: Ledger, entries: int) -> None:
    for number in range(ledger.log.size, ledger.log.size + entries):
        ledger.statements.enter(DOMAIN, f"statement {number}".encode())


def _cosigned(ledger: Ledger, notaries: int) -> bytes:
    note = ledger.log.make_checkpoint()
    lines = [cosign(note, log_key=ledger.log.key, cosigner=key, time=1) for key in NOTARY_KEYS[:notaries]]
    return add_cosignatures(note, lines)


def test_an_empty_log_has_the_empty_root_and_can_be_signed(ledger: Ledger) -> None:
    assert (ledger.log.size, ledger.log.root()) == (0, EMPTY_ROOT)
    assert open_checkpoint(ledger.log.make_checkpoint(), log_key=ledger.log.key).size == 0


def test_every_entry_is_proven_in_every_size_that_holds_it(ledger: Ledger) -> None:
    _grow(ledger, 7)
    for size in range(1, 8):
        for index in range(size):
            verify_inclusion(
                leaf=leaf_hash(ledger.log.entry(index).digest),
                index=index,
                size=size,
                proof=ledger.log.inclusion(index, size),
                root=ledger.log.root(size),
            )


def test_every_size_is_proven_to_extend_the_ones_before(ledger: Ledger) -> None:
    _grow(ledger, 6)
    for old in range(1, 7):
        verify_consistency(
            old_size=old,
            old_root=ledger.log.root(old),
            new_size=6,
            new_root=ledger.log.root(),
            proof=ledger.log.consistency(old, 6),
        )


def test_two_entries_of_equal_content_show_different_digests(tmp_path: Path) -> None:
    first, second = open_ledger(tmp_path / "a"), open_ledger(tmp_path / "b")
    for ledger in (first, second):
        ledger.statements.enter(DOMAIN, b"the same")
    assert first.log.entry(0).digest != second.log.entry(0).digest
    assert first.log.entry(0).holds(b"the same")
    assert not first.log.entry(0).holds(b"another")


def test_the_same_state_gives_the_same_checkpoint_again_also_after_a_restart(ledger: Ledger, tmp_path: Path) -> None:
    _grow(ledger, 3)
    note = ledger.log.make_checkpoint()
    assert ledger.log.make_checkpoint() == note
    ledger.close()
    assert open_ledger(tmp_path / "ledger").log.make_checkpoint() == note


def test_a_quorums_checkpoint_is_published_and_proves_entries_offline(ledger: Ledger) -> None:
    _grow(ledger, 5)
    cosign_log(ledger, notaries=3)
    _grow(ledger, 1)
    published = ledger.log.latest_cosigned()
    assert published is not None
    assert (published.checkpoint.size, len(published.cosigned.cosignatures)) == (5, 3)
    entry = ledger.log.entry(2)
    verify_logged(
        read_log_proof(ledger.log.proof(2).encode()),
        domain=DOMAIN,
        salt=entry.salt,
        canonical=b"statement 2",
        log_key=ledger.log.key,
        cosigners=COSIGNERS.keys,
        quorum=COSIGNERS.quorum,
    )


def test_more_cosignatures_replace_fewer_and_never_the_other_way(ledger: Ledger) -> None:
    _grow(ledger, 2)
    for notaries, kept in ((3, 3), (4, 4), (3, 4)):
        ledger.log.store_cosigned(_cosigned(ledger, notaries))
        published = ledger.log.latest_cosigned()
        assert published is not None
        assert len(published.cosigned.cosignatures) == kept


def test_refuses_to_publish_below_quorum(ledger: Ledger) -> None:
    _grow(ledger, 2)
    with refused("QUORUM_MISSING"):
        ledger.log.store_cosigned(_cosigned(ledger, 2))
    assert ledger.log.latest_cosigned() is None
    ledger.log.store_cosigned(_cosigned(ledger, 3))


def test_c_row_refuses_to_publish_a_smaller_checkpoint_than_before(ledger: Ledger) -> None:
    _grow(ledger, 2)
    old = _cosigned(ledger, 3)
    _grow(ledger, 2)
    cosign_log(ledger)
    with refused("LOG_SHRINKS"):
        ledger.log.store_cosigned(old)
    published = ledger.log.latest_cosigned()
    assert published is not None
    assert published.checkpoint.size == 4


def test_refuses_a_checkpoint_that_is_no_state_of_this_log(ledger: Ledger, tmp_path: Path) -> None:
    """Signed with the log's own key, cosigned by a quorum, and still of another tree: a fork."""
    _grow(ledger, 2)
    (tmp_path / "fork").mkdir()
    (tmp_path / "fork" / KEY_FILE).write_bytes((tmp_path / "ledger" / KEY_FILE).read_bytes())
    (tmp_path / "fork" / KEY_FILE).chmod(0o600)
    fork = open_ledger(tmp_path / "fork")
    _grow(fork, 2)
    with refused("SPLIT_VIEW"):
        ledger.log.store_cosigned(_cosigned(fork, 4))
    assert ledger.log.latest_cosigned() is None
    ledger.log.store_cosigned(_cosigned(ledger, 4))


def test_refuses_to_publish_before_the_notaries_are_known(ledger: Ledger) -> None:
    _grow(ledger, 1)
    note = _cosigned(ledger, 4)
    ledger.log.cosigners = None
    with refused("COSIGNERS_UNKNOWN"):
        ledger.log.store_cosigned(note)
    assert ledger.log.latest_cosigned() is None


def test_what_another_committee_cosigned_is_not_published_in_this_ones_name(ledger: Ledger) -> None:
    _grow(ledger, 1)
    cosign_log(ledger)
    assert ledger.log.latest_cosigned() is not None
    strangers = tuple(Cosigner(f"stranger-{number}.example", bytes([90 + number]) * 32).key for number in range(4))
    ledger.log.cosigners = Cosigners(strangers, 3)
    assert ledger.log.latest_cosigned() is None
    ledger.log.cosigners = COSIGNERS
    assert ledger.log.latest_cosigned() is not None


def test_refuses_a_proof_that_no_cosigned_checkpoint_covers(ledger: Ledger) -> None:
    _grow(ledger, 1)
    cosign_log(ledger)
    _grow(ledger, 1)
    with refused("NOT_COSIGNED_YET"):
        ledger.log.proof(1)
    with refused("ENTRY_UNKNOWN"):
        ledger.log.proof(2)
    assert ledger.log.proof(0).index == 0


@pytest.mark.parametrize("index", [-1, 2**63, 2**200])
def test_refuses_an_entry_that_cannot_be(ledger: Ledger, index: int) -> None:
    with refused("ENTRY_UNKNOWN"):
        ledger.log.entry(index)


@pytest.mark.parametrize(
    "tampering",
    ['UPDATE entry SET digest = zeroblob(32) WHERE "index" = 1', 'DELETE FROM entry WHERE "index" = 2'],
    ids=["an entry was changed", "the last entry was removed"],
)
def test_refuses_to_start_on_a_table_that_no_longer_gives_the_signed_root(tmp_path: Path, tampering: str) -> None:
    ledger = open_ledger(tmp_path / "ledger")
    for number in range(3):  # entries alone, so that no object refers to them
        ledger.statements.enter(DOMAIN, f"{number}".encode())
    ledger.log.make_checkpoint()
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger" / DATABASE_FILE) as connection:
        connection.execute(tampering)
    with refused("LOG_CHANGED"):
        open_ledger(tmp_path / "ledger")


def test_refuses_to_go_on_with_another_key_or_name(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger")
    ledger.log.make_checkpoint()
    ledger.close()
    with refused("LOG_ORIGIN"):
        Ledger.open(tmp_path / "ledger", origin="other.example/log")
    (tmp_path / "ledger" / KEY_FILE).write_bytes(bytes(32))
    with refused("LOG_KEY"):
        open_ledger(tmp_path / "ledger")


def test_the_key_is_made_for_its_owner_alone(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "ledger" / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    assert ledger.log.origin == ORIGIN
    assert [found.name for found in path.parent.glob(".*")] == []


def test_refuses_a_key_that_others_can_read(ledger: Ledger, tmp_path: Path) -> None:
    ledger.close()
    (tmp_path / "ledger" / KEY_FILE).chmod(0o640)
    with refused("KEY_FILE_MODE"):
        open_ledger(tmp_path / "ledger")
    (tmp_path / "ledger" / KEY_FILE).chmod(0o600)
    open_ledger(tmp_path / "ledger").close()


def test_refuses_a_key_cut_short(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / KEY_FILE).write_bytes(bytes(31))
    (tmp_path / "ledger" / KEY_FILE).chmod(0o600)
    with refused("KEY_FILE"):
        open_ledger(tmp_path / "ledger")


def test_two_processes_see_each_others_entries(ledger: Ledger, tmp_path: Path) -> None:
    other = open_ledger(tmp_path / "ledger")
    _grow(ledger, 3)
    _grow(other, 2)
    assert ledger.log.size == other.log.size == 5
    assert ledger.log.root() == other.log.root()
    assert ledger.clock() == NOW
