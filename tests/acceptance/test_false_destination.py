"""A destination that does what no transaction said is caught by a notary process, and the file it leaves shows it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth.chains.base import MiningChain

from contracts.embedded.rules import EmbeddedChainDB, EmbeddedState, EmbeddedVM
from contracts.manifest import Role
from notary.replays import FOLDER
from tests.acceptance.program import PROGRAM, environment, run, until
from tests.chains import Deployed, Sent, deployed_on_anvil, deployed_on_embedded
from tests.notary.subject import write_keys

SECONDS = 120.0


class Process:
    """One notary as its operator runs it."""

    def __init__(self, chains: Deployed, folder: Path, url: str) -> None:
        self.chains, self.folder, self._url = chains, folder, url

    def judge(self, sent: Sent, commit: dict[str, Any]) -> int:
        """Ask for the verdict on a commit until one is given: 1 *same*, 2 *differs*."""
        origin = {
            "origin": f"eip155:{sent.message.origin.chain_id}",
            "block": sent.block,
            "transaction_index": sent.transaction_index,
            "log_index": sent.log_index,
        }
        asked = {"origin": origin, "commit": commit}

        def ask() -> int | None:
            with httpx.Client(trust_env=False, timeout=SECONDS) as client:
                answer = client.post(f"{self._url}/verdicts", json=asked)
            assert answer.status_code in (200, 503), answer.text
            return int(answer.json()["verdict"]["verdict"]) if answer.status_code == 200 else None

        return until(ask, seconds=SECONDS, what="a verdict is given")

    def checked(self, chain: str, block: int) -> None:
        """Wait until a chain was re-executed up to a block."""

        def look() -> bool | None:
            with httpx.Client(trust_env=False, timeout=SECONDS) as client:
                to = client.get(f"{self._url}/status").json()["chains"][chain]["checked_to"]
            return True if to is not None and to >= block else None

        until(look, seconds=SECONDS, what=f"block {block} is re-executed")

    def replayed(self) -> tuple[int, dict[str, Any]]:
        """Exit status and output of `pledgetrail replay` over the one file that the notary left."""
        (file,) = (self.folder / "0" / FOLDER).iterdir()
        manifest = str(self.folder / "manifest.json")
        ran = run(["replay", str(file), "--manifest", manifest, "--json"], home=self.folder)
        return ran.status, json.loads(ran.out)


@contextmanager
def notary(chains: Deployed, folder: Path) -> Iterator[Process]:
    (folder / "manifest.json").write_bytes(chains.manifest.dump())
    write_keys(folder / "0", 0)
    nodes = {f"eip155:{chain_id}": url for chain_id, url in chains.urls.items()}
    fields = {"index": 0, "manifest": "manifest.json", "nodes": nodes, "folder": "0"}
    (folder / "0.json").write_text(json.dumps(fields))
    command = [str(PROGRAM), "notary", "run", "--config", str(folder / "0.json")]
    with (folder / "0.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(folder))
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "0.log").read_text()
        yield Process(chains, folder, json.loads(line)["url"])
    finally:
        process.kill()
        process.communicate()


def test_a_slot_rewritten_without_a_transaction_one_block_before_an_honest_commit(tmp_path: Path) -> None:
    with deployed_on_anvil() as chains, notary(chains, tmp_path) as process:
        honest = chains.send()
        commit = chains.commit(honest)[1]
        assert process.judge(honest, commit) == 1

        sent = chains.send()
        process.checked(commit["chain"], commit["block"])
        node = chains.node(Role.DESTINATION)
        gateway = chains.manifest.chain(Role.DESTINATION).contracts["Gateway"]
        node.request("anvil_setStorageAt", f"0x{gateway.hex()}", f"0x{'99' * 32}", f"0x{'00' * 31}07")
        node.request("anvil_mine", "0x1")
        assert process.judge(sent, chains.commit(sent)[1]) == 2
        status, shown = process.replayed()
        assert (status, shown["verdict"], shown["proves_itself"]) == (1, "differs", True)
        assert shown["block"] == commit["block"] + 1
        assert process.judge(honest, commit) == 1  # what was right before stays right


class SwitchedState(EmbeddedState):
    """Once switched on, stores one more than it is told in every slot of ordinary size."""

    is_false = False

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        lies = type(self).is_false and 0 < value < 1_000
        super().set_storage(address, slot, value + 1 if lies else value)


class SwitchedVM(EmbeddedVM):
    _state_class = SwitchedState


def test_a_destination_whose_machine_executes_falsely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def switched(chain_id: int) -> Any:
        return MiningChain.configure(
            __name__="SwitchedChain",
            vm_configuration=((0, SwitchedVM),),
            chain_id=chain_id,
            chaindb_class=EmbeddedChainDB,
        )

    monkeypatch.setattr("contracts.embedded.chain.chain_class", switched)
    with deployed_on_embedded(tmp_path / "chains") as chains, notary(chains, tmp_path) as process:
        honest = chains.send()
        commit = chains.commit(honest)[1]
        assert process.judge(honest, commit) == 1

        sent = chains.send()
        monkeypatch.setattr(SwitchedState, "is_false", True)
        false = chains.commit(sent)[1]
        assert process.judge(sent, false) == 2
        status, shown = process.replayed()
        assert (status, shown["verdict"], shown["proves_itself"]) == (1, "differs", True)
        assert shown["block"] == false["block"]
        assert [each["what"] for each in shown["compared"] if not each["equal"]] == ["state root"]
