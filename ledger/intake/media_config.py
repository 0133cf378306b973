"""Which media store a data folder has: a folder of its own, unless `media.json` in it names another.

`{"store": "folder"}`, `{"store": "ipfs", "rpc": "http://127.0.0.1:5001"}` or `{"store": "s3", "endpoint":
"https://s3.example", "bucket": "evidence"}`; the README lists what else may be said. May never happen here: a store
that is guessed where the file cannot be read.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ledger.canonical import JsonValue, parse_json
from ledger.config_file import non_empty, read_file
from ledger.errors import BadInput, WrongUse
from ledger.intake.folder_remote import FolderRemote
from ledger.intake.kubo import KuboRemote
from ledger.intake.media import FolderStore
from ledger.intake.remote_media import MAX_CACHE_BYTES, Remote, RemoteStore
from ledger.intake.s3.bucket import Bucket
from ledger.intake.s3.credentials import from_environment, from_file
from ledger.intake.s3.place import Place
from ledger.intake.s3.remote import S3Remote

MEDIA_CONFIG_FILE: Final = "media.json"
MEDIA_FOLDER: Final = "media"
"""Of the data folder: all objects, where no other store is named."""
COPIES_FOLDER: Final = "media-copies"
"""Of the data folder: copies of what another store holds."""
MAX_CONFIG_BYTES: Final = 16 * 1024
_FIELDS: Final = {
    "folder": {"store"},
    "ipfs": {"store", "rpc", "cache_bytes"},
    "s3": {"store", "endpoint", "bucket", "region", "prefix", "in_host", "credentials", "cache_bytes"},
}
_TEXTS = ("endpoint", "bucket", "region", "prefix")
_MOST = 1 << 50


def open_media(data: Path) -> FolderStore | RemoteStore:
    """The store of the data folder `data`. `Unavailable` CONFIG_UNREADABLE; `BadInput` MEDIA_CONFIG; `WrongUse`; what
    `from_file` raises."""
    path = data / MEDIA_CONFIG_FILE
    value = _read(path)
    remote = _remote(path, value)
    if remote is None:
        return FolderStore(data / MEDIA_FOLDER)
    most = value.get("cache_bytes", MAX_CACHE_BYTES)
    if not isinstance(most, int) or isinstance(most, bool) or not 0 < most <= _MOST:
        raise _bad(path, f"cache_bytes is a number from 1 to {_MOST}")
    return RemoteStore(remote, data / COPIES_FOLDER, most_bytes=most)


def open_remote(data: Path) -> Remote | None:
    """What holds the media of `data` elsewhere; None: its own folder does. Raises as `open_media`."""
    path = data / MEDIA_CONFIG_FILE
    return _remote(path, _read(path))


def open_other(data: Path, path: Path) -> Remote:
    """The store of `data` as the file `path`, beside its `media.json`, would have it; a folder is one too.

    `WrongUse` MEDIA_SAME where that is what it has already; else raises as `open_media`.
    """
    value = _read(path) if path.exists() else None
    if value is None or path.parent.resolve() != data.resolve():
        raise _bad(path, "it has to be a file beside media.json, in the data folder")
    if value == _read(data / MEDIA_CONFIG_FILE):
        raise WrongUse("MEDIA_SAME", "This is where the media are kept already.", where=str(path))
    return _remote(path, value) or FolderRemote(data / MEDIA_FOLDER)


def _read(path: Path) -> dict[str, JsonValue]:
    if not path.exists():
        return {"store": "folder"}
    value = parse_json(read_file(path), max_bytes=MAX_CONFIG_BYTES)
    fields = _FIELDS.get(str(value.get("store"))) if isinstance(value, dict) else None
    if not isinstance(value, dict) or fields is None or not set(value) <= fields:
        known = "; ".join(
            f"{store}: {', '.join(sorted(names - {'store'})) or 'nothing else'}" for store, names in _FIELDS.items()
        )
        raise _bad(path, f"store is one of these, with these fields and no other ({known})")
    return value


def _remote(path: Path, value: dict[str, JsonValue]) -> Remote | None:
    try:
        if value["store"] == "ipfs":
            return KuboRemote(_http_address(value.get("rpc")))
        return S3Remote(_bucket(path.parent, value)) if value["store"] == "s3" else None
    except ValueError as error:
        raise _bad(path, str(error)) from error


def _http_address(value: JsonValue) -> str:
    address = non_empty(value)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("rpc is the address of a Kubo node's RPC")
    return address


def _bucket(data: Path, value: dict[str, JsonValue]) -> Bucket:
    in_host, file = value.get("in_host", False), value.get("credentials")
    if not isinstance(in_host, bool):
        raise ValueError("in_host is true or false")
    texts = {name: non_empty(value[name]) for name in _TEXTS if name in value}
    if not {"endpoint", "bucket"} <= texts.keys():
        raise ValueError("an S3 store has endpoint and bucket")
    keys = from_environment if file is None else partial(from_file, data / non_empty(file))
    keys()  # a program that cannot sign anything does not start
    return Bucket(Place(**texts, in_host=in_host), keys)


def _bad(path: Path, what: str) -> BadInput:
    return BadInput(
        "MEDIA_CONFIG",
        f"The media store's configuration cannot be used: {what}.",
        where=str(path),
        cure="See ledger/intake/README.md, section The media store.",
    )
