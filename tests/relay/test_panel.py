"""Asking notaries: what counts, what does not, whose reason is reported, and who holds up whom."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ledger.attestation import DIFFERS, SAME, Verdict, attestation_digest, verdict_digest
from ledger.errors import Refused, Unavailable
from ledger.proposal import Message
from ledger.quorum import Committee, root_over
from ledger.secp256k1 import ORDER
from relay import panel as asking
from relay.counting import JudgedCommit
from relay.panel import Asked, Leaf, NotaryPanel
from relay.watcher import Place
from tests.contracts.world import COMMITTEE, NOTARIES
from tests.ledger.refusals import refused
from tests.relay.written import MANIFEST, MESSAGE, message
from tests.simulator.inline import Inline

Answer = dict[str, Any]
PLACE = Place(7101, 5, b"\x01" * 32, b"\x02" * 32, 0, 0, 0, 21_000)
COMMIT = replace(PLACE, chain_id=7102, block=9)
REGISTRY = b"\x55" * 20
VERDICT = Verdict(MESSAGE.id, 1, b"\x01" * 32, b"\x03" * 32, b"\x04" * 32, 1, SAME, True, b"\x05" * 32, 1, 2, 3)


def attestation(index: int, messages: Sequence[Message] = (MESSAGE,)) -> Answer:
    end = messages[0].destination
    digest = attestation_digest(
        chain_id=end.chain_id, gateway=end.gateway, root=root_over(messages), epoch=COMMITTEE.epoch
    )
    return {"epoch": 1, "member": index, "signature": f"0x{NOTARIES[index].sign(digest).pack().hex()}"}


def judgement(index: int, verdict: Verdict = VERDICT) -> Answer:
    digest = verdict_digest(chain_id=7103, registry=REGISTRY, verdict=verdict)
    fields = {name: getattr(verdict, name) for name in Verdict.__dataclass_fields__}
    shown = {name: f"0x{value.hex()}" if isinstance(value, bytes) else value for name, value in fields.items()}
    return {"verdict": shown, "member": index, "signature": f"0x{NOTARIES[index].sign(digest).pack().hex()}"}


class Scripted:
    """A notary that answers what a test says, or raises it."""

    def __init__(self, index: int, answer: Callable[[], Any]) -> None:
        self.name, self._answer = f"notary {index + 1}", answer

    def ask(self, path: str, body: Answer) -> Answer:
        answer: Answer = self._answer()
        return answer

    def add_checkpoint(self, body: bytes) -> tuple[int, bytes]:
        return 503, b""


def silent() -> Any:
    raise Unavailable("NOTARY_UNREACHABLE", "no answer")


def refuses(code: str) -> Callable[[], Any]:
    def refuse() -> Any:
        raise Refused(code, f"because of {code}")

    return refuse


def panel(*changed: Callable[[], Any], honest: Callable[[int], Answer] = attestation) -> NotaryPanel:
    """Four notaries, of which the last ones answer as given."""
    answers = [lambda index=index: honest(index) for index in range(4 - len(changed))] + list(changed)
    scripted = [Scripted(index, answer) for index, answer in enumerate(answers)]
    return NotaryPanel(scripted, COMMITTEE, executor=lambda _name: Inline())


def certify(asked: NotaryPanel) -> tuple[int, ...]:
    """The members whose signatures make the certificate of one message, or the problem."""
    found = asked.certify([Leaf(MESSAGE, PLACE)])
    if found.root is None:
        raise found.refused[MESSAGE.id]
    assert found.refused == {}
    return found.root.certificate(MESSAGE.id).check(MESSAGE, COMMITTEE)


def judge(asked: NotaryPanel) -> Verdict:
    return asked.judge(MESSAGE, PLACE, COMMIT, chain_id=7103, registry=REGISTRY).verdict


def test_a_quorum_makes_a_certificate_and_no_more_signatures_than_it_needs() -> None:
    assert certify(panel()) == (0, 1, 2)
    assert certify(panel(silent)) == (0, 1, 2)


def test_two_of_four_wait_for_one_more() -> None:
    with pytest.raises(Unavailable) as waiting:
        certify(panel(silent, silent))
    assert (waiting.value.code, waiting.value.what) == ("WAITING", "waiting for 1 more attestation (2 of 3 given)")
    with pytest.raises(Unavailable, match=r"waiting for 3 more attestations \(0 of 3 given\)"):
        certify(panel(silent, silent, silent, silent))
    assert certify(panel(silent)) == (0, 1, 2)


def other_signature(index: int, **changed: Any) -> Callable[[], Answer]:
    return lambda: attestation(index) | changed


HIGH = bytes.fromhex(attestation(3)["signature"][2:])
HIGH_S = HIGH[:32] + (ORDER - int.from_bytes(HIGH[32:64], "big")).to_bytes(32, "big") + bytes([55 - HIGH[64]])
LIES: dict[str, Callable[[], Any]] = {
    "A05_a_signature_of_nobody": other_signature(3, signature="0x" + "01" * 64 + "1b"),
    "A09_anothers_index": other_signature(3, member=2),
    "A06_anothers_answer": lambda: attestation(1),
    "A01_a_high_s": other_signature(3, signature=f"0x{HIGH_S.hex()}"),
    "A04_a_short_signature": other_signature(3, signature="0x" + "01" * 64),
    "A04_an_upper_case_signature": other_signature(3, signature=attestation(3)["signature"].upper()),
    "no_signature": lambda: {"member": 3},
    "a_signature_that_is_a_number": other_signature(3, signature=5),
    "a_member_below_zero": other_signature(3, member=-1),
    "a_member_that_is_text": other_signature(3, member="3"),
    "a_member_that_is_true": other_signature(3, member=True),
    "a_member_of_another_committee": other_signature(3, member=4),
    "an_enormous_member": other_signature(3, member=10**400),
    "nothing": dict,
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_counts_as_no_answer(name: str) -> None:
    lie = LIES[name]
    assert certify(panel(lie)) == (0, 1, 2)
    with pytest.raises(Unavailable) as waiting:
        certify(panel(silent, lie))
    assert waiting.value.what == "waiting for 1 more attestation (2 of 3 given)"
    assert "NOTARY_GARBAGE" in waiting.value.where or name == "A06_anothers_answer"
    # And never as a refusal: liars cannot have a message set aside.
    with refused("WAITING"):
        certify(panel(lie, lie, lie))


def test_what_makes_a_quorum_impossible_is_refused_with_their_reason() -> None:
    with refused("LANE"):
        certify(panel(refuses("LANE"), refuses("LANE")))
    with refused("WAITING"):
        certify(panel(refuses("LANE"), silent))
    assert certify(panel(refuses("LANE"))) == (0, 1, 2)


def test_the_reason_most_of_them_give_is_the_one_reported() -> None:
    with refused("EXPIRED"):
        certify(panel(refuses("WHATEVER"), refuses("EXPIRED"), refuses("EXPIRED")))


def test_a_late_refusal_does_not_undo_a_quorum() -> None:
    scripted = [refuses("LANE"), *(lambda index=index: attestation(index) for index in (1, 2, 3))]
    four = [Scripted(index, answer) for index, answer in enumerate(scripted)]
    assert certify(NotaryPanel(four, COMMITTEE, executor=lambda _name: Inline())) == (1, 2, 3)


# -- verdicts -------------------------------------------------------------------------------------------------------


def test_a_quorum_of_equal_verdicts_is_one() -> None:
    assert judge(panel(honest=judgement)) == VERDICT
    assert judge(panel(silent, honest=judgement)) == VERDICT


OTHERS = {
    "another_outcome": replace(VERDICT, outcome=b"\x06" * 32),
    "not_executed": replace(VERDICT, executed=False),
    "checked_from_elsewhere": replace(VERDICT, checked_from=2),
    "another_commit": replace(VERDICT, commit_transaction=b"\x07" * 32),
}


@pytest.mark.parametrize("name", OTHERS)
def test_only_equal_verdicts_are_counted_together(name: str) -> None:
    other = OTHERS[name]
    assert judge(panel(lambda: judgement(3, other), honest=judgement)) == VERDICT
    split = panel(lambda: judgement(2, other), lambda: judgement(3, other), honest=judgement)
    with pytest.raises(Unavailable, match=r"waiting for 1 more verdict \(2 of 3 given\)"):
        judge(split)
    outvoted = [lambda index=index: judgement(index, other) for index in (1, 2, 3)]
    assert judge(panel(*outvoted, honest=judgement)) == other


def test_so_many_that_differ_that_no_quorum_is_left_are_enough_to_dispute() -> None:
    differs = replace(VERDICT, verdict=DIFFERS)
    assert judge(panel(lambda: judgement(3, differs), honest=judgement)) == VERDICT
    assert judge(panel(lambda: judgement(2, differs), lambda: judgement(3, differs), honest=judgement)) == differs
    with pytest.raises(Unavailable, match=r"waiting for 1 more verdict \(1 of 2 given\)"):
        judge(panel(lambda: judgement(0, differs), silent, silent, silent))


NONSENSE: dict[str, Answer] = {
    "a_number_too_large": {"checked_from": 2**64},
    "a_number_below_zero": {"epoch": -1},
    "a_number_as_text": {"verdict": "1"},
    "true_as_text": {"executed": "true"},
    "a_short_hash": {"outcome": "0x01"},
    "a_hash_without_0x": {"outcome": "05" * 32},
    "a_hash_with_spaces": {"outcome": "0x" + "05" * 31 + " 5"},
    "no_hash": {"outcome": None},
}


@pytest.mark.parametrize("name", NONSENSE)
def test_a_verdict_that_is_none_counts_as_no_answer(name: str) -> None:
    def nonsense() -> Answer:
        honest = judgement(3)
        return honest | {"verdict": honest["verdict"] | NONSENSE[name]}

    assert judge(panel(nonsense, honest=judgement)) == VERDICT
    with refused("WAITING"):
        judge(panel(silent, nonsense, honest=judgement))


def test_a_verdict_about_another_message_counts_as_no_answer() -> None:
    other = replace(VERDICT, id=b"\x01" * 32)
    with refused("WAITING"):
        judge(panel(lambda: judgement(2, other), lambda: judgement(3, other), honest=judgement))
    with refused("WAITING"):
        judge(panel(*(lambda index=index: judgement(index, other) for index in range(4))))


def together(asked: NotaryPanel, *others: Message) -> list[Any]:
    several = [Asked(each, PLACE, COMMIT) for each in (MESSAGE, *others)]
    found = asked.judge_together(several, chain_id=7103, registry=REGISTRY)
    return [each.verdict if isinstance(each, JudgedCommit) else each.code for each in found]


SECOND = message(7)
SECOND_VERDICT = replace(VERDICT, id=SECOND.id)


def of_both(index: int, first: Answer | None = None, second: Answer | None = None) -> Answer:
    return {"verdicts": [first or judgement(index), second or judgement(index, SECOND_VERDICT)]}


def test_a_quorum_of_each_message_is_found_in_the_answers_over_several() -> None:
    assert together(panel(honest=of_both), SECOND) == [VERDICT, SECOND_VERDICT]
    assert together(panel(silent, honest=of_both), SECOND) == [VERDICT, SECOND_VERDICT]


def test_each_message_counts_its_own_verdicts_refusals_and_nonsense() -> None:
    def refusing(index: int) -> Answer:
        return of_both(index, second={"problem": {"code": "LANE", "what": "closed", "status": 409}})

    two = (lambda: refusing(2), lambda: refusing(3))
    assert together(panel(*two, honest=of_both), SECOND) == [VERDICT, "LANE"]
    assert together(panel(two[0], honest=of_both), SECOND) == [VERDICT, SECOND_VERDICT]
    late = {"problem": {"code": "UNKNOWN", "what": "not yet", "status": 503}}
    waiting = panel(lambda: of_both(2, late), lambda: of_both(3, late), honest=of_both)
    assert together(waiting, SECOND) == ["WAITING", SECOND_VERDICT]
    swapped = lambda: {"verdicts": of_both(3)["verdicts"][::-1]}  # noqa: E731
    assert together(panel(silent, swapped, honest=of_both), SECOND) == ["WAITING", "WAITING"]
    assert together(panel(swapped, honest=of_both), SECOND) == [VERDICT, SECOND_VERDICT]


LISTS: dict[str, Any] = {
    "no_list": {"verdicts": 5},
    "nothing": {},
    "too_few": {"verdicts": [judgement(3)]},
    "too_many": {"verdicts": [judgement(3), judgement(3, SECOND_VERDICT), judgement(3)]},
    "no_objects": {"verdicts": [5, None]},
    "problems_that_are_none": {"verdicts": [{"problem": 7}, {"problem": {"status": True}}]},
}


@pytest.mark.parametrize("name", LISTS)
def test_answers_over_several_messages_that_are_none_count_as_none(name: str) -> None:
    assert together(panel(lambda: LISTS[name], honest=of_both), SECOND) == [VERDICT, SECOND_VERDICT]
    assert together(panel(silent, lambda: LISTS[name], honest=of_both), SECOND) == ["WAITING", "WAITING"]


def test_a_notary_that_refuses_the_whole_question_refuses_each_message() -> None:
    assert together(panel(refuses("SUSPENDED"), refuses("SUSPENDED"), honest=of_both), SECOND) == ["SUSPENDED"] * 2


def test_one_message_is_asked_for_by_itself() -> None:
    assert together(panel(honest=judgement)) == [VERDICT]
    assert together(panel(silent, silent, honest=judgement)) == ["WAITING"]


# -- threads --------------------------------------------------------------------------------------------------------


def test_a_notary_that_hangs_holds_up_nobody() -> None:
    released = threading.Event()

    def hang() -> Any:
        released.wait()
        raise Unavailable("NOTARY_UNREACHABLE", "too late")

    honest = [Scripted(index, lambda index=index: attestation(index)) for index in range(3)]  # type: ignore[misc]
    asked = NotaryPanel([*honest, Scripted(3, hang)], COMMITTEE)
    try:
        # Far more questions than the panel has threads for all notaries together.
        for _ in range(5 * asking.THREADS_PER_NOTARY):
            assert certify(asked) == (0, 1, 2)
    finally:
        released.set()
        asked.close()


def test_a_quorum_that_hangs_is_waited_for_no_longer_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 0.01)
    released = threading.Event()

    def hang() -> Any:
        released.wait()
        return {}

    asked = NotaryPanel([Scripted(index, hang) for index in range(4)], COMMITTEE)
    try:
        with pytest.raises(Unavailable) as waiting:
            certify(asked)
        assert waiting.value.code == "WAITING"
        assert "NOTARY_SLOW" in waiting.value.where
    finally:
        released.set()
        asked.close()


def test_the_committee_decides_who_counts() -> None:
    strangers = Committee(1, MANIFEST.committee.members)
    asked = NotaryPanel(
        [Scripted(index, lambda index=index: attestation(index)) for index in range(4)],  # type: ignore[misc]
        strangers,
        executor=lambda _name: Inline(),
    )
    with refused("WAITING"):
        certify(asked)


# -- cosignatures ---------------------------------------------------------------------------------------------------


class Cosigning(Scripted):
    """A notary that answers `add-checkpoint` with lines of the test's choice, once the test lets it."""

    def __init__(self, index: int, lines: bytes, released: threading.Event) -> None:
        super().__init__(index, silent)
        self._lines, self._released = lines, released

    def add_checkpoint(self, body: bytes) -> tuple[int, bytes]:
        self._released.wait(60)
        return 200, self._lines


