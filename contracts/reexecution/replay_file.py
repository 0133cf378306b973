"""The file that lets a third party check a block again with no node: `pledgetrail replay FILE`.

One deterministic CBOR map (RFC 8949 section 4.2.1), of one of two kinds:

- *witness*: the block and the proven part of the state that executing it reads. Every part hangs by hashes on the two
  headers: nobody can make one that differs but whoever made the block.
- *answers*: what a node answered, where that does not prove itself. Nothing in it is signed: it shows what its writer
  says to have been told.

May never happen here: two spellings of one file, a part without a bound, a witness with a part that is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from contracts.reexecution.claims import ClaimedBlock, Hints, decode_withdrawal, require_roots
from contracts.reexecution.rules import ChainRules
from contracts.reexecution.verdict import Disagreement
from ledger.bundle.cbor import Cbor, CborLike, decode, encode
from ledger.errors import BadInput, Problem, WrongUse
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.nodes import Node as TrieNode
from ledger.ethereum.nodes import reference_to
from ledger.ethereum.partial_trie import known_nodes
from ledger.ethereum.qbft import decode_header
from ledger.ethereum.tx_receipt import decode_tx_receipt

FORMAT = "pledgetrail-replay/1"
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_PARTS = 100_000  # of one sort: transactions, nodes, codes, answers …

T = TypeVar("T")

_HEAD = {"format", "kind", "chain", "parent"}
_WITNESS = _HEAD | {"header", "transactions", "withdrawals", "receipts", "nodes", "codes", "ancestors"}
_ANSWERS = _HEAD | {"number", "answers"}
_RULES = ("chain_id", "fork", "trie", "system_writes", "withdrawals", "base_fee", "sealed")


@dataclass(frozen=True, slots=True)
class WitnessFile:
    """A block, bound to its header, with trie nodes and code by hash and the headers of ancestors it names."""

    rules: ChainRules
    parent: Header
    block: ClaimedBlock
    nodes: Mapping[bytes, TrieNode]
    codes: Mapping[bytes, bytes]
    ancestors: Mapping[bytes, Header]

    def encode(self) -> bytes:
        """The one spelling of this file. Errors: `BadInput` REPLAY_SIZE."""
        block = self.block
        return _encode(
            {
                **_head("witness", self.rules, self.parent),
                "header": block.header.rlp(),
                "transactions": block.transactions,
                "withdrawals": [each.encoded for each in block.withdrawals],
                "receipts": [each.encode() for each in block.receipts],
                "nodes": [reference_to(self.nodes[name])[1] for name in sorted(self.nodes)],
                "codes": [self.codes[name] for name in sorted(self.codes)],
                "ancestors": [self.ancestors[name].rlp() for name in sorted(self.ancestors)],
            }
        )


@dataclass(frozen=True, slots=True)
class AnswersFile:
    """What a node answered about block `number`: (method, parameters, result), the latter two as canonical JSON."""

    rules: ChainRules
    parent: Header
    number: int
    answers: tuple[tuple[str, str, str], ...]

    def encode(self) -> bytes:
        """The one spelling of this file. Errors: `BadInput` REPLAY_SIZE."""
        head = _head("answers", self.rules, self.parent)
        return _encode({**head, "number": self.number, "answers": [list(each) for each in self.answers]})


def decode_replay(raw: bytes) -> WitnessFile | AnswersFile:
    """Read a file. A witness's parts are bound to its headers, but not yet executed.

    Errors: `BadInput` REPLAY_SIZE, REPLAY_FORMAT (no such file), REPLAY_BINDING (parts that do not belong together),
    NON_CANONICAL, BUNDLE_LIMIT.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise _too_large()
    fields = decode(raw)
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise _malformed("this is no replay file, or one of a later edition")
    try:
        if fields["kind"] == "answers" and set(fields) == _ANSWERS:
            return _read_answers(fields)
        if fields["kind"] == "witness" and set(fields) == _WITNESS:
            return _read_witness(fields)
    except (KeyError, TypeError, ValueError, WrongUse) as error:
        raise _malformed(f"a field is not what it should be ({error})"[:200]) from error
    except Problem as problem:
        if problem.code.startswith("REPLAY_"):
            raise
        raise BadInput("REPLAY_BINDING", problem.what, where=problem.where) from problem
    raise _malformed("the fields are not those of its kind")


