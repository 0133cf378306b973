"""All notaries of an epoch, asked together: check what each answers, stop at a quorum.

A signature is recovered here before it is used, so that the relay never pays for a certificate that the contract would
refuse; a notary that answers nonsense counts as not having answered.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from contracts.manifest import ChainManifest
from ledger.attestation import DIFFERS, Verdict, attestation_digest, verdict_digest
from ledger.errors import Problem, Refused, Unavailable
from ledger.headers.certified import HeaderDomain
from ledger.headers.held import HeldHeader
from ledger.interoperable import caip2
from ledger.proposal import Message
from ledger.quorum import Committee, pack, root_over
from ledger.secp256k1 import Signature
from relay.answers import read_signature, read_verdict
from relay.headers import CertifiedHeader, Holder
from relay.notaries import Notary, RefusedLeaves, UnreadyLeaves
from relay.roots import Root
from relay.watcher import Place

PATIENCE_SECONDS = 75.0  # for all notaries together, where one has many questions before ours
GRACE_SECONDS = 2.0  # for the other cosigners, once a quorum has cosigned
MAX_ROUNDS = 8  # in which a root is formed again without what some notary named
MAX_LINES = 8  # signature lines of one notary: one for each key it may hold
MAX_SIZE_DIGITS = 19
THREADS_PER_NOTARY = 24  # as many as the relay takes steps at once, on its three chains together

T = TypeVar("T")


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
class Leaf:
    """A message, and where its log stands."""

    message: Message
    place: Place


@dataclass(frozen=True, slots=True)
class Certified:
    """A root over the messages that could be certified, None where none could; and why each other one could not."""

    root: Root | None
    refused: dict[bytes, Problem]


@dataclass(frozen=True, slots=True)
class JudgedCommit:
    """A verdict with the packed signatures of a quorum."""

    verdict: Verdict
    signatures: bytes


class NotaryPanel:
    """All notaries of the epoch, asked together. `executor` is for tests that want everything in one thread.

    Each notary has threads of its own: one that hangs holds up its own answers and nobody else's. `committees`: those
    whose signatures a chain takes now, by chain id, the current one first; the given committee's, where none are named.
    """

    def __init__(
        self,
        notaries: Sequence[Notary],
        committee: Committee,
        *,
        executor: Callable[[str], Executor] | None = None,
        committees: Callable[[int], Sequence[Committee]] | None = None,
    ) -> None:
        self.notaries, self._committee = tuple(notaries), committee
        self._committees = committees or (lambda _chain_id: (committee,))
        self._lines = [(executor or _threads)(notary.name) for notary in self.notaries]

    def epochs(self, chain_id: int) -> tuple[int, ...]:
        """The epochs whose signatures a chain takes now."""
        return tuple(committee.epoch for committee in self._committees(chain_id))

    def certify(self, leaves: Sequence[Leaf]) -> Certified:
        """Collect a certificate over a root of messages for one destination, without those that a quorum refuses.

        Notaries answer per leaf: what they name is left out, with their reason (`Unavailable` WAITING where it is not
        certain yet), and the rest is asked again.
        """
        left, out = list(leaves), dict[bytes, Problem]()
        for _round in range(MAX_ROUNDS):
            try:
                return Certified(self._root(left), out)
            except _LeftOut as named:
                out |= {left[place].message.id: problem for place, problem in named.problems.items()}
                left = [leaf for place, leaf in enumerate(left) if place not in named.problems]
            if not left:
                return Certified(None, out)
        waiting = Unavailable("WAITING", "the notaries name other leaves each time", cure="It is asked again.")
        return Certified(None, out | {leaf.message.id: waiting for leaf in left})

    def _root(self, leaves: Sequence[Leaf]) -> Root:
        messages = [leaf.message for leaf in leaves]
        root, end = root_over(messages), messages[0].destination
        asked = _Signatures(
            self._committees(end.chain_id),
            lambda epoch: attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=epoch),
        )
        body = {"leaves": [locator(leaf.place) for leaf in leaves]}
        try:
            self._collect("/attestations", body, asked.take, asked.count)
        except _Short as short:
            raise _left_out(short, len(leaves), asked.current) from None
        epoch, signatures = asked.quorum()
        return Root(end.chain_id, tuple(message.id for message in messages), epoch, signatures)

    def certify_header(self, header: HeldHeader, *, origin: ChainManifest, holder: Holder) -> CertifiedHeader:
        """Collect a quorum's signatures over a header, for the contract that holds it.

        Errors: `Unavailable` WAITING, or what a quorum refused.
        """
        domain = HeaderDomain(holder.chain_id, holder.contract.address, origin.chain_id)
        asked = _Signatures(self._committees(holder.chain_id), lambda epoch: domain.digest(header, epoch))
        body = {"origin": origin.caip2, "block": header.height, "destination": caip2(holder.chain_id)}
        try:
            self._collect("/headers", body, asked.take, asked.count)
        except _Short as short:
            raise short.problem("header signature", asked.current) from None
        return CertifiedHeader(*asked.quorum())

    def judge(
        self, message: Message, origin: Place, commit: Place | None, *, chain_id: int, registry: bytes
    ) -> JudgedCommit:
        """Collect a quorum of equal verdicts over a commit; n - t + 1 are enough where they differ, and dispute it.

        `commit`: the log that committed or voided it; None asks whether it expired, never executed.

        Errors: `Unavailable` WAITING, or what a quorum refused.
        """
        body = {"origin": locator(origin)}
        if commit is not None:
            body["commit"] = locator(commit, chain="chain")
        by_verdict: dict[Verdict, dict[int, Signature]] = {}
        known = {each.epoch: each for each in self._committees(chain_id)}

        def take(answer: dict[str, Any]) -> None:
            verdict = read_verdict(answer)
            if verdict.id != message.id:
                raise Unavailable("NOTARY_GARBAGE", "the verdict is about another message")
            if verdict.epoch not in known:
                raise Unavailable("NOTARY_GARBAGE", f"the verdict is of epoch {verdict.epoch}")
            digest = verdict_digest(chain_id=chain_id, registry=registry, verdict=verdict)
            index, signature = _signature(answer, digest, known[verdict.epoch])
            by_verdict.setdefault(verdict, {})[index] = signature

        def needed(verdict: Verdict) -> int:
            committee = known[verdict.epoch]
            return committee.blocking if verdict.verdict == DIFFERS else committee.quorum

        def nearest() -> Count:
            counts = [Count(len(signed), needed(verdict)) for verdict, signed in by_verdict.items()]
            return min(counts, key=lambda count: count.missing, default=Count(0, next(iter(known.values())).quorum))

        try:
            self._collect("/verdicts", body, take, nearest)
        except _Short as short:
            raise short.problem("verdict", next(iter(known.values()))) from None
        verdict, signed = min(by_verdict.items(), key=lambda item: needed(item[0]) - len(item[1]))
        return JudgedCommit(verdict, pack(_first(signed, needed(verdict))))

    def cosign(
        self,
        note: bytes,
        old_size: int,
        proof_from: Callable[[int], Iterable[bytes]],
        signer_of: Callable[[bytes], str | None],
    ) -> list[bytes]:
        """Ask every notary to cosign a checkpoint; return one verified signature line of each that did.

        `old_size`: what we think they saw last; `proof_from(size)`: consistency proof from a size to this checkpoint;
        `signer_of(line)`: the cosigner whose valid signature a line is, None for a false one.
        A notary that saw another size says so (409) and is asked once more from there (C2SP tlog-witness). Once a
        quorum has cosigned, the others have `GRACE_SECONDS` left: lines are counted only by the keys that hold, so
        that no notary ends the wait for the others.
        """
        asked = [
            line.submit(_cosign, notary, note, old_size, proof_from)
            for line, notary in zip(self._lines, self.notaries, strict=True)
        ]
        given: dict[str, bytes] = {}
        pending: set[Future[list[bytes]]] = set(asked)
        while pending:
            seconds = GRACE_SECONDS if len(given) >= self._committee.quorum else PATIENCE_SECONDS
            done, pending = wait(pending, timeout=seconds, return_when=FIRST_COMPLETED)
            if not done:
                break
            for line in (line for future in asked if future in done for line in future.result()):
                signer = signer_of(line)
                if signer is not None:
                    given.setdefault(signer, line)
        _cancel(asked)
        return list(given.values())

    def close(self) -> None:
        """Stop asking; what hangs is left to its own time limit."""
        for line in self._lines:
            line.shutdown(wait=False, cancel_futures=True)

    def _collect(
        self,
        path: str,
        body: dict[str, Any],
        take: Callable[[dict[str, Any]], None],
        count: Callable[[], Count],
    ) -> None:
        """Ask all, take each answer, return as soon as `count` misses nothing."""
        asked = {
            line.submit(notary.ask, path, body): notary for line, notary in zip(self._lines, self.notaries, strict=True)
        }
        problems: list[Problem] = []
        try:
            for done in _as_answered(list(asked)):
                problem = _taken(done, asked[done].name, take)
                if problem is not None:
                    problems.append(problem)
                if count().missing <= 0:
                    return
        except TimeoutError:
            problems.append(Unavailable("NOTARY_SLOW", f"no answer within {PATIENCE_SECONDS:.0f} s"))
        finally:
            _cancel(asked)
        raise _Short(count(), problems)


class _Signatures:
    """The signatures over one thing, by epoch. `digest_in`: what is signed in an epoch."""

    def __init__(self, committees: Sequence[Committee], digest_in: Callable[[int], bytes]) -> None:
        self.current = committees[0]
        self._committees = {each.epoch: each for each in committees}
        self._digests = {epoch: digest_in(epoch) for epoch in self._committees}
        self._given: dict[int, dict[int, Signature]] = {epoch: {} for epoch in self._committees}

    def take(self, answer: dict[str, Any]) -> None:
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


class _Short(Exception):
    """Too few notaries gave what was asked; `problems`: what the others said."""

    def __init__(self, count: Count, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.count, self.problems = count, tuple(problems)

    def problem(self, wanted: str, committee: Committee) -> Problem:
        """It in words, for all that was asked."""
        return _judged([each for each in self.problems if isinstance(each, Refused)], committee) or self.waiting(wanted)

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


class _LeftOut(Exception):
    """The root is formed again without these leaves."""

    def __init__(self, problems: dict[int, Problem]) -> None:
        super().__init__()
        self.problems = problems


def _left_out(short: _Short, size: int, committee: Committee) -> _LeftOut:
    """Which leaves stand in the way of a quorum: as few as those notaries name who are needed for one.

    Whoever refuses without naming leaves refuses all. A liar that names all of them is passed over as long as there are
    enough others.
    """
    named = sorted((found for each in short.problems if (found := _named(each, size))), key=len)
    waiting = short.waiting("attestation")
    if len(named) < short.count.missing:
        return _LeftOut(dict.fromkeys(range(size), waiting))
    left_out: dict[int, Problem] = {}
    for leaf in sorted({leaf for each in named[: short.count.missing] for leaf in each}):
        refusals = [each[leaf] for each in named if isinstance(each.get(leaf), Refused)]
        left_out[leaf] = _judged(refusals, committee) or waiting
    return _LeftOut(left_out)


def _named(problem: Problem, size: int) -> dict[int, Problem]:
    if isinstance(problem, (RefusedLeaves, UnreadyLeaves)):
        return {leaf: each for leaf, each in problem.leaves.items() if leaf < size}
    return dict.fromkeys(range(size), problem) if isinstance(problem, Refused) else {}


def _judged(refusals: Sequence[Problem], committee: Committee) -> Problem | None:
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


def _as_answered(asked: list[Future[T]]) -> Iterator[Future[T]]:
    """Each future once it is done, those that are done together in the order given. TimeoutError after the bound."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while asked:
        done, _ = wait(asked, timeout=deadline - time.monotonic(), return_when=FIRST_COMPLETED)
        if not done:
            raise TimeoutError
        yield from [future for future in asked if future in done]
        asked = [future for future in asked if future not in done]


