"""Bundles whose notaries have been replaced since: what their keys said is believed where later notaries sealed it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.bundle import Bundle, Notaries, TrustRoot, verify
from ledger.bundle.format import dump, load
from ledger.bundle.sealed import CROSSING_DOMAIN, CrossingRecord, read_crossing_record
from ledger.canonical import canonical_json
from ledger.epcis import EVENT_DOMAIN
from ledger.quorum import Committee
from tests.ledger.bundle.estate import COSIGNERS, TRUST_ROOT, Estate, foreign_event
from tests.ledger.bundle.rotated import LATER_COSIGNERS, RENEWED, Rotated
from tests.ledger.refusals import refused

LINKED = Rotated().with_entries().build()
UNLINKED = Estate().with_entries().build()


def refuse(raw: bytes, code: str) -> None:
    """Refused under the renewed trust root, given or brought along; the honest twin still holds."""
    for trust_root in (None, RENEWED):
        with refused(code):
            verify(raw, trust_root=trust_root)
    assert verify(LINKED, trust_root=RENEWED)


def test_it_holds_under_the_later_trust_root_and_says_who_sealed_it() -> None:
    findings = verify(LINKED, trust_root=RENEWED)
    steps = {proven.step: proven for proven in findings.proven}
    assert "epoch 2 cosigned it" in steps["linked"].what
    assert steps["linked"].who == "bank-0.example/tea; bank-1.example/tea; bank-2.example/tea"
    assert "epoch 1" in steps["judged"].who
    assert steps["checkpoint"].who.startswith("notary-0.example/tea")
    plain = {proven.step: proven for proven in verify(UNLINKED, trust_root=TRUST_ROOT).proven}
    assert steps["evidence"].when == plain["evidence"].when, "the time that counts is still the first cosigners'"


def test_it_is_one_file_in_one_form() -> None:
    assert dump(load(LINKED)) == LINKED


def test_the_bundle_of_an_epoch_holds_under_the_trust_root_of_that_epoch() -> None:
    assert verify(UNLINKED, trust_root=TRUST_ROOT)


def test_a_bundle_from_retired_keys_alone_is_refused() -> None:
    """The forger holds every key of epoch 1, and the log's; what he lacks is one cosigner of epoch 2."""
    raw = Estate(trust_root=RENEWED).with_entries().forge()
    refuse(raw, "EPOCH_UNLINKED")


FORGED: dict[str, tuple[dict[str, Any], str]] = {
    "the later checkpoint is cosigned by one too few": ({"sealers": LATER_COSIGNERS[:2]}, "QUORUM_MISSING"),
    "the later checkpoint is cosigned by the retired ones": ({"sealers": COSIGNERS[:3]}, "SIG_UNKNOWN"),
    "the record names another credential": ({"record": {"credential": bytes(32)}}, "EPOCH_UNLINKED"),
    "the record names other cosignatures": ({"record": {"note": bytes(32)}}, "EPOCH_UNLINKED"),
    "the record names an epoch nobody knows": ({"record": {"cosigned_in": 7}}, "SET_EPOCH"),
    "the record says the later epoch cosigned it": ({"record": {"cosigned_in": 2}}, "SIG_UNKNOWN"),
    "the verdict is signed by one notary too few": ({"notaries": (0, 1)}, "QUORUM"),
    "the certificate is signed by one notary too few": ({"attesting": (0, 3)}, "QUORUM"),
    "the verdict is of an epoch nobody knows": ({"verdict": {"epoch": 3}}, "SET_EPOCH"),
    "the trust root does not know the epoch": ({"renewed": replace(RENEWED, past=())}, "SET_EPOCH"),
}


@pytest.mark.parametrize("case", FORGED)
def test_refused_although_everything_else_is_signed_when(case: str) -> None:
    changes, code = FORGED[case]
    raw = Rotated(**changes).with_entries().forge()
    with refused(code):
        verify(raw, trust_root=None)
    assert verify(LINKED, trust_root=RENEWED)


def link(**changes: Any) -> Callable[[Bundle], Bundle]:
    return lambda bundle: replace(bundle, link=None if bundle.link is None else replace(bundle.link, **changes))


def without(domain: str) -> Callable[[Bundle], Bundle]:
    return lambda bundle: replace(bundle, objects=tuple(o for o in bundle.objects if o.domain != domain))


