"""The data folder: opened by one process, for one chain, of one version; every other is a typed error."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from contracts.embedded.chain import open_chain
from contracts.embedded.folder import DATABASE_NAME, stored_genesis
from contracts.embedded.genesis import Genesis
from ledger.errors import Problem, WrongUse
from tests.contracts.embedded.conftest import HandChain
from tests.contracts.embedded.probe import genesis


def refusal(folder: Path, asked: Genesis | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        open_chain(folder, asked)
    return caught.value


def content(folder: Path) -> bytes:
    return (folder / DATABASE_NAME).read_bytes()


def test_a_chain_is_reopened_with_or_without_its_genesis(hand: HandChain) -> None:
    hand.send()
    head = hand.chain.archive.head
    for asked in (None, genesis(), None):
        hand.chain.close()
        hand.chain = open_chain(hand.folder, asked, clock=hand.clock)
        assert hand.chain.archive.head == head
    hand.send()


@pytest.mark.parametrize("fields", [{"chain_id": 7102}, {"accounts": {}}, {"timestamp": 1}, {"base_fee": 8}])
def test_another_chain_is_refused_and_the_folder_left_as_it_was(hand: HandChain, fields: dict[str, Any]) -> None:
    hand.send()
    hand.chain.close()
    before = content(hand.folder)
    problem = refusal(hand.folder, genesis(**fields))
    assert problem.code == "CHAIN_FOLDER_OTHER"
    assert problem.where == str(hand.folder)
    assert problem.cure
    assert content(hand.folder) == before
    hand.chain = open_chain(hand.folder, genesis(), clock=hand.clock)
    hand.send()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE meta SET value = 'pledgetrail-chain/2' WHERE name = 'format'",
        "DELETE FROM meta WHERE name = 'format'",
        "UPDATE meta SET value = '{}' WHERE name = 'genesis'",
        "UPDATE meta SET value = '[' WHERE name = 'genesis'",
        "DELETE FROM meta WHERE name = 'genesis'",
    ],
)
def test_another_version_is_refused(hand: HandChain, change: str) -> None:
    hand.chain.close()
    with sqlite3.connect(hand.folder / DATABASE_NAME) as connection:
        connection.execute(change)
    connection.close()
    assert refusal(hand.folder, genesis()).code == "CHAIN_FOLDER_VERSION"
    assert refusal(hand.folder).code == "CHAIN_FOLDER_VERSION"


@pytest.mark.parametrize("bytes_", [b"this is no database, however long it may be" * 100, b"\x00" * 4096])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, bytes_: bytes) -> None:
    (tmp_path / DATABASE_NAME).write_bytes(bytes_)
    assert refusal(tmp_path, genesis()).code == "CHAIN_FOLDER_VERSION"
    assert content(tmp_path) == bytes_


def test_a_folder_in_use_is_refused_until_it_is_left(hand: HandChain) -> None:
    problem = refusal(hand.folder)
    assert problem.code == "CHAIN_FOLDER_BUSY"
    hand.send()
    hand.chain.close()
    hand.chain = open_chain(hand.folder, clock=hand.clock)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    assert refusal(tmp_path / "file", genesis()).code == "CHAIN_FOLDER_UNUSABLE"


def test_a_new_chain_needs_a_genesis(tmp_path: Path) -> None:
    assert refusal(tmp_path / "new").code == "CHAIN_GENESIS_MISSING"
    assert stored_genesis(tmp_path / "new") is None
    open_chain(tmp_path / "new", genesis()).close()
    assert stored_genesis(tmp_path / "new") == genesis()


@pytest.mark.parametrize(
    "fields",
    [
        {"chain_id": 0},
        {"chain_id": -1},
        {"chain_id": 2**53},
        {"accounts": {"0x12": 1}},
        {"accounts": {"22" * 20: 1}},
        {"accounts": {"0x" + "22" * 20: -1}},
        {"accounts": {"0x" + "22" * 20: 2**256}},
        {"timestamp": -1},
        {"gas_limit": 1},
        {"base_fee": 0},
        {"fee_recipient": "me"},
    ],
)
def test_an_impossible_genesis_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(WrongUse) as caught:
        genesis(**fields)
    assert caught.value.code == "CHAIN_GENESIS"
