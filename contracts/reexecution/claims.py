"""What a node claims about one block: header, transactions, receipts, and hints about what the block
touched.

Header, transactions, withdrawals and receipts leave here bound to one another by the header's hash and
roots; the hints are bound to nothing and only save time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.node import Node
from contracts.reexecution.transactions import encode_transaction, encode_withdrawal
from contracts.reexecution.verdict import Disagreement
from ledger.errors import Problem, Refused, Unavailable
from ledger.ethereum import rlp_strict, rpc_values
from ledger.ethereum.header import Header, header_from_rpc
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.trie import ordered_root
from ledger.ethereum.tx_receipt import TxReceipt, tx_receipts_from_rpc

MAX_HINTED_ACCOUNTS = 20_000
ADDRESS_BYTES = 20
_WITHDRAWAL_FIELDS = 4
_TRACER = {"tracer": "prestateTracer"}


@dataclass(frozen=True, slots=True)
class Hints:
    """Accounts and slots that the node says the block touched, and code it says they have (by its hash)."""

    slots: Mapping[bytes, frozenset[int]]
    codes: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """EIP-4895: `amount` in Gwei; `encoded` as it stands in the withdrawals trie."""

    address: bytes
    amount: int
    encoded: bytes


@dataclass(frozen=True, slots=True)
class ClaimedBlock:
    """A block whose header has its hash, and whose parts have the header's roots. Nothing is executed yet."""

    header: Header
    transactions: tuple[bytes, ...]
    withdrawals: tuple[Withdrawal, ...]
    receipts: tuple[TxReceipt, ...]
    hints: Hints


def decode_withdrawal(encoded: bytes) -> Withdrawal:
    """Read a withdrawal as its trie holds it. Errors: `BadInput` RLP_*, `Disagreement` for another shape."""
    fields = rlp_strict.decode(encoded, max_depth=1)
    if not isinstance(fields, tuple) or len(fields) != _WITHDRAWAL_FIELDS or len(fields[2]) != ADDRESS_BYTES:
        raise Disagreement("a withdrawal has not the shape of EIP-4895")
    for number in (fields[0], fields[1]):
        rlp_strict.decode_int(number, max_bytes=8)
    address = fields[2]
    assert isinstance(address, bytes)
    return Withdrawal(address, rlp_strict.decode_int(fields[3], max_bytes=8), encoded)


def require_roots(
    header: Header,
    *,
    transactions: Sequence[bytes] | None = None,
    withdrawals: Sequence[Withdrawal] | None = None,
    receipts: Sequence[TxReceipt] | None = None,
) -> None:
    """Refuse parts of a block that do not have the header's roots; what is None is not looked at.

    Errors: `Disagreement`.
    """
    where = f"block {header.number}"
    if transactions is not None and ordered_root(transactions) != header.transactions_root:
        raise Disagreement("the transactions do not have the header's root", where=where)
    if withdrawals is not None:
        root = None if header.withdrawals_root is None else ordered_root([each.encoded for each in withdrawals])
        if root != header.withdrawals_root or (root is None and withdrawals):
            raise Disagreement("the withdrawals do not have the header's root", where=where)
    if receipts is not None and ordered_root([receipt.encode() for receipt in receipts]) != header.receipts_root:
        raise Disagreement("the tx_receipts do not have the header's receipts root", where=where)


