"""Writes `messages.json`, the vectors that Python and Vyper share: `python -m tests.vectors.make_messages`.

Deterministic: fields are drawn from hashes of their names, so that the file changes only when a rule does.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from ledger import interoperable, merkle
from ledger.attestation import Verdict, attestation_digest, verdict_digest
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Chain, Kind, Message
from ledger.quorum import root_over

FILE = Path(__file__).with_name("messages.json")
MESSAGES = 8
EPOCHS = (0, 1, 2**64 - 1)
CHAIN_IDS = (1, 255, 256, 7101, 2**53 - 1, 2**64, 2**255, 2**256 - 1)


def drawn(name: str, length: int) -> bytes:
    """Bytes that look random and are always the same."""
    return keccak256(f"pledgetrail vectors {name}".encode())[:length]


def number(name: str, bits: int) -> int:
    """A number of at most so many bits; every fourth one is the largest."""
    raw = drawn(name, 32)
    return 2**bits - 1 if raw[0] % 4 == 0 else int.from_bytes(raw[: bits // 8], "big")


def message(index: int) -> Message:
    """The index-th message."""

    def end(name: str, chain_id: int) -> Chain:
        return Chain(chain_id, drawn(f"{name} genesis {index}", 32), drawn(f"{name} gateway {index}", 20))

    return Message(
        kind=Kind(1 + index % 4),
        origin=end("origin", CHAIN_IDS[index % len(CHAIN_IDS)]),
        destination=end("destination", CHAIN_IDS[-1 - index % len(CHAIN_IDS)]),
        generation=number(f"generation {index}", 32),
        sequence=number(f"sequence {index}", 64),
        sender=drawn(f"sender {index}", 20),
        recipient=drawn(f"recipient {index}", 20),
        expiry=number(f"expiry {index}", 64),
        gas_limit=number(f"gas limit {index}", 64),
        payload_digest=drawn(f"payload {index}", 32),
    )


def verdict(index: int, about: Message) -> Verdict:
    """A verdict about the index-th message."""
    origin, commit, transaction, outcome = (
        drawn(f"{name} {index}", 32) for name in ("origin block", "commit block", "transaction", "outcome")
    )
    checked_from = number(f"checked from {index}", 64)
    found = (1 + index % 4, index % 4 == 0, outcome)
    places = (number(f"origin log {index}", 64), number(f"commit log {index}", 64))
    blocks = (origin, commit, transaction)
    return Verdict(about.id, EPOCHS[index % 3], *blocks, checked_from, *found, 1 + index % 4, *places)


def made() -> dict[str, Any]:
    """The whole file as JSON values; bytes are 0x hex, numbers decimal text so that no reader rounds them."""
    messages = [message(index) for index in range(MESSAGES)]
    leaves = [merkle.leaf_hash(each.id) for each in messages]
    root = root_over(messages)
    return {
        "messages": [_message(index, each) for index, each in enumerate(messages)],
        "tree": {
            "root": _text(root),
            "inclusion": [[_text(node) for node in merkle.inclusion_proof(leaves, index)] for index in range(MESSAGES)],
        },
        "addresses": [
            {
                "chain_id": str(chain_id),
                "account": _text(drawn(f"account {chain_id}", 20)),
                "encoded": _text(interoperable.encode(chain_id, drawn(f"account {chain_id}", 20))),
            }
            for chain_id in CHAIN_IDS
        ],
    }


def _message(index: int, each: Message) -> dict[str, Any]:
    judged = verdict(index, each)
    end, root, epoch = each.destination, drawn(f"root {index}", 32), EPOCHS[index % 3]
    attested = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=epoch)
    return {
        "fields": _fields(each),
        "id": _text(each.id),
        "lane": _text(each.lane),
        "attestation": {"root": _text(root), "epoch": str(epoch), "digest": _text(attested)},
        "verdict": _fields(judged)
        | {"digest": _text(verdict_digest(chain_id=end.chain_id, registry=end.gateway, verdict=judged))},
    }


def _fields(value: Message | Verdict | Chain) -> dict[str, Any]:
    return {field.name: _text(getattr(value, field.name)) for field in fields(value)}


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, bool):
        return value
    return str(int(value)) if isinstance(value, int) else _fields(value)


def written() -> str:
    """The file's text."""
    return json.dumps(made(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(written())
