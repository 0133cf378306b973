"""Writes `qbft_headers.json`, headers that Python and Vyper read alike: `python -m tests.vectors.make_qbft_headers`.

Deterministic: keys are small numbers and signatures follow RFC 6979, so that the file changes only when a rule does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ledger.ethereum.qbft import QbftHeader, Vote
from ledger.headers.held import HeldHeader
from ledger.headers.light_client import digest_of, summary
from ledger.headers.seals import pack_seals
from tests.simulator.qbft import FORKS, QbftChain, keys

FILE = Path(__file__).with_name("qbft_headers.json")


def drawn() -> list[QbftHeader]:
    """One header for each fork, round, kind of vote and number of validators worth showing."""
    headers = [QbftChain(keys(4), fork=fork).mine() for fork in FORKS]
    larger = [QbftChain(keys(count)).mine(decided_in=count % 3) for count in (5, 6, 7, 12, 13, 16)]
    votes = (Vote(b"\x07" * 20, True), Vote(b"\x07" * 20, False))
    return [*headers, *larger, *(QbftChain(keys(4)).mine(vote=vote, decided_in=127) for vote in votes)]


def shown(header: QbftHeader) -> dict[str, Any]:
    """A header and everything that both sides must make of it."""
    held: HeldHeader = summary(header)
    return {
        "sealed": header.rlp().hex(),
        "unsealed": header.unsealed.hex(),
        "seals": pack_seals(header).hex(),
        "height": header.number,
        "timestamp": header.timestamp,
        "state_root": header.state_root.hex(),
        "receipts_root": header.receipts_root.hex(),
        "seal_digest": header.seal_digest.hex(),
        "block_hash": header.hash.hex(),
        "validators": digest_of(header.extra.validators).hex(),
        "word": held.word.hex(),
    }


def written() -> str:
    """What the file shall hold."""
    return json.dumps([shown(header) for header in drawn()], indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(written())