@pytest.mark.parametrize(
    ("lies", "names"),
    [
        (b"false\n" * asking.MAX_LINES, {"1", "2", "3"}),
        (b"by 0\n" * asking.MAX_LINES, {"0", "1", "2", "3"}),
    ],
    ids=["false_lines", "one_true_line_many_times"],
)
def test_no_notary_alone_ends_the_wait_for_the_others(
    monkeypatch: pytest.MonkeyPatch, lies: bytes, names: set[str]
) -> None:
    monkeypatch.setattr(asking, "GRACE_SECONDS", 0.0)
    at_once, later = threading.Event(), threading.Event()
    at_once.set()
    honest = [Cosigning(index, b"by %d\n" % index, later) for index in (1, 2, 3)]
    asked = NotaryPanel([Cosigning(0, lies, at_once), *honest], COMMITTEE)
    counted: list[bytes] = []

    def signer_of(line: bytes) -> str | None:
        counted.append(line)
        if len(counted) == asking.MAX_LINES:
            # All of the first one's lines are in. With no time to spare left, the others would be given up now.
            threading.Timer(0.1, later.set).start()
        return line.decode().removeprefix("by ").strip() if line.startswith(b"by ") else None

    try:
        given = asked.cosign(b"note", 0, lambda _size: [], signer_of)
    finally:
        later.set()
        asked.close()
    kept = {signer_of(line) for line in given}
    assert len(given) == len(kept), "one line of each"
    assert len(kept & names) >= COMMITTEE.quorum
