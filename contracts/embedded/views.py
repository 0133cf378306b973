"""Blocks, transactions, receipts and logs as a node's JSON: field names and forms exactly as geth gives them.

Pure: sealed objects in, JSON-ready values out.
"""

from __future__ import annotations

from typing import Any

import rlp

from contracts.embedded.archive import Block, Place
from contracts.embedded.transaction import ACCESS_LIST, SET_CODE, Transaction
from ledger.ethereum.keccak import keccak256 as keccak

Json = dict[str, Any]


def number(value: int) -> str:
    """A quantity."""
    return hex(value)


def text(value: bytes) -> str:
    """Data."""
    return "0x" + value.hex()


def word(value: int) -> str:
    """A 32-byte value as data."""
    return text(value.to_bytes(32, "big"))


def header_view(header: Any) -> Json:
    """A header with its hash; keccak256 of its RLP in Prague's order of fields is that hash."""
    return {
        "number": number(header.block_number),
        "hash": text(header.hash),
        "parentHash": text(header.parent_hash),
        "nonce": text(header.nonce),
        "mixHash": text(header.mix_hash),
        "sha3Uncles": text(header.uncles_hash),
        "logsBloom": text(header.bloom.to_bytes(256, "big")),
        "transactionsRoot": text(header.transaction_root),
        "stateRoot": text(header.state_root),
        "receiptsRoot": text(header.receipt_root),
        "miner": text(header.coinbase),
        "difficulty": number(header.difficulty),
        "extraData": text(header.extra_data),
        "gasLimit": number(header.gas_limit),
        "gasUsed": number(header.gas_used),
        "timestamp": number(header.timestamp),
        "baseFeePerGas": number(header.base_fee_per_gas),
        "withdrawalsRoot": text(header.withdrawals_root),
        "blobGasUsed": number(header.blob_gas_used),
        "excessBlobGas": number(header.excess_blob_gas),
        "parentBeaconBlockRoot": text(header.parent_beacon_block_root),
        "requestsHash": text(header.requests_hash),
    }


def block_view(block: Block, *, full: bool) -> Json:
    """A block; its transactions whole or as hashes."""
    transactions = [
        transaction_view(transaction, Place(block, index)) if full else text(transaction.hash)
        for index, transaction in enumerate(block.transactions)
    ]
    size = number(_block_size(block))
    return header_view(block.header) | {
        "size": size,
        "transactions": transactions,
        "uncles": [],
        "withdrawals": [],
    }


def transaction_view(transaction: Transaction, place: Place | None) -> Json:
    """A transaction; `place` None while it waits in the pool."""
    evm = transaction.evm
    base_fee = None if place is None else place.block.header.base_fee_per_gas
    price = transaction.max_fee if base_fee is None else transaction.price_at(base_fee)
    view: Json = {
        "blockHash": None if place is None else text(place.block.hash),
        "blockNumber": None if place is None else number(place.block.number),
        "transactionIndex": None if place is None else number(place.index),
        "hash": text(transaction.hash),
        "type": number(transaction.kind),
        "from": text(transaction.sender),
        "to": text(transaction.to) if transaction.to else None,
        "nonce": number(transaction.nonce),
        "gas": number(transaction.gas),
        "gasPrice": number(price),
        "value": number(transaction.value),
        "input": text(transaction.data),
        "r": number(evm.r),
        "s": number(evm.s),
    }
    if transaction.kind == 0:
        return view | {"v": number(evm.v), "chainId": number((evm.v - 35) // 2)}
    view |= {
        "v": number(evm.y_parity),
        "yParity": number(evm.y_parity),
        "chainId": number(evm.chain_id),
        "accessList": [
            {"address": text(address), "storageKeys": [word(slot) for slot in slots]}
            for address, slots in evm.access_list
        ],
    }
    if transaction.kind > ACCESS_LIST:
        view["maxFeePerGas"] = number(transaction.max_fee)
        view["maxPriorityFeePerGas"] = number(transaction.max_priority_fee)
    if transaction.kind == SET_CODE:
        view["authorizationList"] = [_authorization_view(item) for item in evm.authorization_list]
    return view


def receipt_view(place: Place) -> Json:
    """The receipt of one transaction."""
    block, index = place.block, place.index
    transaction, receipt = block.transactions[index], block.receipts[index]
    before = block.receipts[index - 1].gas_used if index else 0  # py-evm's gas_used is the cumulative one
    created = None if transaction.to else contract_address(transaction.sender, transaction.nonce)
    return {
        "type": number(transaction.kind),
        "status": number(int.from_bytes(receipt.state_root, "big")),
        "cumulativeGasUsed": number(receipt.gas_used),
        "logsBloom": text(receipt.bloom.to_bytes(256, "big")),
        "logs": log_views(place),
        "transactionHash": text(transaction.hash),
        "contractAddress": None if created is None else text(created),
        "gasUsed": number(receipt.gas_used - before),
        "effectiveGasPrice": number(transaction.price_at(block.header.base_fee_per_gas)),
        "blockHash": text(block.hash),
        "blockNumber": number(block.number),
        "transactionIndex": number(index),
        "from": text(transaction.sender),
        "to": text(transaction.to) if transaction.to else None,
    }


def log_views(place: Place) -> list[Json]:
    """The logs of one transaction; `logIndex` counts through the block."""
    block = place.block
    first = sum(len(receipt.logs) for receipt in block.receipts[: place.index])
    return [
        {
            "address": text(log.address),
            "topics": [word(topic) for topic in log.topics],
            "data": text(log.data),
            "blockNumber": number(block.number),
            "transactionHash": text(block.transactions[place.index].hash),
            "transactionIndex": number(place.index),
            "blockHash": text(block.hash),
            "blockTimestamp": number(block.header.timestamp),
            "logIndex": number(first + position),
            "removed": False,
        }
        for position, log in enumerate(block.receipts[place.index].logs)
    ]


def contract_address(sender: bytes, nonce: int) -> bytes:
    """Where CREATE by a transaction puts its contract: keccak256(rlp([sender, nonce])), last 20 bytes."""
    return bytes(keccak(rlp.encode([sender, nonce]))[12:])


def _block_size(block: Block) -> int:
    transactions = [item.raw if item.kind else rlp.decode(item.raw) for item in block.transactions]
    header = rlp.decode(rlp.encode(block.header))
    return len(rlp.encode([header, transactions, [], []]))


def _authorization_view(item: Any) -> Json:
    return {
        "chainId": number(item.chain_id),
        "address": text(item.address),
        "nonce": number(item.nonce),
        "yParity": number(item.y_parity),
        "r": number(item.r),
        "s": number(item.s),
    }
