"""Each device has one topic, whatever its name, and no topic has two names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.uplink_protocol import device_of, topic_of
from tests.ledger.refusals import refused


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=256))
def test_a_topic_names_its_device(device: str) -> None:
    topic = topic_of(device)
    assert device_of(topic) == device
    assert topic.count("/") == 2 and not {"+", "#"} & set(topic)


def test_OD01_a_device_cannot_have_the_topic_of_another() -> None:
    assert topic_of("camera-1") == "pledgetrail/camera-1/evidence"
    assert topic_of("urn:example:camera-3") == "pledgetrail/urn:example:camera-3/evidence"
    assert topic_of("a/evidence") == "pledgetrail/a%2Fevidence/evidence"
    assert topic_of("+") == "pledgetrail/%2B/evidence"


@pytest.mark.parametrize(
    "topic",
    [
        *("", "pledgetrail//evidence", "pledgetrail/+/evidence", "pledgetrail/#", "pledgetrail/a/b/evidence"),
        *("pledgetrail/camera%2d1/evidence", "pledgetrail/%zz/evidence", "$SYS/a/evidence", "pledgetrail/a/evidence\n"),
    ],
)
def test_any_other_topic_is_refused(topic: str) -> None:
    with refused("TOPIC"):
        device_of(topic)
