"""An order that a member is asked to sign, read for itself: what would be called, in words, and its digest.

Whoever asks shows a person one thing and hands over bytes; here nothing but the call itself is read, and action and
digest are computed from it. A digest that comes along is only compared. May never happen here: a signature over an
action that was not made from the arguments shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError

from contracts.chain_manifest import ChainManifest
from contracts.manifest import Manifest
from ledger.canonical import JsonValue, parse_json
from ledger.errors import BadInput, Refused
from ledger.ethereum.keccak import keccak256
from ledger.interoperable import parse_caip2
from ledger.orders import order_digest

MAX_REQUEST_BYTES = 64 * 1024
MAX_SHOWN = 200  # characters of one argument
_FIELDS = {"chain", "contract", "function", "arguments", "salt", "epoch"}
# Functions that a quorum orders, by contract; each takes its salt last.
ORDERED = {
    "Administration": (
        *("order_peer", "order_observer", "order_lane", "order_outbound"),
        *("order_limits", "order_pause", "order_void"),
    )
}


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A call that an order would allow. `arguments` as the ABI takes them, without the salt (32 bytes); `epoch`: whose
    members sign it."""

    chain: ChainManifest
    contract: str
    function: str
    arguments: tuple[Any, ...]
    salt: bytes
    epoch: int

    @property
    def action(self) -> bytes:
        """What is ordered: Keccak-256 of the function's tag and the arguments."""
        types = self.chain.contract(self.contract).interface.functions[self.function][1][:-1]
        tag = keccak256(f"pledgetrail/order/{self.contract}.{self.function}".encode())
        try:
            return keccak256(encode(["bytes32", *types], [tag, *self.arguments]))
        except (EncodingError, OverflowError, TypeError, ValueError) as error:
            raise _malformed(f"the arguments are not ({', '.join(types)})", self.function) from error

    @property
    def digest(self) -> bytes:
        """What is signed (EIP-712). Errors: `BadInput` ORDER_FORMAT."""
        address = self.chain.contracts[self.contract]
        return order_digest(
            chain_id=self.chain.chain_id, contract=address, action=self.action, salt=self.salt, epoch=self.epoch
        )

    def lines(self) -> list[str]:
        """It in words, for the person who decides."""
        types = self.chain.contract(self.contract).interface.functions[self.function][1][:-1]
        where = f"0x{self.chain.contracts[self.contract].hex()}"
        shown = [f"{kind:<10} {_shown(value)}" for kind, value in zip(types, self.arguments, strict=True)]
        return [f"{self.contract}.{self.function} at {where} on {self.chain.caip2}, epoch {self.epoch}", *shown]


def read_order_request(raw: bytes, manifest: Manifest) -> OrderRequest:
    """Read `{"chain", "contract", "function", "arguments", "salt", "epoch"}`, perhaps with a "digest".

    Numbers are JSON integers or decimal text, bytes `0x` hex, structs lists. Errors: `BadInput` ORDER_FORMAT, JSON_*;
    `Refused` ORDER_DIFFERS where the digest that came along is not of this call.
    """
    value = parse_json(raw, max_bytes=MAX_REQUEST_BYTES)
    if not isinstance(value, dict) or not _FIELDS <= set(value) <= _FIELDS | {"digest"}:
        raise _malformed(f"the fields are {', '.join(sorted(_FIELDS))}", "order")
    contract, function, epoch = value["contract"], value["function"], value["epoch"]
    chain = manifest.by_id(parse_caip2(str(value["chain"])))
    if chain is None or not isinstance(contract, str) or contract not in chain.contracts:
        raise _malformed("the deployment has no such contract", f"{value['chain']}, {contract}"[:MAX_SHOWN])
    if not isinstance(function, str) or function not in ORDERED.get(contract, ()):
        raise _malformed("a quorum orders no such function", f"{contract}.{function}"[:MAX_SHOWN])
    if type(epoch) is not int or not 0 < epoch < 2**64:
        raise _malformed("the epoch is a positive integer", "epoch")
    types = chain.contract(contract).interface.functions[function][1][:-1]
    arguments = _arguments(types, value["arguments"])
    request = OrderRequest(chain, contract, function, arguments, _bytes(value["salt"], 32), epoch)
    if "digest" in value and value["digest"] != f"0x{request.digest.hex()}":
        raise differs(str(value["digest"]), request)
    _ = request.digest  # so that what cannot be encoded is refused here
    return request


def require_approved(request: OrderRequest, approved: str) -> None:
    """Refuse (ORDER_DIFFERS) to sign what is not the digest that the person approved, all 32 bytes of it."""
    if approved != f"0x{request.digest.hex()}":
        raise differs(approved, request)


def differs(said: str, request: OrderRequest) -> Refused:
    """The refusal of a digest that is not of the call shown."""
    return Refused(
        "ORDER_DIFFERS",
        f"the digest is not of this call, whose digest is 0x{request.digest.hex()}",
        where=said[:MAX_SHOWN],
        cure="Somebody showed you another order than they handed over. Read it again, and ask where it comes from.",
    )


def _arguments(types: Sequence[str], value: JsonValue) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) != len(types):
        raise _malformed(f"there are {len(types)} arguments", "arguments")
    return tuple(_argument(kind, each) for kind, each in zip(types, value, strict=True))


def _argument(kind: str, value: JsonValue) -> Any:
    if kind.startswith("("):
        return _arguments(_parts(kind), value)
    if kind == "bool":
        if not isinstance(value, bool):
            raise _malformed("true or false is expected", kind)
        return value
    if kind == "address" or kind.startswith("bytes"):
        return _bytes(value, 20 if kind == "address" else int(kind[5:] or 0))
    if isinstance(value, str) and value.isascii() and value.isdecimal() and value == str(int(value)):
        return int(value)
    if type(value) is not int:
        raise _malformed("a whole number is expected", kind)
    return value


def _parts(kind: str) -> list[str]:
    """The types of a struct, whose own structs stay whole."""
    parts, depth = [""], 0
    for char in kind[1:-1]:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _bytes(value: JsonValue, length: int) -> bytes:
    try:
        if not isinstance(value, str) or not value.startswith("0x") or value != value.lower():
            raise ValueError
        raw = bytes.fromhex(value[2:])
        if length and len(raw) != length:
            raise ValueError
    except ValueError:
        raise _malformed(f"0x and {2 * length} lower-case hex digits are expected", str(value)[:MAX_SHOWN]) from None
    return raw


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(_shown(each) for each in value)})"
    return (f"0x{value.hex()}" if isinstance(value, bytes) else str(value))[:MAX_SHOWN]


def _malformed(what: str, where: str) -> BadInput:
    return BadInput("ORDER_FORMAT", what, where=where, cure="See notary/README.md, section Orders.")
