"""What the chains were told about one loan: each instruction to reserve, freeze or release, and what came of it.

    loan registry (destination) ── instruction ──▶ goods registry (transaction) or warehouse receipts (origin)

Each is a message of its own, followed as the anchor is. One that was signed in a past epoch counts where the log that
the pinned epoch cosigned holds its credential: retired keys can make up another, and nobody seals that. May never
happen here: an instruction of another registry, of another loan or about other goods; a refusal told as a security.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.bundle.crossing import Crossed, follow, verify_credential
from ledger.bundle.epochs import Believed, Electorate
from ledger.bundle.findings import Proven, utc_text
from ledger.bundle.format import Crossing, Pledge
from ledger.bundle.trust_root import Lending, TrustRoot
from ledger.errors import BadInput, Refused
from ledger.proposal import Message

INSTRUCTION_BYTES = 192  # six words, see contracts/vyper/instruction.vy
_ASKED = {1: "secure", 2: "release", 3: "enforce"}


@dataclass(frozen=True, slots=True)
class Told:
    """One instruction and its answer: what was asked (`secure`, `release`, `enforce`), and the outcome as text.

    `loan`: its id (32 bytes). `order`: the loan's counter, the chain that was asked, the message's sequence. `why_not`:
    of a lane that rests on seals, why they are not shown.
    """

    asked: str
    answered: str
    loan: bytes
    order: tuple[int, int, int]
    goods_key: bytes
    receipt: bytes
    proven: Proven
    why_not: str = ""


def verify_pledge(pledge: Pledge, believed: Believed) -> tuple[Told, ...]:
    """Follow every instruction of the loan.

    Raises what `follow` raises, and `Refused` PLEDGE_MISMATCH, PLEDGE_EMPTY, PLEDGE_ORDER, EPOCH_UNLINKED; `BadInput`
    PLEDGE_FORMAT.
    """
    lending = believed.root.lending
    if lending is None:
        raise Refused("PLEDGE_MISMATCH", "The trust root names no contracts by which anything is pledged.")
    if not pledge.crossings:
        raise Refused("PLEDGE_EMPTY", "The bundle tells nothing about the loan it names.")
    told = tuple(verify_instruction(crossing, lending, believed) for crossing in pledge.crossings)
    for found in told:
        if found.loan != pledge.loan:
            raise Refused("PLEDGE_MISMATCH", "The instruction is another loan's.", where=_hex(found.loan))
    if [found.order for found in told] != sorted({found.order for found in told}):
        raise Refused("PLEDGE_ORDER", "The loan's instructions are repeated, or not in their order.")
    if len({found.goods_key for found in told}) != 1:
        raise Refused("PLEDGE_MISMATCH", "The instructions are about different goods.")
    return told


def require_needed(pledge: Pledge | None, believed: Believed) -> None:
    """Refuse (SUPERFLUOUS) the record of a credential that no instruction of a past epoch needs."""
    needed = {
        crossing.judged.credential
        for crossing in ([] if pledge is None else pledge.crossings)
        if needs_sealing(crossing, believed.root)
    }
    if believed.sealed - needed:
        raise Refused(
            "SUPERFLUOUS",
            "The bundle carries the record of a credential that nothing in it needs.",
            cure="Ask for a bundle of this subject alone.",
        )


def needs_sealing(crossing: Crossing, root: TrustRoot) -> bool:
    """Whether a past epoch signed any of it."""
    return {crossing.judged.verdict.epoch, crossing.attested.epoch} != {root.pinned.epoch}


def instruction_order(message: Message, payload: bytes) -> tuple[int, int, int]:
    """By which a loan's instructions are told: its counter, the chain that was asked, the message's sequence."""
    return int.from_bytes(payload[64:96], "big"), message.destination.chain_id, message.sequence


def verify_instruction(crossing: Crossing, lending: Lending, believed: Electorate) -> Told:
    """Follow one instruction, whichever loan's it is. Raises as `verify_pledge`."""
    root = believed.root
    here = believed.sealing(crossing.judged.credential)
    crossed = follow(crossing, here, origin=root.destination, destinations=(root.transaction, root.origin))
    message = crossed.message
    registry = lending.goods if message.destination == root.transaction else lending.receipts
    if (message.sender, message.recipient) != (lending.loans, registry):
        where = f"from {_hex(message.sender)} to {_hex(message.recipient)}"
        raise Refused("PLEDGE_MISMATCH", "The message is no loan's instruction to a registry.", where=where)
    words = _words(crossed.payload)
    credential = verify_credential(crossing.judged, crossed.certificate, root)
    asked = _ASKED.get(int.from_bytes(words[0], "big"))
    if asked is None:
        raise BadInput("PLEDGE_FORMAT", "The instruction asks for nothing that is known.", where=_hex(words[0]))
    answered = _answer(crossed)
    order = instruction_order(message, crossed.payload)
    return Told(
        asked,
        answered,
        words[1],
        order,
        words[4],
        words[3],
        _tell(crossed, asked, answered, credential),
        crossed.sealing.why_not,
    )


def _words(payload: bytes) -> list[bytes]:
    if len(payload) != INSTRUCTION_BYTES:
        raise BadInput("PLEDGE_FORMAT", "The message carries no instruction.", where=f"{len(payload)} bytes")
    return [payload[at : at + 32] for at in range(0, INSTRUCTION_BYTES, 32)]


def _answer(crossed: Crossed) -> str:
    if not crossed.executed:
        return "the call failed"
    text = crossed.outcome.rstrip(b"\x00")
    return text.decode("ascii") if text.isascii() and text else _hex(crossed.outcome)


def _who(crossed: Crossed) -> str:
    return "; ".join((crossed.judged.who, *(each.what.removesuffix(".") for each in crossed.shown)))


def _tell(crossed: Crossed, asked: str, answered: str, credential: Proven) -> Proven:
    message, (header, committed) = crossed.message, crossed.arrived
    return Proven(
        "pledge",
        f"The loan's registry asked {message.destination} to {asked}; the answer in block {header.number}: {answered}.",
        f"{_who(crossed)}; the block's receipts, transaction {committed.tx_index}",
        utc_text(header.timestamp),
        {"message": _hex(message.id), "block": _hex(header.hash), **(credential.facts or {})},
    )


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
