"""A data folder has the media store that its file names, or none is opened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.intake.media import FolderStore
from ledger.intake.media_config import MEDIA_CONFIG_FILE, open_media, open_remote
from ledger.intake.remote_media import RemoteStore
from ledger.store import Ledger
from tests.ledger.refusals import refused

IPFS = {"store": "ipfs", "rpc": "http://127.0.0.1:5001"}

S3 = {"store": "s3", "endpoint": "https://s3.example", "bucket": "evidence"}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def write(data: Path, value: object) -> None:
    (data / MEDIA_CONFIG_FILE).write_text(value if isinstance(value, str) else json.dumps(value))


@pytest.mark.parametrize("value", [None, {"store": "folder"}])
def test_a_folder_is_what_one_has_without_asking(tmp_path: Path, value: object) -> None:
    if value:
        write(tmp_path, value)
    assert isinstance(open_media(tmp_path), FolderStore)
    assert open_remote(tmp_path) is None


@pytest.mark.parametrize(
    "value",
    [IPFS, {**IPFS, "cache_bytes": 1000}, S3, {**S3, "region": "eu-1", "prefix": "a/", "in_host": True}],
    ids=str,
)
def test_another_store_is_used_where_the_file_names_it(tmp_path: Path, value: object) -> None:
    write(tmp_path, value)
    assert isinstance(open_media(tmp_path), RemoteStore)
    ledger = Ledger.open(tmp_path, origin="ledger.example/log")
    assert isinstance(ledger.media, RemoteStore)
    ledger.close()


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"store": "tape"},
        {"store": ["ipfs"]},
        {"store": "ipfs"},
        {"store": "folder", "rpc": "http://127.0.0.1:5001"},
        {**IPFS, "more": 1},
        {**IPFS, "rpc": ""},
        {**IPFS, "rpc": 1},
        {**IPFS, "rpc": "file:///etc/passwd"},
        {**IPFS, "rpc": "http://"},
        {**IPFS, "rpc": "http://[::1"},
        {**IPFS, "cache_bytes": 0},
        {**IPFS, "cache_bytes": True},
        {**IPFS, "cache_bytes": "much"},
        {"store": "s3"},
        {"store": "s3", "endpoint": "https://s3.example"},
        {**S3, "rpc": "http://127.0.0.1:5001"},
        {**S3, "bucket": "../other"},
        {**S3, "endpoint": "file:///etc"},
        {**S3, "endpoint": 5},
        {**S3, "prefix": "/"},
        {**S3, "in_host": "yes"},
        {**S3, "credentials": ""},
        {**S3, "cache_bytes": -1},
    ],
    ids=str,
)
def test_no_store_is_guessed(tmp_path: Path, value: object) -> None:
    write(tmp_path, value)
    with refused("MEDIA_CONFIG"):
        open_media(tmp_path)
    with refused("MEDIA_CONFIG"):
        Ledger.open(tmp_path, origin="ledger.example/log")
    write(tmp_path, IPFS)
    assert isinstance(open_media(tmp_path), RemoteStore)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "store = ipfs")
    with refused("JSON_SYNTAX"):
        open_media(tmp_path)


def test_a_store_that_no_key_opens_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    write(tmp_path, S3)
    with refused("MEDIA_CREDENTIALS"):
        open_media(tmp_path)
    write(tmp_path, {**S3, "credentials": "keys.json"})
    with refused("MEDIA_CREDENTIALS"):
        open_media(tmp_path)
    (tmp_path / "keys.json").write_text('{"access_key": "KEY", "secret_key": "secret"}')
    (tmp_path / "keys.json").chmod(0o600)
    assert isinstance(open_media(tmp_path), RemoteStore)
