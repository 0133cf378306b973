"""A block as far as it proves itself: header hashed, its place in the chain linked, receipts complete and rooted.

Pure: a node's claims in, proven facts out. What may never happen here: believing a log because a node lists it. A
receipt that was left out, added or changed gives another root than the header's, so an omitted log is seen as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from contracts.chain_rules import Rules, Seals
from contracts.reexecution.transactions import encode_transaction
from ledger.errors import BadInput, Refused, Unavailable
from ledger.ethereum.header import Header, header_from_rpc
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.qbft import QbftHeader
from ledger.ethereum.trie import ordered_root
from ledger.ethereum.tx_receipt import Log, TxReceipt, tx_receipts_from_rpc


@dataclass(frozen=True, slots=True)
class Locator:
    """Where a log is said to stand: chain (EIP-155 id), block, transaction in the block, log in the transaction."""

    chain_id: int
    block: int
    transaction_index: int
    log_index: int

    def __str__(self) -> str:
        return f"eip155:{self.chain_id}, block {self.block}, transaction {self.transaction_index}, log {self.log_index}"


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A block this notary once took for final, as its journal holds it."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """A block whose receipts are exactly those its header commits to. Made by `prove_block`."""

    header: Header
    receipts: tuple[TxReceipt, ...]

    def log(self, locator: Locator) -> Log:
        """The log at a place of this block. Errors: `Refused` PROOF_ABSENT, TX_FAILED."""
        index, where = locator.transaction_index, f"block {self.header.number}, transaction {locator.transaction_index}"
        if not 0 <= index < len(self.receipts):
            raise Refused("PROOF_ABSENT", "the block has no such transaction", where=where)
        return self.receipts[index].log(locator.log_index, where=f"{where}, log {locator.log_index}")


def form_of(rules: Rules) -> type[Header]:
    """How a chain hashes its headers: where validators seal them, the seals are left out."""
    return Header if rules.seals is Seals.NONE else QbftHeader


def prove_block(chain: Sequence[object], receipts: object, *, number: int, form: type[Header] = Header) -> ProvenBlock:
    """Prove a block from what a node claims.

    `chain`: the block's RPC object and those of the blocks above it, in order; each must hash to what it states and
    name the one before as its parent. `receipts`: the answer of `eth_getBlockReceipts`. `form`: see `form_of`.
    Errors: `Unavailable` NODE_BEHIND (the node does not have one of them); `Refused` HEADER_HASH, RECEIPTS_ROOT;
    `BadInput` RECEIPT_TYPE, RECEIPT_INVALID.
    """
    headers = read_headers(chain, number=number, form=form)
    if receipts is None:
        raise Unavailable("NODE_BEHIND", "the node has no receipts of the block", where=f"block {number}")
    if not isinstance(receipts, list) or not all(isinstance(item, dict) for item in receipts):
        raise BadInput("RECEIPT_INVALID", "the node's list of receipts is malformed", where=f"block {number}")
    read = tuple(tx_receipts_from_rpc(receipts))
    if ordered_root([receipt.encode() for receipt in read]) != headers[0].receipts_root:
        raise Refused(
            "RECEIPTS_ROOT",
            "the receipts the node lists are not those of the block",
            where=f"block {number}",
            cure="The node omits, adds or falsifies receipts: use another one.",
        )
    return ProvenBlock(headers[0], read)


def read_headers(chain: Sequence[object], *, number: int, form: type[Header] = Header) -> list[Header]:
    """Headers of consecutive blocks from `number` on, each hashed and linked to the one before. Errors: HEADER_HASH,
    NODE_BEHIND."""
    headers = [read_header(fields, number=number + place, form=form) for place, fields in enumerate(chain)]
    for parent, header in pairwise(headers):
        header.require_parent(parent)
    return headers


def read_header(fields: object, *, number: int, form: type[Header] = Header) -> Header:
    """A header from a node's claim, hashed, and of the block that was asked for. Errors: HEADER_HASH, NODE_BEHIND."""
    if fields is None:
        raise Unavailable("NODE_BEHIND", "the node does not have the block", where=f"block {number}")
    if not isinstance(fields, dict):
        raise Refused("HEADER_HASH", "the node's block is no object", where=f"block {number}")
    header = header_from_rpc(fields, form)
    if header.number != number:
        raise Refused("HEADER_HASH", f"the node answered with block {header.number}", where=f"block {number}")
    return header


def transaction_hash(fields: object, *, header: Header, index: int) -> bytes:
    """The hash of one transaction of a block, once all of them together have the header's transactions root.

    `fields`: the block's RPC object with whole transactions. Errors: `Refused` TRANSACTIONS_ROOT, PROOF_ABSENT,
    REEXECUTION_DIFFERS (a transaction does not hash to its hash), REEXECUTION_UNSUPPORTED; `BadInput` RPC_VALUE.
    """
    where = f"block {header.number}"
    listed = fields.get("transactions") if isinstance(fields, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise Refused("TRANSACTIONS_ROOT", "the node lists no transactions of the block", where=where)
    encoded = [encode_transaction(each) for each in listed]
    if ordered_root(encoded) != header.transactions_root:
        raise Refused("TRANSACTIONS_ROOT", "the transactions the node lists are not those of the block", where=where)
    if index >= len(encoded):
        raise Refused("PROOF_ABSENT", "the block has no such transaction", where=where)
    return keccak256(encoded[index])
