"""Row 3: under which name and from which checkpoint on this notary cosigns a log.

What else decides over a cosignature is `ledger.witness.consider`.
"""

from __future__ import annotations

from ledger.checkpoint import Checkpoint
from ledger.errors import Refused
from ledger.membership import Member, operator_digest


def require_cosigner(record: Member | None, *, name: str | None, cosigning: bytes) -> str:
    """Row 3: the name under which readers know this notary's cosignatures, which its record binds by digest.

    `record`: its own in the epoch that is current where checkpoints are anchored; `name`: as configured, or as the
    manifest names it; `cosigning`: the key it would sign with. Errors: `Refused` NOT_A_MEMBER.
    """
    if record is None or name is None:
        what = "no record of the current epoch names this notary, so that no reader would know its cosignature"
        raise Refused("NOT_A_MEMBER", what, cure="Give `name`, the operator's name, in the configuration.")
    if record.cosigning != cosigning or record.operator != operator_digest(name):
        what = (
            "the record of the current epoch holds another cosigning key"
            if record.cosigning != cosigning
            else ("the record of the current epoch is of an operator of another name")
        )
        raise Refused("NOT_A_MEMBER", what, where=name, cure="Check `name` and `folder` of the configuration.")
    return name


def require_growth(offered: Checkpoint, *, old_size: int) -> None:
    """Row 3: refuse (OLD_SIZE) a proof that claims to start above the checkpoint it ends at (C2SP tlog-witness).

    What else decides over a cosignature is `ledger.witness.consider`.
    """
    if old_size > offered.size:
        raise Refused("OLD_SIZE", f"the proof starts at {old_size}, above the checkpoint's size {offered.size}")
