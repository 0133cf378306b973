"""A bundle of something that was erased in part: what stands is proven, what went is said; never the whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.bundle import Bundle, cbor, verify
from ledger.bundle.format import MAGIC, SEAL_BYTES, ErasedEntry, dump, load
from ledger.canonical import entry_digest
from ledger.epcis import EVENT_DOMAIN
from ledger.erasure import ERASURE_DOMAIN, Erasure, Kind, Reason
from tests.ledger.bundle.estate import DAWN, TRUST_ROOT, Estate
from tests.ledger.bundle.rotated import RENEWED, Rotated
from tests.ledger.refusals import refused

AT = DAWN + timedelta(hours=30)
SEGMENT, SECOND, PACKING = 7, 8, 15  # of one camera's recording, the middle and the last; the last event
Change = Callable[[Bundle], Bundle]


def kind_of(index: int) -> Kind:
    return Kind.EVENT if index >= 12 else Kind.EVIDENCE


def records(*indices: int, reason: Reason = Reason.REQUEST) -> list[tuple[str, bytes]]:
    """The log's records of these erasures."""
    return [(ERASURE_DOMAIN, Erasure(index, kind_of(index), AT, reason).canonical()) for index in indices]


def without(bundle: Bundle, *indices: int) -> Bundle:
    """The bundle with these entries erased."""
    gone = [each for each in bundle.objects if each.index in indices]
    erased = [ErasedEntry(entry_digest(o.domain, o.salt, o.canonical), o.index, o.path) for o in gone]
    return replace(bundle, objects=tuple(o for o in bundle.objects if o not in gone), erased=tuple(erased))


def erased(
    *indices: int, recorded: Sequence[int] | None = None, change: Change = lambda bundle: bundle, first: bool = False
) -> bytes:
    """The file once these entries were erased; `recorded`: those that the log has records of; `first`: before them."""
    estate = Estate().with_entries()
    said = records(*(indices if recorded is None else recorded))
    estate.entries = [*estate.entries, *said]
    if first:
        estate.entries = [*said, *estate.entries[: -len(said)]]
        moved = [index + len(said) for index in indices]
        return estate.forge(lambda bundle: change(without(bundle, *moved)))
    return estate.forge(lambda bundle: change(without(bundle, *indices)))


def test_what_stands_holds_and_what_went_is_said() -> None:
    findings = verify(erased(PACKING), trust_root=TRUST_ROOT)
    assert not findings.is_whole
    (gone,) = findings.erased
    assert (gone.entry, gone.kind, gone.reason, gone.at) == (PACKING, Kind.EVENT, Reason.REQUEST, AT)
    assert gone.text == "Entry 15 of the log held an event, which was erased: somebody whom it was about asked for it."
    told = {step.step: step.what for step in findings.proven}
    assert told["events"].startswith("3 events")
    assert {"checkpoint", "anchored", "judged", "credential"} <= told.keys()
    assert findings.not_proven[0].startswith("What stood in the erased entries")


def test_as_data_it_is_no_yes() -> None:
    told = verify(erased(PACKING), trust_root=TRUST_ROOT).as_json()
    assert (told["held"], told["verdict"]) == (False, "erased")
    assert told["erased"] == [
        {"entry": PACKING, "kind": "event", "reason": "request", "at": "2026-04-03 12:00:00 UTC", "record": 16}
    ]
    whole = verify(Estate().with_entries().build(), trust_root=TRUST_ROOT).as_json()
    assert (whole["held"], whole["verdict"], whole["erased"]) == (True, "proven", [])


def test_a_recording_goes_on_after_an_erased_segment_and_the_break_is_told() -> None:
    findings = verify(erased(SEGMENT), trust_root=TRUST_ROOT)
    assert any(each.startswith("EVIDENCE_ERASED: number 2 of the recording") for each in findings.contradictions)
    assert "8 segments" in {step.step: step.what for step in findings.proven}["evidence"]


def test_all_of_it_may_be_gone() -> None:
    events, evidence = range(12, 16), range(3, 12)
    devices = (1, 2)

    def bare(bundle: Bundle) -> Bundle:
        return replace(bundle, objects=tuple(each for each in bundle.objects if each.index not in devices))

    findings = verify(erased(*evidence, *events, change=bare), trust_root=TRUST_ROOT)
    assert len(findings.erased) == 13
    assert not {"events", "evidence"} & {step.step for step in findings.proven}


