"""K08: anomalies at random moments of full traffic, with reorganisations, lag and nodes that fail: each is found under
its label, and nothing else is raised.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.notary.alarms.anomalies import ANOMALIES, SILENCE
from tests.notary.alarms.clean import Desk
from tests.notary.alarms.traffic import Traffic

# After these the deployment is not what it was: what comes next deserves alarms of its own.
LASTING = {
    "anchor_without_cosignatures",
    "chain_is_out_of_sight",
    "chain_stands_still",
    "committee_replaced",
    "final_block_rewritten",
    "nodes_disagree",
    "notaries_are_out_of_sight",
    "verdict_after_grace",  # not lasting, but long
    "window_spent",
}
SECONDS = 10


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_K08_each_anomaly_at_random_in_full_traffic_is_found_and_nothing_else(seed: int, tmp_path: Path) -> None:
    traffic = Traffic(seed, transfers=1, pauses=False)
    desk = Desk(traffic, tmp_path / "watch", silence=SILENCE)
    names = sorted(ANOMALIES.keys() - LASTING)
    traffic.random.shuffle(names)
    deserved: Counter[str] = Counter()
    for name in names:
        for _ in range(traffic.random.randint(5, 25)):
            traffic.tick()
            desk.look()
        anomaly = ANOMALIES[name]
        anomaly.do(traffic)
        deserved.update(str(label) for label in anomaly.labels)
        for _ in range(anomaly.after + SECONDS):
            traffic.tick()
            if traffic.random.random() < 0.05:
                desk.restart()
            desk.look()
        assert Counter(desk.labels) == deserved, name
    desk.close()
