"""The S3 store against a server that is not ours and checks our signatures as another implementation makes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.cid import CHUNK_BYTES, cid_of
from ledger.intake.media_config import MEDIA_CONFIG_FILE, open_media, open_remote
from ledger.intake.remote_media import RemoteStore
from ledger.intake.s3 import remote as s3_remote
from ledger.intake.s3.remote import S3Remote
from tests.ledger.intake.parts import part
from tests.ledger.intake.s3_server import BUCKET, S3Server, s3_server
from tests.ledger.refusals import refused

PART = 5 * 1024**2  # the least that S3 takes
LARGE = b"".join(bytes([at]) * CHUNK_BYTES for at in range(45))[:-7]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


def configured(data: Path, server: S3Server, **changes: object) -> Path:
    data.mkdir()
    keys = {"access_key": server.access_key, "secret_key": changes.pop("secret_key", server.secret_key)}
    (data / "keys.json").write_text(json.dumps(keys))
    (data / "keys.json").chmod(0o600)
    stated = {"store": "s3", "endpoint": server.url, "bucket": BUCKET, "credentials": "keys.json", **changes}
    (data / MEDIA_CONFIG_FILE).write_text(json.dumps(stated))
    return data


@pytest.fixture
def store(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemoteStore:
    monkeypatch.setattr(s3_remote, "MULTIPART_ABOVE", PART)
    monkeypatch.setattr(s3_remote, "PART_BYTES", PART)
    opened = open_media(
        configured(tmp_path / "data", server, prefix=f"{tmp_path.name}/".replace("[", "").replace("]", ""))
    )
    assert isinstance(opened, RemoteStore)
    return opened


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, len(LARGE)])
def test_what_was_put_is_there_for_another_ledger(
    store: RemoteStore, server: S3Server, tmp_path: Path, size: int
) -> None:
    data = LARGE[:size]
    cid = store.put(data)
    assert cid == store.put(data) == cid_of(data)
    stated = json.loads((tmp_path / "data" / MEDIA_CONFIG_FILE).read_text())
    other = open_media(configured(tmp_path / "other", server, prefix=stated["prefix"]))
    assert (other.get(cid), other.size(cid), other.has(cid)) == (data, size, True)
    assert part(other, cid, CHUNK_BYTES - 2, 9) == data[CHUNK_BYTES - 2 :][:9]
    remote = open_remote(tmp_path / "data")
    assert remote is not None and list(remote.names()) == [cid] and list(remote.unfinished()) == []
    store.remove(cid)
    assert not other.has(cid) and list(remote.names()) == []


def test_what_is_not_there(store: RemoteStore) -> None:
    cid = cid_of(b"never put")
    assert not store.has(cid)
    with refused("MEDIA_UNKNOWN"):
        store.get(cid)
    store.remove(cid)
    assert store.get(store.put(b"never put")) == b"never put"


@pytest.mark.parametrize("wrong", [{"secret_key": "another"}, {"bucket": "no-such-bucket"}], ids=["key", "bucket"])
def test_a_wrong_key_or_bucket_is_a_store_that_cannot_be_used(
    server: S3Server, tmp_path: Path, wrong: dict[str, object]
) -> None:
    store = open_media(configured(tmp_path / "wrong", server, **wrong))
    for ask in (store.has, store.get):
        with refused("MEDIA_UNAVAILABLE"):
            ask(cid_of(b"x"))
    with refused("MEDIA_UNAVAILABLE"):
        store.put(b"x")
    assert not open_media(configured(tmp_path / "right", server)).has(cid_of(b"x"))


def test_an_abandoned_upload_is_named_and_taken_away(store: RemoteStore, tmp_path: Path) -> None:
    remote = open_remote(tmp_path / "data")
    assert isinstance(remote, S3Remote)
    remote.bucket.ask("POST", cid_of(LARGE), {"uploads": ""})
    assert list(remote.unfinished()) == [cid_of(LARGE)]
    assert remote.tidy() == 1 and list(remote.unfinished()) == []
