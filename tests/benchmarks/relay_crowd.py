"""Nineteen notaries and a thousand messages on one machine: from the relay's start to the last commit.

Each notary has its own keys, journal and HTTP server, reads each message at finality, proves it and judges it; they
share as many processes as the machine has cores (`notary_host`). Messages are sent before the clock starts; blocks are
re-executed by nobody here: that is what verdicts need, and they are another measure's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ledger.checkpoint import Cosigner
from ledger.secp256k1 import SigningKey
from tests.acceptance.processes import Staff
from tests.acceptance.program import environment
from tests.benchmarks.relay_carrying import (
    PER_BLOCK,
    bare_per_second,
    committed,
    prepare,
    relay_over,
    send_prepared,
    until,
)
from tests.benchmarks.relay_figures import Figure
from tests.chains import DEPLOYER, Deployed, NotaryKeys, deployed_on_anvil

NOTARIES = 19
MESSAGES = 1_000
OTHERS = 133.0  # messages per second: what Wormhole's in-process test of 19 guardians is said to manage


def crowd() -> list[Figure]:
    """A thousand messages of one lane, attested by at least thirteen of nineteen."""
    keys = [_keys(index) for index in range(NOTARIES)]
    with (
        tempfile.TemporaryDirectory() as folder,
        deployed_on_anvil(notaries=keys) as chains,
        _hosted(chains, Path(folder), keys) as urls,
        relay_over(chains, Path(folder), urls) as relay,
    ):
        for first in range(0, MESSAGES, PER_BLOCK):
            send_prepared(chains, prepare(chains, min(PER_BLOCK, MESSAGES - first)))
        began = time.perf_counter()
        relay.start()
        until(lambda: committed(relay) >= MESSAGES, every=0.03)
        rate = MESSAGES / (time.perf_counter() - began)
        roots = len({journey.attested.transaction for journey in list(relay.journeys.values()) if journey.attested})
        relay.stop()
        bare = bare_per_second(chains)
    return [
        Figure.against(f"messages per second, {NOTARIES} notaries, {MESSAGES:,} messages", rate, "1/s", bare),
        Figure.against("the same against what others state for 19 in one process", rate, "1/s", OTHERS),
        Figure("certificates that those messages stand under, recorded so far", roots, ""),
    ]


@contextmanager
def _hosted(chains: Deployed, folder: Path, keys: Sequence[NotaryKeys]) -> Iterator[list[str]]:
    """The notaries' URLs, in their order."""
    staff = Staff(folder, chains.manifest, keys, DEPLOYER, notary_nodes=chains.urls, relay_nodes=chains.urls)
    hosts = max(1, min(os.cpu_count() or 1, len(keys)))
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.notary_host"]
            + [str(folder / f"{name}.json") for name in staff.names[host::hosts]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(folder),
        )
        for host in range(hosts)
    ]
    try:
        urls = dict[str, str]()
        for host, process in enumerate(started):
            assert process.stdout is not None
            urls |= zip(staff.names[host::hosts], json.loads(process.stdout.readline()), strict=True)
        yield [urls[name] for name in staff.names]
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _keys(index: int) -> NotaryKeys:
    attesting, cosigning = bytes([0x61 + index]) * 32, bytes([0x81 + index]) * 32
    return SigningKey.from_secret(attesting), Cosigner(f"notary{index}.example", cosigning)
