"""A notary as a process of its own: started by the command, killed at the worst moment, started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from notary.config import NotaryConfig
from notary.notary import Notary
from notary.proven import Locator
from notary.signer import ATTESTING_FILE, COSIGNING_FILE, create_keys
from tests.chains import Deployed
from tests.notary.subject import Subject, locator, write_keys

# The room's own verbs behind the command's shell: other rooms' verbs are tested with them.
COMMAND = """
import sys, typer
from ledger.cli import show
from ledger.errors import Problem
from notary.verbs import register
app = typer.Typer(pretty_exceptions_enable=False)
register(app)
try:
    app()
except Problem as problem:
    show(problem)
    sys.exit(problem.exit_status)
"""
# Dies between the promise and the signature, the way a power cut would.
DIES_WHILE_SIGNING = """
import os, signal
from notary.signer import Signer
Signer.sign = lambda self, digest: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def config(chains: Deployed, tmp_path: Path) -> Path:
    """The configuration file of notary 0, with its keys in place."""
    (tmp_path / "manifest.json").write_bytes(chains.manifest.dump())
    write_keys(tmp_path / "notary0", 0)
    nodes = {f"eip155:{chain_id}": url for chain_id, url in chains.urls.items()}
    fields = {"index": 0, "manifest": "manifest.json", "nodes": nodes, "folder": "notary0"}
    (tmp_path / "notary.json").write_text(json.dumps(fields))
    return tmp_path / "notary.json"


def run(*arguments: str, code: str = COMMAND) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, "notary", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def running(config: Path, *, code: str = COMMAND) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A notary process and its URL; killed when the block ends."""
    command = [sys.executable, "-c", code, "notary", "run", "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield process, json.loads(line)["url"]
    finally:
        process.kill()
        process.communicate()


def ask(url: str, leaves: list[dict[str, Any]]) -> Any:
    with httpx.Client(trust_env=False, timeout=30) as client:
        response = client.post(f"{url}/attestations", json={"leaves": leaves})
    assert response.status_code == 200, response.text
    return response.json()


def leaf_of(chains: Deployed) -> dict[str, Any]:
    at = locator(chains.send())
    return {
        "origin": f"eip155:{at.chain_id}",
        "block": at.block,
        "transaction_index": at.transaction_index,
        "log_index": at.log_index,
    }


def test_b13_killed_between_promise_and_signature_it_gives_that_signature_after_the_restart(
    chains: Deployed, config: Path, tmp_path: Path
) -> None:
    leaf = leaf_of(chains)
    with running(config, code=DIES_WHILE_SIGNING + COMMAND) as (process, url):
        with pytest.raises(httpx.HTTPError), httpx.Client(trust_env=False, timeout=30) as client:
            client.post(f"{url}/attestations", json={"leaves": [leaf]})
        assert process.wait(timeout=30) == -signal.SIGKILL
    subject = Subject(chains, tmp_path / "other0")  # the same key, never killed: what the answer must be
    try:
        at = Locator(7101, leaf["block"], leaf["transaction_index"], leaf["log_index"])
        expected = subject.notary.attest([at])
    finally:
        subject.close()
    with running(config) as (_, url):
        with httpx.Client(trust_env=False, timeout=30) as client:
            held = client.get(f"{url}/attestations/0x{expected.ids[0].hex()}").json()
            assert client.get(f"{url}/status").json()["attestations"] == 1
        assert [each["signature"] for each in held["attestations"]] == [f"0x{expected.signature.hex()}"]
        assert ask(url, [leaf])["signature"] == f"0x{expected.signature.hex()}"


def test_b13_a_second_process_on_the_same_folder_is_refused_until_the_first_has_ended_and_k01_neither_says_a_secret(
    chains: Deployed, config: Path
) -> None:
    leaf = leaf_of(chains)
    with running(config) as (first, url):
        answer = ask(url, [leaf])
        second = run("run", "--config", str(config))
        assert (second.returncode, "FOLDER_IN_USE" in second.stderr) == (1, True)
        assert ask(url, [leaf]) == answer
        shown = run("status", url)
        assert json.loads(shown.stdout)["index"] == 0
        first.send_signal(signal.SIGTERM)
        out, err = first.communicate(timeout=30)
        assert first.returncode == 0
    notary = Notary(NotaryConfig.load(config))
    try:
        again = notary.attest([Locator(7101, leaf["block"], leaf["transaction_index"], leaf["log_index"])])
    finally:
        notary.close()
    assert f"0x{again.signature.hex()}" == answer["signature"]
    said = out + err + shown.stdout + shown.stderr + second.stdout + second.stderr
    secrets = [(config.parent / "notary0" / name).read_text().strip() for name in (ATTESTING_FILE, COSIGNING_FILE)]
    assert not [secret for secret in secrets if secret in said.lower()]


def test_keys_prints_the_public_parts_and_keeps_what_is_there(tmp_path: Path) -> None:
    public = create_keys(tmp_path / "fresh")
    shown = run("keys", str(tmp_path / "fresh"))
    expected = {"address": f"0x{public.address.hex()}", "cosigning_key": public.cosigning.hex()}
    assert (shown.returncode, json.loads(shown.stdout)) == (0, expected)
    secret = (tmp_path / "fresh" / ATTESTING_FILE).read_text().strip()
    assert secret not in shown.stdout + shown.stderr


def test_the_status_of_nobody_is_refused() -> None:
    nobody = run("status", "http://127.0.0.1:9")
    assert (nobody.returncode, "NOTARY_UNREACHABLE" in nobody.stderr) == (1, True)
