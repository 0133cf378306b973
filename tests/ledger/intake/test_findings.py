"""What is wrong with a device's word is kept beside it, with its reason; and no device is stuck for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger.evidence import FINDING_DOMAIN, NO_PREVIOUS, Code, SignedEvidence, SoftwareKey, Terms, read_envelope
from ledger.evidence.findings import read_finding
from ledger.evidence.replay import REPLAY_AFTER, Replay
from ledger.evidence.terms import Limits
from ledger.evidence.verification import OutOfTurn
from tests.ledger.intake.speaking import COW, KEY, NOON, OTHER_KEY, PEN, Listening, Voice, listening, scale
from tests.ledger.refusals import refused

MINUTE = timedelta(minutes=1)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Listening]:
    with listening(tmp_path) as found:
        yield found


def refuses(at: Listening, signed: SignedEvidence, code: str, *, received_at: datetime = NOON) -> None:
    """It is refused, and what is held of the device is what was held before."""
    before = at.held()
    with refused(code):
        at.hear(signed, received_at)
    assert at.held() == before


def test_a_finding_is_an_entry_of_the_log_and_reads_back_as_it_was_made(at: Listening) -> None:
    at.hear(Voice().reading(NOON + timedelta(hours=1)))
    (stored,) = at.ledger.evidence.findings("scale-1")
    (logged,) = at.ledger.statements.of_domain(FINDING_DOMAIN)
    assert (logged.entry, read_finding(logged.canonical)) == (stored.entry, stored.finding)
    assert at.ledger.log.entry(stored.entry).holds(logged.canonical)


def test_honest_evidence_leaves_no_finding(at: Listening) -> None:
    voice = Voice()
    for minute in range(3):
        at.hear(voice.reading(NOON + minute * MINUTE), NOON + minute * MINUTE)
    assert (at.codes(), at.held()) == ([], 3)


CLOCKS = {
    "an hour ahead": NOON + timedelta(hours=1),
    "of the year 1970": datetime(1970, 1, 1, tzinfo=UTC),
    "of the year 2106": datetime(2106, 2, 7, 6, 28, 16, tzinfo=UTC),
    "an hour behind what it said before": NOON - timedelta(hours=1),
}


@pytest.mark.parametrize("stated", CLOCKS.values(), ids=CLOCKS)
def test_OD07_a_clock_outside_the_window_is_stored_as_untrusted_and_decides_nothing(
    at: Listening, stated: datetime
) -> None:
    voice = Voice()
    at.hear(voice.reading(NOON))
    assert at.hear(voice.reading(stated, value="900.5")).added
    assert at.codes() == [Code.UNTRUSTED_TIME]
    assert at.ledger.evidence.findings("scale-1")[0].finding.facts["received_at"] == "2026-05-04T12:00:00.000Z"
    (usable,) = at.ledger.evidence.readings_of(COW, "weight", limit=10)
    assert "500.5" in usable.signed.statement_bytes.decode() and usable.trusted_time
    assert len(at.ledger.evidence.readings_of(COW, "weight", limit=10, doubted=True)) == 2
    # A clock that was put right is trusted again: a wrong time is no mark that later ones are measured by.
    at.hear(voice.reading(NOON + MINUTE), NOON + MINUTE)
    assert at.codes() == [Code.UNTRUSTED_TIME]


def test_OD07_a_wrong_clock_does_not_let_a_device_speak_beyond_its_enrolment(at: Listening) -> None:
    refuses(at, Voice().reading(NOON), "DEVICE_NOT_VALID", received_at=NOON - timedelta(days=40))
    assert at.hear(Voice().reading(NOON)).added


def test_a_statement_ahead_of_its_predecessor_is_told_which_number_is_expected(at: Listening) -> None:
    voice = Voice()
    first, second = voice.reading(), voice.reading(NOON + MINUTE)
    with pytest.raises(OutOfTurn) as caught:
        at.hear(second, NOON + MINUTE)
    assert caught.value.expected == 1
    assert [at.hear(each, NOON + MINUTE).added for each in (first, second)] == [True, True]
    assert at.codes() == []


def test_a_loss_that_the_device_states_is_taken_with_a_finding(at: Listening) -> None:
    voice = Voice()
    at.hear(voice.reading())
    lost = [voice.reading() for _ in range(3)]
    stated = voice.gap(unsent=3)
    assert at.hear(stated).added and at.hear(voice.reading(NOON + MINUTE), NOON + MINUTE).added
    assert (at.codes(), at.held()) == ([Code.GAP], 6)
    refuses(at, lost[1], "REPLAY")  # found again after all: kept as evidence, and not in the chain
    (late, _) = at.ledger.evidence.findings("scale-1")
    assert (late.finding.code, late.finding.sequence) == (Code.COUNTER_ROLLBACK, 3)
    assert read_envelope(late.finding.kept) == lost[1]


def test_a_loss_that_does_not_cover_what_is_missing_is_refused(at: Listening) -> None:
    voice = Voice()
    at.hear(voice.reading())
    missing = [voice.reading(), voice.reading()]
    refuses(at, voice.gap(unsent=1), "EVIDENCE_GAP")
    assert [at.hear(each).added for each in missing] == [True, True]


def test_a_loss_without_lost_numbers_is_a_finding_too(at: Listening) -> None:
    voice = Voice()
    at.hear(voice.reading())
    at.hear(voice.gap())
    assert at.codes() == [Code.GAP]
    assert at.ledger.evidence.findings("scale-1")[0].finding.facts["reason"] == "spool-lost"


def test_a_device_whose_numbers_cannot_come_goes_on_once_the_operator_releases_it(at: Listening) -> None:
    voice = Voice()
    at.hear(voice.reading())
    voice.reading()
    third = voice.reading()
    refuses(at, third, "EVIDENCE_GAP")
    assert at.ledger.evidence.release("scale-1", NOON, "its spool was burnt") == 1
    assert at.hear(third).added
    assert at.codes() == [Code.GAP]
    voice.reading()
    refuses(at, voice.reading(), "EVIDENCE_GAP")  # a release is used up by what it lets in


def test_a_device_restored_from_a_copy_is_refused_kept_and_released(at: Listening) -> None:
    voice = Voice()
    at.hear(voice.reading())
    strange = voice.twin().reading(previous=bytes([9]) * 32)
    refuses(at, strange, "EVIDENCE_PREVIOUS")
    refuses(at, strange, "EVIDENCE_PREVIOUS")
    assert at.codes() == [Code.CHAIN_BROKEN]  # trying again adds nothing
    at.ledger.evidence.release("scale-1", NOON, "restored from a copy")
    assert at.hear(strange).added


def test_a_release_does_not_let_anything_else_pass(at: Listening) -> None:
    voice = Voice()
    at.hear(voice.reading())
    at.ledger.evidence.release("scale-1", NOON, "its spool was burnt")
    forged = replace(voice.twin(), key=OTHER_KEY).reading(sequence=5)
    refuses(at, forged, "EVIDENCE_SIGNATURE")
    refuses(at, Voice().reading(value="1"), "REPLAY")


def test_OD05_both_statements_of_a_used_number_are_kept_and_one_row_counts(at: Listening) -> None:
    voice = Voice()
    first = voice.reading()
    other = Voice().reading(NOON + MINUTE, value="900")
    at.hear(first)
    size = at.ledger.log.size
    refuses(at, other, "REPLAY", received_at=NOON + MINUTE)
    (finding,) = at.ledger.evidence.findings("scale-1")
    assert (finding.finding.code, finding.finding.facts["held"]) == (Code.FORK, first.digest.hex())
    assert read_envelope(finding.finding.kept) == other
    assert at.ledger.log.size == size + 1  # the finding's own entry
    assert at.hear(voice.reading(NOON + MINUTE), NOON + MINUTE).added


@pytest.mark.parametrize("after", [timedelta(0), timedelta(days=7)])
def test_OD05_what_a_device_said_last_may_come_again_and_stands_already(at: Listening, after: timedelta) -> None:
    """Its answer was lost, or its network was gone for a week: it goes on, and nobody is accused."""
    voice = Voice()
    taken = at.hear(first := voice.reading())
    size = at.ledger.log.size
    again = at.hear(first, NOON + after)
    assert (again.added, again.entry, at.ledger.log.size, at.codes()) == (False, taken.entry, size, [])
    assert at.hear(voice.reading(NOON + after), NOON + after).added


def test_OD05_an_old_reading_that_comes_again_is_a_replay_and_one_row(at: Listening) -> None:
    voice = Voice()
    first = voice.reading()
    at.hear(first)
    at.hear(voice.reading())
    size = at.ledger.log.size
    with pytest.raises(Replay) as caught:
        at.hear(first, NOON + REPLAY_AFTER - timedelta(milliseconds=1))
    assert (caught.value.code, caught.value.expected, caught.value.held) == ("REPLAY", 3, first.digest.hex())
    assert (at.held(), at.ledger.log.size, at.codes()) == (2, size, [])
    assert at.hear(voice.reading(NOON + MINUTE), NOON + MINUTE).added


def test_OD05_replays_a_day_later_are_told_of_once_an_hour(at: Listening) -> None:
    voice, later = Voice(), NOON + timedelta(days=1)
    old = [voice.reading(), voice.reading()]
    for signed in (*old, voice.reading()):
        at.hear(signed)
    for minute in (0, 10, 59, 60):
        for signed in old:
            refuses(at, signed, "REPLAY", received_at=later + minute * MINUTE)
    assert at.codes() == [Code.REPLAY] * 2
    (newest, _) = at.ledger.evidence.findings("scale-1")
    assert (newest.finding.sequence, newest.finding.kept, newest.finding.found_at) == (
        None,
        b"",
        later + timedelta(hours=1),
    )
    assert at.hear(voice.reading(later), later).added


def test_OD05_a_replay_without_the_device_s_signature_is_no_replay(at: Listening) -> None:
    voice = Voice()
    first = voice.reading()
    at.hear(first)
    at.hear(voice.reading())
    refuses(at, replace(first, signature=bytes(64)), "EVIDENCE_SIGNATURE")
    assert at.codes() == [Code.STRIPPED_SIGNATURE]


def test_OD05_another_content_under_an_old_number_is_a_fork_that_names_what_stands(at: Listening) -> None:
    voice = Voice()
    first = voice.reading()
    at.hear(first)
    at.hear(voice.reading())
    with pytest.raises(Replay) as caught:
        at.hear(Voice().reading(value="900"))
    assert (caught.value.expected, caught.value.held) == (3, first.digest.hex())
    assert at.codes()[0] is Code.FORK and at.held() == 2


def test_OD05_the_same_reading_signed_anew_is_one_row(tmp_path: Path) -> None:
    key = SoftwareKey(bytes([23]) * 32, "P-256")
    device = replace(scale("scale-2"), public_key=key.public_key, algorithm=key.algorithm)
    with listening(tmp_path) as at:
        at.ledger.evidence.enrol(device)
        first, again = (Voice("scale-2", key).reading() for _ in range(2))
        assert first.statement_bytes == again.statement_bytes
        assert [at.hear(each).added for each in (first, again)] == [True, False]
        assert at.codes("scale-2") == []


@pytest.mark.parametrize(
    "changes",
    [{"place": "urn:example:pen-9", "observed_at": NOON + timedelta(hours=1)}, {"value": "700.5"}],
    ids=["from another place", "at the same moment"],
)
def test_OD08_a_key_that_two_devices_hold_is_called_cloned(at: Listening, changes: dict[str, object]) -> None:
    voice = Voice()
    at.hear(voice.reading())
    clone = voice.twin()
    at.hear(voice.reading(NOON))
    refuses(at, clone.reading(NOON, **changes), "REPLAY", received_at=NOON + timedelta(hours=1))
    assert at.codes() == [Code.FORK, Code.CLONED_KEY]


def test_OD08_a_key_enrolled_under_a_second_name_is_refused(at: Listening) -> None:
    with refused("KEY_KNOWN"):
        at.ledger.evidence.enrol(scale("scale-2"))
    at.ledger.evidence.enrol(scale("scale-2", OTHER_KEY))
    assert len(at.ledger.evidence.devices()) == 2


@pytest.mark.parametrize(
    ("where", "minutes", "codes"),
    [
        ("31.23,121.47", 1, []),
        ("31.25,121.48", 10, []),
        ("39.90,116.40", 60, [Code.IMPOSSIBLE_TRAVEL, Code.CLONED_KEY]),
        ("39.90,116.40", 60 * 12, []),
    ],
    ids=["the same spot", "2 km in 10 min", "1,070 km in an hour", "1,070 km in 12 h"],
)
def test_OD08_two_positions_further_apart_than_the_time_allows(
    at: Listening, where: str, minutes: int, codes: list[Code]
) -> None:
    voice, later = Voice(), NOON + minutes * MINUTE
    at.hear(voice.reading(quantity="position", value="31.23,121.47", unit="DD"))
    assert at.hear(voice.reading(later, quantity="position", value=where, unit="DD"), later).added
    assert at.codes() == codes
    assert len(at.ledger.evidence.readings_of(COW, "position", limit=9)) == (1 if codes else 2)


def terms(**changes: object) -> Terms:
    honest = Terms("scale-1", NOON - timedelta(days=1), every_seconds=60, grace_seconds=30, place=PEN)
    limits = {"weight": Limits(Decimal("0"), Decimal("1200"))}
    return replace(replace(honest, limits=limits), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"value": "1200.000000001"}, Code.IMPOSSIBLE_VALUE),
        ({"value": "-1"}, Code.IMPOSSIBLE_VALUE),
        ({"place": "urn:example:pen-9"}, Code.OUT_OF_PLACE),
    ],
)
def test_what_goes_beyond_the_terms_is_kept_and_decides_nothing(
    at: Listening, changes: dict[str, Any], code: Code
) -> None:
    at.ledger.evidence.agree(terms())
    voice = Voice()
    at.hear(voice.reading(value="1200"))
    assert at.hear(voice.reading(**changes)).added
    assert at.codes() == [code]
    assert len(at.ledger.evidence.readings_of(COW, "weight", limit=9)) == 1


def test_without_terms_nothing_is_expected(at: Listening) -> None:
    at.hear(Voice().reading(value="1200.000000001", place="urn:example:pen-9"))
    assert at.codes() == []


def test_a_stripped_and_a_foreign_signature_leave_one_finding_an_hour_and_no_row(at: Listening) -> None:
    honest = Voice().reading()
    stripped = replace(honest, signature=bytes(64))
    foreign = Voice(key=OTHER_KEY).reading()
    for minute in range(3):
        for wrong in (stripped, foreign):
            refuses(at, wrong, "EVIDENCE_SIGNATURE", received_at=NOON + minute * MINUTE)
    assert sorted(at.codes()) == [Code.BAD_SIGNATURE, Code.STRIPPED_SIGNATURE]
    assert all(not stored.finding.kept for stored in at.ledger.evidence.findings("scale-1"))
    assert at.hear(honest).added


def test_OD10_a_key_that_speaks_after_its_revocation_is_refused_and_told_of(at: Listening) -> None:
    voice = Voice()
    at.hear(voice.reading())
    at.ledger.evidence.revoke("scale-1", NOON + MINUTE, "stolen")
    backdated = voice.reading(NOON)
    for seconds in (60, 61, 119):
        refuses(at, backdated, "DEVICE_REVOKED", received_at=NOON + timedelta(seconds=seconds))
    assert at.codes() == [Code.USED_AFTER_REVOCATION]


def test_OD01_a_device_that_hands_in_another_s_statement(at: Listening) -> None:
    at.ledger.evidence.enrol(scale("scale-2", OTHER_KEY))
    size, mine = at.ledger.log.size, Voice().reading()
    with refused("DEVICE_MISMATCH"):
        at.hear(mine, claimed="scale-2")
    assert (at.ledger.log.size, at.codes(), at.codes("scale-2")) == (size, [], [])
    assert at.hear(mine, claimed="scale-1").added


def test_a_number_from_before_the_first_is_not_taken_for_a_first(at: Listening) -> None:
    refuses(at, Voice(number=3, digest=bytes([1]) * 32).reading(), "EVIDENCE_GAP")
    refuses(at, Voice().reading(previous=bytes([1]) * 32), "EVIDENCE_PREVIOUS")
    assert at.hear(Voice().reading(previous=NO_PREVIOUS)).added
    assert KEY is Voice().key
