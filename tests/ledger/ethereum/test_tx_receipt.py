"""Logs count only from a proven receipt of a transaction that succeeded. Rows D07, D10, D15."""

from dataclasses import replace
from typing import Any

import pytest
from eth.rlp.logs import Log as TheirLog
from eth.rlp.receipts import Receipt as TheirReceipt

from ledger.errors import BadInput, Problem
from ledger.ethereum import rlp_strict
from ledger.ethereum.header import Header, header_from_rpc
from ledger.ethereum.trie import ordered_proof, ordered_root
from ledger.ethereum.tx_receipt import (
    Log,
    ProvenLog,
    TxReceipt,
    bloom_of,
    decode_tx_receipt,
    open_log,
    tx_receipts_from_rpc,
)
from tests.ledger.ethereum.test_header import block

EMITTER, LOCKED, LOT = b"\xe1" * 20, b"\x10" * 32, b"\x20" * 32
LOCK = Log(EMITTER, (LOCKED, LOT), b"four tonnes")


def receipt(kind: int = 2, status: int = 1, logs: tuple[Log, ...] = (LOCK,)) -> TxReceipt:
    return TxReceipt(kind, status, 21_000, bloom_of(logs), logs)


def header_over(receipts: list[TxReceipt]) -> Header:
    return replace(header_from_rpc(block()), receipts_root=ordered_root([each.encode() for each in receipts]))


def proof_of(receipts: list[TxReceipt], index: int) -> list[bytes]:
    return ordered_proof([each.encode() for each in receipts], index)


def code_of(header: Header, proof: list[bytes], tx_index: int, log_index: int) -> str:
    with pytest.raises(Problem) as refusal:
        open_log(header, proof, tx_index, log_index)
    return refusal.value.code


def as_rpc(each: TxReceipt, index: int = 0) -> dict[str, Any]:
    logs = [
        {
            "address": "0x" + x.address.hex(),
            "topics": ["0x" + t.hex() for t in x.topics],
            "data": "0x" + x.data.hex(),
        }
        for x in each.logs
    ]
    return {
        "type": hex(each.type),
        "status": hex(each.status),
        "cumulativeGasUsed": hex(each.cumulative_gas),
        "logsBloom": "0x" + each.bloom.hex(),
        "transactionIndex": hex(index),
        "logs": logs,
    }


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("status", [0, 1])
def test_every_type_round_trips(kind: int, status: int) -> None:
    each = receipt(kind, status, (LOCK, Log(EMITTER, (), b"")))
    assert decode_tx_receipt(each.encode()) == each
    assert tx_receipts_from_rpc([as_rpc(each)]) == [each]


def test_a_receipt_is_encoded_as_py_evm_encodes_it() -> None:
    ours = receipt(0)
    theirs = TheirReceipt(
        b"\x01", 21_000, [TheirLog(EMITTER, tuple(int.from_bytes(t, "big") for t in LOCK.topics), LOCK.data)]
    )
    assert rlp_strict.decode(ours.encode()) == rlp_strict.decode(theirs.encode())
    assert decode_tx_receipt(theirs.encode()) == ours


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_log_is_opened_at_its_place(index: int) -> None:
    receipts = [receipt(kind, logs=(Log(EMITTER, (), b"%d" % kind), LOCK)) for kind in range(3)]
    header = header_over(receipts)
    proven = open_log(header, proof_of(receipts, index), index, 1)
    assert proven == ProvenLog(16, header.hash, index, 1, LOCK)


def test_d10_a_log_of_a_reverted_transaction_is_refused() -> None:
    receipts = [receipt(status=0), receipt()]
    header = header_over(receipts)
    assert code_of(header, proof_of(receipts, 0), 0, 0) == "TX_FAILED"
    assert open_log(header, proof_of(receipts, 1), 1, 0).log == LOCK


@pytest.mark.parametrize("kind", [0x00, *range(5, 0x80), 0x80, 0xBF])
def test_d10_an_unknown_type_is_refused(kind: int) -> None:
    raw = bytes((kind,)) + receipt(0).encode()
    with pytest.raises(BadInput) as refusal:
        decode_tx_receipt(raw)
    assert refusal.value.code == "RECEIPT_TYPE"


@pytest.mark.parametrize("kind", range(1, 5))
def test_d10_a_type_byte_stripped_or_added_is_another_receipt(kind: int) -> None:
    typed, legacy = receipt(kind), receipt(0)
    assert decode_tx_receipt(typed.encode()[1:]) == legacy != typed
    # The proof binds the bytes: the twin with the other type stands under no proof of this one.
    for honest, twin in ((typed, legacy), (legacy, typed)):
        header = header_over([honest])
        assert code_of(header, proof_of([twin], 0), 0, 0) == "PROOF_INVALID"
        assert open_log(header, proof_of([honest], 0), 0, 0).log == LOCK


