"""Run by `evidence_log`: makes a log of so many entries in a folder, proves from it, and prints what it took as JSON.

The rows are written past the books, many in one transaction: how they got there is not what is measured. Following them
into the tree, signing, starting again and proving is the product's own code.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ledger.checkpoint import Cosigner, LogSigner, add_cosignatures, cosign
from ledger.store.database import Database
from ledger.store.log import Cosigners, Log
from tests.benchmarks.peak import peak_mebibytes

AT_ONCE = 20_000
ASKED = 2_000
SIGNER = LogSigner("benchmark.example/log", b"\x01" * 32)
COSIGNER = Cosigner("notary.example", b"\x02" * 32)
_ROWS = (
    "WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
    ' INSERT INTO entry ("index", digest, salt, domain, object_digest)'
    " SELECT i, randomblob(32), randomblob(32), 'pledgetrail/benchmark/v1', cast(printf('%032d', i) AS BLOB) FROM n"
)


def main(folder: Path, size: int) -> dict[str, float]:
    """Seconds of a proof (median), of a served one and of a start; MiB of memory at its highest."""
    database = Database.open(folder / "ledger.sqlite")
    for start in range(0, size, AT_ONCE):
        with database.inserting() as connection:
            connection.execute(_ROWS, (start, min(start + AT_ONCE, size)))
    log = _open(database)
    note = log.make_checkpoint()
    log.store_cosigned(add_cosignatures(note, [cosign(note, log_key=log.key, cosigner=COSIGNER, time=1)]))
    log.close()
    begun = time.perf_counter()
    log = _open(database)
    started = time.perf_counter() - begun
    draw = random.Random(1)
    asked = [draw.randrange(size) for _ in range(ASKED)]
    found = {
        "proof": _median(lambda index: log.inclusion(index, size), asked),
        "served": _median(log.proof, asked),
        "start": started,
        "memory": peak_mebibytes(),
    }
    log.close()
    database.close()
    return found


def _open(database: Database) -> Log:
    return Log(database, SIGNER, clock=lambda: datetime.now(UTC), cosigners=Cosigners((COSIGNER.key,), 1))


def _median(work: Callable[[int], object], asked: list[int]) -> float:
    times = []
    for index in asked:
        begun = time.perf_counter()
        work(index)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
