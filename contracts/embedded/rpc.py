"""JSON-RPC 2.0 over a chain: bytes of a request in, bytes of a reply out, whatever the bytes are.

Every request gets a well-formed answer: garbage is -32700, a malformed request -32600, an unknown method -32601, wrong
parameters -32602, a refusal -32000 (with our stable code in `data`), a revert 3 with its data. A defect of ours is
-32603 and logged; it never takes the server down.
"""

from __future__ import annotations

import inspect
import json
import logging
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from contracts.embedded import fees, methods
from contracts.embedded.chain import EmbeddedChain
from contracts.embedded.parameters import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    SERVER_ERROR,
    RpcError,
)
from ledger.errors import Problem

INTERNAL_ERROR: Final = -32603
MAX_BATCH: Final = 1000
MAX_METHOD_CHARACTERS: Final = 100  # of an unknown name, echoed

METHODS: Final[dict[str, Callable[..., Any]]] = {
    "web3_clientVersion": methods.client_version,
    "net_version": methods.net_version,
    "eth_chainId": methods.chain_id,
    "eth_syncing": methods.syncing,
    "eth_blockNumber": methods.block_number,
    "eth_getBlockByNumber": methods.block_by_number,
    "eth_getBlockByHash": methods.block_by_hash,
    "eth_getBlockReceipts": methods.block_receipts,
    "eth_getTransactionReceipt": methods.transaction_receipt,
    "eth_getTransactionByHash": methods.transaction_by_hash,
    "eth_getTransactionCount": methods.transaction_count,
    "eth_getBalance": methods.balance,
    "eth_getCode": methods.code,
    "eth_getStorageAt": methods.storage_at,
    "eth_call": methods.call,
    "eth_estimateGas": methods.estimate,
    "eth_sendRawTransaction": methods.send_raw_transaction,
    "eth_getLogs": methods.logs,
    "eth_getProof": methods.proof,
    "eth_gasPrice": methods.gas_price,
    "eth_maxPriorityFeePerGas": methods.max_priority_fee,
    "eth_feeHistory": fees.fee_history,
    "debug_traceBlockByNumber": methods.trace_block,
    "debug_dbGet": methods.database_entry,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Method:
    """A method and how many parameters it takes."""

    run: Callable[..., Any]
    least: int
    most: int


def _table() -> dict[str, Method]:
    table = {}
    for name, run in METHODS.items():
        parameters = list(inspect.signature(run).parameters.values())[1:]
        least = sum(parameter.default is inspect.Parameter.empty for parameter in parameters)
        table[name] = Method(run, least, len(parameters))
    return table


TABLE: Final = _table()


def answer(chain: EmbeddedChain, body: bytes) -> bytes:
    """The reply to one HTTP body: a request, or a batch of at most `MAX_BATCH`."""
    try:
        request = json.loads(body.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return _encode(_failed(None, RpcError(PARSE_ERROR, "parse error")))
    if not isinstance(request, list):
        reply = _answer_one(chain, request)
        return b"" if reply is None else _encode(reply)
    if not request or len(request) > MAX_BATCH:
        why = "empty batch" if not request else f"batch too large: at most {MAX_BATCH} requests"
        return _encode(_failed(None, RpcError(INVALID_REQUEST, why)))
    sends = any(isinstance(item, dict) and item.get("method") == "eth_sendRawTransaction" for item in request)
    # Transactions that come together go into one block together.
    with chain.hold_off() if sends else nullcontext():
        replies = [_answer_one(chain, item) for item in request]
    wanted = [reply for reply in replies if reply is not None]
    return _encode(wanted) if wanted else b""


def _answer_one(chain: EmbeddedChain, request: Any) -> dict[str, Any] | None:
    if not isinstance(request, dict) or request.get("jsonrpc") != "2.0" or not isinstance(request.get("method"), str):
        return _failed(None, RpcError(INVALID_REQUEST, "invalid request"))
    identifier = request.get("id")
    if identifier is not None and type(identifier) not in (str, int, float):
        return _failed(None, RpcError(INVALID_REQUEST, "invalid request: the id must be a string or a number"))
    try:
        result = _call(chain, request["method"], request.get("params"))
    except RpcError as error:
        reply = _failed(identifier, error)
    except Problem as problem:
        reply = _failed(identifier, RpcError(SERVER_ERROR, problem.what, {"code": problem.code}))
    except Exception:
        logger.exception("defect while answering %s", request["method"][:MAX_METHOD_CHARACTERS])
        reply = _failed(identifier, RpcError(INTERNAL_ERROR, "internal error"))
    else:
        reply = {"jsonrpc": "2.0", "id": identifier, "result": result}
    return reply if "id" in request else None  # a notification has no answer


def _call(chain: EmbeddedChain, name: str, params: Any) -> Any:
    method = TABLE.get(name)
    if method is None:
        shown = name[:MAX_METHOD_CHARACTERS]
        raise RpcError(METHOD_NOT_FOUND, f"the method {shown} does not exist/is not available")
    values = [] if params is None else params
    if not isinstance(values, list):
        raise RpcError(INVALID_PARAMS, "params must be a list")
    if len(values) < method.least:
        raise RpcError(INVALID_PARAMS, f"missing value for required argument {len(values)}")
    if len(values) > method.most:
        raise RpcError(INVALID_PARAMS, f"too many arguments, want at most {method.most}")
    while len(values) > method.least and values[-1] is None:
        values = values[:-1]  # an optional parameter may be given as null
    return method.run(chain, *values)


def _failed(identifier: Any, error: RpcError) -> dict[str, Any]:
    shown: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        shown["data"] = error.data
    return {"jsonrpc": "2.0", "id": identifier, "error": shown}


def _encode(reply: Any) -> bytes:
    return json.dumps(reply, separators=(",", ":")).encode("ascii")


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refuse(digits)  # 1e999 would come back as Infinity
