"""A deployed contract as Python sees it: call data out, results and logs in, by the compiler's own ABI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from contracts.compiler import artifact
from contracts.node import Node, data
from ledger.errors import BadInput
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log


@dataclass(frozen=True, slots=True)
class DecodedLog:
    """A log by name; bytes stay bytes, addresses are 20 bytes, structs and arrays are tuples."""

    contract: str
    name: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract `name` (one of `compiler.CONTRACTS`) at a 20-byte address."""

    name: str
    address: bytes

    def encode_call(self, function: str, *arguments: Any) -> bytes:
        """Call data for a function of the ABI."""
        selector, inputs, _ = _functions(self.name)[function]
        return selector + encode(inputs, arguments)

    def decode_call(self, function: str, call_data: bytes) -> tuple[Any, ...]:
        """The arguments of a call; `BadInput` CALL_DATA when it is a call of another function or does not decode."""
        selector, inputs, _ = _functions(self.name)[function]
        try:
            if call_data[:4] != selector:
                raise ValueError
            return tuple(_plain(value) for value in decode(inputs, call_data[4:]))
        except (DecodingError, ValueError) as error:
            raise BadInput("CALL_DATA", f"not a call of {self.name}.{function}", where=call_data[:8].hex()) from error

    def read(self, node: Node, function: str, *arguments: Any, block: str = "latest") -> Any:
        """Call a view function; a single result comes bare, several as a tuple. Errors as `Node.request`."""
        call = {"to": f"0x{self.address.hex()}", "data": f"0x{self.encode_call(function, *arguments).hex()}"}
        raw = data(node.request("eth_call", call, block), what=f"result of {self.name}.{function}")
        outputs = _functions(self.name)[function][2]
        try:
            results = tuple(_plain(value) for value in decode(outputs, raw))
        except DecodingError as error:
            raise BadInput("CALL_RESULT", f"{self.name}.{function} answered what does not decode") from error
        return results[0] if len(results) == 1 else results

    def decode_log(self, log: Log) -> DecodedLog | None:
        """The log by name and fields; None for another contract's log or an event the ABI does not know."""
        if log.address != self.address or not log.topics:
            return None
        event = _events(self.name).get(log.topics[0])
        if event is None:
            return None
        name, indexed, rest = event
        try:
            values = dict(zip((field for field, _ in rest), decode([kind for _, kind in rest], log.data), strict=True))
            for (field, kind), topic in zip(indexed, log.topics[1:], strict=True):
                values[field] = decode([kind], topic)[0]
        except (DecodingError, ValueError) as error:
            raise BadInput("LOG_MALFORMED", f"a {self.name}.{name} log does not decode") from error
        return DecodedLog(self.name, name, {field: _plain(value) for field, value in values.items()})


def creation_code(name: str, *arguments: Any) -> bytes:
    """Bytecode with constructor arguments, ready to be sent."""
    found = artifact(name)
    constructors = [entry for entry in found.abi if entry["type"] == "constructor"]
    inputs = [_type(field) for field in constructors[0]["inputs"]] if constructors else []
    return found.bytecode + encode(inputs, arguments)


def log_topic(name: str, event: str) -> bytes:
    """The first topic of a contract's event; KeyError for an event its ABI does not have."""
    return {found: topic for topic, (found, _, _) in _events(name).items()}[event]


@cache
def _functions(name: str) -> dict[str, tuple[bytes, list[str], list[str]]]:
    found = {}
    for entry in artifact(name).abi:
        if entry["type"] == "function":
            inputs, outputs = ([_type(field) for field in entry[side]] for side in ("inputs", "outputs"))
            selector = keccak256(f"{entry['name']}({','.join(inputs)})".encode())[:4]
            found[entry["name"]] = (selector, inputs, outputs)
    return found


_Fields = list[tuple[str, str]]


@cache
def _events(name: str) -> dict[bytes, tuple[str, _Fields, _Fields]]:
    found = {}
    for entry in artifact(name).abi:
        if entry["type"] == "event":
            fields = [(field["name"], _type(field), field["indexed"]) for field in entry["inputs"]]
            topic = keccak256(f"{entry['name']}({','.join(kind for _, kind, _ in fields)})".encode())
            indexed: _Fields = [(field, kind) for field, kind, is_indexed in fields if is_indexed]
            rest: _Fields = [(field, kind) for field, kind, is_indexed in fields if not is_indexed]
            found[topic] = (entry["name"], indexed, rest)
    return found


def _type(field: dict[str, Any]) -> str:
    """The canonical ABI type: a struct becomes the tuple of its fields."""
    kind: str = field["type"]
    if kind.startswith("tuple"):
        return f"({','.join(_type(part) for part in field['components'])}){kind.removeprefix('tuple')}"
    return kind


def _plain(value: Any) -> Any:
    """eth_abi gives addresses as 0x text; everywhere else here they are 20 bytes."""
    if isinstance(value, str) and len(value) == 42 and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return tuple(_plain(item) for item in value)
    return value