@pytest.mark.parametrize("kind", ["0x5", "0x7f", "0x100"])
def test_d10_an_unknown_type_in_json_is_refused(kind: str) -> None:
    with pytest.raises(BadInput) as refusal:
        tx_receipts_from_rpc([as_rpc(receipt()) | {"type": kind}])
    assert refusal.value.code == "RECEIPT_TYPE"


def test_d07_a_proof_that_there_is_no_such_transaction_opens_nothing() -> None:
    receipts = [receipt(), receipt()]
    header = header_over(receipts)
    assert code_of(header, proof_of(receipts, 2), 2, 0) == "PROOF_ABSENT"
    assert code_of(header_over([]), [], 0, 0) == "PROOF_ABSENT"
    assert code_of(header, proof_of(receipts, 0), 0, 1) == "PROOF_ABSENT"
    assert code_of(header, proof_of(receipts, 0), -1, 0) == "PROOF_INVALID"
    assert code_of(header, proof_of(receipts, 0), 0, -1) == "PROOF_INVALID"


def test_a_proof_opens_only_its_own_transaction_under_its_own_header() -> None:
    receipts = [receipt(1), receipt(2)]
    header, other = header_over(receipts), header_over([receipt(3)])
    assert code_of(header, proof_of(receipts, 0), 1, 0) in ("PROOF_INVALID", "PROOF_SUPERFLUOUS")
    assert code_of(other, proof_of(receipts, 0), 0, 0) == "PROOF_INVALID"
    assert open_log(header, proof_of(receipts, 0), 0, 0).log == LOCK


def test_d15_two_equal_logs_of_one_transaction_stay_two() -> None:
    receipts = [receipt(logs=(LOCK, LOCK))]
    header, proof = header_over(receipts), proof_of(receipts, 0)
    first, second = open_log(header, proof, 0, 0), open_log(header, proof, 0, 1)
    assert first.log == second.log
    assert first != second
    assert code_of(header, proof, 0, 2) == "PROOF_ABSENT"


GOOD: rlp_strict.Rlp = (b"\x01", b"\x52\x08", b"\x00" * 256, ((EMITTER, (LOCKED,), b"data"),))


@pytest.mark.parametrize(
    ("place", "item"),
    [
        (0, b"\x02"),
        (0, b"\x00" * 32),
        (1, b"\x00\x01"),
        (1, b"\x01" * 9),
        (2, b"\x00" * 255),
        (2, (b"",)),
        (3, b""),
        (3, (b"",)),
        (3, ((EMITTER, (LOCKED,)),)),
        (3, ((EMITTER[:19], (LOCKED,), b""),)),
        (3, ((EMITTER, (LOCKED[:31],), b""),)),
        (3, ((EMITTER, (LOCKED,) * 5, b""),)),
        (3, ((EMITTER, (LOCKED,), (b"",)),)),
        (3, ((EMITTER, ((),), b""),)),
    ],
    ids=[
        "status 2",
        "state root for a status",
        "padded gas",
        "wide gas",
        "short bloom",
        "bloom as a list",
        "logs as a string",
        "log as a string",
        "log of two items",
        "short address",
        "short topic",
        "five topics",
        "data as a list",
        "topic as a list",
    ],
)
def test_a_malformed_receipt_is_refused(place: int, item: rlp_strict.Rlp) -> None:
    assert isinstance(GOOD, tuple)
    assert decode_tx_receipt(rlp_strict.encode(GOOD)).status == 1
    with pytest.raises(BadInput) as refusal:
        decode_tx_receipt(rlp_strict.encode((*GOOD[:place], item, *GOOD[place + 1 :])))
    assert refusal.value.code == "RECEIPT_INVALID"


@pytest.mark.parametrize("raw", [b"", b"\xc0", b"\x02", b"\x02\xc0", b"\xc1\x01\x01", b"\x02" + b"\xc1" * 40])
def test_bytes_that_are_no_receipt_are_refused(raw: bytes) -> None:
    with pytest.raises(BadInput) as refusal:
        decode_tx_receipt(raw)
    assert refusal.value.code == "RECEIPT_INVALID"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": None},
        {"status": "0x2"},
        {"status": 1},
        {"logs": None},
        {"logs": ["0x"]},
        {"logsBloom": "0x00"},
        {"cumulativeGasUsed": "21000"},
        {"cumulativeGasUsed": "0x01"},
        {"transactionIndex": "0x1"},
        {"type": "two"},
        {"logs": [{"address": "0x", "topics": [], "data": "0x"}]},
        {"logs": [{"address": "0x" + "11" * 20, "topics": None, "data": "0x"}]},
        {"logs": [{"address": "0x" + "11" * 20, "topics": ["0x" + "1" * 63], "data": "0x"}]},
        {"logs": [{"address": "0x" + "11" * 20, "topics": [], "data": "0x1"}]},
    ],
    ids=str,
)
def test_a_malformed_receipt_in_json_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as refusal:
        tx_receipts_from_rpc([as_rpc(receipt()) | changes])
    assert refusal.value.code == "RECEIPT_INVALID"
    assert tx_receipts_from_rpc([as_rpc(receipt())]) == [receipt()]
