"""A notary process killed between its promise and its signature, for whatever it signs: it gives that one, or none."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.manifest import Role
from notary.proven import Locator
from notary.vouching import HeaderRequest
from tests.chains import Deployed
from tests.notary.subject import Subject, locator, write_keys
from tests.notary.test_cosigning import FORK, body
from tests.notary.test_processes import COMMAND, DIES_WHILE_SIGNING, running
from tests.notary.test_vouching import watched

__all__ = ["watched"]

DIES_WHILE_COSIGNING = """
import os, signal
from notary.signer import Signer
Signer.cosign = lambda self, *_note, **_named: os.kill(os.getpid(), signal.SIGKILL)
"""


def configured(chains: Deployed, folder: Path) -> Path:
    """Notary 0 of a deployment, as a process is told."""
    (folder / "manifest.json").write_bytes(chains.manifest.dump())
    write_keys(folder / "notary0", 0)
    nodes = {f"eip155:{chain_id}": url for chain_id, url in chains.urls.items()}
    fields = {"index": 0, "manifest": "manifest.json", "nodes": nodes, "folder": "notary0"}
    (folder / "notary.json").write_text(json.dumps(fields))
    return folder / "notary.json"


def post(url: str, path: str, asked: Any) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.post(f"{url}{path}", **({"content": asked} if isinstance(asked, bytes) else {"json": asked}))


def killed(config: Path, dies: str, path: str, asked: Any) -> None:
    """Ask a process that dies before its signature leaves."""
    with running(config, code=dies + COMMAND) as (process, url):
        with pytest.raises(httpx.HTTPError):
            post(url, path, asked)
        assert process.wait(timeout=60) == -signal.SIGKILL


def place(chains: Deployed) -> tuple[dict[str, Any], dict[str, Any]]:
    """A message's log and that of its commit, as requests name them."""
    sent = chains.send()
    _, commit = chains.commit(sent)
    at = locator(sent)
    origin = {"origin": f"eip155:{at.chain_id}", "block": at.block}
    return origin | {"transaction_index": at.transaction_index, "log_index": at.log_index}, commit


@pytest.fixture
def never_killed(chains: Deployed, tmp_path: Path) -> Iterator[Subject]:
    """The same keys in a folder of their own: what the answer must be."""
    found = Subject(chains, tmp_path / "other0")
    yield found
    found.close()


def test_J05_killed_before_a_verdict_left_it_gives_that_verdict_and_no_other(
    chains: Deployed, never_killed: Subject, tmp_path: Path
) -> None:
    origin, commit = place(chains)
    asked = {"origin": origin, "commit": commit}
    config = configured(chains, tmp_path)
    killed(config, DIES_WHILE_SIGNING, "/verdicts", asked)
    with running(config) as (_, url):
        answers = [post(url, "/verdicts", asked) for _ in range(2)]
        assert [each.status_code for each in answers] == [200, 200]
        assert post(url, "/verdicts", {"origin": origin}).status_code != 200, "it is promised: it cannot also expire"
    expected = never_killed.notary.judge(locator_of(origin, 7101), locator_of(commit, 7102))
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["signature"] == f"0x{expected.signature.hex()}"


def locator_of(fields: dict[str, Any], chain_id: int) -> Locator:
    return Locator(chain_id, fields["block"], fields["transaction_index"], fields["log_index"])


def test_J05_killed_before_a_header_was_vouched_for_it_vouches_for_that_one(watched: Deployed, tmp_path: Path) -> None:
    number = int(watched.node(Role.ORIGIN).request("eth_blockNumber"), 16)
    asked = {"origin": "eip155:7101", "block": number, "destination": "eip155:7102"}
    config = configured(watched, tmp_path)
    killed(config, DIES_WHILE_SIGNING, "/headers", asked)
    with running(config) as (_, url):
        answers = [post(url, "/headers", asked) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200], answers[0].text
    assert answers[0].json() == answers[1].json()
    other = Subject(watched, tmp_path / "other0")
    try:
        expected = other.notary.vouch(HeaderRequest(7101, number, 7102))
        assert answers[0].json()["signature"] == f"0x{expected.signature.hex()}"
    finally:
        other.close()


def test_J05_killed_before_a_cosignature_left_it_cosigns_that_checkpoint_and_no_fork_of_it(
    chains: Deployed, tmp_path: Path
) -> None:
    config = configured(chains, tmp_path)
    killed(config, DIES_WHILE_COSIGNING, "/add-checkpoint", body(0, 7))
    with running(config) as (_, url):
        fork = post(url, "/add-checkpoint", body(7, 7, leaves=FORK))
        assert fork.status_code not in (200, 503)
        stale = post(url, "/add-checkpoint", body(0, 7))
        assert (stale.status_code, stale.text.strip()) == (409, "7"), "it remembers what it was about to cosign"
        assert post(url, "/add-checkpoint", body(7, 7)).status_code == 200
        assert post(url, "/add-checkpoint", body(7, 9)).status_code == 200
