"""A block header: its fields, its encoding, and the hash that everything else in the block hangs on.

The forks only ever appended fields, all or none of a fork at once: 15 (Frontier), 16 (London, EIP-1559), 17
(Shanghai, EIP-4895), 20 (Cancun, EIP-4844 and EIP-4788), 21 (Prague, EIP-7685). No other length is a header.
A header says nothing about finality, nor about which chain it is from: that is its parents' business.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar, overload

from ledger.errors import Problem, Refused
from ledger.ethereum import rlp_strict, rpc_values
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.rlp_strict import Rlp
from ledger.ethereum.rpc_values import RpcObject
from ledger.once import once

MAX_EXTRA_DATA_BYTES = 16 * 1024  # sealed chains keep their validators here
MAX_HEADER_BYTES = 32 * 1024
FIELD_COUNTS = (15, 16, 17, 20, 21)

_INTEGER, _ANY_LENGTH = -1, -2
# (name here, name in JSON-RPC, bytes), in the order of the encoding.
_LAYOUT = (
    ("parent_hash", "parentHash", 32),
    ("ommers_hash", "sha3Uncles", 32),
    ("beneficiary", "miner", 20),
    ("state_root", "stateRoot", 32),
    ("transactions_root", "transactionsRoot", 32),
    ("receipts_root", "receiptsRoot", 32),
    ("logs_bloom", "logsBloom", 256),
    ("difficulty", "difficulty", _INTEGER),
    ("number", "number", _INTEGER),
    ("gas_limit", "gasLimit", _INTEGER),
    ("gas_used", "gasUsed", _INTEGER),
    ("timestamp", "timestamp", _INTEGER),
    ("extra_data", "extraData", _ANY_LENGTH),
    ("prev_randao", "mixHash", 32),
    ("nonce", "nonce", 8),
    ("base_fee_per_gas", "baseFeePerGas", _INTEGER),
    ("withdrawals_root", "withdrawalsRoot", 32),
    ("blob_gas_used", "blobGasUsed", _INTEGER),
    ("excess_blob_gas", "excessBlobGas", _INTEGER),
    ("parent_beacon_block_root", "parentBeaconBlockRoot", 32),
    ("requests_hash", "requestsHash", 32),
)


@dataclass(frozen=True)
class Header:
    """Hashes and roots are bytes, times are seconds since 1970, fees are wei per gas. None: the fork has
    no such field.

    `prev_randao` is the mix hash of chains before Paris.
    """

    parent_hash: bytes
    ommers_hash: bytes
    beneficiary: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    difficulty: int
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    extra_data: bytes
    prev_randao: bytes
    nonce: bytes
    base_fee_per_gas: int | None = None
    withdrawals_root: bytes | None = None
    blob_gas_used: int | None = None
    excess_blob_gas: int | None = None
    parent_beacon_block_root: bytes | None = None
    requests_hash: bytes | None = None

    def rlp(self) -> bytes:
        """The encoding whose Keccak-256 is the block's hash."""
        values = [getattr(self, field.name) for field in fields(self)]
        present = [value for value in values if value is not None]
        items = (v if isinstance(v, bytes) else rlp_strict.encode_int(v) for v in present)
        return rlp_strict.encode(tuple(items))

    @once
    def hash(self) -> bytes:
        """The block's 32-byte hash."""
        return keccak256(self.rlp())

    def require_parent(self, parent: Header) -> None:
        """Refuse (HEADER_HASH) unless `parent` is the block that this one names as its parent."""
        if self.parent_hash != parent.hash or self.number != parent.number + 1:
            raise _refused("the block does not continue its parent", where=f"block {self.number}")
        if self.timestamp < parent.timestamp:
            raise _refused("the block is older than its parent", where=f"block {self.number}")


AnyHeader = TypeVar("AnyHeader", bound=Header)


@overload
def header_from_rlp(raw: bytes) -> Header: ...
@overload
def header_from_rlp(raw: bytes, form: type[AnyHeader]) -> AnyHeader: ...
def header_from_rlp(raw: bytes, form: type[Header] = Header) -> Header:
    """Decode a header; `Refused` HEADER_HASH when it is not the one encoding of one. `form` as below."""
    try:
        items = rlp_strict.decode(raw, max_bytes=MAX_HEADER_BYTES, max_depth=1)
        if not isinstance(items, tuple) or len(items) not in FIELD_COUNTS:
            raise _refused("no fork's header has this shape")
        values = [_field(name, size, item) for (name, _, size), item in zip(_LAYOUT, items, strict=False)]
    except Problem as error:
        raise error if error.code == "HEADER_HASH" else _refused(error.what) from error
    return form(*values)  # type: ignore[arg-type]  # the layout above says which are integers


@overload
def header_from_rpc(block: RpcObject) -> Header: ...
@overload
def header_from_rpc(block: RpcObject, form: type[AnyHeader]) -> AnyHeader: ...
def header_from_rpc(block: RpcObject, form: type[Header] = Header) -> Header:
    """Read a header from a node's block object and compare its hash with the one the node states.

    `form` says how the chain hashes its blocks: `Header`, or `qbft.QbftHeader` where seals are left out.
    A fork's field may be missing or null only together with all later ones. Errors: `Refused` HEADER_HASH
    for any missing, malformed, extra (it changes the hash) or wrong field, or when the node states no hash.
    """
    present = [name for name, key, _ in _LAYOUT if block.get(key) is not None]
    if len(present) not in FIELD_COUNTS or present != [name for name, _, _ in _LAYOUT[: len(present)]]:
        raise _refused("no fork's header has these fields", where=str(block.get("number"))[:80])
    try:
        values = [_rpc_field(block, key, size) for _, key, size in _LAYOUT[: len(present)]]
        stated = rpc_values.data(block, "hash", length=32)
    except Problem as error:
        raise _refused(error.what, where=error.where) from error
    header = form(*values)  # type: ignore[arg-type]  # the layout above says which are integers
    if header.hash != stated:
        raise _refused("the fields do not hash to the block's hash", where=f"block {header.number}")
    return header


def _field(name: str, size: int, item: Rlp) -> int | bytes:
    if size == _INTEGER:
        return rlp_strict.decode_int(item)
    if not isinstance(item, bytes) or not _fits(item, size):
        raise _refused(f"{name} is malformed")
    return item


def _rpc_field(block: RpcObject, key: str, size: int) -> int | bytes:
    if size == _INTEGER:
        return rpc_values.quantity(block, key)
    value = rpc_values.data(block, key)
    if not _fits(value, size):
        raise _refused(f"{key} is malformed")
    return value


def _fits(value: bytes, size: int) -> bool:
    return len(value) <= MAX_EXTRA_DATA_BYTES if size == _ANY_LENGTH else len(value) == size


def _refused(what: str, where: str = "") -> Refused:
    return Refused("HEADER_HASH", what, where=where)
