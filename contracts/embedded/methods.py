"""The JSON-RPC methods, each a function of the chain and its parameters. Names, forms and refusals follow geth.

`latest`, `safe` and `finalized` are one block, because the single sequencer never goes back; `pending` differs from
them only for nonces. No method changes the chain except by a signed transaction.
"""

from __future__ import annotations

from typing import Any, Final, cast

from contracts.embedded.archive import Block, Place
from contracts.embedded.chain import EmbeddedChain
from contracts.embedded.execution import Outcome, estimate_gas, run_call
from contracts.embedded.filters import block_logs, find_logs, read_filter
from contracts.embedded.parameters import (
    REVERTED,
    SERVER_ERROR,
    RpcError,
    block_reference,
    call_request,
    data,
    flag,
    invalid,
    slot,
)
from contracts.embedded.proofs import account_of, slot_value, walk, walk_storage
from contracts.embedded.tracing import trace_prestate
from contracts.embedded.views import (
    Json,
    block_view,
    number,
    receipt_view,
    text,
    transaction_view,
    word,
)
from ledger.ethereum.keccak import keccak256 as keccak

CLIENT_VERSION: Final = "pledgetrail-embedded/1"
PRIORITY_FEE_WEI: Final = 1_000_000  # what we suggest; the sequencer takes any
MAX_PROOF_SLOTS: Final = 1024
MAX_HELD_TRACES: Final = 32  # blocks


def client_version(_chain: EmbeddedChain) -> str:
    """`web3_clientVersion`."""
    return CLIENT_VERSION


def net_version(chain: EmbeddedChain) -> str:
    """`net_version`: the chain id in decimal."""
    return str(chain.chain_id)


def chain_id(chain: EmbeddedChain) -> str:
    """`eth_chainId`."""
    return number(chain.chain_id)


def syncing(_chain: EmbeddedChain) -> bool:
    """`eth_syncing`: never; there is nobody to catch up with."""
    return False


def block_number(chain: EmbeddedChain) -> str:
    """`eth_blockNumber`."""
    return number(chain.archive.head.block_number)


def block_by_number(chain: EmbeddedChain, reference: Any, full: Any = False) -> Json | None:
    """`eth_getBlockByNumber`: null where there is none."""
    block = _block(chain, block_reference(reference))
    return None if block is None else block_view(block, full=flag(full, "the second parameter"))


def block_by_hash(chain: EmbeddedChain, block_hash: Any, full: Any = False) -> Json | None:
    """`eth_getBlockByHash`: null where there is none."""
    block = _block(chain, data(block_hash, "block hash", length=32))
    return None if block is None else block_view(block, full=flag(full, "the second parameter"))


def block_receipts(chain: EmbeddedChain, reference: Any) -> list[Json] | None:
    """`eth_getBlockReceipts`: in the order of the transactions."""
    block = _block(chain, block_reference(reference))
    if block is None:
        return None
    return [receipt_view(Place(block, index)) for index in range(len(block.transactions))]


def transaction_receipt(chain: EmbeddedChain, digest: Any) -> Json | None:
    """`eth_getTransactionReceipt`: null until a durable block holds the transaction."""
    place = chain.archive.place(data(digest, "transaction hash", length=32))
    return None if place is None else receipt_view(place)


def transaction_by_hash(chain: EmbeddedChain, digest: Any) -> Json | None:
    """`eth_getTransactionByHash`: mined or waiting."""
    key = data(digest, "transaction hash", length=32)
    waiting = chain.waiting(key)  # first: a block may take it while we look
    place = chain.archive.place(key)
    if place is not None:
        return transaction_view(place.block.transactions[place.index], place)
    return None if waiting is None else transaction_view(waiting, None)


def transaction_count(chain: EmbeddedChain, address: Any, reference: Any = "latest") -> str:
    """`eth_getTransactionCount`: the next nonce; "pending" counts what waits without a gap."""
    account = data(address, "address", length=20)
    if block_reference(reference) == "pending":
        return number(chain.pending_nonce(account))
    return number(chain.archive.account(_header(chain, reference), account).nonce)


def balance(chain: EmbeddedChain, address: Any, reference: Any = "latest") -> str:
    """`eth_getBalance`: wei."""
    account = data(address, "address", length=20)
    return number(chain.archive.account(_header(chain, reference), account).balance)


def code(chain: EmbeddedChain, address: Any, reference: Any = "latest") -> str:
    """`eth_getCode`."""
    account = data(address, "address", length=20)
    return text(chain.archive.code(_header(chain, reference), account))


def storage_at(chain: EmbeddedChain, address: Any, key: Any, reference: Any = "latest") -> str:
    """`eth_getStorageAt`: 32 bytes."""
    account, position = data(address, "address", length=20), slot(key, "slot")
    return word(chain.archive.storage(_header(chain, reference), account, position))


def call(chain: EmbeddedChain, request: Any, reference: Any = "latest") -> str:
    """`eth_call`: the output. Errors: 3 with the revert data, -32000 for any other failure."""
    wanted = call_request(request)
    outcome = run_call(chain.archive, chain.chain_id, _header(chain, reference), wanted)
    if outcome.error:
        raise _failure(outcome)
    return text(outcome.output)


def estimate(chain: EmbeddedChain, request: Any, reference: Any = "latest") -> str:
    """`eth_estimateGas`: a limit that suffices, EIP-7623 floor included. Errors: as `eth_call`."""
    wanted = call_request(request)
    found = estimate_gas(chain.archive, chain.chain_id, _header(chain, reference), wanted)
    if isinstance(found, Outcome):
        raise _failure(found)
    return number(found)


