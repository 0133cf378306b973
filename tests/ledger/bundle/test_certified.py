"""Bundles of lanes of policy *certified*: the origin's header as the notaries certified it; or why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ledger.bundle import HeaderCertificate, TrustRoot, verify
from ledger.bundle.assemble import assemble_crossed, crossing_of
from ledger.bundle.epochs import JustNow
from ledger.bundle.format import Bundle, dump, load
from ledger.bundle.handed import verify_anchor
from ledger.ethereum.header import header_from_rlp
from ledger.headers.certified import HeaderDomain
from ledger.headers.held import HeldHeader
from ledger.quorum import pack
from tests.ledger.bundle.estate import NOTARIES, TRUST_ROOT, Estate, address
from tests.ledger.bundle.rotated import RENEWED, Rotated
from tests.ledger.refusals import refused

HOLDER = address(0xC2)
ENDS = (TRUST_ROOT.destination.chain_id, TRUST_ROOT.origin.chain_id)


def certificate(
    raw: bytes,
    *,
    signers: Sequence[int] = (0, 1, 3),
    contract: bytes = HOLDER,
    ends: tuple[int, int] = ENDS,
    epoch: int = 1,
    **changes: Any,
) -> HeaderCertificate:
    """The notaries' signatures over a header, `changes` of which are false."""
    header = header_from_rlp(raw)
    held = HeldHeader(header.number, header.hash, header.state_root, header.receipts_root, header.timestamp)
    digest = HeaderDomain(ends[0], contract, ends[1]).digest(replace(held, **changes), epoch)
    return HeaderCertificate(contract, epoch, pack({each: NOTARIES[each].sign(digest) for each in signers}))


def made(*, policy: int = 2, shown: bool = True, root: TrustRoot = TRUST_ROOT) -> bytes:
    """A bundle over a lane of this policy, with the certificate of its header or without."""
    parts = Estate(verdict={"policy": policy}).with_entries().parts()
    own = certificate(parts["sent"].header) if shown else None
    names = ("sent", "committed", "verdict", "signatures")
    asked = parts["certificate"] if policy == 1 else None
    anchor = crossing_of(TRUST_ROOT, **{name: parts[name] for name in names}, certificate=asked, certified=own)
    told = {"subject": parts["subject"], "objects": parts["objects"], "note": parts["note"]}
    return assemble_crossed(**told, trust_root=root, link=None, anchor=anchor, pledge=None, stamp=None)


HONEST = made()
OWN = load(HONEST).sent.header


def test_the_header_that_the_destination_held_is_shown_with_who_certified_it() -> None:
    findings = verify(HONEST, trust_root=TRUST_ROOT)
    (found,) = [step for step in findings.proven if step.step == "certified_origin"]
    assert found.what == "The notaries certified the header of block 41 of eip155:7101 to eip155:7102."
    assert found.who == "3 of 4 notaries (members 0, 1, 3; epoch 1)"
    assert (found.facts or {})["holder"] == f"0x{HOLDER.hex()}"
    assert not any("certified the header" in each for each in findings.not_proven)
    assert dump(load(HONEST)) == HONEST


def test_without_it_the_findings_say_so() -> None:
    findings = verify(made(shown=False), trust_root=TRUST_ROOT)
    assert "certified_origin" not in {step.step for step in findings.proven}
    (said,) = [each for each in findings.not_proven if "certified the header" in each]
    assert said.startswith("That the notaries certified the header of block 41 of eip155:7101 to eip155:7102:")


def test_a_lane_of_another_policy_says_nothing_of_it() -> None:
    findings = verify(made(policy=1, shown=False), trust_root=TRUST_ROOT)
    assert not any("certified the header" in each for each in findings.not_proven)


def certified(**changes: Any) -> Callable[[Bundle], Bundle]:
    return lambda bundle: replace(bundle, certified=certificate(OWN, **changes))


CHANGED: dict[str, tuple[Callable[[Bundle], Bundle], str]] = {
    "one too few certified it": (certified(signers=(0, 1)), "QUORUM"),
    "another state was certified": (certified(state_root=bytes(32)), "SIG_UNKNOWN"),
    "other receipts were certified": (certified(receipts_root=bytes(32)), "SIG_UNKNOWN"),
    "another block was certified": (certified(block_hash=bytes(32)), "SIG_UNKNOWN"),
    "another height was certified": (certified(height=42), "SIG_UNKNOWN"),
    "another time was certified": (certified(timestamp=1), "SIG_UNKNOWN"),
    "it was certified to another chain": (certified(ends=(7103, 7101)), "SIG_UNKNOWN"),
    "it was certified as another chain's": (certified(ends=(7102, 7103)), "SIG_UNKNOWN"),
    "it was certified to another contract": (
        lambda bundle: replace(bundle, certified=replace(certificate(OWN), contract=address(0xC3))),
        "SIG_UNKNOWN",
    ),
    "the signatures are cut short": (
        lambda bundle: replace(
            bundle, certified=replace(certificate(OWN), signatures=certificate(OWN).signatures[:-1])
        ),
        "SIG_LENGTH",
    ),
    "nobody signed": (lambda bundle: replace(bundle, certified=HeaderCertificate(HOLDER, 1, b"")), "SIG_LENGTH"),
    "an epoch that nobody knows": (certified(epoch=7), "SET_EPOCH"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_it_is_refused_when(case: str) -> None:
    change, code = CHANGED[case]
    with refused(code):
        verify(dump(change(load(HONEST))), trust_root=TRUST_ROOT)
    assert verify(HONEST, trust_root=TRUST_ROOT)


def on_a_lane_of_notaries() -> bytes:
    """A certified header beside a message whose lane rests on none."""
    return dump(certified()(load(made(policy=1, shown=False))))


def test_a_certified_header_that_no_lane_rests_on_is_refused() -> None:
    with refused("SUPERFLUOUS"):
        verify(on_a_lane_of_notaries(), trust_root=TRUST_ROOT)


def by_retired_keys() -> bytes:
    """A bundle that a later epoch sealed, with a header that keys of the earlier one certify now."""
    estate = Rotated(verdict={"policy": 2}).with_entries()
    return estate.forge(lambda bundle: replace(bundle, certified=certificate(bundle.sent.header)))


def test_a_header_that_retired_keys_certify_is_refused_though_a_later_epoch_sealed_the_rest() -> None:
    with refused("EPOCH_UNLINKED"):
        verify(by_retired_keys(), trust_root=RENEWED)
    assert verify(dump(replace(load(by_retired_keys()), certified=None)), trust_root=RENEWED)


def test_retired_keys_certify_nothing_in_a_bundle_and_what_closed_meanwhile_is_taken_in() -> None:
    anchor = load(HONEST).anchor
    assert verify_anchor(anchor, TRUST_ROOT).credential == verify_anchor(anchor, RENEWED).credential
    assert JustNow(RENEWED).unsealed(1).epoch == 1
    later = replace(RENEWED.pinned, committee=replace(RENEWED.pinned.committee, epoch=3))
    with refused("EPOCH_UNLINKED"):
        JustNow(RENEWED.renewed(later, RENEWED.dated)).unsealed(1)
