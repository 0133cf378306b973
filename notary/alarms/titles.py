"""Titles and anchors: a warehouse receipt under a lien does not move, and the log only grows, by what was cosigned.

FREEZE_IGNORED (titles), LOG_FORKED, ANCHOR_UNCOSIGNED. A notary's word about the log is not believed: both notes must
be the log's own, for one size with two roots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ledger.checkpoint import Checkpoint, LogKey, open_checkpoint
from ledger.errors import Problem
from ledger.quorum import quorum
from notary.alarms.alarm import Label
from notary.alarms.facts import Doubt, Fact, Word
from notary.alarms.floor import MAX_DUE, Floor, as_place, as_record, show, word_of

LIEN, ANCHOR, LATEST, UNCOSIGNED = "lien", "anchor", "latest", "uncosigned"


def frozen(floor: Floor, fact: Fact) -> None:
    """A warehouse receipt is under a lien, or held for an exchange."""
    floor.memory.put(LIEN, fact.fields["receipt_id"], (as_record(fact.place),))


def freed(floor: Floor, fact: Fact) -> None:
    """The lien or the hold is over."""
    floor.memory.drop(LIEN, fact.fields["receipt_id"])


def moved(floor: Floor, fact: Fact) -> None:
    """A warehouse receipt was transferred, redeemed, split or merged."""
    named = [fact.fields[name] for name in ("first", "second")] if fact.name == "ReceiptsMerged" else []
    for warehouse_receipt in named or [fact.fields["receipt_id"]]:
        held = floor.memory.get(LIEN, warehouse_receipt)
        if held is not None:
            floor.alarm(
                Label.FREEZE_IGNORED,
                f"receipt {show(warehouse_receipt)} {fact.place.order}",
                f"a frozen warehouse receipt moved ({fact.name})",
                at=fact.place,
                evidence={"warehouse_receipt": show(warehouse_receipt), "frozen": as_place(held[0]).as_json()},
            )


def anchored(floor: Floor, fact: Fact) -> None:
    """A checkpoint of the log was anchored at its origin."""
    size, root, key = fact.fields["size"], fact.fields["root"], word_of(fact.place.chain_id, 32)
    latest = floor.memory.get(LATEST, key)
    if latest is not None and size <= latest[0]:
        _forked(floor, fact, f"an anchor of {size} entries follows one of {latest[0]}", show(latest[1]))
    floor.memory.put(LATEST, key, (size, root))
    floor.memory.put(ANCHOR, word_of(size), (root,))
    floor.memory.put(
        UNCOSIGNED, word_of(size), (as_record(fact.place), root, floor.now), due=floor.now + floor.terms.patience
    )


def mirrored(floor: Floor, fact: Fact) -> None:
    """An anchor arrived on another chain: it must be the one that was carried."""
    if fact.fields["log_origin"] != hashlib.sha256(floor.terms.manifest.log_origin.encode()).digest():
        return
    held = floor.memory.get(ANCHOR, word_of(fact.fields["size"]))
    if held is not None and held[0] != fact.fields["root"]:
        _forked(floor, fact, "an anchor arrived with another root than it was carried with", show(held[0]))


def cosigned(floor: Floor, words: Sequence[Word], asked_at: int) -> None:
    """Notaries cosign first, and then a checkpoint is anchored: so many must hold it that a quorum can have signed.

    `asked_at`: when they were asked. Who does not answer is taken to hold it.
    """
    members = len(floor.terms.manifest.committee.members)
    for key, (place, root, seen_at) in floor.memory.due(UNCOSIGNED, floor.now, MAX_DUE):
        if asked_at <= seen_at:
            continue
        floor.memory.drop(UNCOSIGNED, key)
        size = int.from_bytes(key, "big")
        lacking = sorted(each.notary for each in words if each.log_size < size)
        if members - len(lacking) < quorum(members):
            floor.alarm(
                Label.ANCHOR_UNCOSIGNED,
                f"anchor {size} {show(root)}",
                f"a checkpoint of {size} entries is anchored, which {len(lacking)} notaries never accepted",
                at=as_place(place),
                evidence={"size": size, "root": show(root), "log_size_below": list(lacking)},
            )


def doubted(floor: Floor, words: Sequence[Word]) -> None:
    """What notaries keep against the log: two notes of one size convict it, whoever shows them."""
    for each in words:
        for doubt in each.doubts:
            pair = _read(floor.terms.manifest.log_origin, floor.terms.manifest.log_key, doubt)
            if pair is None or pair[0].size != pair[1].size or pair[0].root == pair[1].root:
                continue
            roots = sorted(show(checkpoint.root) for checkpoint in pair)
            notes = {"offered": doubt.offered.decode(), "held": doubt.held.decode()}
            floor.alarm(
                Label.LOG_FORKED,
                f"log {pair[0].size} {' '.join(roots)}",
                f"the log signed two states of {pair[0].size} entries",
                where={"log": floor.terms.manifest.log_origin},
                evidence=notes,
            )


def differing(floor: Floor, words: Sequence[Word]) -> None:
    """A notary says that a chain does not re-execute to what it claims."""
    found: dict[str, dict[str, str]] = {}
    for each in words:
        for chain, problem in each.differs.items():
            found.setdefault(chain, {})[each.notary] = problem
    for chain, said in found.items():
        _tell_differing(floor, chain, said)


def _tell_differing(floor: Floor, chain: str, said: Mapping[str, str]) -> None:
    floor.alarm(
        Label.VERDICT_DIFFERS,
        f"chain {chain}",
        f"{len(said)} notaries found that a block of the chain does not re-execute to what it claims",
        where={"chain": chain},
        evidence={"said": dict(said), "replays": [f"{notary}/replays" for notary in sorted(said)]},
    )


def _forked(floor: Floor, fact: Fact, what: str, other: str) -> None:
    floor.alarm(
        Label.LOG_FORKED,
        f"anchor {fact.fields['size']} {show(fact.fields['root'])}",
        what,
        at=fact.place,
        evidence={"root": show(fact.fields["root"]), "other_root": other},
    )


@lru_cache(maxsize=1024)
def _read(origin: str, key: bytes, doubt: Doubt) -> tuple[Checkpoint, Checkpoint] | None:
    """Both checkpoints, each under the log's own signature; None where one is not."""
    log = LogKey(origin, key)
    try:
        return open_checkpoint(doubt.offered, log_key=log), open_checkpoint(doubt.held, log_key=log)
    except Problem:
        return None
