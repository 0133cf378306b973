"""A deployed contract as Python sees it: call data out, results and logs in, by the compiler's own ABI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from contracts.compiler import Artifact, artifact
from contracts.node import Node, data
from ledger.errors import BadInput
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log

_Fields = list[tuple[str, str]]
_Event = tuple[str, _Fields, _Fields]  # name, indexed fields, the others


@dataclass(frozen=True, slots=True)
class DecodedLog:
    """A log by name; bytes stay bytes, addresses are 20 bytes, structs and arrays are tuples."""

    contract: str
    name: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Interface:
    """What an ABI says: how calls, results and logs are written. Made by `interface`, once per contract."""

    name: str
    functions: dict[str, tuple[bytes, list[str], list[str]]]
    events: dict[bytes, _Event]
    constructor: list[str]

    def encode_call(self, function: str, *arguments: Any) -> bytes:
        """Call data for a function of the ABI."""
        selector, inputs, _ = self.functions[function]
        return selector + encode(inputs, arguments)

    def decode_call(self, function: str, call_data: bytes) -> tuple[Any, ...]:
        """The arguments of a call; `BadInput` CALL_DATA when it is a call of another function or does not decode."""
        selector, inputs, _ = self.functions[function]
        try:
            if call_data[:4] != selector:
                raise ValueError
            return tuple(_plain(value) for value in decode(inputs, call_data[4:]))
        except (DecodingError, ValueError) as error:
            raise BadInput("CALL_DATA", f"not a call of {self.name}.{function}", where=call_data[:8].hex()) from error

    def decode_result(self, function: str, raw: bytes) -> Any:
        """A single result bare, several as a tuple; `BadInput` CALL_RESULT when it does not decode."""
        try:
            results = tuple(_plain(value) for value in decode(self.functions[function][2], raw))
        except DecodingError as error:
            raise BadInput("CALL_RESULT", f"{self.name}.{function} answered what does not decode") from error
        return results[0] if len(results) == 1 else results

    def decode_log(self, log: Log) -> DecodedLog | None:
        """The log by name and fields; None for an event the ABI does not know."""
        event = self.events.get(log.topics[0]) if log.topics else None
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


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract `name` (one of `compiler.CONTRACTS`) at a 20-byte address."""

    name: str
    address: bytes

    @property
    def interface(self) -> Interface:
        """What its ABI says."""
        return _interface(self.name)

    def encode_call(self, function: str, *arguments: Any) -> bytes:
        """As `Interface.encode_call`."""
        return _interface(self.name).encode_call(function, *arguments)

    def decode_call(self, function: str, call_data: bytes) -> tuple[Any, ...]:
        """As `Interface.decode_call`."""
        return _interface(self.name).decode_call(function, call_data)

    def read(self, node: Node, function: str, *arguments: Any, block: str = "latest") -> Any:
        """Call a view function; a single result comes bare, several as a tuple. Errors as `Node.request`."""
        call = {"to": f"0x{self.address.hex()}", "data": f"0x{self.encode_call(function, *arguments).hex()}"}
        raw = data(node.request("eth_call", call, block), what=f"result of {self.name}.{function}")
        return _interface(self.name).decode_result(function, raw)

    def decode_log(self, log: Log) -> DecodedLog | None:
        """As `Interface.decode_log`; None for another contract's log too."""
        return _interface(self.name).decode_log(log) if log.address == self.address else None


def creation_code(name: str, *arguments: Any) -> bytes:
    """Bytecode with constructor arguments, ready to be sent."""
    return artifact(name).bytecode + encode(_interface(name).constructor, arguments)


def constructor_of(name: str) -> tuple[list[str], list[str]]:
    """The constructor's parameters and their ABI types, in order."""
    entries = [entry for entry in artifact(name).abi if entry["type"] == "constructor"]
    return [field["name"] for entry in entries for field in entry["inputs"]], _interface(name).constructor


def has_event(name: str, event: str) -> bool:
    """Whether a contract's ABI knows an event."""
    return any(found == event for found, _, _ in _events(name).values())


def created_address(creator: bytes, nonce: int) -> bytes:
    """Where an account's transaction with this nonce creates a contract."""
    return keccak256(rlp_strict.encode((creator, rlp_strict.encode_int(nonce))))[12:]


def log_topic(name: str, event: str) -> bytes:
    """The first topic of a contract's event; KeyError for an event its ABI does not have."""
    return {found: topic for topic, (found, _, _) in _events(name).items()}[event]


def interface(compiled: Artifact) -> Interface:
    """The interface of any compiled contract."""
    functions: dict[str, tuple[bytes, list[str], list[str]]] = {}
    events: dict[bytes, _Event] = {}
    constructor: list[str] = []
    for entry in compiled.abi:
        inputs = [_type(field) for field in entry.get("inputs", [])]
        signature = f"{entry.get('name')}({','.join(inputs)})".encode()
        if entry["type"] == "function":
            outputs = [_type(field) for field in entry["outputs"]]
            # Default arguments give one name several functions: here it means the one without them.
            if entry["name"] not in functions or len(inputs) < len(functions[entry["name"]][1]):
                functions[entry["name"]] = (keccak256(signature)[:4], inputs, outputs)
        elif entry["type"] == "event":
            fields = [(field["name"], _type(field), field["indexed"]) for field in entry["inputs"]]
            indexed: _Fields = [(field, kind) for field, kind, is_indexed in fields if is_indexed]
            rest: _Fields = [(field, kind) for field, kind, is_indexed in fields if not is_indexed]
            events[keccak256(signature)] = (entry["name"], indexed, rest)
        elif entry["type"] == "constructor":
            constructor = inputs
    return Interface(compiled.name, functions, events, constructor)


@cache
def _interface(name: str) -> Interface:
    return interface(artifact(name))


def _events(name: str) -> dict[bytes, _Event]:
    return _interface(name).events


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