def send_raw_transaction(chain: EmbeddedChain, raw: Any) -> str:
    """`eth_sendRawTransaction`: the hash, once the transaction is durable. Errors: see `EmbeddedChain.submit`."""
    return text(chain.submit(data(raw, "the transaction")))


def logs(chain: EmbeddedChain, wanted: Any) -> list[Json]:
    """`eth_getLogs`: by block hash, or by a range that defaults to the newest block."""
    if not isinstance(wanted, dict):
        raise invalid("the filter must be an object")
    chosen = read_filter(wanted)
    if wanted.get("blockHash") is not None:
        if wanted.get("fromBlock") is not None or wanted.get("toBlock") is not None:
            raise invalid("cannot specify both blockHash and fromBlock/toBlock")
        block = _block(chain, data(wanted["blockHash"], "blockHash", length=32))
        if block is None:
            raise RpcError(SERVER_ERROR, "unknown block")
        return block_logs(block, chosen)
    first, last = (_number(chain, wanted.get(name)) for name in ("fromBlock", "toBlock"))
    if first > last:
        raise invalid("invalid block range params")
    return find_logs(chain.archive, chosen, first, last)


def proof(chain: EmbeddedChain, address: Any, keys: Any, reference: Any = "latest") -> Json:
    """`eth_getProof` (EIP-1186) at any stored block; what is absent is proven absent."""
    wanted = data(address, "address", length=20)
    if not isinstance(keys, list) or len(keys) > MAX_PROOF_SLOTS:
        raise invalid(f"storage keys must be a list of at most {MAX_PROOF_SLOTS}")
    slots = [(key, slot(key, "storage key")) for key in keys]
    read = chain.archive.database.__getitem__
    found = walk(read, _header(chain, reference).state_root, keccak(wanted))
    account = account_of(found)
    storage = []
    for key, position in slots:
        steps = walk_storage(read, account.storage_root, position)
        # geth gives a full-length key back as it came, and any other as a quantity.
        shown = word(position) if len(key) == 66 else number(position)
        storage.append(
            {"key": shown, "value": number(slot_value(steps)), "proof": [text(node) for node in steps.nodes]}
        )
    return {
        "address": text(wanted),
        "accountProof": [text(node) for node in found.nodes],
        "balance": number(account.balance),
        "codeHash": text(account.code_hash),
        "nonce": number(account.nonce),
        "storageHash": text(account.storage_root),
        "storageProof": storage,
    }


def gas_price(chain: EmbeddedChain) -> str:
    """`eth_gasPrice`: enough for the next block."""
    return number(chain.next_base_fee() + PRIORITY_FEE_WEI)


def max_priority_fee(_chain: EmbeddedChain) -> str:
    """`eth_maxPriorityFeePerGas`."""
    return number(PRIORITY_FEE_WEI)


def trace_block(chain: EmbeddedChain, reference: Any, options: Any = None) -> list[Json]:
    """`debug_traceBlockByNumber` with the prestateTracer only."""
    if not isinstance(options, dict) or options.get("tracer") != "prestateTracer" or options.get("tracerConfig"):
        raise invalid('only {"tracer": "prestateTracer"} is supported, without tracerConfig')
    block = _block(chain, block_reference(reference))
    if block is None:
        raise RpcError(SERVER_ERROR, f"block {reference} not found")
    parent = chain.archive.header(block.number - 1)
    if parent is None:
        raise RpcError(SERVER_ERROR, "genesis is not traceable")
    # Several notaries ask for the same block at once: one executes it, the others wait and take its answer. A block of
    # this chain never changes, so an answer never grows stale.
    with chain.tracing:
        held = chain.traces.get(block.hash)
        if held is None:
            held = chain.traces[block.hash] = trace_prestate(chain.archive, chain.chain_id, block, parent)
            if len(chain.traces) > MAX_HELD_TRACES:
                chain.traces.popitem(last=False)
        return cast("list[Json]", held)


def database_entry(chain: EmbeddedChain, key: Any) -> str:
    """`debug_dbGet`: a trie node or contract code by its keccak256."""
    wanted = data(key, "key", length=32)
    try:
        value = chain.archive.database[wanted]
    except KeyError:
        raise RpcError(SERVER_ERROR, "not found") from None
    return text(value)


def header_for(chain: EmbeddedChain, reference: int | str | bytes) -> Any | None:
    """The header that a checked block reference names, or None."""
    if isinstance(reference, bytes):
        return chain.archive.header_of(reference)
    if isinstance(reference, str):
        return chain.archive.header(0) if reference == "earliest" else chain.archive.head
    return chain.archive.header(reference)


def _header(chain: EmbeddedChain, reference: Any) -> Any:
    header = header_for(chain, block_reference(reference))
    if header is None:
        raise RpcError(SERVER_ERROR, "header not found")
    return header


def _block(chain: EmbeddedChain, reference: int | str | bytes) -> Block | None:
    header = header_for(chain, reference)
    return None if header is None else chain.archive.block(header.block_number)


def _number(chain: EmbeddedChain, reference: Any) -> int:
    checked = block_reference("latest" if reference is None else reference)
    if isinstance(checked, bytes):
        raise invalid("a range is given by numbers or tags")
    if isinstance(checked, int):
        return checked
    return 0 if checked == "earliest" else int(chain.archive.head.block_number)


def _failure(outcome: Outcome) -> RpcError:
    if outcome.reverted:
        return RpcError(REVERTED, outcome.message, text(outcome.output))
    return RpcError(SERVER_ERROR, outcome.message)
