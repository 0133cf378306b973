"""The trust root: one spelling, nothing by default, never less than a quorum."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ledger.bundle import Notaries, TrustRoot
from ledger.bundle.trust_root import MAX_TRUST_ROOT_BYTES
from ledger.canonical import canonical_json
from ledger.errors import Problem
from tests.ledger.bundle.estate import TRUST_ROOT, address
from tests.ledger.refusals import refused

HONEST = TRUST_ROOT.dump()
PINNED = TRUST_ROOT.pinned


def pinning(**changes: Any) -> TrustRoot:
    """The trust root with other notaries pinned."""
    return replace(TRUST_ROOT, pinned=replace(PINNED, **changes))


def test_it_reads_back_and_a_newline_may_follow() -> None:
    assert TrustRoot.load(HONEST) == TRUST_ROOT
    assert TrustRoot.load(HONEST + b"\n") == TRUST_ROOT


def test_the_fingerprint_is_eight_groups_of_four_and_changes_with_any_field() -> None:
    assert [len(group) for group in TRUST_ROOT.fingerprint.split(" ")] == [4] * 8
    others = [
        pinning(quorum=4),
        replace(TRUST_ROOT, anchor_mirror=address(9)),
        replace(TRUST_ROOT, origin=replace(TRUST_ROOT.origin, genesis=bytes(32))),
        pinning(committee=replace(PINNED.committee, epoch=2)),
        pinning(cosigners=PINNED.cosigners[::-1]),
        replace(TRUST_ROOT, dated=date(2031, 1, 1)),
        replace(pinning(committee=replace(PINNED.committee, epoch=2)), past=(PINNED,)),
    ]
    assert len({TRUST_ROOT.fingerprint, *(other.fingerprint for other in others)}) == 8


@pytest.mark.parametrize(
    "changes",
    {
        "two of four cosigners": {"quorum": 2},
        "B06: no cosigner is needed": {"quorum": 0},
        "more cosigners than there are": {"quorum": 5},
        "no cosigners": {"cosigners": (), "quorum": 0},
        "a cosigner named twice": {"cosigners": (*PINNED.cosigners[:3], PINNED.cosigners[0])},
        "one key under two names": {"cosigners": (*PINNED.cosigners[:3], replace(PINNED.cosigners[0], name="other"))},
        "one name for two keys": {
            "cosigners": (*PINNED.cosigners[:3], replace(PINNED.cosigners[3], name="notary-0.example/tea"))
        },
        "a log that cosigns itself": {
            "cosigners": (
                *PINNED.cosigners[:3],
                replace(PINNED.cosigners[3], public_key=TRUST_ROOT.log.public_key),
            )
        },
    }.items(),
    ids=lambda case: case[0],
)
def test_a_set_that_convinces_nobody_is_refused(changes: tuple[str, dict[str, Any]]) -> None:
    with refused("CONFIG_SET"):
        pinning(**changes[1])
    assert pinning() == TRUST_ROOT


def test_two_chains_of_one_id_are_refused() -> None:
    with refused("CONFIG_SET"):
        replace(TRUST_ROOT, destination=replace(TRUST_ROOT.destination, chain_id=7101))


@pytest.mark.parametrize(
    "past",
    [(1,), (2,), (0, 0), (3, 0)],
    ids=["the pinned epoch again", "a later one than the pinned", "one twice", "falling"],
)
def test_past_epochs_rise_up_to_the_pinned_one(past: tuple[int, ...]) -> None:
    def epoch(number: int) -> Notaries:
        return replace(PINNED, committee=replace(PINNED.committee, epoch=number))

    with refused("CONFIG_SET"):
        replace(TRUST_ROOT, past=tuple(map(epoch, past)))
    known = replace(TRUST_ROOT, pinned=epoch(3), past=(epoch(0), epoch(2)))
    assert TrustRoot.load(known.dump()) == known


def test_no_past_cosigner_has_the_logs_key() -> None:
    own = replace(PINNED.cosigners[3], public_key=TRUST_ROOT.log.public_key)
    past = replace(PINNED, committee=replace(PINNED.committee, epoch=0), cosigners=(*PINNED.cosigners[:3], own))
    with refused("CONFIG_SET"):
        replace(TRUST_ROOT, past=(past,))


MALFORMED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a field is missing": lambda v: v.pop("quorum"),
    "a field is unknown": lambda v: v.update(extra=1),
    "the date is missing": lambda v: v.pop("dated"),
    "the date is in another form": lambda v: v.update(dated="20260402"),
    "the date is no day": lambda v: v.update(dated="2026-02-30"),
    "the past is missing": lambda v: v.pop("past"),
    "a past epoch lacks its quorum": lambda v: v.update(past=[{"cosigners": [], "committee": v["committee"]}]),
    "a nested field is unknown": lambda v: v["log"].update(extra=1),
    "the format is another": lambda v: v.update(format="pledgetrail/trust-root/v2"),
    "the quorum is a truth value": lambda v: v.update(quorum=True),
    "the quorum is a text": lambda v: v.update(quorum="3"),
    "the cosigners are an object": lambda v: v.update(cosigners={}),
    "an address is in capitals": lambda v: v["origin"].update(gateway="0x" + "A1" * 20),
    "an address lacks its 0x": lambda v: v["origin"].update(gateway="a1" * 20),
    "a contract's address is short": lambda v: v["transaction"].update(registry="0x" + "a1" * 19),
    "a gateway's address is short": lambda v: v["origin"].update(gateway="0x" + "a1" * 19),
    "a genesis hash is short": lambda v: v["origin"].update(genesis="0x" + "a1" * 31),
    "an epoch is negative": lambda v: v["committee"].update(epoch=-1),
    "a key is no hexadecimal": lambda v: v["log"].update(key="zz" * 32),
    "the committee is null": lambda v: v.update(committee=None),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_trust_root_is_refused_when(case: str) -> None:
    value = json.loads(HONEST)
    MALFORMED[case](value)
    with refused("TRUST_ROOT_FORMAT"):
        TrustRoot.load(canonical_json(value))
    assert TrustRoot.load(HONEST) == TRUST_ROOT


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"not json", bytes(MAX_TRUST_ROOT_BYTES + 1)])
def test_what_is_no_trust_root_at_all_is_refused(raw: bytes) -> None:
    with refused("TRUST_ROOT_FORMAT"):
        TrustRoot.load(raw)


@pytest.mark.parametrize("raw", [b"\xff", HONEST + b"\n\n", b" " + HONEST, HONEST.replace(b",", b", ", 1)])
def test_another_spelling_is_refused(raw: bytes) -> None:
    with refused("NON_CANONICAL"):
        TrustRoot.load(raw)


def test_every_truncation_is_refused_with_a_typed_error() -> None:
    for length in range(len(HONEST)):
        with pytest.raises(Problem):
            TrustRoot.load(HONEST[:length])