CHANGED: dict[str, tuple[Callable[[Bundle], Bundle], str]] = {
    "the link is left out with its record": (
        lambda bundle: replace(without(CROSSING_DOMAIN)(bundle), link=None),
        "EPOCH_UNLINKED",
    ),
    "the link alone is left out": (lambda bundle: replace(bundle, link=None), "SUPERFLUOUS"),
    "the record alone is left out": (without(CROSSING_DOMAIN), "EPOCH_UNLINKED"),
    "the growth is not proven": (link(growth=()), "PROOF_INVALID"),
    "the growth is proven for another size": (link(growth=(bytes(32),) * 3), "PROOF_INVALID"),
    "a later cosignature is stripped": (
        lambda bundle: link(note=bundle.link.note.rsplit(b"\n", 2)[0] + b"\n")(bundle) if bundle.link else bundle,
        "QUORUM_MISSING",
    ),
    "an earlier cosignature is stripped": (
        lambda bundle: replace(bundle, note=bundle.note.rsplit(b"\n", 2)[0] + b"\n"),
        "EPOCH_UNLINKED",
    ),
    "the sealing checkpoint is the anchored one": (
        lambda bundle: link(note=bundle.note, growth=())(bundle),
        "SIG_UNKNOWN",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_refused_when_changed_after_it_was_made(case: str) -> None:
    change, code = CHANGED[case]
    refuse(Rotated().with_entries().forge(change), code)


def test_the_same_cosigners_in_the_next_epoch_do_not_seal_by_the_anchored_checkpoint_itself() -> None:
    """Members stay in office, so that their cosignatures under the anchored note are good; it is still not later."""
    same = replace(RENEWED, pinned=replace(RENEWED.pinned, cosigners=TRUST_ROOT.pinned.cosigners))
    estate = Rotated(renewed=same, sealers=COSIGNERS[:3]).with_entries()
    assert verify(estate.build(), trust_root=same)
    with refused("EPOCH_UNLINKED"):
        verify(estate.forge(lambda bundle: link(note=bundle.note, growth=())(bundle)), trust_root=same)


def test_the_anchored_note_gets_no_earlier_time_from_retired_keys() -> None:
    """Whoever holds the retired cosigning keys dates the very same checkpoint back: the record binds the first note."""
    from ledger.checkpoint import add_cosignatures, cosign, sign_checkpoint
    from tests.ledger.bundle.estate import COSIGNED_AT, LOG

    def back(bundle: Bundle) -> Bundle:
        from ledger.checkpoint import open_checkpoint

        note = sign_checkpoint(open_checkpoint(bundle.note, log_key=LOG.key), LOG)
        lines = [cosign(note, log_key=LOG.key, cosigner=each, time=COSIGNED_AT - 60) for each in COSIGNERS[:3]]
        return replace(bundle, note=add_cosignatures(note, lines))

    refuse(Rotated().with_entries().forge(back), "EPOCH_UNLINKED")


def test_nothing_that_was_logged_after_the_anchored_checkpoint_is_told_as_older() -> None:
    raw = Rotated(inserted=[(EVENT_DOMAIN, foreign_event())]).with_entries().forge()
    refuse(raw, "SUPERFLUOUS")


def test_a_link_that_nothing_needs_is_refused() -> None:
    everything_now = replace(
        TRUST_ROOT, pinned=TRUST_ROOT.pinned, dated=RENEWED.dated, past=(replace(RENEWED.pinned, committee=_epoch(0)),)
    )
    raw = Rotated(renewed=everything_now, sealers=COSIGNERS[:3]).with_entries().forge()
    with refused("SUPERFLUOUS"):
        verify(raw, trust_root=everything_now)


def test_a_record_older_than_its_checkpoint_is_refused() -> None:
    """The credential cannot have been known before the checkpoint it is about was anchored."""

    def earlier(bundle: Bundle) -> Bundle:
        found = [o for o in bundle.objects if o.domain != CROSSING_DOMAIN]
        record = next(o for o in bundle.objects if o.domain == CROSSING_DOMAIN)
        return replace(bundle, objects=(replace(record, index=0), *found))

    refuse(Rotated().with_entries().forge(earlier), "EPOCH_UNLINKED")


def test_a_trust_root_of_another_day_is_another_trust_root() -> None:
    with refused("TRUST_ROOT"):
        verify(LINKED, trust_root=replace(RENEWED, dated=TRUST_ROOT.dated))


def _epoch(number: int) -> Committee:
    return replace(RENEWED.pinned.committee, epoch=number)


RECORD = CrossingRecord(hashlib.sha256(b"note").digest(), 1, bytes(range(32)))


def test_a_record_reads_back() -> None:
    assert read_crossing_record(RECORD.dump()) == RECORD


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"note": "ab" * 32, "cosigned_in": 1},
        {"note": "ab" * 32, "cosigned_in": 1, "credential": "ab" * 32, "more": 1},
        {"note": "AB" * 32, "cosigned_in": 1, "credential": "ab" * 32},
        {"note": "ab" * 31, "cosigned_in": 1, "credential": "ab" * 32},
        {"note": "ab" * 32, "cosigned_in": True, "credential": "ab" * 32},
        {"note": "ab" * 32, "cosigned_in": -1, "credential": "ab" * 32},
        {"note": 5, "cosigned_in": 1, "credential": "ab" * 32},
    ],
)
def test_what_is_no_record_is_refused(value: Any) -> None:
    with refused("CROSSING_FORMAT"):
        read_crossing_record(canonical_json(value))
    assert read_crossing_record(RECORD.dump())


def test_what_the_trust_root_says_of_the_past_is_read_back() -> None:
    assert TrustRoot.load(RENEWED.dump()) == RENEWED
    assert isinstance(RENEWED.past[0], Notaries)
