"""Our names, layout and RPC calls against an IPFS node that another implementation of UnixFS makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ledger.cid import CHUNK_BYTES, LINKS_PER_NODE, cid_of
from ledger.intake.kubo import KuboRemote
from ledger.intake.media_config import MEDIA_CONFIG_FILE, open_media
from ledger.mp4.fragments import MAX_SEGMENT_BYTES
from ledger.outline import outline_of
from tests.ledger.intake.ipfs_node import ipfs_node
from tests.ledger.intake.parts import part
from tests.ledger.refusals import refused

SIZES = {
    "nothing": 0,
    "a byte": 1,
    "a byte less than a chunk": CHUNK_BYTES - 1,
    "a chunk": CHUNK_BYTES,
    "a byte more": CHUNK_BYTES + 1,
    "174 chunks": LINKS_PER_NODE * CHUNK_BYTES,
    "175 chunks": (LINKS_PER_NODE + 1) * CHUNK_BYTES,
    "64 MiB": MAX_SEGMENT_BYTES,
}


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    with ipfs_node() as url:
        yield url


def sized(size: int) -> bytes:
    """Chunks that all differ."""
    chunks = (number.to_bytes(4, "big") * (CHUNK_BYTES // 4) for number in range(-(-size // CHUNK_BYTES)))
    return b"".join(chunks)[:size]


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_the_node_gives_the_name_and_the_outline_that_we_compute(node: str, size: int) -> None:
    data, remote = sized(size), KuboRemote(node)
    outline = outline_of([data])
    assert outline.cid == cid_of(data)
    remote.put(data, outline)  # which refuses another name than ours
    assert remote.has(outline.cid) and outline.cid in set(remote.names())
    claimed = remote.outline(outline.cid)
    if size > CHUNK_BYTES:
        assert claimed is not None and (claimed.size, claimed.digests) == (outline.size, outline.digests)
    else:
        assert claimed is None  # one block, which is the object itself
    for start in (0, size // 2, max(size - 5, 0), size):
        assert remote.read(outline.cid, start, 10) == data[start : start + 10]
    remote.remove(outline.cid)
    assert not remote.has(outline.cid) and outline.cid not in set(remote.names())


def test_a_ledger_keeps_its_media_there_and_reads_what_it_needs(node: str, tmp_path: Path) -> None:
    (tmp_path / MEDIA_CONFIG_FILE).write_text(json.dumps({"store": "ipfs", "rpc": node}))
    data = sized(200 * CHUNK_BYTES)
    cid = open_media(tmp_path).put(data)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / MEDIA_CONFIG_FILE).write_text(json.dumps({"store": "ipfs", "rpc": node}))
    other = open_media(tmp_path / "other")
    assert part(other, cid, 190 * CHUNK_BYTES - 3, 6) == data[190 * CHUNK_BYTES - 3 :][:6]
    (copies,) = (tmp_path / "other" / "media-copies").glob("*/*")
    assert sorted(path.name for path in copies.iterdir()) == ["189", "190", "outline"]
    assert other.get(cid) == data


def test_what_is_not_there(node: str) -> None:
    remote, cid = KuboRemote(node), cid_of(sized(CHUNK_BYTES + 9))
    assert (remote.has(cid), remote.outline(cid), remote.read(cid, 0, 1)) == (False, None, None)
    remote.remove(cid)


def test_the_settings_that_names_depend_on_are_the_ones_we_send(node: str) -> None:
    """The same bytes with other links in a node have another name: so the node above did what it was told."""
    data = sized(3 * CHUNK_BYTES)
    settings = {"cid-version": "1", "raw-leaves": "true", "chunker": f"size-{CHUNK_BYTES}", "max-file-links": "2"}
    answer = httpx.post(f"{node}/api/v0/add", params=settings, files={"file": data}, timeout=60, trust_env=False)
    assert answer.json()["Hash"] != cid_of(data)
    with refused("MEDIA_UNAVAILABLE"):
        KuboRemote(node).put(data, outline_of([data[:-1]]))
