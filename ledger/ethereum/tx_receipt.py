"""Transaction receipts, and the one way to a contract's log: receipt proven in its block, status 1, log
by position.

A log that a node merely reports is a hint. What `open_log` returns is committed to by the header's receipts
root, and belongs to a transaction that succeeded; whether the header is final, and the emitter the right
one, is asked elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import BadInput, Problem, Refused
from ledger.ethereum import rlp_strict, rpc_values
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.rlp_strict import Rlp
from ledger.ethereum.rpc_values import RpcObject
from ledger.ethereum.trie import Absent, index_key, prove

LEGACY, ACCESS_LIST, DYNAMIC_FEE, BLOB, SET_CODE = range(5)  # EIP-2718 types of 2930, 1559, 4844, 7702
MAX_TOPICS = 4
BLOOM_BYTES = 256


@dataclass(frozen=True, slots=True)
class Log:
    """What a contract emitted: its 20-byte address, up to four 32-byte topics, and data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class TxReceipt:
    """What a transaction left behind (EIP-658, EIP-2718). `status` is 1 for success, `cumulative_gas` the
    block's so far.
    """

    type: int
    status: int
    cumulative_gas: int
    bloom: bytes
    logs: tuple[Log, ...]

    def log(self, index: int, *, where: str = "") -> Log:
        """A log by its place, from 0. Errors: `Refused` TX_FAILED (it was reverted), PROOF_ABSENT (no such log)."""
        if self.status != 1:
            raise Refused("TX_FAILED", "the transaction was reverted; its logs never happened", where=where)
        if not 0 <= index < len(self.logs):
            raise Refused("PROOF_ABSENT", f"the transaction emitted {len(self.logs)} logs", where=where)
        return self.logs[index]

    def encode(self) -> bytes:
        """The value under its index in the receipts trie."""
        logs = tuple((log.address, log.topics, log.data) for log in self.logs)
        numbers = (rlp_strict.encode_int(self.status), rlp_strict.encode_int(self.cumulative_gas))
        payload = rlp_strict.encode((*numbers, self.bloom, logs))
        return payload if self.type == LEGACY else bytes((self.type,)) + payload


@dataclass(frozen=True, slots=True)
class ProvenLog:
    """A log that the block's header commits to, at its place: transaction in block, log in transaction,
    both from 0.
    """

    block_number: int
    block_hash: bytes
    tx_index: int
    log_index_in_tx: int
    log: Log


def decode_tx_receipt(raw: bytes) -> TxReceipt:
    """Decode a receipt; `BadInput` RECEIPT_TYPE for an unknown type, RECEIPT_INVALID for anything else
    amiss.
    """
    if not raw:
        raise _invalid("it is empty")
    is_typed = raw[0] < 0xC0
    if is_typed and raw[0] not in (ACCESS_LIST, DYNAMIC_FEE, BLOB, SET_CODE):
        raise BadInput("RECEIPT_TYPE", f"no transaction receipt has the type 0x{raw[0]:02x}")
    try:
        item = rlp_strict.decode(raw[1:] if is_typed else raw)
        if not isinstance(item, tuple) or len(item) != 4:
            raise _invalid("it is not a list of four items")
        status, gas, bloom, logs = item
        if status not in (b"", b"\x01"):
            raise _invalid("its status is neither 0 nor 1")
        if not isinstance(bloom, bytes) or len(bloom) != BLOOM_BYTES or not isinstance(logs, tuple):
            raise _invalid("its bloom or its logs are malformed")
        cumulative_gas = rlp_strict.decode_int(gas, max_bytes=8)
        entries = tuple(_read_log(log) for log in logs)
    except Problem as error:
        raise error if error.code == "RECEIPT_INVALID" else _invalid(error.what) from error
    return TxReceipt(raw[0] if is_typed else LEGACY, len(status), cumulative_gas, bloom, entries)


def tx_receipts_from_rpc(receipts: Sequence[RpcObject]) -> list[TxReceipt]:
    """Read a block's receipts, as `eth_getBlockReceipts` lists them, in the order of their transactions.

    Errors: `BadInput` RECEIPT_TYPE, RECEIPT_INVALID (also for a list out of order). Compare `ordered_root`
    of their encodings with the header before believing any.
    """
    read = []
    for place, fields in enumerate(receipts):
        try:
            if rpc_values.quantity(fields, "transactionIndex") != place:
                raise _invalid("the list is not in the order of the transactions")
            read.append(_from_rpc(fields))
        except Problem as error:
            if error.code in ("RECEIPT_TYPE", "RECEIPT_INVALID"):
                raise
            raise _invalid(error.what) from error
    return read


