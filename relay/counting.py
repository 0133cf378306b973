"""Counting what notaries answered: signatures over one thing, verdicts over one message, and who is missing. Pure.

May never happen here: a signature counted that was not recovered to its member; unequal verdicts, or signatures of two
epochs, added up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.attestation import DIFFERS, Verdict, verdict_digest
from ledger.errors import Problem, Refused, Unavailable
from ledger.proposal import Message
from ledger.quorum import Committee, pack
from ledger.secp256k1 import Signature
from relay.answers import read_signature, read_verdict
from relay.notaries import read_problem

Take = Callable[[str, dict[str, Any]], None]
"""Takes what a notary answered, by its name. Errors: a `Problem` for nonsense."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many signatures there are, and how many are needed."""

    have: int
    needed: int

    @property
    def missing(self) -> int:
        """How many are still needed."""
        return self.needed - self.have


@dataclass(frozen=True, slots=True)
class JudgedCommit:
    """A verdict with the packed signatures of a quorum."""

    verdict: Verdict
    signatures: bytes


class Signatures:
    """The signatures over one thing, by epoch. `digest_in`: what is signed in an epoch."""

    def __init__(self, committees: Sequence[Committee], digest_in: Callable[[int], bytes]) -> None:
        self.current = committees[0]
        self._committees = {each.epoch: each for each in committees}
        self._digests = {epoch: digest_in(epoch) for epoch in self._committees}
        self._given: dict[int, dict[int, Signature]] = {epoch: {} for epoch in self._committees}

    def take(self, _name: str, answer: dict[str, Any]) -> None:
        """Count one answer, once it is shown to be its member's. Errors: `Unavailable` NOTARY_GARBAGE; SIG_*."""
        epoch = answer.get("epoch")
        if type(epoch) is not int or epoch not in self._committees:
            raise Unavailable("NOTARY_GARBAGE", "it signed in an epoch that does not count")
        index, signature = _signature(answer, self._digests[epoch], self._committees[epoch])
        self._given[epoch][index] = signature

    def count(self) -> Count:
        """The epoch that is nearest to its quorum."""
        counts = (Count(len(given), self._committees[epoch].quorum) for epoch, given in self._given.items())
        return min(counts, key=lambda count: count.missing)

    def quorum(self) -> tuple[int, bytes]:
        """The first epoch that has one, and its packed signatures."""
        for epoch, given in self._given.items():
            needed = self._committees[epoch].quorum
            if len(given) >= needed:
                return epoch, pack(_first(given, needed))
        raise AssertionError("asked before there was one")


class Verdicts:
    """The verdicts over one message, those that are equal counted together."""

    def __init__(self, message: Message, committees: Sequence[Committee], *, chain_id: int, registry: bytes) -> None:
        self.current = committees[0]
        self._message, self._chain_id, self._registry = message, chain_id, registry
        self._known = {each.epoch: each for each in committees}
        self._given: dict[Verdict, dict[int, Signature]] = {}
        self._problems: list[Problem] = []

    def take(self, _name: str, answer: dict[str, Any]) -> None:
        """Count one answer, once it is shown to be its member's. Errors: `Unavailable` NOTARY_GARBAGE; SIG_*."""
        verdict = read_verdict(answer)
        if verdict.id != self._message.id:
            raise Unavailable("NOTARY_GARBAGE", "the verdict is about another message")
        if verdict.epoch not in self._known:
            raise Unavailable("NOTARY_GARBAGE", f"the verdict is of epoch {verdict.epoch}")
        digest = verdict_digest(chain_id=self._chain_id, registry=self._registry, verdict=verdict)
        index, signature = _signature(answer, digest, self._known[verdict.epoch])
        self._given.setdefault(verdict, {})[index] = signature

    def hear(self, name: str, shown: Any) -> None:
        """Take what a notary says of this message among others: a verdict, a problem, or nonsense."""
        fields = shown if isinstance(shown, dict) else {}
        said = fields.get("problem")
        problem = read_problem(said, name) if isinstance(said, dict) else counted(name, fields, self.take)
        if problem is not None:
            self._problems.append(problem)

    def count(self) -> Count:
        """The verdict that is nearest to being enough."""
        counts = [Count(len(signed), self._needed(verdict)) for verdict, signed in self._given.items()]
        return min(counts, key=lambda count: count.missing, default=Count(0, self.current.quorum))

    def found(self, others: Sequence[Problem]) -> JudgedCommit | Problem:
        """The verdict that is enough, or why none is. `others`: what notaries said of all messages at once."""
        count = self.count()
        if count.missing <= 0:
            return self.quorum()
        return Short(count, [*self._problems, *others]).problem("verdict", self.current)

    def quorum(self) -> JudgedCommit:
        """The verdict that is enough, with its packed signatures."""
        verdict, signed = min(self._given.items(), key=lambda item: self._needed(item[0]) - len(item[1]))
        return JudgedCommit(verdict, pack(_first(signed, self._needed(verdict))))

    def _needed(self, verdict: Verdict) -> int:
        committee = self._known[verdict.epoch]
        return committee.blocking if verdict.verdict == DIFFERS else committee.quorum


class Short(Exception):
    """Too few notaries gave what was asked; `problems`: what the others said."""

    def __init__(self, count: Count, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.count, self.problems = count, tuple(problems)

    def problem(self, wanted: str, committee: Committee) -> Problem:
        """It in words, for all that was asked."""
        return judged_of([each for each in self.problems if isinstance(each, Refused)], committee) or self.waiting(
            wanted
        )

    def waiting(self, wanted: str) -> Unavailable:
        """How many are missing."""
        count = self.count
        return Unavailable(
            "WAITING",
            f"waiting for {count.missing} more {wanted}{'s' if count.missing > 1 else ''} "
            f"({count.have} of {count.needed} given)",
            where="; ".join(str(problem) for problem in self.problems)[:500],
            cure="It goes on by itself as soon as another notary answers.",
        )


def judged_of(refusals: Sequence[Problem], committee: Committee) -> Problem | None:
    """What a quorum that has become impossible says, whoever returns; None while it has not.

    Most say why, so that one liar does not choose. Who is no member of the chain's epoch, while a committee rotates
    chain by chain, leaves the quorum to those who are.
    """
    refusals = [each for each in refusals if each.code != "NOT_A_MEMBER"]
    if len(refusals) < committee.blocking:
        return None
    codes = [problem.code for problem in refusals]
    return max(refusals, key=lambda problem: codes.count(problem.code))


def _signature(answer: dict[str, Any], digest: bytes, committee: Committee) -> tuple[int, Signature]:
    index, signature = read_signature(answer)
    if committee.index_of(digest, signature) != index:
        raise Unavailable("NOTARY_GARBAGE", "the signature is another member's")
    return index, signature


def counted(name: str, answer: dict[str, Any], take: Take) -> Problem | None:
    try:
        take(name, answer)
    except Problem as problem:
        return Unavailable("NOTARY_GARBAGE", f"{name} answered nonsense: {problem.what}")
    return None


def _first(signatures: dict[int, Signature], count: int) -> dict[int, Signature]:
    """Exactly `count` of them: more would only cost gas."""
    return {index: signatures[index] for index in sorted(signatures)[:count]}
