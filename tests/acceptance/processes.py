"""Notaries and a relay as processes of their own, each with its folder and nodes; killed and started one by one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from contracts.manifest import Manifest
from ledger.checkpoint import Cosigner
from ledger.secp256k1 import SigningKey
from notary.signer import ATTESTING_FILE, COSIGNING_FILE
from tests.acceptance.program import PROGRAM, environment, until

SECONDS = 240.0


class Processes:
    """Processes of the program by name; each keeps its port when it is started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.urls: dict[str, str] = {}
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str, *arguments: str) -> str:
        """Start one and return its URL, once it listens."""
        return self.start_together({name: arguments})[name]

    def start_together(self, commands: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Start several, by name, and return their URLs once all listen."""
        for name, arguments in commands.items():
            self._launch(name, arguments)
        for name in commands:
            output = self._running[name].stdout
            assert output is not None
            line = output.readline()
            assert line, (self.folder / f"{name}.log").read_text()
            self.urls[name] = str(json.loads(line)["url"])
        return {name: self.urls[name] for name in commands}

    def _launch(self, name: str, arguments: Sequence[str]) -> None:
        port = self.urls[name].rpartition(":")[2] if name in self.urls else "0"
        with (self.folder / f"{name}.log").open("a") as log:
            process = subprocess.Popen(
                [str(PROGRAM), *arguments, "--port", port],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment(self.folder),
            )
        self._running[name] = process

    def kill(self, name: str) -> None:
        """SIGKILL, as a power cut would."""
        process = self._running.pop(name)
        process.kill()
        process.communicate()

    def kill_all(self) -> None:
        for name in list(self._running):
            self.kill(name)


class Staff:
    """The notaries of a deployment and a relay that carries for it. `notary_nodes`: by chain id a URL, or several that
    must agree; `relay_nodes`: URLs by chain id.

    Context manager: all are killed at the end.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        keys: Sequence[tuple[SigningKey, Cosigner]],
        payer: SigningKey,
        *,
        notary_nodes: Mapping[int, str | list[str]],
        relay_nodes: Mapping[int, str],
    ) -> None:
        self.folder, self.manifest = folder, manifest
        self.processes = Processes(folder)
        (folder / "manifest.json").write_bytes(manifest.dump())
        self._notary_nodes = {f"eip155:{chain_id}": url for chain_id, url in notary_nodes.items()}
        for index, (attesting, cosigning) in enumerate(keys):
            self.hire(index, attesting, cosigning)
        self.names = [f"notary{index}" for index in range(len(keys))]
        self._relay_fields: dict[str, Any] = {
            "manifest": "manifest.json",
            "nodes": {f"eip155:{chain_id}": url for chain_id, url in relay_nodes.items()},
            "key": "relay.key",
        }
        write_secret(folder / "relay.key", f"0x{payer.secret.hex()}")

    def __enter__(self) -> Staff:
        try:
            self.start_notaries()
            self.start_relay()
        except BaseException:
            self.processes.kill_all()
            raise
        return self

    def __exit__(self, *_raised: object) -> None:
        self.processes.kill_all()

    def hire(self, index: int | None, attesting: SigningKey, cosigning: Cosigner, *, name: str = "") -> None:
        """Give a notary its folder, keys and configuration. `index` None: a member of a later epoch."""
        name = name or f"notary{index}"
        write_secret(self.folder / name / ATTESTING_FILE, attesting.secret.hex())
        write_secret(self.folder / name / COSIGNING_FILE, cosigning.private_key.hex())
        fields = {"index": index, "manifest": "manifest.json", "nodes": self._notary_nodes, "folder": name}
        (self.folder / f"{name}.json").write_text(json.dumps(fields))

    def start_notaries(self) -> dict[str, str]:
        """Start all notaries together; their URLs by name."""
        return self.processes.start_together({name: self._notary(name) for name in self.names})

    def start_notary(self, name: str) -> str:
        """Start a notary that was hired."""
        return self.processes.start(name, *self._notary(name))

    def _notary(self, name: str) -> tuple[str, ...]:
        return ("notary", "run", "--config", str(self.folder / f"{name}.json"))

    def start_relay(self) -> str:
        """Start the relay; it asks whoever is in `names`."""
        notaries = [{"name": name, "url": self.processes.urls[name]} for name in self.names]
        (self.folder / "relay.json").write_text(json.dumps(self._relay_fields | {"notaries": notaries}))
        return self.processes.start("relay", "relay", "run", "--config", str(self.folder / "relay.json"))

    def ask(self, name: str, path: str) -> Any:
        """What a process answers to GET; None while it answers an error."""
        with httpx.Client(trust_env=False, timeout=60) as client:
            response = client.get(f"{self.processes.urls[name]}{path}")
        return response.json() if response.status_code == httpx.codes.OK else None

    def post(self, name: str, path: str, body: Any) -> Any:
        """What a process answers to POST, an error's problem included."""
        with httpx.Client(trust_env=False, timeout=60) as client:
            return client.post(f"{self.processes.urls[name]}{path}", json=body).json()

    def message(self, message_id: bytes) -> dict[str, Any]:
        """What the relay shows of a message; empty while it does not know it."""
        shown: dict[str, Any] = self.ask("relay", f"/messages/0x{message_id.hex()}") or {}
        return shown

    def becomes(self, message_id: bytes, state: str) -> dict[str, Any]:
        """Wait until a message is in a state; fail with what the relay says of it when it never is."""
        last: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            last.clear()
            last.update(self.message(message_id))
            return last if last.get("state") == state else None

        def fail() -> None:
            why = self.ask("relay", f"/messages/0x{message_id.hex()}/explain")
            raise AssertionError(f"the message never became {state}: {last} {why}")

        return until(look, seconds=SECONDS, what=f"the message is {state}", on_timeout=fail)


def write_secret(path: Path, text: str) -> None:
    """A file that its owner alone may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    path.chmod(0o600)
