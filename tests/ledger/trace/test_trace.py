"""The history of one unit: what belongs, why, what does not, and what contradicts itself."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from ledger.epcis import Event, read_document
from ledger.epcis.build import (
    Amount,
    Happening,
    JsonEvent,
    commissioning,
    document,
    lot_creation,
    observation,
    packing,
    shipping,
    transformation,
)
from ledger.gs1 import Identifier, lot, parse, unit
from ledger.trace import Reason, require_order, trace
from ledger.trace import follow as follow_module
from tests.ledger.refusals import refused

GTIN = "04012345123456"
LEAVES, OTHER_LEAVES = lot("04012345111118", "LEAF"), lot("04012345111118", "OTHER")
TEA = lot(GTIN, "L7")
UNIT, SISTER = unit(GTIN, "S1"), unit(GTIN, "S2")
CASE, OTHER_CASE = parse("urn:epc:id:sscc:4012345.0111111111"), parse("urn:epc:id:sscc:4012345.0111111112")
PALLET = parse("urn:epc:id:sscc:4012345.0111111113")
YARD, FARM = parse("urn:epc:id:sgln:4012345.00002.0"), parse("urn:epc:id:pgln:4012345.00225")
START = datetime(2025, 4, 1, tzinfo=UTC)


def at(hour: float) -> Happening:
    return Happening(START + timedelta(hours=hour), YARD)


def amount(of: Identifier, kilos: int = 10) -> Amount:
    return Amount(of, Decimal(kilos), "KGM")


def seen(hour: float, *things: Identifier, step: str = "inspecting") -> JsonEvent:
    return observation(at(hour), things=things, biz_step=step)


def events(*made: JsonEvent) -> tuple[Event, ...]:
    return read_document(document(made, created_at=START)).events


JOURNEY = (
    lot_creation(at(1), made=amount(LEAVES)),
    lot_creation(at(1), made=amount(OTHER_LEAVES)),  # belongs to nobody here
    transformation(at(2), inputs=[amount(LEAVES)], outputs=[amount(TEA)]),
    observation(at(3), amounts=[amount(TEA)]),
    commissioning(at(4), units=[UNIT, SISTER], lot=TEA),
    seen(4.5, CASE),  # before the unit was in it
    packing(at(5), parent=CASE, children=[UNIT, SISTER]),
    packing(at(6), parent=PALLET, children=[CASE]),
    shipping(at(7), things=[PALLET], sender=FARM, receiver=FARM),
    packing(at(8), parent=PALLET, children=[CASE], action="DELETE"),
    seen(8.5, PALLET),  # after the case had left it
    packing(at(9), parent=CASE, children=[UNIT], action="DELETE"),
    seen(9.5, CASE),  # the sister is still inside, the unit is not
    seen(10, UNIT, step="receiving"),
    seen(11, SISTER),
)


def hours_and_reasons(steps: Iterable[Any]) -> list[tuple[float, str]]:
    return [((step.event.event_time - START).total_seconds() / 3600, step.reason.value) for step in steps]


def test_a_unit_is_followed_to_its_lot_its_leaves_and_what_it_was_inside() -> None:
    found = trace(UNIT, events(*JOURNEY))
    assert hours_and_reasons(found.steps) == [
        (1, "transformation"),
        (2, "lot"),
        (3, "lot"),
        (4, "direct"),
        (5, "direct"),
        (6, "parent"),
        (7, "parent"),
        (8, "parent"),
        (9, "direct"),
        (10, "direct"),
    ]
    assert [step.via for step in found.steps[:3]] == [LEAVES, TEA, TEA]
    assert [step.distance for step in found.steps] == [2, 1, 1, 0, 0, 1, 2, 1, 0, 0]
    assert found.lots == (TEA,)
    assert found.findings == ()
    assert found.complete


def test_the_order_events_came_in_and_repetitions_change_nothing() -> None:
    straight = events(*JOURNEY)
    mixed = [*straight, *straight]
    random.Random(7).shuffle(mixed)
    assert trace(UNIT, mixed) == trace(UNIT, straight)


def test_a_lot_is_traced_like_a_unit() -> None:
    found = trace(TEA, events(*JOURNEY))
    assert hours_and_reasons(found.steps) == [(1, "transformation"), (2, "direct"), (3, "direct")]


def test_the_lot_on_the_label_is_followed_even_if_no_event_names_it() -> None:
    label = parse(f"https://tea.example/01/{GTIN}/10/L7/21/S9")
    assert hours_and_reasons(trace(label, events(*JOURNEY)).steps) == [(1, "transformation"), (2, "lot"), (3, "lot")]


def test_a_unit_nobody_recorded_has_an_empty_history() -> None:
    found = trace(unit(GTIN, "S404"), events(*JOURNEY))
    assert (found.steps, found.lots, found.complete) == ((), (), True)


def test_a_whole_case_emptied_at_once_is_left_by_everything_in_it() -> None:
    emptied = {**packing(at(6), parent=CASE, children=[UNIT], action="DELETE")}
    del emptied["childEPCs"]
    made = events(packing(at(5), parent=CASE, children=[UNIT]), emptied, seen(7, CASE))
    assert hours_and_reasons(trace(UNIT, made).steps) == [(5, "direct"), (6, "parent")]
    again = events(
        packing(at(5), parent=CASE, children=[UNIT]), emptied, packing(at(8), parent=OTHER_CASE, children=[UNIT])
    )
    assert trace(UNIT, again).findings == ()


def test_transformations_of_one_id_are_one_transformation() -> None:
    into = transformation(at(2), inputs=[amount(LEAVES)], outputs=[], transformation_id="urn:x:t:1")
    out = transformation(at(3), inputs=[], outputs=[amount(TEA)], transformation_id="urn:x:t:1")
    stranger = transformation(at(2), inputs=[amount(OTHER_LEAVES)], outputs=[], transformation_id="urn:x:t:2")
    for built in (into, out, stranger):
        for side in ("inputQuantityList", "outputQuantityList"):
            if not built[side]:
                del built[side]
    made = events(lot_creation(at(1), made=amount(LEAVES)), into, out, stranger)
    assert hours_and_reasons(trace(TEA, made).steps) == [(1, "transformation"), (2, "transformation"), (3, "direct")]


def test_what_was_made_of_the_leaves_later_is_no_part_of_the_history() -> None:
    later = observation(at(20), amounts=[amount(LEAVES)])
    assert hours_and_reasons(trace(UNIT, events(*JOURNEY, later)).steps) == hours_and_reasons(
        trace(UNIT, events(*JOURNEY)).steps
    )


def test_an_event_declared_wrong_is_shown_and_not_followed() -> None:
    event_id = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    wrong: JsonEvent = {**packing(at(5), parent=OTHER_CASE, children=[UNIT]), "eventID": event_id}
    declaration: JsonEvent = {"declarationTime": "2025-04-02T00:00:00Z", "reason": "did_not_occur"}
    declared: JsonEvent = {**wrong, "errorDeclaration": declaration}
    made = events(wrong, declared, seen(6, OTHER_CASE), seen(7, UNIT))
    found = trace(UNIT, made)
    assert [(step.withdrawn, step.reason) for step in found.steps] == [
        (True, Reason.DIRECT),
        (True, Reason.DIRECT),
        (False, Reason.DIRECT),
    ]
    followed = trace(UNIT, events(wrong, seen(6, OTHER_CASE), seen(7, UNIT)))
    assert hours_and_reasons(followed.steps)[1] == (6, "parent")


CONTRADICTIONS = [
    ("BEFORE_COMMISSIONING", [seen(1, UNIT), commissioning(at(4), units=[UNIT], lot=TEA)]),
    ("COMMISSIONED_TWICE", [commissioning(at(4), units=[UNIT], lot=TEA), commissioning(at(5), units=[UNIT], lot=TEA)]),
    ("AFTER_END", [{**seen(4, UNIT, step="destroying"), "action": "DELETE"}, seen(5, UNIT)]),
    ("TWO_PARENTS", [packing(at(4), parent=CASE, children=[UNIT]), packing(at(5), parent=OTHER_CASE, children=[UNIT])]),
    ("NOT_INSIDE", [packing(at(4), parent=CASE, children=[UNIT], action="DELETE")]),
    (
        "NOT_INSIDE",
        [
            packing(at(4), parent=CASE, children=[UNIT]),
            packing(at(5), parent=OTHER_CASE, children=[UNIT], action="DELETE"),
        ],
    ),
]


@pytest.mark.parametrize(("code", "made"), CONTRADICTIONS)
def test_oe02_a_history_that_contradicts_itself_says_so(code: str, made: list[JsonEvent]) -> None:
    found = trace(UNIT, events(*made)).findings
    assert [finding.code for finding in found] == [code]
    assert found[0].about == UNIT
    assert trace(UNIT, events(*JOURNEY)).findings == ()


@pytest.mark.parametrize(("code", "made"), CONTRADICTIONS)
def test_oe02_capture_may_refuse_what_contradicts_the_known(code: str, made: list[JsonEvent]) -> None:
    *known, new = events(*made)
    with refused("EVENT_ORDER"):
        require_order([*known, new], [])
    require_order(events(*JOURNEY), [])
    require_order(events(seen(12, SISTER)), events(*JOURNEY))


def test_oe02_an_old_contradiction_does_not_stop_new_events() -> None:
    known = events(*CONTRADICTIONS[1][1])
    require_order(events(seen(9, UNIT)), known)


def test_two_lots_for_one_unit_is_a_finding() -> None:
    other = observation(at(5), things=[UNIT])
    other["epcList"] = [f"https://id.gs1.org/01/{GTIN}/10/L8/21/S1"]
    found = trace(UNIT, events(commissioning(at(4), units=[UNIT], lot=TEA), other))
    assert [finding.code for finding in found.findings] == ["TWO_LOTS"]
    assert set(found.lots) == {TEA, lot(GTIN, "L8")}


def test_things_inside_one_another_and_made_of_one_another_come_to_an_end() -> None:
    rings = [
        packing(at(1), parent=CASE, children=[UNIT]),
        packing(at(2), parent=PALLET, children=[CASE]),
        packing(at(3), parent=CASE, children=[PALLET]),
        transformation(at(4), inputs=[amount(TEA)], outputs=[amount(LEAVES)]),
        transformation(at(5), inputs=[amount(LEAVES)], outputs=[amount(TEA)]),
        commissioning(at(0), units=[UNIT], lot=TEA),
    ]
    found = trace(UNIT, events(*rings))
    assert found.complete
    assert len(found.steps) == 6


def test_oe08_ten_thousand_events_are_traced_and_more_are_cut_off_and_said_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = events(*(seen(number / 100, UNIT) for number in range(10_000)))
    found = trace(UNIT, made)
    assert (len(found.steps), found.complete) == (10_000, True)
    for bound in ("MAX_TRACED_EVENTS", "MAX_SCANNED"):
        with monkeypatch.context() as patch:
            patch.setattr(follow_module, bound, 9_999)
            cut = trace(UNIT, made)
            assert not cut.complete
            assert len(cut.steps) <= 9_999
    with monkeypatch.context() as patch:
        patch.setattr(follow_module, "MAX_FOLLOWED", 1)
        assert not trace(UNIT, events(*JOURNEY)).complete


def test_oe08_a_chain_of_a_thousand_transformations_is_followed_without_recursion() -> None:
    lots = [lot(GTIN, f"C{number}") for number in range(1_001)]
    chain = [
        transformation(at(number), inputs=[amount(before)], outputs=[amount(after)])
        for number, (before, after) in enumerate(pairwise(lots))
    ]
    found = trace(lots[-1], events(*chain))
    assert (len(found.steps), found.complete) == (1_000, True)
    assert found.steps[0].distance == 999
