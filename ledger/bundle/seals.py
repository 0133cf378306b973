"""That the origin's own validators sealed the block a message left in: from those the trust root pins, step by step.

    pinned validators ── a quorum of them sealed ──▶ a header that names others ── … ──▶ the block

It is what a destination's light client asks for under policy *relay*, save for the clock: whose keys are years old may
be anybody's, which is why the notaries' verdict stands beside it. May never happen here: seals of validators that
nobody vouched for, or a lane that rests on seals told as if they had been shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.bundle.findings import Proven
from ledger.bundle.format import Crossing
from ledger.bundle.trust_root import TrustRoot, Validators
from ledger.errors import BadInput, Refused
from ledger.ethereum.qbft import QbftHeader, read_unsealed
from ledger.headers.light_client import require_list
from ledger.headers.seals import check_seals
from ledger.proposal import Chain

NOTARY, CERTIFIED, RELAY, NOTARY_AND_RELAY = 1, 2, 3, 4  # of a lane, as `lane_word.vy` numbers them
POLICIES: Final = {NOTARY: "notary", CERTIFIED: "certified", RELAY: "relay", NOTARY_AND_RELAY: "notary and relay"}
WITH_CERTIFICATE: Final = frozenset({NOTARY, NOTARY_AND_RELAY})
_WITH_SEALS = frozenset({RELAY, NOTARY_AND_RELAY})


@dataclass(frozen=True, slots=True)
class Sealing:
    """What the seals show; or, of a lane that rests on them, why they are not shown (`why_not`, else empty)."""

    proven: Proven | None
    why_not: str = ""


def verify_seals(crossing: Crossing, root: TrustRoot, origin: Chain, number: int) -> Sealing:
    """Follow the seals to the origin's block of this number, which the verdict names.

    Raises `Refused` SEALS_UNPINNED (the trust root names no validators of it), SEALS_MISSING, SEALS_ORDER, HEADER_HASH,
    SEAL_MODE (a contract chooses the validators), QUORUM, SET_OVERLAP, SIG_…, CONFIG_SET; `BadInput` NON_CANONICAL.
    """
    pinned = root.validators_of(origin.chain_id)
    if not crossing.seals:
        return Sealing(None, _why_not(crossing.judged.verdict.policy, pinned, origin, number))
    if pinned is None:
        what = f"The bundle carries seals, and the trust root names no validators of {origin}."
        raise Refused("SEALS_UNPINNED", what, cure="Ask for a bundle under the trust root that you hold.")
    trusted, height, sealers = pinned.members, pinned.height, 0
    for place, step in enumerate(crossing.seals):
        header, is_last = read_unsealed(step.header), place == len(crossing.seals) - 1
        own = header.extra.validators
        if header.number < height or (header.number == height and place):
            raise Refused("SEALS_ORDER", "The sealed headers do not rise from the pinned one.", where=f"seals[{place}]")
        if own == trusted and not is_last:
            raise BadInput("NON_CANONICAL", "A sealed header leads nowhere.", where=f"seals[{place}]")
        require_list(own)
        sealers = len(check_seals(header, step.seals, () if own == trusted else trusted))
        trusted, height = own, header.number
    _require_block(header, crossing)
    return Sealing(_tell(origin, header, sealers, pinned, len(crossing.seals) - 1))


def _why_not(policy: int, pinned: Validators | None, origin: Chain, number: int) -> str:
    if policy not in _WITH_SEALS:
        return ""
    said = f"That the validators of {origin} sealed the block in which the message left"
    if pinned is None:
        return f"{said}: the trust root names none of them. The notaries' verdict vouches for the block."
    if number < pinned.height:
        return (
            f"{said}: they are pinned from block {pinned.height} on only. The notaries' verdict vouches for the block."
        )
    what = f"The lane rests on seals of {origin}, whose validators the trust root pins, and the bundle carries none."
    raise Refused("SEALS_MISSING", what, cure="Ask for the bundle again.")


def _require_block(header: QbftHeader, crossing: Crossing) -> None:
    if header.hash != crossing.judged.verdict.origin_block:
        what = "The sealed block is not the one that the notaries' verdict names."
        raise Refused("HEADER_HASH", what, where=f"block {header.number}")


def _tell(origin: Chain, header: QbftHeader, sealers: int, pinned: Validators, changes: int) -> Proven:
    followed = f", {changes} changes of validators later" if changes else ""
    return Proven(
        "sealed_origin",
        f"{sealers} of {len(header.extra.validators)} validators of {origin} sealed block {header.number}.",
        f"their seals, from the validators that the trust root pins at block {pinned.height}{followed}",
        facts={"block": f"0x{header.hash.hex()}"},
    )
