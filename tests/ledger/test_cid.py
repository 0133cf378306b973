"""A CID is a function of the bytes alone, and the same that IPFS computes; nothing else may become a file name."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import cid
from ledger.cid import cid_of, name_of, parse_cid
from tests.ledger.refusals import refused

HELLO = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
EMPTY = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
CHUNK = 262_144


def test_known_vectors_of_one_chunk() -> None:
    assert cid_of(b"hello world") == HELLO
    assert cid_of(b"") == EMPTY


def test_two_chunks_equal_the_dag_written_out_by_hand() -> None:
    first, second = bytes(CHUNK), b"\x01"
    link_1 = b"\x0a\x24\x01\x55\x12\x20" + sha256(first).digest() + b"\x12\x00\x18\x80\x80\x10"
    link_2 = b"\x0a\x24\x01\x55\x12\x20" + sha256(second).digest() + b"\x12\x00\x18\x01"
    unixfs = b"\x08\x02\x18\x81\x80\x10\x20\x80\x80\x10\x20\x01"
    block = b"\x12\x2c" + link_1 + b"\x12\x2a" + link_2 + b"\x0a\x0c" + unixfs
    expected = base64.b32encode(b"\x01\x70\x12\x20" + sha256(block).digest()).decode().rstrip("=").lower()

    assert (len(link_1), len(link_2), len(unixfs)) == (0x2C, 0x2A, 0x0C)
    assert cid_of(first + second) == "b" + expected


GO_VECTORS = [
    # text, chunk, links, root in CIDv0: published results of the Go implementation for very small chunks
    ("[0     10)[10   19)", 10, 2, "QmUyaoLFxpUpZra4qs65dMbrBMEERJt91JL3kdyKEXqLxN"),
    ("[0     10)[10     21)", 10, 2, "QmZ9KupPPphsds2Cbu7Ntb73tUHbyrZEgJisHMmw9AUfQP"),
    ("[0     10)[10    20)[10    30)", 10, 2, "QmSYvtzqeJY6zCRk31SdRweDD6z1bwP9GJY5bmKQ55XwWp"),
    ("[0     10)[10    20)[10     31)", 10, 2, "QmZ2Be9hJQhifpgASmQTGkL7j9KUaJC5W9siL6MnFSkLhd"),
    ("[0     10)[10    20)[10    30)", 5, 3, "QmYb4gZGCAkRdNZbc5npDzLJA34ZzPtdVDmESb9Xk76Ws2"),
]


@pytest.mark.parametrize(("text", "chunk", "links", "expected"), GO_VECTORS)
def test_the_shape_of_the_dag_is_that_of_go(
    monkeypatch: pytest.MonkeyPatch, text: str, chunk: int, links: int, expected: str
) -> None:
    monkeypatch.setattr(cid, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(cid, "LINKS_PER_NODE", links)
    binary = cid._binary
    # These vectors name inner nodes the old way (CIDv0: the bare hash); shape and sizes are the same.
    monkeypatch.setattr(cid, "_binary", lambda codec, d: b"\x12\x20" + d if codec == 0x70 else binary(codec, d))
    monkeypatch.setattr(cid, "_text", _base58)

    assert cid_of(text.encode()) == expected


def _base58(raw: bytes) -> str:
    signs = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    value, out = int.from_bytes(raw, "big"), ""
    while value:
        value, digit = divmod(value, 58)
        out = signs[digit] + out
    return out


def test_a_file_of_more_than_174_chunks_has_another_level() -> None:
    full, over = cid_of(bytes(174 * CHUNK)), cid_of(bytes(174 * CHUNK + 1))
    assert full.startswith("bafybei") and over.startswith("bafybei") and full != over


DEEP = {
    # What ipfs-unixfs-importer 15.2.5 gives for these sizes: chunks of 262,144 bytes that are all 0, all 1, all 2 …
    174 * CHUNK: "bafybeielwmypj5ttqwa4oxc3lfztoqxehmn5kkicdfsroyrpqhllqhsigm",
    174 * CHUNK + 1: "bafybeibv2ywydxvu2qkwds5bbh6dlmmnodqeskch3b46em7qoes5ekhzfm",
    175 * CHUNK + 7: "bafybeifzumlat75lpjobx7wlyyprclq2exlxng6lwu7cx24cjtqhukfqye",
    349 * CHUNK + 1: "bafybeicdwasham2ecaeci4ag2jzpe3jiafkwwi5zk7go54qew6nfvazaai",
}


@pytest.mark.parametrize(("size", "expected"), DEEP.items())
def test_a_dag_of_several_levels_is_the_one_that_ipfs_makes(size: int, expected: str) -> None:
    data = b"".join(bytes([at // CHUNK % 251]) * min(CHUNK, size - at) for at in range(0, size, CHUNK))
    assert cid_of(data) == expected
    assert cid_of(data[:-1] + b"\xff") != expected


@given(st.binary(max_size=600), st.binary(max_size=600))
def test_different_bytes_have_different_names_and_every_name_parses(one: bytes, other: bytes) -> None:
    assert (cid_of(one) == cid_of(other)) == (one == other)
    assert parse_cid(cid_of(one))[4:] == sha256(one).digest()


TRAVERSALS = {
    "parent": "../../etc/passwd",
    "parent of the right length": "b" + "../" * 19 + "a",
    "encoded": "..%2f" + HELLO[5:],
    "twice encoded": "%252e" + HELLO[5:],
    "backslash": HELLO[:-1] + "\\",
    "NUL": HELLO[:-1] + "\0",
    "newline at the end": HELLO + "\n",
    "trailing dot": HELLO + ".",
    "full-width": HELLO[:-1] + "\uff45",
    "unicode slash": HELLO[:-1] + "\u2215",
    "absolute": "/" + HELLO[1:],
    "device name": "CON",
    "empty": "",
    "4096 characters": "b" + "a" * 4095,
}


@pytest.mark.parametrize("name", TRAVERSALS.values(), ids=TRAVERSALS.keys())
def test_os06_what_is_no_cid_is_refused(name: str) -> None:
    with refused("CID_SYNTAX"):
        parse_cid(name)
    assert parse_cid(HELLO)


OTHER_SPELLINGS = {
    "upper case": HELLO.upper(),
    "base58 of version 0": "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN",
    "stray bits at the end": HELLO[:-1] + "f",
    "another codec (dag-cbor)": "bafyreihdb57fdysx5h35urvxz64ros7zvywshber7id6t6c6fek37jgyfe",
    "another multibase": "f" + HELLO[1:],
}


@pytest.mark.parametrize("name", OTHER_SPELLINGS.values(), ids=OTHER_SPELLINGS.keys())
def test_one_object_has_one_name(name: str) -> None:
    with refused("CID_SYNTAX"):
        parse_cid(name)
    assert parse_cid(EMPTY)


@pytest.mark.parametrize("bit", range(32))
def test_a_name_begins_with_version_codec_and_hash_that_this_project_makes(bit: int) -> None:
    raw = int.from_bytes(parse_cid(HELLO)) ^ 1 << 287 - bit
    with refused("CID_SYNTAX"):
        name_of(raw.to_bytes(36))
    assert name_of(parse_cid(HELLO)) == HELLO


@given(st.sampled_from([0x55, 0x70]), st.binary(min_size=32, max_size=32))
def test_every_digest_has_a_name_that_reads_back(codec: int, digest: bytes) -> None:
    raw = bytes([1, codec, 0x12, 0x20]) + digest
    assert parse_cid(name_of(raw)) == raw
