"""What the folded values share: where on a chain a fact stands, and how a contract's words read as text."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.collateral.fact import ChainFact
from ledger.errors import BadInput


@dataclass(frozen=True, slots=True)
class Record:
    """Where a fact stands. `transaction`: 32 bytes; `time`: the block's, POSIX seconds where it is known."""

    chain_id: int
    block: int
    transaction: bytes
    log_index: int
    time: int | None


def record_of(fact: ChainFact) -> Record:
    """The place of a fact."""
    return Record(fact.chain_id, fact.block, fact.transaction, fact.log_index, fact.time)


def raw(fact: ChainFact, name: str) -> bytes:
    """A field that is bytes. `BadInput` FACT_FIELD."""
    return bytes_of(fact, fact.fields.get(name), name)


def bytes_of(fact: ChainFact, value: object, name: str) -> bytes:
    """0x-hex as bytes. `BadInput` FACT_FIELD."""
    try:
        if not isinstance(value, str) or not value.startswith("0x"):
            raise ValueError(name)
        return bytes.fromhex(value[2:])
    except ValueError:
        raise _bad(fact, name) from None


def number(fact: ChainFact, name: str) -> int:
    """A field that is an integer. `BadInput` FACT_FIELD."""
    value = fact.fields.get(name)
    if type(value) is not int:
        raise _bad(fact, name)
    return value


def flag(fact: ChainFact, name: str) -> bool:
    """A field that is true or false. `BadInput` FACT_FIELD."""
    value = fact.fields.get(name)
    if type(value) is not bool:
        raise _bad(fact, name)
    return value


def outcome_text(word: bytes) -> str:
    """An outcome (`contracts/vyper/outcome.vy`): ASCII padded with zeros. Anything else reads as its hex."""
    text = word.rstrip(b"\x00")
    if text and text.isascii() and all(32 <= byte < 127 for byte in text):
        return text.decode("ascii")
    return f"0x{word.hex()}" if text else ""


def _bad(fact: ChainFact, name: str) -> BadInput:
    return BadInput(
        "FACT_FIELD",
        "A fact does not have the fields of its contract's event.",
        where=f"{fact.contract}.{fact.event}.{name}",
        cure="Index the chains again with contracts and program of one version.",
    )
