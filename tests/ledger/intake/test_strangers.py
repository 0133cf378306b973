"""OD12: a flood that nobody signed is bounded by address, and its neighbours go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.errors import BadInput, Refused
from ledger.evidence import SignedEvidence
from ledger.intake.buckets import Buckets
from ledger.intake.quota import QuotaExceeded
from ledger.intake.strangers import BELIEVED_SECONDS, AddressQuota, Strangers, network_of
from ledger.uplink_protocol import UPLOADS_PATH
from tests.ledger.intake.speaking import OTHER_KEY, Listening, Voice, listening, scale

STATEMENTS = "/api/v1/evidence/statements"
JSON = {"Content-Type": "application/json"}
HERE, THERE = "203.0.113.7", "203.0.113.8"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Door:
    """A ledger that takes five refusals from an address at once, and one a second after them."""

    at: Listening
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self._app = create_app(self.at.ledger, strangers=Strangers(1, 5, clock=self.clock))

    def post(self, signed: SignedEvidence | bytes, address: str = HERE, path: str = STATEMENTS) -> tuple[int, str]:
        """Status and code."""
        body = signed if isinstance(signed, bytes) else signed.envelope()
        answer = TestClient(self._app, client=(address, 1)).post(path, content=body, headers=JSON)
        self.headers = answer.headers
        return answer.status_code, answer.json().get("code", "")


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with listening(tmp_path) as found:
        found.ledger.evidence.enrol(scale("scale-2", OTHER_KEY))
        yield Door(found)


def forged() -> SignedEvidence:
    return Voice(key=OTHER_KEY).reading()


FLOODS = {
    "signatures of another key": (forged().envelope(), (403, "EVIDENCE_SIGNATURE")),
    "stripped signatures": (replace(Voice().reading(), signature=bytes(64)).envelope(), (403, "EVIDENCE_SIGNATURE")),
    "devices that nobody enrolled": (Voice("scale-9").reading().envelope(), (403, "DEVICE_UNKNOWN")),
    "what is no envelope": (b'{"device":"scale-1"}', (422, "ENVELOPE_FORMAT")),
    "what is no JSON": (b"\x00\x01", (400, "JSON_SYNTAX")),
}


@pytest.mark.parametrize(("body", "answer"), FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("path", [STATEMENTS, UPLOADS_PATH])
def test_OD12_a_flood_that_nobody_signed_is_told_to_come_again(
    door: Door, body: bytes, answer: tuple[int, str], path: str
) -> None:
    size = door.at.ledger.log.size
    first = [door.post(body, path=path) for _ in range(5)]
    assert {status for status, _ in first} <= {400, 403, 422} and (first[0] == answer or path == UPLOADS_PATH)
    assert [door.post(body, path=path) for _ in range(3)] == [(429, "ADDRESS_QUOTA")] * 3
    assert door.headers["Retry-After"] == "1"
    assert door.at.held() == 0 and door.at.ledger.log.size <= size + 1  # the finding of this hour
    assert door.post(Voice().reading(), THERE) == (201, "")  # the honest twin, from elsewhere
    door.clock.now += 1
    assert [door.post(body, path=path)[0] for _ in range(2)] == [first[0][0], 429]


def test_OD12_what_is_refused_before_its_limit_costs_no_signature_check(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        door.post(forged())
    asked: list[object] = []
    monkeypatch.setattr(type(door.at.ledger.evidence), "known", lambda *about: asked.append(about))
    assert door.post(forged()) == (429, "ADDRESS_QUOTA")
    assert asked == []


def test_OD12_a_device_that_was_believed_there_goes_on_behind_the_same_address(door: Door) -> None:
    voice, quiet = Voice(), Voice("scale-2", OTHER_KEY)
    assert door.post(voice.reading()) == (201, "")
    for _ in range(6):
        door.post(Voice("scale-9").reading())
    assert door.post(Voice("scale-9").reading()) == (429, "ADDRESS_QUOTA")
    assert [door.post(voice.reading()) for _ in range(3)] == [(201, "")] * 3
    assert door.post(quiet.reading()) == (429, "ADDRESS_QUOTA")  # nobody there has believed it yet
    door.clock.now += BELIEVED_SECONDS - 1
    assert door.post(voice.reading()) == (201, "")


def test_OD12_in_whose_name_it_floods_does_not_help_a_flood(door: Door) -> None:
    voice = Voice()
    assert door.post(voice.reading()) == (201, "")
    answers = [door.post(forged())[0] for _ in range(12)]
    assert answers == [403] * 5 + [429] * 7
    door.clock.now += 1
    assert door.post(voice.reading()) == (201, "")


def test_what_a_device_signed_does_not_count_however_often_it_is_refused(door: Door) -> None:
    ahead = Voice(number=6, digest=bytes([1]) * 32).reading()
    assert [door.post(ahead)[1] for _ in range(9)] == ["EVIDENCE_GAP"] * 9
    assert door.post(Voice().reading()) == (201, "")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("2001:db8::1", "2001:db8::ffff:0:0:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("testclient", None, False),
    ],
)
def test_an_address_is_what_one_sender_can_speak_from(one: str, other: str | None, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


def test_no_more_addresses_are_remembered_than_may_be() -> None:
    strangers = Strangers(1, 1, clock=Clock(), most=3)
    for number in range(9):
        strangers.refused(f"203.0.113.{number}", b"", BadInput("JSON_SYNTAX", "No JSON."))
        strangers.believed(f"203.0.113.{number}", b"scale-1")
    with pytest.raises(AddressQuota):
        strangers.check("203.0.113.8", b"")
    strangers.check("203.0.113.0", b"")
    assert len(strangers._addresses) == len(strangers._believed) == 3


def test_what_says_nothing_about_a_signature_is_not_counted() -> None:
    strangers = Strangers(1, 1, clock=Clock())
    for problem in (Refused("REPLAY", "Again."), QuotaExceeded("scale-1", 1)):
        strangers.refused(HERE, b"", problem)
    strangers.check(HERE, b"")


def test_looking_at_a_bucket_takes_nothing() -> None:
    clock = Clock()
    buckets: Buckets[str] = Buckets(2.0, 1, 9, clock)
    assert [buckets.wait("a"), buckets.take("a"), buckets.wait("a"), buckets.take("a")] == [0, 0, 0.5, 0.5]
    clock.now += 0.5
    assert [buckets.wait("a"), buckets.take("a"), buckets.take("a")] == [0, 0, 0.5]
