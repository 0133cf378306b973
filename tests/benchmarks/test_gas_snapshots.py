"""Gas is exact: a figure that changed without a word fails here. The slower lines are compared by `make bench-gas`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.benchmarks import gas, gas_hash_lock, gas_messages, gas_peers, gas_profile, gas_tour
from tests.benchmarks.gas_figures import Spent, Work, figure

QUICK = [work for work in gas.works() if work.is_quick]


@pytest.mark.parametrize("work", QUICK, ids=[work.key for work in QUICK])
def test_gas_is_what_the_snapshot_says(work: Work) -> None:
    spent = work.measure()
    assert {"gas": spent.gas, "frame_gas": spent.frame_gas} == gas.stored()[work.key]


def test_gas_of_every_ordinary_transaction_is_what_the_snapshot_says() -> None:
    toured = gas_tour.toured() | gas_hash_lock.toured()
    measured = {step: {"gas": spent.gas, "frame_gas": spent.frame_gas} for step, spent in toured.items()}
    assert gas.differences(measured, {name: now for name, now in gas.stored().items() if name in measured}) == []


def test_the_snapshot_has_every_line_and_no_other() -> None:
    assert {work.key for work in gas.all_works()} == set(gas.stored())


def test_the_readme_shows_the_snapshot() -> None:
    shown = gas.README.read_text().split(gas.BEGIN)[1].split(gas.END)[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.splitlines() if line.startswith("| ")]
    figures = {", ".join(filter(None, row[:2])): (row[2], row[3]) for row in rows if row[0] != "work"}
    assert figures == {name: (f"{now['gas']:,}", f"{now['frame_gas']:,}") for name, now in gas.stored().items()}


def test_every_change_has_its_reason() -> None:
    changes = json.loads(gas.SNAPSHOT.read_text())["changes"]
    assert all(change["reason"].strip() and change["gas"] for change in changes)
    latest = {name: now for change in changes for name, (_, now) in change["gas"].items()}
    assert {name: now for name, now in latest.items() if now} == {n: now["gas"] for n, now in gas.stored().items()}


def test_a_changed_missing_or_new_figure_is_named() -> None:
    kept = {"a": {"gas": 30_000, "frame_gas": 9_000}, "b": {"gas": 1, "frame_gas": 1}}
    assert gas.differences(kept, kept) == []
    measured = {"a": {"gas": 30_001, "frame_gas": 9_000}, "c": {"gas": 1, "frame_gas": 1}}
    assert [line.split(":")[0] for line in gas.differences(measured, kept)] == ["a", "b", "c"]
    assert gas.differences(measured, kept)[0] == (
        "a: 30,000 gas (9,000 in the frame) in the snapshot, 30,001 gas (9,000 in the frame) now"
    )


def test_an_explanation_keeps_what_was_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gas, "SNAPSHOT", tmp_path / "snapshot.json")
    gas.explain({"a": {"gas": 5, "frame_gas": 1}, "b": {"gas": 7, "frame_gas": 1}}, "first figures")
    gas.explain({"a": {"gas": 4, "frame_gas": 1}}, "packed into one word")
    assert gas.stored() == {"a": {"gas": 4, "frame_gas": 1}}
    assert json.loads(gas.SNAPSHOT.read_text())["changes"][1] == {
        "reason": "packed into one word",
        "gas": {"a": [5, 4], "b": [7, None]},
    }
    gas.explain({"a": {"gas": 4, "frame_gas": 1}}, "nothing changed")
    assert len(json.loads(gas.SNAPSHOT.read_text())["changes"]) == 2


def test_the_cheapest_peer_of_the_same_work_and_size_stands_beside() -> None:
    peers = gas_peers.stored()
    verify = Work("verify", lambda: Spent(0, 0), 13, 19, kind="verify")
    line = figure(verify, Spent(108_385, 70_000), peers)
    assert (line.peer, line.peer_gas, line.ratio) == ("Hyperlane MessageId ISM", 108_385, 1.0)
    header = Work("header", lambda: Spent(0, 0), 3, 4, kind="header", basis="frame_gas")
    assert figure(header, Spent(130_000, 95_500), peers).ratio == 0.5
    assert figure(Work("alone", lambda: Spent(0, 0)), Spent(1, 1), peers).peer is None


def test_figures_of_another_fork_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "gas_prague.json").write_text(json.dumps({"fork": "cancun", "rows": [], "anchors": []}))
    with pytest.raises(ValueError, match="fork cancun"):
        gas_peers.fresh(tmp_path)


def test_peers_are_published_systems() -> None:
    peers = gas_peers.stored()
    assert {peer.kind for peer in peers} >= {"verify", "deliver", "anchor", "header", "storage"}
    assert not [peer for peer in peers if re.match(gas_peers.OWN_REFERENCES, peer.name)]
    assert gas_peers.as_json(peers) == gas_peers.STORED.read_text()


def test_a_profile_counts_every_unit_of_gas_once() -> None:
    gas_messages.commit(4)
    with gas_profile.recording() as profile:
        spent = gas_messages.commit(4)
    assert profile.frame_gas == spent.frame_gas == sum(profile.places.values())
    assert profile.parts["precompile ecrecover"] == 3 * 3_000
    assert profile.parts["logs"] > 0
    assert min(profile.parts.values()) > 0
