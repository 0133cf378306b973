"""`Log`: the append-only log as its operator sees it: sizes, roots, proofs, and the checkpoints it signed.

The tree is kept on disk (`tree_files`) and follows the table: a proof reads only what is new. The table decides: at the
start only what a signed checkpoint covers is taken from the tree's files, and the rest is made from the table again.
May never happen here: signing two roots for one size, publishing a checkpoint that a quorum did not cosign, going back
to a smaller one, or handing out a proof that does not verify.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from ledger.bundle.transparent import write_transparent
from ledger.canonical import entry_digest
from ledger.checkpoint import (
    Checkpoint,
    CosignedCheckpoint,
    CosignerKey,
    LogKey,
    LogSigner,
    open_checkpoint,
    open_cosigned,
    sign_checkpoint,
)
from ledger.errors import BadInput, Refused, WrongUse
from ledger.log_proof import LogProof
from ledger.merkle import leaf_hash, leaf_hashes, verify_inclusion
from ledger.store.database import Database
from ledger.store.entries import Entry, digests_from, entries_at, entry_at
from ledger.store.tables import CheckpointRow
from ledger.store.tree_files import TreeFiles
from ledger.tiles import ENTRIES, HEIGHT, Tile, width_in, write_entries

TREE_SUFFIX = ".tree"  # of the folder beside the database
FOLLOWED_AT_ONCE = 16_384  # entries taken from the table in one piece: 1 MiB
CHECKED_AT_START = 4096  # last signed entries compared with the tree; all of them are `fsck`'s work


@dataclass(frozen=True, slots=True)
class Cosigners:
    """Whose cosignatures count, and how many are needed."""

    keys: tuple[CosignerKey, ...]
    quorum: int


@dataclass(frozen=True, slots=True)
class PublishedCheckpoint:
    """A cosigned checkpoint: the note anybody can verify, and what it was verified to say."""

    note: bytes
    cosigned: CosignedCheckpoint

    @property
    def checkpoint(self) -> Checkpoint:
        """Origin, size and root."""
        return self.cosigned.checkpoint


class Log:
    """The log of one database; safe to share between threads.

    `cosigners` may be set later, when the notaries' keys are known; until then nothing is published.
    Raises `Refused` LOG_CHANGED when the table no longer gives a root that the log has signed.
    """

    def __init__(
        self,
        database: Database,
        signer: LogSigner,
        *,
        clock: Callable[[], datetime],
        cosigners: Cosigners | None = None,
    ) -> None:
        self._database, self._signer, self._clock = database, signer, clock
        self._tree = TreeFiles(database.path.with_suffix(TREE_SUFFIX))
        self._follows = threading.Lock()
        self._published: tuple[Cosigners, PublishedCheckpoint] | None = None
        self.cosigners = cosigners
        self._check_history()

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._signer.name

    @property
    def key(self) -> LogKey:
        """The public key that its checkpoints are verified with."""
        return self._signer.key

    @property
    def size(self) -> int:
        """How many entries it has now."""
        return len(self._grown(None))

    def root(self, size: int | None = None) -> bytes:
        """The root (32 bytes) over the first `size` entries, or over all."""
        return self._grown(size).root(size)

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The inclusion proof of entry `index` in the tree of `size`. `WrongUse` TREE_RANGE."""
        return self._grown(size).inclusion_proof(index, size)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """The consistency proof from size `old` to size `new`. `WrongUse` TREE_RANGE."""
        return self._grown(new).consistency_proof(old, new)

    def entry(self, index: int) -> Entry:
        """The entry at `index`, with its salt. `Refused` ENTRY_UNKNOWN."""
        return entry_at(self._database, index)

    def entries(self, indices: Iterable[int]) -> dict[int, Entry]:
        """The entries at these indices; those that are not there are left out."""
        return entries_at(self._database, indices)

    def make_checkpoint(self) -> bytes:
        """Sign the present state and return the note; the same state gives the same note again."""
        with self._follows:
            tree = self._follow()
            checkpoint = Checkpoint(self.origin, len(tree), tree.root())
            tree.sync()  # before it is signed: at the next start this part of the files is taken as it stands
        with self._database.writing() as session:
            row = session.get(CheckpointRow, checkpoint.size)
            if row is None:
                row = CheckpointRow(
                    size=checkpoint.size, note=sign_checkpoint(checkpoint, self._signer), made_at=self._clock()
                )
                session.add(row)
            elif open_checkpoint(row.note, log_key=self.key) != checkpoint:
                raise _changed(checkpoint.size)
            return row.note

    def store_cosigned(self, note: bytes) -> CosignedCheckpoint:
        """Publish a checkpoint that a quorum cosigned; a repeat changes nothing.

        Raises what `open_cosigned` raises, `Refused` SPLIT_VIEW (not a state of this log), LOG_SHRINKS (smaller than
        what is published); `WrongUse` COSIGNERS_UNKNOWN.
        """
        opened = self._open(note)
        size = opened.checkpoint.size
        tree = self._grown(size)
        if size > len(tree) or tree.root(size) != opened.checkpoint.root:
            raise Refused("SPLIT_VIEW", f"This is not the log's state of size {size}.", where=self.origin)
        with self._database.writing() as session:
            latest = session.exec(_newest_cosigned()).first()
            if latest is not None and latest.size > size:
                raise Refused(
                    "LOG_SHRINKS",
                    f"A checkpoint of size {latest.size} is published; this one has {size}.",
                    where=self.origin,
                )
            row = session.get(CheckpointRow, size)
            if row is None:
                raise Refused("CHECKPOINT_UNKNOWN", "The log never made this checkpoint.", where=f"size {size}")
            if row.cosigned is None or len(self._open(row.cosigned).cosignatures) < len(opened.cosignatures):
                row.cosigned, row.cosigned_at, row.stamp = note, self._clock(), None
                session.add(row)
        return opened

    def latest_cosigned(self) -> PublishedCheckpoint | None:
        """The newest checkpoint, where a quorum of the present cosigners has cosigned it; None before that."""
        if self.cosigners is None:
            return None
        with self._database.reading() as session:
            row = session.exec(_newest_cosigned()).first()
        if row is None or row.cosigned is None:
            return None
        held = self._published
        if held is None or (held[0], held[1].note) != (self.cosigners, row.cosigned):
            try:
                held = self._published = (self.cosigners, PublishedCheckpoint(row.cosigned, self._open(row.cosigned)))
            except Refused:  # cosigned by another committee: the present one has not spoken yet
                return None
        return held[1]

    def cosigned_note(self, size: int) -> bytes | None:
        """The note of this size as it was published, by whichever cosigners were in office then; else None.

        It was verified when it came in; whom of them a reader still believes is for the reader's trust root to say.
        """
        with self._database.reading() as session:
            row = session.get(CheckpointRow, size)
        return None if row is None else row.cosigned

    def keep_stamp(self, note: bytes, stamp: bytes) -> None:
        """Keep a timestamp over a published note; one over a note that was replaced since is of no use, and dropped."""
        size = open_checkpoint(note, log_key=self.key).size
        with self._database.writing() as session:
            row = session.get(CheckpointRow, size)
            if row is not None and row.cosigned == note:
                row.stamp = stamp
                session.add(row)

    def stamp(self, size: int) -> bytes | None:
        """The timestamp over the published note of this size; None where there is none."""
        with self._database.reading() as session:
            row = session.get(CheckpointRow, size)
        return None if row is None else row.stamp

    def proof(self, index: int) -> LogProof:
        """The offline proof (C2SP tlog-proof) of entry `index` under the newest cosigned checkpoint.

        `Refused` ENTRY_UNKNOWN; NOT_COSIGNED_YET where no cosigned checkpoint covers the entry; LOG_DAMAGED where what
        is stored gives no proof that holds.
        """
        entry, published = self.entry(index), self.latest_cosigned()
        if published is None or index >= published.checkpoint.size:
            raise Refused(
                "NOT_COSIGNED_YET",
                "No cosigned checkpoint covers this entry yet.",
                where=f"index {index}",
                cure="Ask again after the next checkpoint.",
            )
        path = self.inclusion(index, published.checkpoint.size)
        try:
            verify_inclusion(
                leaf=leaf_hash(entry.digest),
                index=index,
                size=published.checkpoint.size,
                proof=path,
                root=published.checkpoint.root,
            )
        except Refused as error:
            raise Refused(
                "LOG_DAMAGED",
                "The stored entry and tree give no proof under the signed root.",
                where=f"index {index}",
                cure="Run pledgetrail fsck: it names what is damaged.",
            ) from error
        return LogProof(entry.digest, index, tuple(path), published.note)

    def transparent(self, index: int, domain: str, canonical: bytes) -> bytes:
        """Entry `index` as a SCITT statement with its receipt under the newest cosigned checkpoint (RFC 9942, 9943).

        `domain`, `canonical`: what the entry is the digest of. Errors: as `proof`; `Refused` LOG_DAMAGED where it is
        the digest of something else.
        """
        proof, entry = self.proof(index), self.entry(index)
        if entry_digest(domain, entry.salt, canonical) != entry.digest:
            raise Refused("LOG_DAMAGED", "The entry is not the digest of this.", where=f"index {index}")
        size = open_checkpoint(proof.note, log_key=self.key).size
        return write_transparent(
            self._signer,
            domain=domain,
            salt=entry.salt,
            canonical=canonical,
            index=index,
            size=size,
            path=proof.path,
        )

    def tile(self, tile: Tile) -> bytes:
        """A tile or a bundle of entries, as far as the newest cosigned checkpoint covers it. `Refused` TILE_UNKNOWN."""
        published = self.latest_cosigned()
        size = 0 if published is None else published.checkpoint.size
        if tile.width > width_in(tile.level, tile.index, size):
            raise Refused("TILE_UNKNOWN", "No published checkpoint has this tile.", where=tile.path())
        if tile.level == ENTRIES:
            return write_entries(digests_from(self._database, tile.start, tile.width))
        return self._grown(size).run(HEIGHT * tile.level, tile.start, tile.width)

    def close(self) -> None:
        """Close the tree's files."""
        self._tree.close()

    def _open(self, note: bytes) -> CosignedCheckpoint:
        if self.cosigners is None:
            raise WrongUse("COSIGNERS_UNKNOWN", "No cosigners are configured.", cure="Name the notaries' keys.")
        return open_cosigned(note, log_key=self.key, cosigners=self.cosigners.keys, quorum=self.cosigners.quorum)

    def _grown(self, size: int | None) -> TreeFiles:
        """The tree, with at least `size` leaves where the table has so many; with all there are for None."""
        if size is not None and size <= len(self._tree):
            return self._tree
        with self._follows:
            return self._follow()

    def _follow(self) -> TreeFiles:
        """Take in what was appended since; called under the lock."""
        while digests := digests_from(self._database, len(self._tree), FOLLOWED_AT_ONCE):
            self._tree.extend(leaf_hashes(digests))
        return self._tree

    def _check_history(self) -> None:
        with self._database.reading() as session:
            row = session.exec(select(CheckpointRow).order_by(col(CheckpointRow.size).desc())).first()
        if row is None:
            return
        try:
            signed = open_checkpoint(row.note, log_key=self.key)
        except (BadInput, Refused) as error:
            raise WrongUse(
                "LOG_KEY",
                "The key file, or the log's name, is not the one that signed this database's checkpoints.",
                where=self.origin,
                cure="Restore the key file that belongs to this database.",
            ) from error
        if not (self._tree.restore(signed.size) and self._stands(signed)):
            self._tree.restore(0)  # missing or damaged files: the table tells them anew
        self._grown(None)
        if signed.size > len(self._tree) or self._tree.root(signed.size) != signed.root:
            raise _changed(signed.size)

    def _stands(self, signed: Checkpoint) -> bool:
        """Whether the tree's files give the signed root, and the table the last of their leaves."""
        start = max(0, signed.size - CHECKED_AT_START)
        digests = digests_from(self._database, start, signed.size - start)
        leaves = b"".join(leaf_hashes(digests))
        held = self._tree.run(0, start, signed.size - start)
        return self._tree.root(signed.size) == signed.root and leaves == held


def _newest_cosigned() -> SelectOfScalar[CheckpointRow]:
    return (
        select(CheckpointRow)
        .where(col(CheckpointRow.cosigned).is_not(None))
        .order_by(col(CheckpointRow.size).desc())
        .limit(1)
    )


def _changed(size: int) -> Refused:
    return Refused(
        "LOG_CHANGED",
        f"The stored entries no longer give the root that was signed for size {size}.",
        where=f"size {size}",
        cure="Restore the database from a copy: a log that goes on from here would be a fork.",
    )
