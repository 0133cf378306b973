"""D16: bytes that two readers could take for two things are refused, whichever of the two they were meant to be.

Every format that carries something here has one spelling of a value and names a thing once. The honest twin beside each
is the same value written in that one way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ledger.bundle import cbor
from ledger.canonical import parse_canonical, parse_json
from ledger.epcis import read_document
from ledger.ethereum import rlp_strict
from ledger.ethereum.rlp_strict import Rlp
from ledger.ethereum.trie import decode_account
from ledger.ethereum.tx_receipt import Log, TxReceipt, bloom_of, decode_tx_receipt
from ledger.merkle import leaf_hash, root_of
from ledger.multiproof import root_from
from tests.ledger.epcis.sample import document, event
from tests.ledger.refusals import refused


@dataclass(frozen=True)
class Format:
    """A reader, what it reads honestly, and other bytes for the same, or for two things, each with its refusal."""

    read: Callable[[Any], object]
    honest: Any
    ambiguous: dict[str, tuple[Any, str]]


RECEIPT = TxReceipt(2, 1, 70_000, bloom_of([]), (Log(b"\x11" * 20, (b"\x22" * 32,), b"said"),))


def receipt(**changed: Rlp) -> bytes:
    """The receipt's encoding with one of its four items replaced, whatever by."""
    item = rlp_strict.decode(RECEIPT.encode()[1:])
    assert isinstance(item, tuple)
    fields = dict(zip(("status", "gas", "bloom", "logs"), item, strict=True)) | changed
    return b"\x02" + rlp_strict.encode(tuple(fields.values()))


def epcis(change: Callable[[str], str]) -> bytes:
    return change(json.dumps(document(event()))).encode()


