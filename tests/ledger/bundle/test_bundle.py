"""What an honest bundle proves, and that the same parts always make the same file."""

from __future__ import annotations

import hashlib

import pytest

from ledger.bundle import TRUST_ROOT_DOMAIN, Findings, dump, filmed_for, load, verify
from ledger.bundle.assemble import sided_path
from ledger.bundle.format import MAGIC
from ledger.epcis import read_event
from ledger.errors import Problem
from ledger.merkle import Tree, leaf_hash, node_hash
from ledger.trace import trace
from tests.ledger.bundle.estate import LEAVES, TEA, TRUST_ROOT, UNIT, Estate, events, story
from tests.ledger.refusals import refused

HONEST = Estate().with_entries().build()


def found(findings: Findings, step: str) -> str:
    return next(proven for proven in findings.proven if proven.step == step).what


def test_an_honest_bundle_holds_from_the_unit_down_to_the_trust_root() -> None:
    findings = verify(HONEST, trust_root=TRUST_ROOT)
    assert findings.subject == UNIT.normal
    assert [proven.step for proven in findings.proven] == [
        *("events", "evidence", "logged", "checkpoint", "anchored", "attested", "committed", "judged", "credential"),
        *("trust_root", "sealed"),
    ]
    assert found(findings, "events").startswith("4 events tell the unit's history")
    assert found(findings, "evidence").startswith("9 segments of video, 18.0 s")
    assert "19 entries" in found(findings, "checkpoint")
    assert findings.trust_root_was_given
    assert findings.contradictions == ()


def test_without_a_trust_root_it_says_that_its_own_came_along() -> None:
    findings = verify(HONEST, trust_root=None)
    assert not findings.trust_root_was_given
    assert findings.fingerprint == TRUST_ROOT.fingerprint
    assert TRUST_ROOT.fingerprint in findings.not_proven[0]
    assert len(findings.not_proven) == len(verify(HONEST, trust_root=TRUST_ROOT).not_proven) + 1


def test_who_and_when_are_the_signers_and_the_blocks() -> None:
    steps = {proven.step: proven for proven in verify(HONEST, trust_root=None).proven}
    assert steps["judged"].who.startswith("3 of 4 notaries (members 0, 1, 3;")
    assert steps["attested"].who.startswith("3 of 4 notaries (members 0, 1, 2;")
    assert steps["anchored"].when == "2026-04-03 06:00:41 UTC"
    assert steps["checkpoint"].when == "2026-04-03 06:00:01 UTC"  # not the earliest word, which one liar could give


def test_one_bundle_has_one_file() -> None:
    assert Estate().with_entries().build() == HONEST
    assert dump(load(HONEST)) == HONEST
    body = HONEST[len(MAGIC) + 32 :]
    assert b"pledgetrail-bundle/1\n" + hashlib.sha256(body).digest() + body == HONEST


def test_a_bundle_without_any_video_holds() -> None:
    estate = Estate().with_entries()
    estate.entries = [entry for entry in estate.entries if "evidence" not in entry[0] and "device" not in entry[0]]
    findings = verify(estate.build(), trust_root=None)
    assert "evidence" not in {proven.step for proven in findings.proven}


def test_a_lot_can_be_the_subject() -> None:
    estate = Estate(subject=TEA).with_entries()
    # What became of the lot afterwards, and what was filmed of one unit, is not the lot's own history.
    estate.entries = [entry for entry in estate.entries[:-2] if b'"packing' not in entry[1]]
    assert verify(estate.build(), trust_root=None).subject == TEA.normal


@pytest.mark.parametrize("others", range(9))
def test_the_message_may_share_its_certificate_with_others(others: int) -> None:
    raw = Estate(certified_with=others).with_entries().build()
    assert verify(raw, trust_root=TRUST_ROOT).trust_root_was_given


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_a_sided_path_leads_to_the_root_without_index_and_size(size: int) -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    tree = Tree(leaves)
    for index, leaf in enumerate(leaves):
        reached = leaf
        for step in sided_path(index, size, tree.inclusion_proof(index)):
            reached = node_hash(step[1:], reached) if step[0] == 0 else node_hash(reached, step[1:])
        assert reached == tree.root()


def test_a_sided_path_of_the_wrong_length_is_refused() -> None:
    proof = Tree([leaf_hash(bytes([number])) for number in range(5)]).inclusion_proof(2)
    for wrong in (proof[:-1], [*proof, bytes(32)]):
        with refused("TREE_RANGE"):
            sided_path(2, 5, wrong)


def test_a_contradicted_history_is_shown_and_still_proven() -> None:
    estate = Estate().with_entries()
    twice = story()[2] | {"eventTime": "2026-04-02T12:00:00.000Z"}
    estate.entries.append((estate.entries[-1][0], events([twice])[0]))
    findings = verify(estate.build(), trust_root=None)
    assert any(line.startswith("COMMISSIONED_TWICE") for line in findings.contradictions)


def test_what_was_filmed_for_a_unit_includes_what_its_lot_was_made_of() -> None:
    history = trace(UNIT, [read_event(raw) for raw in events(story())])
    assert {UNIT.normal, TEA.normal, LEAVES.normal} <= set(filmed_for(history))


def test_nothing_leaves_assemble_that_verify_refuses() -> None:
    estate = Estate(notaries=(0, 1)).with_entries()
    with refused("QUORUM"):
        estate.build()


def test_a_bundle_carries_exactly_one_trust_root() -> None:
    for copies in (0, 2):
        estate = Estate().with_entries()
        estate.entries = [*estate.entries[1:], *([(TRUST_ROOT_DOMAIN, TRUST_ROOT.dump())] * copies)]
        with refused("TRUST_ROOT"):
            verify(estate.forge(), trust_root=TRUST_ROOT)


def test_findings_are_plain_data() -> None:
    as_json = verify(HONEST, trust_root=None).as_json()
    assert as_json["held"] is True
    assert as_json["trust_root"] == {"fingerprint": TRUST_ROOT.fingerprint, "given": False}


def test_a_refusal_names_a_place_and_the_honest_twin_still_holds() -> None:
    estate = Estate(notaries=(0, 1)).with_entries()
    with pytest.raises(Problem) as caught:
        verify(estate.forge(), trust_root=None)
    assert caught.value.where.startswith("judged.signatures")
    assert caught.value.cure
    assert verify(HONEST, trust_root=None)
