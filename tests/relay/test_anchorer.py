"""Checkpoints on their way to an anchor: cosigned first, anchored once, and never by fewer than a quorum."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.manifest import Role
from ledger.checkpoint import CosignerKey, add_cosignatures, open_checkpoint
from ledger.errors import Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.merkle import Tree, leaf_hash
from ledger.store import Cosigners
from ledger.store.database import Database
from ledger.store.log import Log
from ledger.store.tables import EntryRow
from relay.anchorer import Anchorer
from tests.contracts.world import LOG_SIGNER, OWNER
from tests.ledger.refusals import refused
from tests.simulator.network import Network

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Desk:
    """A log in a database of its own, and the anchorer that anchors it."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network, self.database = network, Database.open(folder / "ledger.sqlite")
        keys = tuple(CosignerKey(c.name, c.public_key) for c in network.manifest.cosigners)
        self.log = Log(self.database, LOG_SIGNER, clock=lambda: NOW, cosigners=Cosigners(keys, 3))
        payer = network.world.transactor(Role.ORIGIN, OWNER)
        self.anchorer = Anchorer(network.manifest, self.log, network.panel(), payer)

    def append(self, count: int) -> None:
        """Entries of this test, as rows: what they stand for is no concern of an anchorer."""
        with self.database.writing() as session:
            size = self.log.size
            for index in range(size, size + count):
                session.add(entry(index))

    def anchored(self) -> int:
        return self.anchorer.anchored_size()


def entry(index: int) -> EntryRow:
    digest = keccak256(b"entry %d" % index)
    return EntryRow(index=index, digest=digest, salt=bytes(32), domain="test", object_digest=digest)


@pytest.fixture
def desk(network: Network, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(network, tmp_path)
    # The chain keeps the anchors of other tests: this log begins larger.
    made.append(max(made.anchored(), 0) + 5)
    yield made
    made.database.close()


def test_a_checkpoint_is_cosigned_anchored_and_carried(desk: Desk) -> None:
    note, checkpoint = desk.anchorer.checkpoint()
    assert checkpoint.size == desk.log.size
    cosigned = desk.anchorer.cosign(note, checkpoint)
    assert [given.cosigner.name for given in cosigned.cosignatures] == [f"notary-{index}.test" for index in range(4)]
    desk.anchorer.anchor(cosigned)
    assert desk.anchored() == checkpoint.size
    mined, message_id = desk.anchorer.carry(checkpoint)
    assert [sent.message.id for sent in desk.network.world.sent(Role.ORIGIN, mined)] == [message_id]


def test_two_cosigners_wait_for_one_more_and_nothing_is_published_or_anchored(desk: Desk) -> None:
    before = desk.anchored()
    for index in (0, 1):
        desk.network.notaries[index].silent = True
    note, checkpoint = desk.anchorer.checkpoint()
    with pytest.raises(Unavailable) as waiting:
        desk.anchorer.cosign(note, checkpoint)
    assert (waiting.value.code, waiting.value.what) == ("WAITING", "waiting for 1 more cosignature (2 of 3 given)")
    assert desk.log.latest_cosigned() is None
    assert desk.anchored() == before
    desk.network.notaries[0].silent = False
    assert len(desk.anchorer.cosign(note, checkpoint).cosignatures) == 3


LINES = {
    "that_is_no_line": lambda line: b"cosigned!",
    "that_is_a_page": lambda line: b"<html>\n" * 5000,
    "that_is_empty": lambda line: b"",
    "with_another_signature": lambda line: line[:-8] + (b"AAAA" if line[-8:-4] != b"AAAA" else b"BBBB") + line[-4:],
    "of_an_unknown_cosigner": lambda line: line.replace(b"notary-1.test", b"notary-9.test"),
    "of_another_cosigner": lambda line: line.replace(b"notary-1.test", b"notary-2.test"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_false_cosignature_is_not_counted_and_spoils_nothing(desk: Desk, name: str) -> None:
    desk.network.notaries[1].twist_line = LINES[name]
    note, checkpoint = desk.anchorer.checkpoint()
    names = [given.cosigner.name for given in desk.anchorer.cosign(note, checkpoint).cosignatures]
    assert names == ["notary-0.test", "notary-2.test", "notary-3.test"]
    desk.append(1)
    desk.network.notaries[2].silent = True
    with refused("WAITING"):
        desk.anchorer.cosign(*desk.anchorer.checkpoint())


def test_a_cosigner_that_answers_twice_counts_once(desk: Desk) -> None:
    for notary in desk.network.notaries[:2]:
        notary.twist_line = lambda line: line * 2
    for notary in desk.network.notaries[2:]:
        notary.silent = True
    with pytest.raises(Unavailable, match=r"\(2 of 3 given\)"):
        desk.anchorer.cosign(*desk.anchorer.checkpoint())


def test_C07_a_cosigner_that_saw_another_size_is_asked_from_there(desk: Desk) -> None:
    desk.anchorer.cosign(*desk.anchorer.checkpoint())
    # One slept through the next checkpoint, one saw more than was ever published.
    desk.network.notaries[0].silent = True
    desk.append(3)
    desk.anchorer.cosign(*desk.anchorer.checkpoint())
    desk.network.notaries[0].silent = False
    desk.append(4)
    note, checkpoint = desk.anchorer.checkpoint()
    assert len(desk.anchorer.cosign(note, checkpoint).cosignatures) == 4
    assert {notary.seen.size for notary in desk.network.notaries if notary.seen} == {checkpoint.size}


def test_C07_a_forked_log_finds_no_quorum(desk: Desk) -> None:
    forked = Tree(leaf_hash(bytes([200]) * 32) for _ in range(desk.log.size))
    for notary in desk.network.notaries:
        seen = open_checkpoint(desk.log.make_checkpoint(), log_key=desk.log.key)
        notary.seen = type(seen)(seen.origin, len(forked), forked.root())
    with refused("WAITING"):
        desk.anchorer.cosign(*desk.anchorer.checkpoint())
    assert desk.log.latest_cosigned() is None


def test_an_anchor_that_is_not_larger_is_refused_and_costs_nothing(desk: Desk) -> None:
    cosigned = desk.anchorer.cosign(*desk.anchorer.checkpoint())
    desk.anchorer.anchor(cosigned)
    head = desk.network.world.nodes[Role.ORIGIN].request("eth_blockNumber")
    with refused("ANCHOR_NOT_LARGER"):
        desk.anchorer.anchor(cosigned)
    assert desk.network.world.nodes[Role.ORIGIN].request("eth_blockNumber") == head
    desk.append(1)
    desk.anchorer.anchor(desk.anchorer.cosign(*desk.anchorer.checkpoint()))
    assert desk.anchored() == desk.log.size


def test_the_same_state_gives_the_same_checkpoint_after_a_restart(desk: Desk) -> None:
    note, checkpoint = desk.anchorer.checkpoint()
    assert desk.anchorer.checkpoint() == (note, checkpoint)
    first = desk.anchorer.cosign(note, checkpoint)
    assert desk.anchorer.cosign(note, checkpoint).checkpoint == first.checkpoint
    assert add_cosignatures(note, []) == note
