"""A notary that finds a false block leaves a file which shows it again, before it says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from contracts.execution_rules import rules_of
from contracts.manifest import Role, Rules
from contracts.reexecution import Verdict, replay
from contracts.replay_report import report
from ledger.attestation import DIFFERS
from notary.api import create_app
from notary.replays import FOLDER, Replays
from tests.notary.subject import Subject, commit_locator, locator, refusal

LENDER = 7102


def test_a_slot_rewritten_one_block_before_an_honest_commit_is_judged_differs_with_a_file_that_shows_it(
    own_subject: Subject, tmp_path: Path
) -> None:
    chains, notary = own_subject.chains, own_subject.notary
    sent = chains.send()
    notary.keep_up()  # all but the block to come: its state before is known
    gateway = chains.manifest.chain(Role.DESTINATION).contracts["Gateway"]
    node = chains.node(Role.DESTINATION)
    node.request("anvil_setStorageAt", f"0x{gateway.hex()}", f"0x{'99' * 32}", f"0x{'00' * 31}07")
    node.request("anvil_mine", "0x1")
    rewritten = int(node.request("eth_blockNumber"), 16)
    commit = commit_locator(chains.commit(sent)[1])
    assert notary.judge(locator(sent), commit).verdict.verdict == DIFFERS

    name = f"eip155-{LENDER}-{rewritten}.replay"
    assert notary.replays.names() == [name]
    found = replay(notary.replays.read(name), rules=rules_of(chains.manifest.chain(Role.DESTINATION)))
    assert (found.verdict, found.number, found.proves_itself) == (Verdict.DIFFERS, rewritten, True)
    assert notary.status().chains[f"eip155:{LENDER}"].verdict == "differs"

    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(chains.manifest.dump())
    path = own_subject.folder / FOLDER / name
    assert report(path, manifest=manifest, block_hash="", as_json=True) == 1
    others = tuple(replace(each, rules=Rules(trie="standard")) for each in chains.manifest.chains)
    manifest.write_bytes(replace(chains.manifest, chains=others).dump())
    assert refusal(lambda: report(path, manifest=manifest, block_hash="", as_json=True)).code == "REPLAY_RULES"


def test_an_honest_chain_leaves_no_file(subject: Subject) -> None:
    sent = subject.chains.send()
    subject.notary.judge(locator(sent), commit_locator(subject.chains.commit(sent)[1]))
    assert subject.notary.replays.names() == []


def test_anybody_may_fetch_the_files_and_nothing_else_of_the_folder(subject: Subject) -> None:
    name = subject.notary.replays.keep(LENDER, 9, b"content")
    with TestClient(create_app(subject.notary)) as client:
        assert client.get("/replays").json() == {"replays": [name]}
        found = client.get(f"/replays/{name}")
        assert (found.status_code, found.content, found.headers["content-type"]) == (
            200,
            b"content",
            "application/cbor",
        )
        for path, status, code in (
            ("eip155-7102-10.replay", 404, "REPLAY_UNKNOWN"),
            ("attesting.key", 422, "REPLAY_NAME"),
            ("..%2fattesting.key", 404, "HTTP"),
        ):
            refused = client.get(f"/replays/{path}")
            assert (refused.status_code, refused.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../attesting.key", "REPLAY_NAME"),
        ("eip155-1-2.replay/../../attesting.key", "REPLAY_NAME"),
        ("eip155-0-2.replay", "REPLAY_NAME"),
        ("", "REPLAY_NAME"),
        ("eip155-1-2.replay\n", "REPLAY_NAME"),
        ("eip155-1-3.replay", "REPLAY_UNKNOWN"),
    ],
)
def test_only_replay_files_are_read(tmp_path: Path, name: str, code: str) -> None:
    replays = Replays(tmp_path)
    assert replays.read(replays.keep(1, 2, b"content")) == b"content"
    (tmp_path / "attesting.key").write_text("secret")
    assert refusal(lambda: replays.read(name)).code == code


def test_a_file_that_cannot_be_written_is_said_and_the_block_stays_unjudged(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    assert refusal(lambda: Replays(tmp_path).keep(1, 2, b"content")).code == "REPLAY_WRITE"
