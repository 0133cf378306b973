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
from ledger.attestation import attestation_digest
from ledger.errors import Problem, Refused, Unavailable
from ledger.headers.certified import HeaderDomain
from ledger.headers.held import HeldHeader
from ledger.interoperable import caip2
from ledger.proposal import Message
from ledger.quorum import Committee, root_over
from relay.counting import Count, JudgedCommit, Short, Signatures, Take, Verdicts, counted, judged_of
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
class Leaf:
    """A message, and where its log stands."""

    message: Message
    place: Place


@dataclass(frozen=True, slots=True)
class Asked:
    """A message whose verdict is asked for, where its log stands, and where what became of it does: see `judge`."""

    message: Message
    origin: Place
    commit: Place | None

    @property
    def body(self) -> dict[str, Any]:
        """It as the notaries' API takes it."""
        body = {"origin": locator(self.origin)}
        if self.commit is not None:
            body["commit"] = locator(self.commit, chain="chain")
        return body


@dataclass(frozen=True, slots=True)
class Certified:
    """A root over the messages that could be certified, None where none could; and why each other one could not."""

    root: Root | None
    refused: dict[bytes, Problem]


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
        asked = Signatures(
            self._committees(end.chain_id),
            lambda epoch: attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=epoch),
        )
        body = {"leaves": [locator(leaf.place) for leaf in leaves]}
        try:
            self._collect("/attestations", body, asked.take, asked.count)
        except Short as short:
            raise _left_out(short, len(leaves), asked.current) from None
        epoch, signatures = asked.quorum()
        return Root(end.chain_id, tuple(message.id for message in messages), epoch, signatures)

    def certify_header(self, header: HeldHeader, *, origin: ChainManifest, holder: Holder) -> CertifiedHeader:
        """Collect a quorum's signatures over a header, for the contract that holds it.

        Errors: `Unavailable` WAITING, or what a quorum refused.
        """
        domain = HeaderDomain(holder.chain_id, holder.contract.address, origin.chain_id)
        asked = Signatures(self._committees(holder.chain_id), lambda epoch: domain.digest(header, epoch))
        body = {"origin": origin.caip2, "block": header.height, "destination": caip2(holder.chain_id)}
        try:
            self._collect("/headers", body, asked.take, asked.count)
        except Short as short:
            raise short.problem("header signature", asked.current) from None
        return CertifiedHeader(*asked.quorum())

    def judge(
        self, message: Message, origin: Place, commit: Place | None, *, chain_id: int, registry: bytes
    ) -> JudgedCommit:
        """Collect a quorum of equal verdicts over a commit; n - t + 1 are enough where they differ, and dispute it.

        `commit`: the log that committed or voided it; None asks whether it expired, never executed.

        Errors: `Unavailable` WAITING, or what a quorum refused.
        """
        asked = Verdicts(message, self._committees(chain_id), chain_id=chain_id, registry=registry)
        try:
            self._collect("/verdicts", Asked(message, origin, commit).body, asked.take, asked.count)
        except Short as short:
            raise short.problem("verdict", asked.current) from None
        return asked.quorum()

    def judge_together(
        self, several: Sequence[Asked], *, chain_id: int, registry: bytes
    ) -> list[JudgedCommit | Problem]:
        """As `judge`, of several messages in one question: of each a quorum's verdict, or why there is none yet."""
        if len(several) == 1:
            (only,) = several
            try:
                return [self.judge(only.message, only.origin, only.commit, chain_id=chain_id, registry=registry)]
            except Problem as problem:
                return [problem]
        committees = self._committees(chain_id)
        asked = [Verdicts(each.message, committees, chain_id=chain_id, registry=registry) for each in several]

        def take(name: str, answer: dict[str, Any]) -> None:
            listed = answer.get("verdicts")
            if not isinstance(listed, list) or len(listed) != len(asked):
                raise Unavailable("NOTARY_GARBAGE", "it does not answer for each message")
            for each, shown in zip(asked, listed, strict=True):
                each.hear(name, shown)

        def count() -> Count:
            return max((each.count() for each in asked), key=lambda count: count.missing)

        others: tuple[Problem, ...] = ()
        try:
            self._collect("/verdicts/together", {"verdicts": [each.body for each in several]}, take, count)
        except Short as short:
            others = short.problems  # of notaries that answered for none of them
        return [each.found(others) for each in asked]

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
        take: Take,
        count: Callable[[], Count],
    ) -> None:
        """Ask all, take each answer in its notary's name, return as soon as `count` misses nothing."""
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
        raise Short(count(), problems)


class _LeftOut(Exception):
    """The root is formed again without these leaves."""

    def __init__(self, problems: dict[int, Problem]) -> None:
        super().__init__()
        self.problems = problems


def _left_out(short: Short, size: int, committee: Committee) -> _LeftOut:
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
        left_out[leaf] = judged_of(refusals, committee) or waiting
    return _LeftOut(left_out)


def _named(problem: Problem, size: int) -> dict[int, Problem]:
    if isinstance(problem, (RefusedLeaves, UnreadyLeaves)):
        return {leaf: each for leaf, each in problem.leaves.items() if leaf < size}
    return dict.fromkeys(range(size), problem) if isinstance(problem, Refused) else {}


def _as_answered(asked: list[Future[T]]) -> Iterator[Future[T]]:
    """Each future once it is done, those that are done together in the order given. TimeoutError after the bound."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while asked:
        done, _ = wait(asked, timeout=deadline - time.monotonic(), return_when=FIRST_COMPLETED)
        if not done:
            raise TimeoutError
        yield from [future for future in asked if future in done]
        asked = [future for future in asked if future not in done]


def _taken(done: Future[dict[str, Any]], name: str, take: Take) -> Problem | None:
    """Take one answer; what a notary refused comes back as it is, and nonsense counts as not having answered."""
    try:
        answer = done.result()
    except Problem as refused:
        return refused
    return counted(name, answer, take)


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


def _threads(name: str) -> Executor:
    return ThreadPoolExecutor(max_workers=THREADS_PER_NOTARY, thread_name_prefix=f"panel-{name}")


def _cancel(asked: Iterable[Future[Any]]) -> None:
    for future in asked:
        future.cancel()
