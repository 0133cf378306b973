"""Whether a notary may cosign a log's next checkpoint (C2SP tlog-witness, its checks without its HTTP).

The caller opens the note first (the log's signature), asks here, **stores** what comes back as the last seen
checkpoint in the same step, and only then cosigns. May never happen here: a yes to a log that shrinks or
forks, or to one whose growth is not proven from exactly the state this notary saw last.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.checkpoint import Checkpoint
from ledger.errors import Refused, WrongUse
from ledger.merkle import verify_consistency


def consider(*, seen: Checkpoint | None, offered: Checkpoint, old_size: int, proof: Sequence[bytes]) -> Checkpoint:
    """Return `offered` when it may be cosigned, that is, stored as the new `seen` and then signed.

    `seen`: the last checkpoint of this log that this notary accepted; None only if it never saw the log
    (the first state is taken on trust). `old_size`, `proof`: the consistency proof that came with
    `offered`; from size 0 it is empty. Raises `Refused` LOG_UNKNOWN (another log), LOG_STALE (the proof
    starts from another size than `seen`; `where` gives the size to start from), LOG_SHRINKS, SPLIT_VIEW
    (two roots for one size: keep both notes, they convict the log), PROOF_INVALID.
    """
    if seen is not None and seen.origin != offered.origin:
        raise Refused("LOG_UNKNOWN", f"This is the log {offered.origin}, not {seen.origin}.")
    seen_size = 0 if seen is None else seen.size
    if old_size < 0:
        raise WrongUse("TREE_RANGE", "A log has no negative size.")
    if seen is not None and offered.size == seen.size and offered.root != seen.root:
        raise _split_view(offered)
    if old_size != seen_size:
        raise Refused(
            "LOG_STALE",
            f"The proof starts at size {old_size}, but the last size seen here is {seen_size}.",
            where=f"size {seen_size}",
            cure=f"Send a consistency proof from size {seen_size}.",
        )
    if offered.size < seen_size:
        raise Refused("LOG_SHRINKS", f"The log had {seen_size} entries and now claims {offered.size}.")
    if seen is None or seen.size == 0:
        if proof:
            raise Refused("PROOF_INVALID", "From an empty log there is nothing to prove, so the proof must be empty.")
        return offered
    verify_consistency(
        old_size=seen.size, old_root=seen.root, new_size=offered.size, new_root=offered.root, proof=proof
    )
    return offered


def _split_view(offered: Checkpoint) -> Refused:
    return Refused(
        "SPLIT_VIEW",
        f"The log shows two different states of size {offered.size}.",
        where=offered.origin,
        cure="Keep both signed notes: together they prove that the log forked.",
    )