def _taken(done: Future[dict[str, Any]], name: str, take: Callable[[dict[str, Any]], None]) -> Problem | None:
    """Take one answer; what a notary refused comes back as it is, and nonsense counts as not having answered."""
    try:
        answer = done.result()
    except Problem as refused:
        return refused
    try:
        take(answer)
    except Problem as problem:
        return Unavailable("NOTARY_GARBAGE", f"{name} answered nonsense: {problem.what}")
    return None


def _cosign(notary: Notary, note: bytes, old_size: int, proof_from: Callable[[int], Iterable[bytes]]) -> list[bytes]:
    size = old_size
    for _attempt in range(2):
        proof = b"".join(base64.b64encode(node) + b"\n" for node in proof_from(size))
        try:
            status, answer = notary.add_checkpoint(b"old %d\n" % size + proof + b"\n" + note)
        except Unavailable:
            return []  # too few cosignatures are noticed, and named, where they are counted
        if status == httpx.codes.OK:
            return answer.splitlines(keepends=True)[:MAX_LINES]
        named = answer.strip()
        if status != httpx.codes.CONFLICT or not named.isdigit() or len(named) > MAX_SIZE_DIGITS:
            return []
        size = int(named)
    return []


def locator(place: Place, *, chain: str = "origin") -> dict[str, Any]:
    """Where a log stands, as the notaries' API takes it; `chain` is the name of the field that says on which one."""
    return {
        chain: caip2(place.chain_id),
        "block": place.block,
        "transaction_index": place.transaction_index,
        "log_index": place.log_index,
    }


def _first(signatures: dict[int, Signature], count: int) -> dict[int, Signature]:
    """Exactly `count` of them: more would only cost gas."""
    return {index: signatures[index] for index in sorted(signatures)[:count]}


def _threads(name: str) -> Executor:
    return ThreadPoolExecutor(max_workers=THREADS_PER_NOTARY, thread_name_prefix=f"panel-{name}")


def _cancel(asked: Iterable[Future[Any]]) -> None:
    for future in asked:
        future.cancel()
