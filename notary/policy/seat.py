"""Whether this notary's attesting key is a member's, where it is asked to sign: rows 5 and 8."""

from __future__ import annotations

from contracts.epochs import Epoch
from contracts.manifest import ChainManifest, Manifest
from ledger.errors import Refused


def require_member(manifest: Manifest, index: int, *, address: bytes, cosigning: bytes) -> None:
    """Refuse (NOT_A_MEMBER) keys that the committee does not hold at this index."""
    committee = manifest.committee.members[index] == address
    if not committee or manifest.cosigners[index].public_key != cosigning:
        which = "cosigning" if committee else "attesting"
        raise Refused(
            "NOT_A_MEMBER",
            f"the {which} key is not that of member {index} of epoch {manifest.committee.epoch}",
            where=f"0x{address.hex()}",
            cure="Check `index` and `folder` of the configuration.",
        )


def require_seat(epoch: Epoch, *, address: bytes, chain: ChainManifest) -> int:
    """Row 5 and 8: this notary's index among the members of the epoch in which it is asked to sign.

    Errors: `Refused` NOT_A_MEMBER, SUSPENDED (its key was barred: it contradicted itself, or somebody has it).
    """
    index = epoch.index_of(address)
    if index is None:
        raise Refused(
            "NOT_A_MEMBER",
            f"the attesting key is no member's of epoch {epoch.number}",
            where=f"0x{address.hex()}, {chain.caip2}",
            cure="Ask the members of that epoch; what was attested before stays served.",
        )
    if index in epoch.barred:
        what = f"member {index} of epoch {epoch.number} is barred: its signature counts for nobody"
        raise Refused("SUSPENDED", what, where=f"0x{address.hex()}, {chain.caip2}", cure="Retire the key.")
    return index