class BlockReader:
    """Fetches blocks from one node, with hints where it offers them."""

    def __init__(self, node: Node, form: type[Header] = Header, *, most_traced: int | None = None) -> None:
        """`form`: how the chain hashes its headers. `most_traced`: blocks of more transactions are not traced, because
        what the trace saves costs the node more; None for a node whose tracing takes no longer than executing.
        """
        self._node, self._form, self._most_traced = node, form, most_traced
        self._has_tracer = True

    def read(self, number: int) -> ClaimedBlock:
        """Fetch and bind block `number`. Errors: `Unavailable`, `Refused` NODE_ERROR, HEADER_HASH,
        `Disagreement`.
        """
        block, receipts, traces = self._fetch(number)
        if block is None or receipts is None:
            raise Unavailable("BLOCK_MISSING", f"the node has no block {number}", where=self._node.url)
        if not isinstance(block, dict) or not isinstance(receipts, list):
            raise Unavailable("NODE_GARBAGE", "the node's block is no object", where=self._node.url)
        header = header_from_rpc(block, self._form)
        if header.number != number:
            raise Disagreement("the node answers with another block", where=f"block {number}")
        return ClaimedBlock(
            header=header,
            transactions=_transactions(header, block),
            withdrawals=_withdrawals(header, block),
            receipts=_receipts(header, receipts),
            hints=_hints(traces),
        )

    def _fetch(self, number: int) -> tuple[Any, Any, Any]:
        at = hex(number)
        calls: list[tuple[str, Sequence[Any]]] = [
            ("eth_getBlockByNumber", [at, True]),
            ("eth_getBlockReceipts", [at]),
        ]
        if self._has_tracer and self._most_traced is not None:
            block, receipts = self._node.batch(calls)
            return block, receipts, self._trace(at, receipts)
        if self._has_tracer:
            try:
                block, receipts, traces = self._node.batch([*calls, ("debug_traceBlockByNumber", [at, _TRACER])])
            except Refused:  # most often the method is not there; if it was another call, the next batch says so
                self._has_tracer = False
            else:
                return block, receipts, traces
        block, receipts = self._node.batch(calls)
        return block, receipts, None

    def _trace(self, at: str, receipts: Any) -> Any:
        """The trace of a block that was just fetched, None where it is too long or the node has no tracer."""
        assert self._most_traced is not None
        if not isinstance(receipts, list) or len(receipts) > self._most_traced:
            return None
        try:
            return self._node.request("debug_traceBlockByNumber", at, _TRACER)
        except Refused:
            self._has_tracer = False
            return None


def _transactions(header: Header, block: Mapping[str, Any]) -> tuple[bytes, ...]:
    encoded = tuple(encode_transaction(fields) for fields in rpc_values.objects(block, "transactions"))
    require_roots(header, transactions=encoded)
    return encoded


def _withdrawals(header: Header, block: Mapping[str, Any]) -> tuple[Withdrawal, ...]:
    if header.withdrawals_root is None:
        return ()
    listed = tuple(decode_withdrawal(encode_withdrawal(each)) for each in rpc_values.objects(block, "withdrawals"))
    require_roots(header, withdrawals=listed)
    return listed


def _receipts(header: Header, listed: list[Any]) -> tuple[TxReceipt, ...]:
    where = f"block {header.number}"
    try:
        receipts = tx_receipts_from_rpc(listed)
    except Problem as error:
        raise Disagreement(error.what, where=where) from error
    require_roots(header, receipts=receipts)
    return tuple(receipts)


def _hints(traces: Any) -> Hints:
    """Read what can be read of a prestate trace; whatever is odd in it is left out, for it is only a hint."""
    slots: dict[bytes, set[int]] = {}
    codes: dict[bytes, bytes] = {}
    for trace in traces if isinstance(traces, list) else []:
        touched = trace.get("result") if isinstance(trace, dict) else None
        for name, account in (touched if isinstance(touched, dict) else {}).items():
            try:
                address = rpc_values.hex_data(name, "address", length=20)
                code = rpc_values.hex_data(account.get("code", "0x"), "code")
                keys = {
                    int(rpc_values.hex_data(key, "slot", length=32).hex(), 16) for key in account.get("storage", ())
                }
            except (Problem, AttributeError, TypeError):
                continue
            if len(slots) < MAX_HINTED_ACCOUNTS:
                slots.setdefault(address, set()).update(keys)
            if code:
                codes[keccak256(code)] = code
    return Hints({address: frozenset(keys) for address, keys in slots.items()}, codes)