FORMATS: dict[str, Format] = {
    "JSON": Format(
        parse_json,
        b'{"a":1,"b":{"c":2}}',
        {
            "one key with two values": (b'{"a":1,"b":{"c":2},"a":3}', "JSON_DUPLICATE_KEY"),
            "the values the other way round": (b'{"a":3,"b":{"c":2},"a":1}', "JSON_DUPLICATE_KEY"),
            "one key with one value twice": (b'{"a":1,"a":1,"b":{"c":2}}', "JSON_DUPLICATE_KEY"),
            "one key spelled in two ways": (rb'{"a":1,"\u0061":3}', "JSON_DUPLICATE_KEY"),
            "inside": (b'{"a":1,"b":{"c":2,"c":3}}', "JSON_DUPLICATE_KEY"),
        },
    ),
    "canonical JSON": Format(
        parse_canonical,
        b'{"a":1,"b":"x"}',
        {
            "one key with two values": (b'{"a":1,"a":2,"b":"x"}', "NON_CANONICAL"),
            "another order": (b'{"b":"x","a":1}', "NON_CANONICAL"),
            "a space": (b'{"a": 1,"b":"x"}', "NON_CANONICAL"),
            "another spelling of a number": (b'{"a":1.0,"b":"x"}', "NON_CANONICAL"),
            "another spelling of a letter": (rb'{"a":1,"b":"\u0078"}', "NON_CANONICAL"),
        },
    ),
    "CBOR": Format(
        cbor.decode,
        b"\xa2\x61a\x01\x61b\x02",
        {
            "one key with two values": (b"\xa2\x61a\x01\x61a\x02", "NON_CANONICAL"),
            "the values the other way round": (b"\xa2\x61a\x02\x61a\x01", "NON_CANONICAL"),
            "another order": (b"\xa2\x61b\x02\x61a\x01", "NON_CANONICAL"),
            "a longer number": (b"\xa2\x61a\x18\x01\x61b\x02", "NON_CANONICAL"),
            "a longer length": (b"\xa2\x78\x01a\x01\x61b\x02", "NON_CANONICAL"),
            "an indefinite map": (b"\xbf\x61a\x01\x61b\x02\xff", "NON_CANONICAL"),
            "a second item behind": (b"\xa2\x61a\x01\x61b\x02\xa0", "NON_CANONICAL"),
        },
    ),
    "RLP": Format(
        rlp_strict.decode,
        b"\xc3\x01\x81\x80",
        {
            "a byte as a string": (b"\xc4\x81\x01\x81\x80", "RLP_INVALID"),
            "a long length for a short list": (b"\xf8\x03\x01\x81\x80", "RLP_INVALID"),
            "a zero before a length": (b"\xf9\x00\x38" + b"\x01" * 56, "RLP_INVALID"),
            "a second item behind": (b"\xc3\x01\x81\x80\xc0", "RLP_TRAILING"),
        },
    ),
    "a receipt": Format(
        decode_tx_receipt,
        RECEIPT.encode(),
        {
            "a status of two bytes": (receipt(status=b"\x00\x01"), "RECEIPT_INVALID"),
            "a zero written out": (receipt(status=b"\x00"), "RECEIPT_INVALID"),
            "a state root and a status": (receipt(status=b"\x33" * 32), "RECEIPT_INVALID"),
            "gas with a zero before it": (receipt(gas=b"\x00\x01\x11\x70"), "RECEIPT_INVALID"),
            "two lists of logs": (
                receipt(logs=((), ())),
                "RECEIPT_INVALID",
            ),
            "two types": (b"\x02" + RECEIPT.encode(), "RECEIPT_INVALID"),
            "a legacy one with a type": (b"\x00" + RECEIPT.encode()[1:], "RECEIPT_TYPE"),
        },
    ),
    "an account": Format(
        decode_account,
        rlp_strict.encode((b"\x01", b"", b"\x44" * 32, b"\x55" * 32)),
        {
            "a nonce with a zero before it": (
                rlp_strict.encode((b"\x00\x01", b"", b"\x44" * 32, b"\x55" * 32)),
                "RLP_INVALID",
            ),
            "a zero written out": (rlp_strict.encode((b"\x01", b"\x00", b"\x44" * 32, b"\x55" * 32)), "RLP_INVALID"),
            "two roots": (
                rlp_strict.encode((b"\x01", b"", b"\x44" * 32, b"\x55" * 32, b"\x44" * 32)),
                "ACCOUNT_INVALID",
            ),
        },
    ),
    "an EPCIS document": Format(
        read_document,
        epcis(lambda text: text),
        {
            "an event with two times": (
                epcis(lambda text: text.replace('"eventTime"', '"eventTime": "2020-01-01T00:00:00Z", "eventTime"')),
                "JSON_DUPLICATE_KEY",
            ),
            "an event with two actions": (
                epcis(lambda text: text.replace('"action"', '"action": "DELETE", "action"')),
                "JSON_DUPLICATE_KEY",
            ),
            "two bodies": (
                epcis(lambda text: text.replace('"epcisBody"', '"epcisBody": {}, "epcisBody"')),
                "JSON_DUPLICATE_KEY",
            ),
        },
    ),
}


@pytest.mark.parametrize(("name", "what"), [(name, what) for name in FORMATS for what in FORMATS[name].ambiguous])
def test_D16_what_could_be_read_in_two_ways_is_not_read(name: str, what: str) -> None:
    found = FORMATS[name]
    raw, code = found.ambiguous[what]
    assert raw != found.honest
    first = found.read(found.honest)
    with refused(code):
        found.read(raw)
    assert found.read(found.honest) == first


def test_D16_two_statements_about_one_leaf_are_both_refused() -> None:
    leaves = [leaf_hash(bytes([number]) * 32) for number in range(2)]
    root = root_of(leaves)
    assert root_from(dict(enumerate(leaves)), size=2, proof=[]) == root
    for both in (leaves[0], leaves[1]):
        with refused("PROOF_INVALID"):  # a place that is stated, and brought again as a step
            root_from(dict(enumerate(leaves)), size=2, proof=[both])
