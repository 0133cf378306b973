"""A relay in a process of its own, killed at named points: some of them here, all with `make kill-points`."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.kill_points import POINTS, run
from tests.acceptance.kill_publisher import PUBLISHER_POINTS, run_publisher

# One of each part of the process that writes, where most is under way.
HERE = [
    "exchanger: after a call",
    "indexer: while a block is written",
    "submitter: written down, and not sent",
]
PUBLISHED = ["publisher: anchored", "publisher: carried"]


def test_J05_a_relay_killed_at_one_point_after_another_loses_and_doubles_nothing(tmp_path: Path) -> None:
    assert {*HERE} <= POINTS.keys()
    assert run(1, tmp_path, points=HERE) == HERE


def test_J05_a_relay_killed_while_it_publishes_anchors_and_carries_everything_once(tmp_path: Path) -> None:
    assert {*PUBLISHED} <= PUBLISHER_POINTS.keys()
    assert run_publisher(1, tmp_path, points=PUBLISHED) == PUBLISHED
