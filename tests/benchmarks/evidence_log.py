"""The log's figures: durable appends against SQLite alone, the tree against pymerkle, proofs of long and short logs."""

from __future__ import annotations

import json
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from pymerkle import InmemoryTree

from ledger.merkle import leaf_hashes
from ledger.store.database import Database
from ledger.store.statement_book import StatementBook
from ledger.store.tree_files import TreeFiles
from tests.benchmarks.relay_figures import Figure

DOMAIN = "pledgetrail/benchmark/v1/json"
ROUNDS, APPENDS = 7, 200
LEAVES, PROOFS = 1_000_000, 10_000
SMALL, LARGE = 10_000, 10_000_000
AT_ONCE = 16_384
MIB = 1024**2

_ENTRY = 'INSERT INTO entry ("index", digest, salt, domain, object_digest) VALUES (?, ?, ?, ?, ?)'
_STATEMENT = "INSERT INTO statement (digest, entry, domain, canonical) VALUES (?, ?, ?, ?)"


def appends() -> Sequence[Figure]:
    """Records a second, each durable before the next, in turns with the bare inserts of the same rows."""
    ours, bare = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ours", "bare"):
            Database.open(Path(folder) / f"{name}.sqlite").close()
        database = Database.open(Path(folder) / "ours.sqlite")
        book = StatementBook(database)
        with closing(sqlite3.connect(Path(folder) / "bare.sqlite", isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            for turn in range(ROUNDS):
                records = [_record(turn * APPENDS + number) for number in range(APPENDS)]
                ours.append(_rate(partial(_enter, book, records)))
                bare.append(_rate(partial(_insert, connection, turn * APPENDS, records)))
        database.close()
    # The middle turn: neighbours on the machine slow one turn or another, of either side.
    return [
        Figure.against(
            "log append, small records, durable (SQLite's inserts alone)",
            statistics.median(ours),
            "records/s",
            statistics.median(bare),
        )
    ]


def _record(number: int) -> bytes:
    return b'{"number":%d,"text":"about as long as a reading of a scale or a position"}' % number


def _rate(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return APPENDS / (time.perf_counter() - begun)


def _enter(book: StatementBook, records: Sequence[bytes]) -> None:
    for record in records:
        book.enter(DOMAIN, record)


def _insert(connection: sqlite3.Connection, first: int, records: Sequence[bytes]) -> None:
    for index, record in enumerate(records, start=first):
        digest, salt, key = (secrets.token_bytes(32) for _ in range(3))
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_ENTRY, (index, digest, salt, DOMAIN, key))
        connection.execute(_STATEMENT, (key, index, DOMAIN, record))
        connection.execute("COMMIT")


def trees() -> Sequence[Figure]:
    """A tree of a million leaves and proofs of it: ours on disk, pymerkle's in memory, block by block in turns."""
    entries = [number.to_bytes(32, "big") for number in range(LEAVES)]
    asked = [secrets.randbelow(LEAVES) for _ in range(PROOFS)]
    theirs = InmemoryTree(algorithm="sha256")
    with tempfile.TemporaryDirectory() as folder:
        ours = TreeFiles(Path(folder))
        built = _in_turns(
            entries, AT_ONCE, lambda block: ours.extend(leaf_hashes(block)), lambda block: _append(theirs, block)
        )
        proven = _in_turns(
            asked,
            PROOFS // ROUNDS,
            lambda block: [ours.inclusion_proof(index) for index in block],
            lambda block: [theirs.prove_inclusion(index + 1) for index in block],
        )
        assert theirs.get_state() == ours.root(), "both build the same tree"
        ours.close()
    both = [1 / (mine + shown) for mine, shown in zip(built, proven, strict=True)]
    return [
        Figure.against("tree of 1 M leaves, built (pymerkle)", LEAVES / built[0], "leaves/s", LEAVES / built[1]),
        Figure.against("inclusion proofs of it (pymerkle)", PROOFS / proven[0], "proofs/s", PROOFS / proven[1]),
        Figure.against("that tree and 10,000 proofs of it (pymerkle)", both[0], "runs/s", both[1]),
    ]


def _append(tree: InmemoryTree, entries: Sequence[bytes]) -> None:
    for entry in entries:
        tree.append_entry(entry)


def _in_turns(
    work: Sequence[Any], block: int, ours: Callable[[Any], object], theirs: Callable[[Any], object]
) -> tuple[float, float]:
    """Seconds that each took: one block ours, the same theirs, so that a busy neighbour slows both."""
    spent = [0.0, 0.0]
    for start in range(0, len(work), block):
        for side, do in enumerate((ours, theirs)):
            begun = time.perf_counter()
            do(work[start : start + block])
            spent[side] += time.perf_counter() - begun
    return spent[0], spent[1]


def proofs() -> Sequence[Figure]:
    """Proofs from a log of 10 million entries and from one of ten thousand, each in a process of its own."""
    small, large = _measured(SMALL), _measured(LARGE)
    return [
        Figure.against(
            "inclusion proof, log of 10 M entries (10 k), median", large["proof"] * 1000, "ms", small["proof"] * 1000
        ),
        Figure.against(
            "the same as served, verified, with its note (10 k), median",
            large["served"] * 1000,
            "ms",
            small["served"] * 1000,
        ),
        Figure("memory of the process with a log of 10 M entries, highest", round(large["memory"], 1), "MiB"),
        Figure.against("time to start with 10 M signed entries (10 k)", large["start"], "s", small["start"]),
    ]


def _measured(size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        run = [sys.executable, "-m", "tests.benchmarks.evidence_large_log", folder, str(size)]
        found = subprocess.run(run, check=True, stdout=subprocess.PIPE).stdout
    measured: dict[str, float] = json.loads(found)
    return measured
