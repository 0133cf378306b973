"""The rules by themselves, without a chain: each with what it lets pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.manifest import NOTARY_POLICY
from ledger.attestation import DIFFERS, SAME, word
from ledger.errors import BadInput, Refused, Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from notary import policy
from notary.policy import Lane, LeafRefusal
from tests.notary.subject import codes, refusal
from tests.notary.test_journal import MESSAGE, RIVAL, THERE

OPEN = Lane(generation=1, policy=NOTARY_POLICY)


def test_a_message_is_attested_where_its_destination_checks_a_certificate_of_it() -> None:
    assert frozenset({1, 4}) == policy.POLICIES_SERVED
    both = Lane(generation=1, policy=4)
    policy.require_carriage(MESSAGE, lane=both, now=MESSAGE.expiry - 1, attested=None)
    for headers_alone in (2, 3):
        lane = Lane(generation=1, policy=headers_alone)
        assert refusal(lambda held=lane: policy.require_carriage(MESSAGE, lane=held, now=0, attested=None)).code == (  # type: ignore[misc]
            "LANE"
        )


def test_a_message_in_time_on_its_open_lane_may_be_carried() -> None:
    policy.require_carriage(MESSAGE, lane=OPEN, now=MESSAGE.expiry - 1, attested=None)
    policy.require_carriage(MESSAGE, lane=OPEN, now=MESSAGE.expiry - 1, attested=MESSAGE.id)


@pytest.mark.parametrize(
    "lane",
    [Lane(0, 0), Lane(0, NOTARY_POLICY), Lane(2, NOTARY_POLICY), Lane(1, 0), Lane(1, NOTARY_POLICY + 1)],
    ids=["not open", "no generation", "a later generation", "no policy", "a policy we do not serve"],
)
def test_g02_another_lane_is_refused(lane: Lane) -> None:
    assert refusal(lambda: policy.require_carriage(MESSAGE, lane=lane, now=0, attested=None)).code == "LANE"


def test_a_message_of_generation_zero_is_refused_on_a_lane_that_nobody_opened() -> None:
    message = replace(MESSAGE, generation=0)
    assert refusal(lambda: policy.require_carriage(message, lane=Lane(0, 1), now=0, attested=None)).code == "LANE"


@pytest.mark.parametrize("late", [0, 1, 10**9])
def test_the_expiry_is_the_first_second_too_late(late: int) -> None:
    now = MESSAGE.expiry + late
    assert refusal(lambda: policy.require_carriage(MESSAGE, lane=OPEN, now=now, attested=None)).code == "EXPIRED"


def test_what_has_arrived_does_not_expire_and_may_still_contradict_nothing() -> None:
    now = MESSAGE.expiry + 1
    policy.require_carriage(MESSAGE, lane=OPEN, now=now, attested=None, is_used=True)
    rival = refusal(lambda: policy.require_carriage(MESSAGE, lane=OPEN, now=now, attested=RIVAL.id, is_used=True))
    assert rival.code == "EQUIVOCATION"


def test_g04_another_message_for_one_sequence_is_refused() -> None:
    asked = refusal(lambda: policy.require_carriage(MESSAGE, lane=OPEN, now=0, attested=RIVAL.id))
    assert asked.code == "EQUIVOCATION"


def test_a_certificate_is_for_one_gateway_of_one_chain_and_names_each_message_once() -> None:
    other = replace(MESSAGE, sequence=6)
    policy.require_one_destination([MESSAGE, other])
    for end in (
        replace(THERE, chain_id=1),
        replace(THERE, genesis=b"\x44" * 32),
        replace(THERE, gateway=b"\x44" * 20),
    ):
        with pytest.raises(BadInput) as mixed:
            policy.require_one_destination([MESSAGE, replace(other, destination=end)])
        assert mixed.value.code == "LEAVES_MIXED"
    assert refusal(lambda: policy.require_one_destination([MESSAGE, other, MESSAGE])).code == "LEAF_REPEATED"


def test_refusals_are_told_together_and_waiting_alone_is_no_refusal() -> None:
    early, wrong = LeafRefusal(0, Unavailable("NOT_FINAL", "")), LeafRefusal(1, BadInput("EMITTER", ""))
    policy.require_all([])
    waiting = refusal(lambda: policy.require_all([early]))
    assert (waiting.code, waiting.http_status, codes(waiting)) == ("NOT_FINAL", 503, {"NOT_FINAL"})
    both = refusal(lambda: policy.require_all([early, wrong]))
    assert (both.code, both.http_status, codes(both)) == ("LEAVES_REFUSED", 409, {"NOT_FINAL", "EMITTER"})


def committed(**changed: object) -> Log:
    """The destination gateway's log of MESSAGE's commit, or of something near it."""
    fields: dict[str, object] = {
        "address": THERE.gateway,
        "id": MESSAGE.id,
        "executed": 1,
    } | changed
    topics = (policy.MESSAGE_COMMITTED, fields["id"])
    return Log(fields["address"], topics, word(int(str(fields["executed"]))) + b"\x05" * 32)  # type: ignore[arg-type]


@pytest.mark.parametrize("executed", [0, 1])
def test_a_commit_of_the_message_is_read(executed: int) -> None:
    found = policy.read_commit(committed(executed=executed), message=MESSAGE)
    assert (found.executed, found.outcome) == (bool(executed), b"\x05" * 32)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"address": b"\x66" * 20}, "EMITTER"),
        ({"id": RIVAL.id}, "COMMIT_MISMATCH"),
        ({"executed": 2}, "COMMIT_MISMATCH"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
def test_f01_what_is_not_the_commit_of_this_message_is_refused(changed: dict[str, object], code: str) -> None:
    assert refusal(lambda: policy.read_commit(committed(**changed), message=MESSAGE)).code == code


def test_logs_of_another_kind_or_shape_are_no_commit() -> None:
    log = committed()
    for odd in (
        Log(log.address, (), log.data),
        Log(log.address, log.topics[:1], log.data),
        Log(log.address, (*log.topics, MESSAGE.lane), log.data),
        Log(log.address, (keccak256(b"MessageCommitted()"), *log.topics[1:]), log.data),
        Log(log.address, log.topics, log.data[:-1]),
        Log(log.address, log.topics, log.data + b"\x00"),
    ):
        with pytest.raises(BadInput) as caught:
            policy.read_commit(odd, message=MESSAGE)
        assert caught.value.code == "COMMIT_LOG"


@pytest.mark.parametrize(
    ("block", "checked_to", "differs_at", "verdict"),
    [
        (5, 5, None, SAME),
        (5, 9, None, SAME),
        (5, 5, 6, SAME),
        (5, 4, 5, DIFFERS),
        (9, 4, 5, DIFFERS),
        (5, 3, 4, DIFFERS),
    ],
)
def test_the_first_block_that_differs_taints_itself_and_what_follows(
    block: int, checked_to: int, differs_at: int | None, verdict: int
) -> None:
    found = policy.verdict_word(block=block, first=2, checked_to=checked_to, differs_at=differs_at)
    assert found == verdict


def test_blocks_that_were_not_re_executed_have_no_verdict() -> None:
    with pytest.raises(Unavailable) as unknown:
        policy.verdict_word(block=5, first=2, checked_to=4, differs_at=None)
    with pytest.raises(Refused) as never:
        policy.verdict_word(block=1, first=2, checked_to=9, differs_at=None)
    assert (unknown.value.code, never.value.code) == ("UNKNOWN", "NOT_CHECKED")
