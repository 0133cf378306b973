"""K08: each anomaly in live traffic is found within ten seconds under the right label, once, also after a kill; and
clean traffic raises nothing.

The slow tier of the second half is `make watch-clean`, a million transfers.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from contracts.manifest import Role
from notary.alarms.alarm import KINDS, Label
from tests.notary.alarms.anomalies import ANOMALIES, SILENCE
from tests.notary.alarms.clean import Desk, run
from tests.notary.alarms.traffic import Traffic

SECONDS = 10  # within which an anomaly is found
CLEAN = 20_000


def watched(traffic: Traffic, desk: Desk, seconds: int, *, kill: random.Random | None = None) -> None:
    """Traffic for so many seconds, watched in each of them; with `kill`, the watch is killed every now and then."""
    for _ in range(seconds):
        traffic.tick()
        if kill is not None and kill.random() < 0.3:
            desk.restart()
        desk.look()


@pytest.mark.parametrize("name", ANOMALIES)
def test_K08_an_anomaly_is_found_within_ten_seconds_under_its_label_and_told_once(name: str, tmp_path: Path) -> None:
    anomaly = ANOMALIES[name]
    traffic = Traffic(seed=len(name), transfers=1, keeps_all=True, calm=True)
    desk = Desk(traffic, tmp_path / "watch", silence=SILENCE)
    watched(traffic, desk, 30)
    assert desk.told == [], "traffic before is clean"
    anomaly.do(traffic)
    watched(traffic, desk, anomaly.after + SECONDS, kill=random.Random(name))
    assert set(desk.labels) == anomaly.labels, [alarm["subject"] for alarm in desk.told]
    assert len(desk.told) == len(anomaly.labels), "each is told once"
    desk.restart()
    watched(traffic, desk, 20, kill=random.Random(name))
    assert len(desk.told) == len(anomaly.labels), "nor told again after a restart"
    desk.close()


def test_K08_every_label_has_an_anomaly_and_says_who_acts() -> None:
    assert {label for anomaly in ANOMALIES.values() for label in anomaly.labels} == set(Label) == KINDS.keys()
    assert len(Label) >= 12


def test_K08_clean_transfers_with_everything_that_is_legal_raise_nothing(tmp_path: Path) -> None:
    found = run(CLEAN, 7, tmp_path / "watch")
    assert found["false_positives"] == found["hints"] == 0, found["first"]
    assert found["over"] == found["transfers"] >= CLEAN
    for met in ("reorganisations", "rotations", "pauses", "restarts"):
        assert found[met] > 0, met
    assert found["kept"]["suspect"] == found["kept"]["moving"] == found["kept"]["early"] == 0


FAR = 40  # blocks above a final one, where finality takes its time


def far_from_final(seed: int, folder: Path) -> tuple[Traffic, Desk]:
    traffic = Traffic(seed, transfers=1, calm=True)
    for chain in traffic.chains.values():
        chain.finality = FAR
    desk = Desk(traffic, folder)
    watched(traffic, desk, FAR + 30)
    assert desk.told == desk.hinted == []
    return traffic, desk


def test_K08_what_is_not_final_yet_is_hinted_within_ten_seconds_and_told_when_it_is(tmp_path: Path) -> None:
    traffic, desk = far_from_final(1, tmp_path / "watch")
    ANOMALIES["mint_of_nothing"].do(traffic)
    watched(traffic, desk, SECONDS)
    assert {alarm["label"] for alarm in desk.hinted} == ANOMALIES["mint_of_nothing"].labels
    assert (len(desk.hinted), desk.told) == (2, [])
    watched(traffic, desk, 2 * FAR)
    assert set(desk.labels) == ANOMALIES["mint_of_nothing"].labels
    assert (len(desk.hinted), len(desk.told)) == (2, 2)
    desk.close()


def test_K08_what_vanishes_before_the_patience_is_over_is_neither_hinted_nor_told(tmp_path: Path) -> None:
    traffic, desk = far_from_final(2, tmp_path / "watch")
    ANOMALIES["commit_of_nothing"].do(traffic)
    watched(traffic, desk, 2)
    traffic.chains[Role.DESTINATION].vanish(3)
    watched(traffic, desk, 2 * FAR)
    assert desk.hinted == desk.told == []
    desk.close()
