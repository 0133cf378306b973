"""The chain book: final blocks' logs, folded one block at a time, and rewound when a chain rewinds.

The highest block of a chain here is its cursor. May never happen here: a block that does not follow its parent, a fact
of a block that was rewound, half a block.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlmodel import Session, col, delete, func, select
from sqlmodel.sql.expression import SelectOfScalar

from ledger.collateral.fact import ChainFact, FactValue
from ledger.errors import Refused
from ledger.interoperable import caip2
from ledger.store.database import Database
from ledger.store.tables import BlockRow, ChainFactRow, FactSubjectRow

_CHUNK = 1_000  # rows in memory at once, where all are read
_WORD = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last block of a chain that was folded. `hash`: 32 bytes; `time`: POSIX seconds where it was given."""

    chain_id: int
    number: int
    hash: bytes
    time: int | None = None


@dataclass(frozen=True, slots=True)
class BookDigest:
    """What a book tells. `digest`: 32 bytes over its ordered rows; `blocks`, `facts`: how many there are."""

    digest: bytes
    blocks: int
    facts: int


class ChainBook:
    """The facts of every chain that is followed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cursor(self, chain_id: int) -> Cursor | None:
        """Where to go on after a restart; None before the first block."""
        with self._database.reading() as session:
            return _cursor(session, chain_id)

    def cursors(self) -> tuple[Cursor, ...]:
        """The cursor of each chain, by chain id."""
        with self._database.reading() as session:
            return _cursors(session)

    def fold_block(
        self,
        chain_id: int,
        number: int,
        block_hash: bytes,
        parent_hash: bytes,
        facts: Iterable[ChainFact] = (),
        *,
        time: int | None = None,
    ) -> None:
        """Take in one final block and its facts, all or nothing. The first block of a chain may be any.

        A block that was folded already changes nothing. `Refused` CURSOR_GAP (a block is missing before it),
        CURSOR_FORK (it does not follow the last one, or another one of its number was folded: rewind first),
        FACT_BLOCK (a fact of another block).
        """
        with self._database.writing() as session:
            cursor = _cursor(session, chain_id)
            if cursor is not None and _is_known(session, cursor, number, block_hash):
                return
            _require_next(cursor, chain_id, number, parent_hash)
            session.add(BlockRow(chain_id=chain_id, number=number, hash=block_hash, parent_hash=parent_hash, time=time))
            for fact in facts:
                if (fact.chain_id, fact.block, fact.block_hash) != (chain_id, number, block_hash):
                    raise Refused(
                        "FACT_BLOCK", "The fact is of another block.", where=f"{caip2(chain_id)} block {number}"
                    )
                _add_fact(session, fact, time)

    def rewind(self, chain_id: int, to_block: int) -> None:
        """Forget every block above `to_block` and its facts. `Refused` CURSOR_UNKNOWN when it was never folded."""
        with self._database.writing() as session:
            if session.get(BlockRow, (chain_id, to_block)) is None:
                raise Refused(
                    "CURSOR_UNKNOWN",
                    "The block to rewind to was never folded.",
                    where=f"{caip2(chain_id)} block {to_block}",
                )
            above = (col(ChainFactRow.chain_id) == chain_id) & (col(ChainFactRow.block) > to_block)
            forgotten = select(ChainFactRow.id).where(above)
            session.exec(delete(FactSubjectRow).where(col(FactSubjectRow.fact).in_(forgotten)))
            session.exec(delete(ChainFactRow).where(above))
            session.exec(
                delete(BlockRow).where((col(BlockRow.chain_id) == chain_id) & (col(BlockRow.number) > to_block))
            )

    def digest(self) -> BookDigest:
        """The ordered rows as one digest: what two books that tell the same have in common."""
        with self._database.reading() as session:
            return _digest(session)

    def replace(self, other: ChainBook, cursors: tuple[Cursor, ...]) -> tuple[BookDigest, BookDigest] | None:
        """Take another book's rows instead of all of ours, in one transaction; the digests before and after.

        `cursors`: where this book is thought to end; None, and nothing changed, where it has moved on meanwhile.
        """
        with other._database.reading() as theirs, self._database.writing() as session:
            if _cursors(session) != cursors:
                return None
            before = _digest(session)
            for table in (FactSubjectRow, ChainFactRow, BlockRow):
                session.exec(delete(table))
            for block in theirs.exec(_blocks_in_order()):
                session.add(BlockRow(**block.model_dump()))
                theirs.expunge(block)
            for row in theirs.exec(_in_order().execution_options(yield_per=_CHUNK)):
                _add_fact(session, _fact(row), row.time)
                theirs.expunge(row)
            session.flush()
            return before, _digest(session)

    def hash_at(self, chain_id: int, number: int) -> bytes | None:
        """The hash of a folded block, for finding where a fork began."""
        with self._database.reading() as session:
            row = session.get(BlockRow, (chain_id, number))
        return None if row is None else row.hash

    def facts(
        self, *, chain_id: int | None = None, contract: str | None = None, event: str | None = None
    ) -> tuple[ChainFact, ...]:
        """Facts by chain, block and log index; all of them where nothing is asked for."""
        query = _in_order()
        if chain_id is not None:
            query = query.where(ChainFactRow.chain_id == chain_id)
        if contract is not None:
            query = query.where(ChainFactRow.contract == contract)
        if event is not None:
            query = query.where(ChainFactRow.event == event)
        with self._database.reading() as session:
            return tuple(_fact(row) for row in session.exec(query))

    def facts_of(self, chain_id: int, transaction: bytes) -> tuple[ChainFact, ...]:
        """The facts of one transaction (32 bytes), in order."""
        query = _in_order().where(ChainFactRow.chain_id == chain_id, ChainFactRow.transaction == transaction)
        with self._database.reading() as session:
            return tuple(_fact(row) for row in session.exec(query))

    def facts_about(self, subject: bytes) -> tuple[ChainFact, ...]:
        """Facts that name this 32-byte id: a message, loan, receipt, goods key, root or credential."""
        named = select(FactSubjectRow.fact).where(FactSubjectRow.subject == subject)
        with self._database.reading() as session:
            rows = session.exec(_in_order().where(col(ChainFactRow.id).in_(named)))
            return tuple(_fact(row) for row in rows)


def _in_order() -> SelectOfScalar[ChainFactRow]:
    return select(ChainFactRow).order_by(
        col(ChainFactRow.chain_id), col(ChainFactRow.block), col(ChainFactRow.log_index)
    )


def _blocks_in_order() -> SelectOfScalar[BlockRow]:
    return select(BlockRow).order_by(col(BlockRow.chain_id), col(BlockRow.number)).execution_options(yield_per=_CHUNK)


def _digest(session: Session) -> BookDigest:
    """SHA-256 over the rows, each as one line of JSON: blocks by chain and number, then facts in order."""
    sha, blocks, facts = hashlib.sha256(), 0, 0
    for block in session.exec(_blocks_in_order()):
        sha.update(_line(block.chain_id, block.number, block.hash.hex(), block.parent_hash.hex(), block.time))
        blocks += 1
    for row in session.exec(_in_order().execution_options(yield_per=_CHUNK)):
        place = (row.chain_id, row.block, row.block_hash.hex(), row.transaction.hex(), row.log_index)
        sha.update(_line(*place, row.contract, row.event, dict(row.fields), row.time))
        facts += 1
    return BookDigest(sha.digest(), blocks, facts)


def _line(*values: object) -> bytes:
    # Plain JSON, not RFC 8785: a log's numbers go up to 2^256, and keep every digit here.
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _cursors(session: Session) -> tuple[Cursor, ...]:
    chains = session.exec(select(BlockRow.chain_id).distinct().order_by(col(BlockRow.chain_id))).all()
    found = (_cursor(session, chain_id) for chain_id in chains)
    return tuple(cursor for cursor in found if cursor is not None)


def _cursor(session: Session, chain_id: int) -> Cursor | None:
    highest = select(func.max(col(BlockRow.number))).where(BlockRow.chain_id == chain_id)
    number = session.exec(highest).one()
    row = None if number is None else session.get(BlockRow, (chain_id, number))
    return None if row is None else Cursor(chain_id, row.number, row.hash, row.time)


def _is_known(session: Session, cursor: Cursor, number: int, block_hash: bytes) -> bool:
    if number > cursor.number:
        return False
    row = session.get(BlockRow, (cursor.chain_id, number))
    if row is not None and row.hash == block_hash:
        return True
    raise Refused(
        "CURSOR_FORK",
        "Another block of this number, or a later first one, was folded.",
        where=f"{caip2(cursor.chain_id)} block {number}",
        cure="Rewind to the last common block first.",
    )


def _require_next(cursor: Cursor | None, chain_id: int, number: int, parent_hash: bytes) -> None:
    if cursor is None:
        return
    where = f"{caip2(chain_id)} block {number}"
    if number != cursor.number + 1:
        raise Refused("CURSOR_GAP", f"Block {cursor.number + 1} is missing before it.", where=where)
    if parent_hash != cursor.hash:
        raise Refused(
            "CURSOR_FORK",
            f"It does not follow the block {cursor.number} that was folded.",
            where=where,
            cure="Rewind to the last common block first.",
        )


def _add_fact(session: Session, fact: ChainFact, time: int | None) -> None:
    row = ChainFactRow(
        chain_id=fact.chain_id,
        block=fact.block,
        block_hash=fact.block_hash,
        transaction=fact.transaction,
        log_index=fact.log_index,
        contract=fact.contract,
        event=fact.event,
        fields=dict(fact.fields),
        time=time,
    )
    session.add(row)
    session.flush()
    for subject in dict.fromkeys(_words(list(fact.fields.values()))):
        session.add(FactSubjectRow(subject=subject, fact=row.id or 0))


def _words(values: list[FactValue]) -> Iterator[bytes]:
    for value in values:
        if isinstance(value, list):
            yield from _words(value)
        elif isinstance(value, str) and _WORD.fullmatch(value):
            yield bytes.fromhex(value[2:])


def _fact(row: ChainFactRow) -> ChainFact:
    return ChainFact(
        row.chain_id,
        row.block,
        row.block_hash,
        row.transaction,
        row.log_index,
        row.contract,
        row.event,
        row.fields,
        row.time,
    )
