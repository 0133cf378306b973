"""Accounts: the folder's own are made once, the user's are never made, and no error quotes a key."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from examples.demo.accounts import MAX_FILE_BYTES, ROLES, own_accounts, read_accounts
from ledger.errors import BadInput

KEYS = {role: f"0x{bytes([0x21 + number] * 32).hex()}" for number, role in enumerate(ROLES)}


def test_the_folders_own_are_made_once_and_only_for_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    made = own_accounts(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [key.secret for key in own_accounts(path).values()] == [key.secret for key in made.values()]
    assert list(tmp_path.iterdir()) == [path]


def test_the_users_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(KEYS))
    assert {role: f"0x{key.secret.hex()}" for role, key in read_accounts(path).items()} == KEYS


@pytest.mark.parametrize("name", ["none.json", "no/such/folder.json", "a-folder"])
def test_a_file_that_is_not_there_is_refused_and_not_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "a-folder").mkdir()
    with pytest.raises(BadInput) as caught:
        read_accounts(tmp_path / name)
    assert (caught.value.code, caught.value.where) == ("FILE_UNREADABLE", str(tmp_path / name))
    assert caught.value.cure
    assert [path.name for path in tmp_path.iterdir()] == ["a-folder"]


BROKEN = {
    "empty": b"",
    "a_list": b"[]",
    "no_json": b"deployer: 0x21",
    "not_utf_8": b"\xff\xfe",
    "a_role_missing": json.dumps({role: key for role, key in KEYS.items() if role != "lender_b"}).encode(),
    "a_key_too_short": json.dumps({**KEYS, "relay": "0x2121"}).encode(),
    "a_key_of_zeros": json.dumps({**KEYS, "relay": "0x" + "00" * 32}).encode(),
    "a_key_that_is_a_number": json.dumps({**KEYS, "relay": 5}).encode(),
    "nested_without_end": b"[" * 100_000,
    "too_large": json.dumps(KEYS).encode() + b" " * MAX_FILE_BYTES,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_names_no_keys_is_refused_without_quoting_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(BROKEN[name])
    with pytest.raises(BadInput) as caught:
        read_accounts(path)
    assert caught.value.code == "ACCOUNTS_FORMAT"
    assert caught.value.__cause__ is None
    assert "2121" not in str(caught.value)
    assert path.read_bytes() == BROKEN[name]
