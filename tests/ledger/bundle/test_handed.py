"""What a relay hands to the ledger: kept only where a bundle could carry it, of this epoch and the one before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.bundle import Crossing, TrustRoot, crossing_of
from ledger.bundle.format import dump_crossing, load_crossing
from ledger.bundle.handed import verify_anchor, verify_told
from ledger.checkpoint import Checkpoint
from tests.ledger.bundle.estate import LOG, TRUST_ROOT, Estate, address
from tests.ledger.bundle.rotated import RENEWED
from tests.ledger.bundle.test_pledge import AFTER, LENDING, LENT, LOAN, Secured
from tests.ledger.refusals import refused

CHECKPOINT = Checkpoint(LOG.name, 7, bytes(range(32)))


def anchor(**changes: Any) -> Crossing:
    return crossing_of(TRUST_ROOT, **Estate(**changes).cross(CHECKPOINT))


def later(root: TrustRoot) -> TrustRoot:
    """After one more rotation."""
    pinned = replace(root.pinned, committee=replace(root.pinned.committee, epoch=root.pinned.epoch + 1))
    return root.renewed(pinned, root.dated)


def test_an_anchor_is_told_by_its_size_root_and_credential() -> None:
    crossing = anchor()
    found = verify_anchor(crossing, TRUST_ROOT)
    assert (found.size, found.root, found.credential) == (7, CHECKPOINT.root, crossing.judged.credential)


def test_a_loans_instruction_is_told_by_the_loan_and_its_order() -> None:
    for crossing in Secured().told().crossings:
        found = verify_told(crossing, LENT)
        assert (found.loan, found.order[0], found.credential) == (LOAN, 1, crossing.judged.credential)


def test_what_closed_as_the_notaries_were_replaced_is_still_taken() -> None:
    assert verify_anchor(anchor(), RENEWED)
    assert verify_told(Secured().told().crossings[0], AFTER)


@pytest.mark.parametrize("of_a_loan", [False, True])
def test_what_older_keys_say_is_not_taken_in_to_be_sealed(*, of_a_loan: bool) -> None:
    with refused("EPOCH_UNLINKED"):
        if of_a_loan:
            verify_told(Secured().told().crossings[0], later(AFTER))
        else:
            verify_anchor(anchor(), later(RENEWED))


FALSE: dict[str, tuple[Callable[[], object], str]] = {
    "an anchor judged by one too few": (lambda: verify_anchor(anchor(notaries=(0, 1)), TRUST_ROOT), "QUORUM"),
    "an anchor attested by one too few": (lambda: verify_anchor(anchor(attesting=(0, 1)), TRUST_ROOT), "QUORUM"),
    "an anchor of another registry": (
        lambda: verify_anchor(anchor(message={"sender": address(9)}), TRUST_ROOT),
        "ANCHOR_MISMATCH",
    ),
    "an anchor that was not mirrored": (
        lambda: verify_anchor(anchor(verdict={"outcome": bytes(32)}, commit={"outcome": bytes(32)}), TRUST_ROOT),
        "COMMIT_MISMATCH",
    ),
    "an anchor of no checkpoint": (
        lambda: verify_anchor(anchor(anchored=lambda _checkpoint: bytes(64)), TRUST_ROOT),
        "ANCHOR_MISMATCH",
    ),
    "a loan's instruction as an anchor": (
        lambda: verify_anchor(Secured().told().crossings[0], LENT),
        "EMITTER",
    ),
    "an instruction where nobody lends": (
        lambda: verify_told(Secured().told().crossings[0], TRUST_ROOT),
        "PLEDGE_MISMATCH",
    ),
    "an instruction of another registry": (
        lambda: verify_told(Secured().told().crossings[0], replace(LENT, lending=replace(LENDING, loans=address(9)))),
        "PLEDGE_MISMATCH",
    ),
    "an instruction with another credential": (
        lambda: verify_told(_with_credential(Secured().told().crossings[0]), LENT),
        "CREDENTIAL_MISMATCH",
    ),
}


@pytest.mark.parametrize("case", FALSE)
def test_it_is_refused(case: str) -> None:
    ask, code = FALSE[case]
    with refused(code):
        ask()


def test_it_has_one_form() -> None:
    crossing = anchor()
    raw = dump_crossing(crossing)
    assert load_crossing(raw) == crossing
    for damaged, code in ((raw[:-1], "NON_CANONICAL"), (raw + b"\x00", "NON_CANONICAL"), (b"\xa0", "BUNDLE_FIELD")):
        with refused(code):
            load_crossing(damaged)


def test_it_is_bounded() -> None:
    with refused("BUNDLE_SIZE"):
        load_crossing(bytes(4 * 1024 * 1024 + 1))


def _with_credential(crossing: Crossing) -> Crossing:
    return replace(crossing, judged=replace(crossing.judged, credential=bytes(32)))
