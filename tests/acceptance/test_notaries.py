"""Four notary processes: one may die unnoticed, two stop the journey with a clear sentence until one returns."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from contracts.submitter import Submitter
from relay.journey import Journey, State
from relay.notaries import HttpNotary
from relay.panel import NotaryPanel
from relay.relay import Relay
from tests.acceptance.program import PROGRAM, environment, until
from tests.chains import Deployed, deployed_on_anvil
from tests.notary.subject import write_keys

SECONDS = 240.0


class Notaries:
    """Four processes, each with its own folder and nodes; killed and started one by one, always on the same port."""

    def __init__(self, chains: Deployed, folder: Path) -> None:
        self._folder = folder
        self._running: dict[int, subprocess.Popen[str]] = {}
        (folder / "manifest.json").write_bytes(chains.manifest.dump())
        nodes = {f"eip155:{chain_id}": url for chain_id, url in chains.urls.items()}
        for index in range(4):
            write_keys(folder / str(index), index)
            fields = {"index": index, "manifest": "manifest.json", "nodes": nodes, "folder": str(index)}
            (folder / f"{index}.json").write_text(json.dumps(fields))
        self.urls = [self.start(index) for index in range(4)]

    def start(self, index: int) -> str:
        """Start one, on the port it had before where it had one."""
        port = self.urls[index].rpartition(":")[2] if hasattr(self, "urls") else "0"
        command = [str(PROGRAM), "notary", "run", "--config", str(self._folder / f"{index}.json"), "--port", port]
        with (self._folder / f"{index}.log").open("w") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(self._folder)
            )
        self._running[index] = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (self._folder / f"{index}.log").read_text()
        return str(json.loads(line)["url"])

    def kill(self, index: int) -> None:
        """SIGKILL, as a power cut would."""
        process = self._running.pop(index)
        process.kill()
        process.communicate()

    def kill_all(self) -> None:
        for index in list(self._running):
            self.kill(index)


@pytest.fixture
def chains() -> Iterator[Deployed]:
    with deployed_on_anvil() as deployed:
        yield deployed


@pytest.fixture
def notaries(chains: Deployed, tmp_path: Path) -> Iterator[Notaries]:
    started = Notaries(chains, tmp_path)
    yield started
    started.kill_all()


@pytest.fixture
def relay(chains: Deployed, notaries: Notaries) -> Iterator[Relay]:
    with ExitStack() as opened:
        clients = [HttpNotary(f"notary {index + 1}", url) for index, url in enumerate(notaries.urls)]
        for client in clients:
            opened.callback(client.close)
        panel = NotaryPanel(clients, chains.manifest.committee)
        opened.callback(panel.close)
        # The deployer pays: funding by a cheat code is a change by no transaction, which notaries rightly dispute.
        accounts = {chain.chain_id: chains.transactors[chain.role] for chain in chains.manifest.chains}
        payers = {number: Submitter(each.node, each.key, chain_id=number) for number, each in accounts.items()}
        carrying = Relay(chains.manifest, payers, panel)
        opened.callback(carrying.stop)
        carrying.start()
        yield carrying


def closed(relay: Relay, message_id: bytes) -> Journey:
    def look() -> Journey | None:
        journey = relay.journeys.get(message_id)
        return journey if journey is not None and journey.state is State.CLOSED else None

    return until(look, seconds=SECONDS, what="the message is closed")


def test_one_dead_of_four_is_not_noticed_and_two_stop_the_journey_until_one_returns(
    chains: Deployed, notaries: Notaries, relay: Relay
) -> None:
    assert closed(relay, chains.send().message.id).commit is not None

    notaries.kill(3)
    assert closed(relay, chains.send().message.id).commit is not None

    notaries.kill(1)
    waiting = chains.send().message.id
    said = until(lambda: explained(relay, waiting), seconds=SECONDS, what="the relay says what it waits for")
    assert "waiting for 1 more attestation (2 of 3 given)" in said
    assert relay.journeys[waiting].commit is None

    notaries.start(1)
    assert closed(relay, waiting).executed


def explained(relay: Relay, message_id: bytes) -> str | None:
    journey = relay.journeys.get(message_id)
    said = journey.explain() if journey is not None else ""
    return said if "waiting for" in said else None
