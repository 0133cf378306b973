"""Transactions back into the bytes they were signed as, from what a node's JSON says of them (EIP-2718,
types 0 to 4).

A node cannot lie here unseen: the bytes must hash to the transaction's hash, and all of them to the header's
root.
"""

from __future__ import annotations

from collections.abc import Callable

from contracts.reexecution.verdict import Disagreement, Inexecutable
from ledger.ethereum import rlp_strict, rpc_values
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.rlp_strict import Rlp
from ledger.ethereum.rpc_values import RpcObject

LEGACY, ACCESS_LIST, DYNAMIC_FEE, BLOB, SET_CODE = range(5)


def encode_transaction(fields: RpcObject) -> bytes:
    """The signed encoding of a transaction object; `Disagreement` unless it hashes to the object's `hash`.

    Errors also: `Inexecutable` for an unknown type, `BadInput` RPC_VALUE for malformed fields.
    """
    kind = rpc_values.quantity(fields, "type") if fields.get("type") is not None else LEGACY
    stated = rpc_values.data(fields, "hash", length=32)
    if kind not in _LAYOUTS:
        raise Inexecutable(f"a transaction has the unknown type {kind:#x}", where=stated.hex())
    payload = rlp_strict.encode(tuple(part(fields) for part in _LAYOUTS[kind]))
    raw = payload if kind == LEGACY else bytes((kind,)) + payload
    if keccak256(raw) != stated:
        raise Disagreement("a transaction does not hash to its hash", where=f"transaction 0x{stated.hex()}")
    return raw


def encode_withdrawal(fields: RpcObject) -> bytes:
    """The encoding of a withdrawal object in its trie (EIP-4895)."""
    numbers = tuple(_integer(name)(fields) for name in ("index", "validatorIndex"))
    return rlp_strict.encode((*numbers, _address("address")(fields), _integer("amount")(fields)))


_Part = Callable[[RpcObject], Rlp]


def _integer(name: str) -> _Part:
    return lambda fields: rlp_strict.encode_int(rpc_values.quantity(fields, name))


def _address(name: str) -> _Part:
    return lambda fields: rpc_values.data(fields, name, length=20)


def _to(fields: RpcObject) -> Rlp:
    return b"" if fields.get("to") is None else rpc_values.data(fields, "to", length=20)


def _input(fields: RpcObject) -> Rlp:
    return rpc_values.data(fields, "input")


def _parity(fields: RpcObject) -> Rlp:
    name = "yParity" if fields.get("yParity") is not None else "v"
    return rlp_strict.encode_int(rpc_values.quantity(fields, name))


def _access_list(fields: RpcObject) -> Rlp:
    return tuple(
        (rpc_values.data(entry, "address", length=20), _words(entry, "storageKeys"))
        for entry in rpc_values.objects(fields, "accessList")
    )


def _words(fields: RpcObject, name: str) -> tuple[bytes, ...]:
    values = fields.get(name)
    return tuple(rpc_values.hex_data(v, name, length=32) for v in (values if isinstance(values, list) else [None]))


def _blob_hashes(fields: RpcObject) -> Rlp:
    return _words(fields, "blobVersionedHashes")


def _authorizations(fields: RpcObject) -> Rlp:
    parts = (_integer("chainId"), _address("address"), _integer("nonce"), _parity, _integer("r"), _integer("s"))
    return tuple(tuple(part(each) for part in parts) for each in rpc_values.objects(fields, "authorizationList"))


_SIGNATURE = (_parity, _integer("r"), _integer("s"))
_HEAD = (_integer("chainId"), _integer("nonce"))
_PRICES = (_integer("maxPriorityFeePerGas"), _integer("maxFeePerGas"))
_BODY = (_integer("gas"), _to, _integer("value"), _input)

_LAYOUTS: dict[int, tuple[_Part, ...]] = {
    LEGACY: (_integer("nonce"), _integer("gasPrice"), *_BODY, _integer("v"), _integer("r"), _integer("s")),
    ACCESS_LIST: (*_HEAD, _integer("gasPrice"), *_BODY, _access_list, *_SIGNATURE),
    DYNAMIC_FEE: (*_HEAD, *_PRICES, *_BODY, _access_list, *_SIGNATURE),
    BLOB: (*_HEAD, *_PRICES, *_BODY, _access_list, _integer("maxFeePerBlobGas"), _blob_hashes, *_SIGNATURE),
    SET_CODE: (*_HEAD, *_PRICES, *_BODY, _access_list, _authorizations, *_SIGNATURE),
}
