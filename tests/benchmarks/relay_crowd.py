"""Nineteen notaries and a thousand messages on one machine: from the relay's start to the last commit.

Each notary is a process of its own, asked over HTTP, with its own journal; each message is read at finality, proven and
judged by each of them. Messages are sent, and their blocks re-executed by every notary, before the clock starts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from contracts.manifest import Role
from contracts.node import quantity
from ledger.checkpoint import Cosigner
from ledger.secp256k1 import SigningKey
from relay.relay import Relay
from tests.acceptance.processes import Staff
from tests.benchmarks.relay_carrying import PER_BLOCK, bare_per_second, prepare, relay_over, send_prepared, until
from tests.benchmarks.relay_figures import Figure
from tests.chains import DEPLOYER, Deployed, NotaryKeys, deployed_on_anvil

NOTARIES = 19
MESSAGES = 1_000
CATCHING_UP_SECONDS = 1_200.0  # for one notary that shares two cores with eighteen others
OTHERS = 133.0  # messages per second: what Wormhole's in-process test of 19 guardians is said to manage


def crowd() -> list[Figure]:
    """A thousand messages of one lane, attested by at least thirteen of nineteen."""
    keys = [_keys(index) for index in range(NOTARIES)]
    with (
        tempfile.TemporaryDirectory() as folder,
        deployed_on_anvil(notaries=keys) as chains,
        _staffed(chains, Path(folder), keys) as (staff, relay),
    ):
        for first in range(0, MESSAGES, PER_BLOCK):
            send_prepared(chains, prepare(chains, min(PER_BLOCK, MESSAGES - first)))
        _caught_up(chains, staff)
        began = time.perf_counter()
        relay.start()
        until(lambda: sum(journey.commit is not None for journey in list(relay.journeys.values())) >= MESSAGES)
        rate = MESSAGES / (time.perf_counter() - began)
        relay.stop()
        bare = bare_per_second(chains)
    return [
        Figure.against(f"messages per second, {NOTARIES} notaries, {MESSAGES:,} messages", rate, "1/s", bare),
        Figure.against("the same against the figure others state for 19 in one process", rate, "1/s", OTHERS),
    ]


@contextmanager
def _staffed(chains: Deployed, folder: Path, keys: Sequence[NotaryKeys]) -> Iterator[tuple[Staff, Relay]]:
    """Notaries that run, and a relay that does not yet."""
    with ExitStack() as opened:
        staff = Staff(folder, chains.manifest, keys, DEPLOYER, notary_nodes=chains.urls, relay_nodes=chains.urls)
        opened.callback(staff.processes.kill_all)
        urls = staff.start_notaries()
        yield staff, opened.enter_context(relay_over(chains, folder, [urls[name] for name in staff.names]))


def _caught_up(chains: Deployed, staff: Staff) -> None:
    """Wait until every notary has re-executed the messages' blocks."""
    origin = chains.manifest.chain(Role.ORIGIN).caip2
    head = quantity(chains.node(Role.ORIGIN).request("eth_blockNumber"))

    def is_there(name: str) -> bool:
        status = staff.ask(name, "/status") or {"chains": {}}
        return bool((status["chains"].get(origin, {}).get("checked_to") or -1) >= head)

    for name in staff.names:
        until(partial(is_there, name), every=0.2, seconds=CATCHING_UP_SECONDS)


def _keys(index: int) -> NotaryKeys:
    return SigningKey.from_secret(bytes([0x61 + index]) * 32), Cosigner(
        f"notary{index}.example", bytes([0x81 + index]) * 32
    )
