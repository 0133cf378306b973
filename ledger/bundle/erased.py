"""Entries that were erased: proven to have stood in the log, with the record that says when and why.

The entry's digest stays, which nobody can open without its salt; so that it stood there is proven, and what it was, or
about whom, is the ledger's word. May never happen here: an entry that is missing and has no record, or a bundle with
one that could be taken for the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.bundle.findings import Gone
from ledger.bundle.format import Bundle, LoggedObject
from ledger.checkpoint import Checkpoint
from ledger.erasure import ERASURE_DOMAIN, Erasure, Kind, read_erasure
from ledger.errors import BadInput, Refused
from ledger.merkle import leaf_hash, verify_inclusion


def verify_erased(bundle: Bundle, checkpoint: Checkpoint) -> tuple[Gone, ...]:
    """Prove that each erased entry stood in the log, and that the log says that it was erased.

    Raises `Refused` PROOF_INVALID, ERASURE_UNRECORDED (no record, or one that is older than the entry), SUPERFLUOUS;
    `BadInput` NON_CANONICAL, ERASURE_FORMAT.
    """
    records = _records(bundle.of(ERASURE_DOMAIN))
    gone: list[Gone] = []
    last, held = -1, {found.index for found in bundle.objects}
    for entry in bundle.erased:
        if entry.index <= last or entry.index in held:
            raise BadInput(
                "NON_CANONICAL", "Erased entries are not in their order, or are here too.", where=entry.place
            )
        last = entry.index
        verify_inclusion(
            leaf=leaf_hash(entry.digest),
            index=entry.index,
            size=checkpoint.size,
            proof=entry.path,
            root=checkpoint.root,
        )
        found = records.pop(entry.index, None)
        if found is None or found[0].index <= entry.index:
            what = "Its content is missing, and no record of the log says that it was erased."
            raise Refused("ERASURE_UNRECORDED", what, where=entry.place)
        record, said = found
        gone.append(Gone(entry.index, said.kind, said.at, said.reason, record.index))
    for record, _said in records.values():
        raise Refused("SUPERFLUOUS", "The record of an erasure is about nothing here.", where=record.place)
    return tuple(gone)


def only_erased(gone: Sequence[Gone], kind: Kind) -> bool:
    """Whether the one thing a bundle is about was erased, beside nothing but the findings about it."""
    return [each.kind for each in gone if each.kind is not Kind.FINDING] == [kind]


def _records(objects: Sequence[LoggedObject]) -> dict[int, tuple[LoggedObject, Erasure]]:
    records: dict[int, tuple[LoggedObject, Erasure]] = {}
    for found in objects:
        said = read_erasure(found.canonical)
        if said.canonical() != found.canonical:
            raise BadInput("NON_CANONICAL", "The record of an erasure is not in its canonical form.", where=found.place)
        if said.entry in records:
            raise Refused("SUPERFLUOUS", "One erasure is recorded twice.", where=found.place)
        records[said.entry] = found, said
    return records
