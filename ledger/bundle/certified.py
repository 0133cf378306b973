"""That the notaries certified the origin's header to the destination's own holder of headers, under policy *certified*.

What the destination checked when it let the message in, worth as much as the notaries' word and no more: a second look
at the same block, independent of the verdict over the commit. Nothing that was sealed binds it, so it counts in the
pinned epoch alone: retired keys may be anybody's. May never happen here: a certificate over another block than the
verdict's.
"""

from __future__ import annotations

from ledger.bundle.epochs import Electorate
from ledger.bundle.findings import Proven
from ledger.bundle.format import Crossing
from ledger.bundle.header_certificate import HeaderCertificate
from ledger.bundle.seals import CERTIFIED
from ledger.bundle.trust_root import TrustRoot
from ledger.errors import Problem, Refused
from ledger.ethereum.header import Header
from ledger.headers.certified import HeaderDomain
from ledger.headers.held import HeldHeader
from ledger.proposal import Chain
from ledger.quorum import Committee


def verify_certified(
    crossing: Crossing, believed: Electorate, origin: Chain, destination: Chain, header: Header
) -> tuple[Proven | None, str]:
    """What the certificate shows of `header`, which the verdict names; or, where the lane rests on one and none is
    here, why that stays open (else empty).

    Raises `Refused` SUPERFLUOUS (the lane rests on none), EPOCH_UNLINKED (of a past epoch), SET_EPOCH, and those of
    `Committee.check`.
    """
    found, is_asked = crossing.certified, crossing.judged.verdict.policy == CERTIFIED
    if found is None:
        missing = (
            f"That the notaries certified the header of block {header.number} of {origin} to {destination}: the bundle "
            "carries no such certificate. The notaries' verdict vouches for the block."
        )
        return None, missing if is_asked else ""
    if not is_asked:
        raise Refused("SUPERFLUOUS", "A certified header is here, and the lane rests on none.", where="certified")
    committee = believed.unsealed(found.epoch).committee
    members = _require_quorum(found, committee, origin, destination, header)
    listed = ", ".join(str(member) for member in members)
    proven = Proven(
        "certified_origin",
        f"The notaries certified the header of block {header.number} of {origin} to {destination}.",
        f"{len(members)} of {len(committee.members)} notaries (members {listed}; epoch {committee.epoch})",
        facts={"block": f"0x{header.hash.hex()}", "holder": f"0x{found.contract.hex()}"},
    )
    return proven, ""


def current(crossing: Crossing, root: TrustRoot) -> HeaderCertificate | None:
    """The crossing's certificate where it counts under this trust root; None for one of a past epoch."""
    found = crossing.certified
    return found if found is not None and found.epoch == root.pinned.epoch else None


def _require_quorum(
    found: HeaderCertificate, committee: Committee, origin: Chain, destination: Chain, header: Header
) -> tuple[int, ...]:
    held = HeldHeader(header.number, header.hash, header.state_root, header.receipts_root, header.timestamp)
    domain = HeaderDomain(destination.chain_id, found.contract, origin.chain_id)
    try:
        return committee.check(found.epoch, domain.digest(held, found.epoch), found.signatures)
    except Problem as error:
        place = "certified.signatures" + (f", {error.where}" if error.where else "")
        what = f"The notaries' signatures do not hold: {error.what}."
        raise Refused(error.code, what, where=place, cure="A quorum of the notaries must have signed this.") from error
