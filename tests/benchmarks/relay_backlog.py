"""J07, a backlog: how soon a relay that finds very many messages pending delivers, how fast, and in how much memory.

`PENDING=1000 make bench-relay ARGS=backlog` measures fewer.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from relay.relay import Relay
from tests.acceptance.test_notaries import Notaries
from tests.benchmarks.relay_carrying import prepare, relay_over, send_prepared, until
from tests.benchmarks.relay_figures import Figure
from tests.chains import Deployed, deployed_on_anvil

PENDING = int(os.environ.get("PENDING", "100000"))
PER_BLOCK = 128
USUAL = (
    512  # messages of which a rate is taken: delivered before verdicts over them begin (relay.JUDGING_WAITS_SECONDS)
)
MEBIBYTE = 2**20
READING_SECONDS = 900.0


def backlog() -> list[Figure]:
    """The rate of a relay with little to do; then, after as many messages as are asked for, another one's start."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        chains = opened.enter_context(deployed_on_anvil())
        notaries = Notaries(chains, folder)
        opened.callback(notaries.kill_all)
        send_many(chains, USUAL)
        with relay_over(chains, folder, notaries.urls) as relay:
            relay.start()
            usual = _rate(relay)
        send_many(chains, PENDING)
        before = _resident()
        with relay_over(chains, folder, notaries.urls) as relay:
            began = time.perf_counter()
            relay.start()
            until(lambda: bool(relay.journeys), every=0.005)
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


def send_many(chains: Deployed, count: int) -> None:
    """So many messages, a block for each handful."""
    for _ in range(count // PER_BLOCK):
        send_prepared(chains, prepare(chains, PER_BLOCK))


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
