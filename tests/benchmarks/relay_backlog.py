"""J07, a backlog: how soon a relay that finds very many messages pending delivers, how fast, and in how much memory.

`PENDING=1000 make bench-relay ARGS=backlog` measures fewer.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from relay.relay import Relay
from tests.benchmarks.relay_carrying import running, send_many, until
from tests.benchmarks.relay_figures import Figure
from tests.chains import deployed_on_anvil

PENDING = int(os.environ.get("PENDING", "100000"))
PER_BLOCK = 128
USUAL = 512  # messages of which a rate is taken
MEBIBYTE = 2**20
READING_SECONDS = 900.0


def backlog() -> list[Figure]:
    """The rate of a relay with little to do; then, after as many messages as are asked for, another one's start."""
    with tempfile.TemporaryDirectory() as folder, deployed_on_anvil() as chains:
        for _ in range(USUAL // PER_BLOCK):
            send_many(chains, PER_BLOCK)
        with running(chains, Path(folder)) as relay:
            usual = _rate(relay)
        for _ in range(PENDING // PER_BLOCK):
            send_many(chains, PER_BLOCK)
        before = _resident()
        with running(chains, Path(folder)) as relay:
            began = time.perf_counter()
            until(lambda: bool(relay.trouble is None and relay.journeys.counts()), every=0.005)
            ready = time.perf_counter() - began
            rate = _rate(relay, beyond=USUAL)
            most = _read_all(relay)
            held, seen = relay.journeys.in_memory, len(relay.journeys)
    return [
        Figure(f"{PENDING:,} pending at start: until the relay knows and carries the first", round(ready, 2), "s"),
        Figure.against(f"messages per second with {PENDING:,} pending", rate, "1/s", usual),
        Figure.against(
            "resident memory, at most, once all of them are known", most / MEBIBYTE, "MiB", before / MEBIBYTE
        ),
        Figure.against("messages held in memory, of those that are known", held, "", seen),
    ]


def _rate(relay: Relay, *, beyond: int = 0) -> float:
    """Messages per second, of so many, by the log of the destination."""
    began = time.perf_counter()
    until(lambda: _delivered(relay) >= beyond + USUAL)
    return USUAL / (time.perf_counter() - began)


def _delivered(relay: Relay) -> int:
    with relay.still() as journeys:
        counts = journeys.counts()
    return sum(counts[state] for state in counts if state.value in ("committed", "closed"))


def _read_all(relay: Relay) -> int:
    """The greatest resident memory in bytes until every message was read."""
    most, deadline = 0, time.perf_counter() + READING_SECONDS
    while len(relay.journeys) < PENDING // PER_BLOCK * PER_BLOCK + USUAL:
        assert time.perf_counter() < deadline, f"{len(relay.journeys)} messages were read"
        most = max(most, _resident())
        time.sleep(0.1)
    return max(most, _resident())


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