def _head(kind: str, rules: ChainRules, parent: Header) -> dict[str, CborLike]:
    chain = {name: getattr(rules, name) for name in _RULES}
    return {"format": FORMAT, "kind": kind, "chain": chain, "parent": parent.rlp()}


def _encode(value: dict[str, CborLike]) -> bytes:
    raw = encode(value)
    if len(raw) > MAX_FILE_BYTES:
        raise _too_large()
    return raw


def _read_answers(fields: dict[str, Cbor]) -> AnswersFile:
    answers = []
    for each in _parts(fields, "answers", list):
        method, parameters, result = each
        if not (isinstance(method, str) and isinstance(parameters, str) and isinstance(result, str)):
            raise _malformed("an answer is three texts")
        answers.append((method, parameters, result))
    calls = [answer[:2] for answer in answers]
    if calls != sorted(set(calls)):
        raise _malformed("the answers are not in order, each once")
    number = _one(fields, "number", int)
    return AnswersFile(_read_rules(fields), decode_header(_one(fields, "parent", bytes)), number, tuple(answers))


def _read_witness(fields: dict[str, Cbor]) -> WitnessFile:
    parent, header = (decode_header(_one(fields, name, bytes)) for name in ("parent", "header"))
    if header.parent_hash != parent.hash:
        raise Disagreement("the header does not name this parent")
    withdrawals = tuple(decode_withdrawal(each) for each in _parts(fields, "withdrawals", bytes))
    transactions = tuple(_parts(fields, "transactions", bytes))
    receipts = tuple(decode_tx_receipt(each) for each in _parts(fields, "receipts", bytes))
    require_roots(header, transactions=transactions, withdrawals=withdrawals, receipts=receipts)
    ancestors = [decode_header(each) for each in _parts(fields, "ancestors", bytes)]
    return WitnessFile(
        rules=_read_rules(fields),
        parent=parent,
        block=ClaimedBlock(header, transactions, withdrawals, receipts, Hints({}, {})),
        nodes=_in_order(known_nodes(_parts(fields, "nodes", bytes)), fields, "nodes"),
        codes=_in_order({keccak256(each): each for each in _parts(fields, "codes", bytes)}, fields, "codes"),
        ancestors=_in_order({each.hash: each for each in ancestors}, fields, "ancestors"),
    )


def _read_rules(fields: dict[str, Cbor]) -> ChainRules:
    chain = _one(fields, "chain", dict)
    if set(chain) != set(_RULES):
        raise _malformed("the chain's rules are not complete")
    kinds = {"chain_id": int, "system_writes": bool, "withdrawals": bool, "sealed": bool}
    if any(type(value) is not kinds.get(name, str) for name, value in chain.items()):
        raise _malformed("a rule of the chain is of another type")
    return ChainRules(**cast(dict[str, Any], chain))


def _one(fields: dict[str, Cbor], name: str, kind: type[T]) -> T:
    value = fields[name]
    if type(value) is not kind:
        raise _malformed(f"{name} is no {kind.__name__}")
    return value


def _parts(fields: dict[str, Cbor], name: str, kind: type[T]) -> list[T]:
    parts = _one(fields, name, list)
    if len(parts) > MAX_PARTS or not all(type(part) is kind for part in parts):
        raise _malformed(f"{name} are more than {MAX_PARTS}, or not of one type")
    return cast(list[T], parts)


def _in_order(found: dict[bytes, T], fields: dict[str, Cbor], name: str) -> dict[bytes, T]:
    if list(found) != sorted(found) or len(found) != len(_one(fields, name, list)):
        raise _malformed(f"{name} are not in the order of their hashes, each once")
    return found


def _malformed(what: str) -> BadInput:
    return BadInput("REPLAY_FORMAT", what, cure="Ask whoever gave you the file for it again.")


def _too_large() -> BadInput:
    return BadInput("REPLAY_SIZE", f"a replay file has at most {MAX_FILE_BYTES} bytes")
