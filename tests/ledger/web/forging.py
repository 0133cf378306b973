"""Records of a log whose operator and notaries collude: their own tree over changed records, truly signed and cosigned.

What such a forger still lacks is the devices' keys; the browser's later steps must catch it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ledger.canonical import canonical_json, entry_digest
from ledger.checkpoint import Checkpoint, LogSigner, add_cosignatures, cosign, sign_checkpoint
from ledger.merkle import Tree, leaf_hash
from tests.ledger.tea import NOTARY_KEYS, NOW

Change = Callable[[list[dict[str, Any]]], None]


def relogged(answer: dict[str, Any], log: LogSigner, change: Change) -> None:
    """Let `change` work on the records of an answer, and prove the result in a new log of the same name and size."""
    records: list[dict[str, Any]] = answer["records"]
    size = max(record["entry"] for record in records) + 1
    change(records)
    leaves = [leaf_hash(bytes([index]) * 32) for index in range(max(size, *(r["entry"] + 1 for r in records)))]
    for record in records:
        digest = entry_digest(record["domain"], bytes.fromhex(record["salt"]), record["canonical"].encode())
        leaves[record["entry"]] = leaf_hash(digest)
    tree = Tree(leaves)
    for record in records:
        record["path"] = [node.hex() for node in tree.inclusion_proof(record["entry"])]
    note = sign_checkpoint(Checkpoint(log.name, len(tree), tree.root()), log)
    time = int(NOW.timestamp())
    signed = [cosign(note, log_key=log.key, cosigner=key, time=time) for key in NOTARY_KEYS]
    answer["checkpoint"] = add_cosignatures(note, signed).decode()


def rewrite(record: dict[str, Any], change: Callable[[Any], None]) -> None:
    """Change what a record says, in canonical form."""
    value = json.loads(record["canonical"])
    change(value)
    record["canonical"] = canonical_json(value).decode()