def test_it_is_one_file_in_one_form_and_a_whole_bundles_form_did_not_change() -> None:
    raw = erased(PACKING)
    assert dump(load(raw)) == raw
    body = cbor.decode(Estate().with_entries().build()[len(MAGIC) + SEAL_BYTES :])
    assert isinstance(body, dict) and "erased" not in body


def test_an_empty_list_of_the_erased_is_another_form_and_refused() -> None:
    body = cbor.decode(Estate().with_entries().build()[len(MAGIC) + SEAL_BYTES :])
    assert isinstance(body, dict)
    again = cbor.encode({**body, "erased": []})
    with refused("BUNDLE_FIELD"):
        load(MAGIC + hashlib.sha256(again).digest() + again)


def first_entry(**changes: object) -> Change:
    def change(bundle: Bundle) -> Bundle:
        entry, *others = bundle.erased
        return replace(bundle, erased=(replace(entry, **changes), *others))  # type: ignore[arg-type]

    return change


def also_there(bundle: Bundle) -> Bundle:
    """The last event beside its own erasure."""
    found = next(each for each in load(WHOLE).objects if each.domain == EVENT_DOMAIN)
    digest = entry_digest(found.domain, found.salt, found.canonical)
    return replace(bundle, erased=(ErasedEntry(digest, found.index, found.path), *bundle.erased))


WHOLE = Estate().with_entries().build()
FALSE: dict[str, tuple[Callable[[], bytes], str]] = {
    "no record says that it was erased": (lambda: erased(PACKING, recorded=()), "ERASURE_UNRECORDED"),
    "the record is of another entry": (lambda: erased(PACKING, recorded=(14,)), "ERASURE_UNRECORDED"),
    "the record is older than the entry": (
        lambda: erased(PACKING, recorded=(PACKING + 1,), first=True),
        "ERASURE_UNRECORDED",
    ),
    "a record is there and nothing is erased": (
        lambda: erased(PACKING, change=lambda bundle: replace(bundle, erased=())),
        "SUPERFLUOUS",
    ),
    "one erasure is recorded twice": (
        lambda: erased(PACKING, recorded=(PACKING, PACKING)),
        "SUPERFLUOUS",
    ),
    "another digest stood there": (lambda: erased(PACKING, change=first_entry(digest=bytes(32))), "PROOF_INVALID"),
    "it stood at another place": (lambda: erased(PACKING, change=first_entry(index=14)), "NON_CANONICAL"),
    "its proof is cut short": (lambda: erased(PACKING, change=first_entry(path=())), "PROOF_INVALID"),
    "they are in another order": (
        lambda: erased(14, PACKING, change=lambda bundle: replace(bundle, erased=bundle.erased[::-1])),
        "NON_CANONICAL",
    ),
    "one is erased and here": (lambda: erased(PACKING, recorded=(12, PACKING), change=also_there), "NON_CANONICAL"),
    "more is missing of a recording than was erased": (
        lambda: erased(
            SEGMENT, change=lambda b: replace(b, objects=tuple(o for o in b.objects if o.index not in (4, SECOND)))
        ),
        "EVIDENCE_GAP",
    ),
    "what was erased stood before the gap": (
        lambda: erased(3, change=lambda b: replace(b, objects=tuple(o for o in b.objects if o.index != SEGMENT))),
        "EVIDENCE_GAP",
    ),
    "an event was erased and a segment is missing": (
        lambda: erased(PACKING, change=lambda b: replace(b, objects=tuple(o for o in b.objects if o.index != SEGMENT))),
        "EVIDENCE_GAP",
    ),
}


@pytest.mark.parametrize("case", FALSE)
def test_it_is_refused_when(case: str) -> None:
    make, code = FALSE[case]
    with refused(code):
        verify(make(), trust_root=TRUST_ROOT)
    assert verify(erased(PACKING), trust_root=TRUST_ROOT)


def test_a_record_from_after_the_anchor_counts_under_the_checkpoint_that_seals_it() -> None:
    estate = Rotated(inserted=records(PACKING)).with_entries()
    raw = estate.forge(lambda bundle: without(bundle, PACKING))
    assert not verify(raw, trust_root=RENEWED).is_whole
    later = Rotated(inserted=[*records(PACKING), (EVENT_DOMAIN, b"{}")]).with_entries()
    with refused("SUPERFLUOUS"):
        verify(later.forge(lambda bundle: without(bundle, PACKING, 20)), trust_root=RENEWED)