def open_log(header: Header, proof: Sequence[bytes], tx_index: int, log_index_in_tx: int) -> ProvenLog:
    """Prove one log of one transaction against a header that the caller trusts. Errors: those of `prove_log`."""
    log = prove_log(
        header.receipts_root, proof, tx_index, log_index_in_tx, where=f"block {header.number}, transaction {tx_index}"
    )
    return ProvenLog(header.number, header.hash, tx_index, log_index_in_tx, log)


def prove_log(
    receipts_root: bytes, proof: Sequence[bytes], tx_index: int, log_index_in_tx: int, *, where: str = ""
) -> Log:
    """Prove one log of one transaction against a receipts root that the caller trusts.

    `proof` are the receipts trie's nodes for `tx_index`, root first. Errors: those of `prove`; `Refused`
    PROOF_ABSENT (no such transaction or log), TX_FAILED (it was reverted); `BadInput` RECEIPT_TYPE,
    RECEIPT_INVALID.
    """
    where = f"{where}, log {log_index_in_tx}".removeprefix(", ")
    if tx_index < 0 or log_index_in_tx < 0:
        raise BadInput("PROOF_INVALID", "an index is negative", where=where)
    found = prove(receipts_root, index_key(tx_index), proof)
    if isinstance(found, Absent):
        raise Refused("PROOF_ABSENT", "the proof shows that the block has no such transaction", where=where)
    return decode_tx_receipt(found.value).log(log_index_in_tx, where=where)


def bloom_of(logs: Sequence[Log]) -> bytes:
    """The 2048-bit bloom of addresses and topics (Yellow Paper 4.3.1)."""
    bits = 0
    for entry in {part for log in logs for part in (log.address, *log.topics)}:
        digest = keccak256(entry)
        for place in (0, 2, 4):
            bits |= 1 << (int.from_bytes(digest[place : place + 2], "big") % 2048)
    return bits.to_bytes(BLOOM_BYTES, "big")


def _read_log(item: Rlp) -> Log:
    if not isinstance(item, tuple) or len(item) != 3:
        raise _invalid("a log is not a list of three items")
    address, topics, log_data = item
    if not isinstance(address, bytes) or not isinstance(log_data, bytes) or not isinstance(topics, tuple):
        raise _invalid("a log's items are malformed")
    words = tuple(topic for topic in topics if isinstance(topic, bytes) and len(topic) == 32)
    if len(address) != 20 or len(words) != len(topics) or len(topics) > MAX_TOPICS:
        raise _invalid("a log's address or topics are malformed")
    return Log(address, words, log_data)


def _from_rpc(fields: RpcObject) -> TxReceipt:
    kind = rpc_values.quantity(fields, "type") if "type" in fields else LEGACY
    if kind > SET_CODE:
        raise BadInput("RECEIPT_TYPE", f"no transaction receipt has the type {kind:#x}")
    status = rpc_values.quantity(fields, "status")
    if status > 1:
        raise _invalid("its status is neither 0 nor 1")
    logs = tuple(_log_from_rpc(log) for log in rpc_values.objects(fields, "logs"))
    gas = rpc_values.quantity(fields, "cumulativeGasUsed", max_bytes=8)
    return TxReceipt(kind, status, gas, rpc_values.data(fields, "logsBloom", length=BLOOM_BYTES), logs)


def _log_from_rpc(fields: RpcObject) -> Log:
    topics = fields.get("topics")
    if not isinstance(topics, list) or len(topics) > MAX_TOPICS:
        raise _invalid("a log's topics are malformed")
    words = tuple(rpc_values.hex_data(topic, "topic", length=32) for topic in topics)
    return Log(rpc_values.data(fields, "address", length=20), words, rpc_values.data(fields, "data"))


def _invalid(why: str) -> BadInput:
    return BadInput("RECEIPT_INVALID", f"a transaction receipt is malformed: {why}")
