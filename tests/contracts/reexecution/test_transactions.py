"""Transactions of every type become the bytes they were signed as; any changed field is another hash."""

from typing import Any

import pytest

from contracts.reexecution.transactions import encode_transaction, encode_withdrawal
from contracts.reexecution.verdict import Disagreement, Inexecutable
from ledger.errors import BadInput, Problem
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.rlp_strict import encode_int

ADDRESS, WORD, BLOB_HASH = b"\x11" * 20, b"\x22" * 32, b"\x01" + b"\x33" * 31
ACCESS = ((ADDRESS, (WORD,)),)
AUTHORIZATION = ((encode_int(7102), ADDRESS, b"", b"\x01", encode_int(5), encode_int(6)),)
SIGNATURE = (b"\x01", encode_int(2**255 + 1), encode_int(9))
BODY = (encode_int(21_000), ADDRESS, encode_int(10**18), b"\x00call")
HEAD = (encode_int(7102), encode_int(3))
PRICES = (encode_int(10), encode_int(99))

ENCODED = {
    0: rlp_strict.encode((encode_int(3), encode_int(99), *BODY, encode_int(14_239), *SIGNATURE[1:])),
    1: b"\x01" + rlp_strict.encode((*HEAD, encode_int(99), *BODY, ACCESS, *SIGNATURE)),
    2: b"\x02" + rlp_strict.encode((*HEAD, *PRICES, *BODY, ACCESS, *SIGNATURE)),
    3: b"\x03" + rlp_strict.encode((*HEAD, *PRICES, *BODY, ACCESS, encode_int(4), (BLOB_HASH,), *SIGNATURE)),
    4: b"\x04" + rlp_strict.encode((*HEAD, *PRICES, *BODY, ACCESS, AUTHORIZATION, *SIGNATURE)),
}


def as_rpc(kind: int, **changes: Any) -> dict[str, Any]:
    """The object a node gives for the transaction of this type."""
    return {
        "type": hex(kind),
        "hash": "0x" + keccak256(ENCODED[kind]).hex(),
        "chainId": hex(7102),
        "nonce": "0x3",
        "gas": hex(21_000),
        "gasPrice": hex(99),
        "maxPriorityFeePerGas": hex(10),
        "maxFeePerGas": hex(99),
        "to": "0x" + ADDRESS.hex(),
        "value": hex(10**18),
        "input": "0x" + b"\x00call".hex(),
        "accessList": [{"address": "0x" + ADDRESS.hex(), "storageKeys": ["0x" + WORD.hex()]}],
        "maxFeePerBlobGas": "0x4",
        "blobVersionedHashes": ["0x" + BLOB_HASH.hex()],
        "authorizationList": [
            {
                "chainId": hex(7102),
                "address": "0x" + ADDRESS.hex(),
                "nonce": "0x0",
                "yParity": "0x1",
                "r": "0x5",
                "s": "0x6",
            }
        ],
        "yParity": "0x1",
        "v": hex(14_239) if kind == 0 else "0x1",
        "r": hex(2**255 + 1),
        "s": "0x9",
    } | changes


@pytest.mark.parametrize("kind", range(5))
def test_every_type_becomes_its_signed_bytes(kind: int) -> None:
    assert encode_transaction(as_rpc(kind)) == ENCODED[kind]


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_the_parity_may_be_called_v(kind: int) -> None:
    assert encode_transaction(as_rpc(kind, yParity=None)) == ENCODED[kind]


def test_a_legacy_transaction_may_lack_its_type() -> None:
    assert encode_transaction(as_rpc(0, type=None)) == ENCODED[0]


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize(
    "changes",
    [{"nonce": "0x4"}, {"gas": "0x1"}, {"to": None}, {"value": "0x0"}, {"input": "0x"}, {"r": "0x1"}, {"s": "0x1"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_changed_field_is_another_transaction(kind: int, changes: dict[str, Any]) -> None:
    with pytest.raises(Disagreement):
        encode_transaction(as_rpc(kind, **changes))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (1, {"accessList": []}),
        (2, {"maxFeePerGas": "0x1"}),
        (3, {"blobVersionedHashes": []}),
        (3, {"maxFeePerBlobGas": "0x0"}),
        (4, {"authorizationList": []}),
        (4, {"type": "0x2"}),
        (2, {"type": "0x0"}),
    ],
)
def test_a_changed_list_price_or_type_is_another_transaction(kind: int, changes: dict[str, Any]) -> None:
    with pytest.raises(Disagreement):
        encode_transaction(as_rpc(kind, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": None},
        {"nonce": 3},
        {"input": "0x0"},
        {"to": "0x11"},
        {"accessList": None},
        {"hash": None},
        {"r": "0x00"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_malformed_field_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as refusal:
        encode_transaction(as_rpc(2, **changes))
    assert refusal.value.code == "RPC_VALUE"


def test_an_unknown_type_is_said_to_be_unknown() -> None:
    with pytest.raises(Inexecutable):
        encode_transaction(as_rpc(2, type="0x5"))


def test_a_withdrawal_is_encoded_as_eip_4895_says() -> None:
    fields = {"index": "0x1", "validatorIndex": "0x2", "address": "0x" + ADDRESS.hex(), "amount": "0x3"}
    assert encode_withdrawal(fields) == rlp_strict.encode((b"\x01", b"\x02", ADDRESS, b"\x03"))
    with pytest.raises(Problem):
        encode_withdrawal(fields | {"amount": None})
