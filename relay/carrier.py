"""Taking one step of several messages: what is asked of the notaries, and what is sent to which contract.

What goes together goes in one transaction; a message that would spoil it is found by halving, and left out alone. May
never happen here: a decision about trying again (that is `relay.retry`), or a belief about what has happened (that is
`relay.journey`, from logs).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import astuple, replace

from contracts.binding import Contract
from contracts.manifest import Manifest, Role
from contracts.node import data
from contracts.submitter import Submitter
from ledger.errors import Problem, Refused, Unavailable
from ledger.quorum import Certificate
from relay.certifier import Certifier, Failures
from relay.counting import JudgedCommit
from relay.journey import Journey, Step
from relay.observing import Observing
from relay.panel import Asked, NotaryPanel
from relay.roots import MAX_TOGETHER, Root, runs
from relay.rotating import apart, is_apart, is_renewed, renewed
from relay.watcher import Place

MAX_PROPOSALS = 16  # TransactionRegistry.vy
RUNS_BEFORE_CERTIFY = 3  # more calls than these under one root, and its certificate is checked once for all of them

# A whole group stands already: halving it finds nothing.
_STANDS = ("TransactionRegistry: id exists", "TransactionRegistry: attested before")

# Says nothing about what was to be sent: the verdict in it is good for the next time.
_NOT_NOW = ("IN_FLIGHT", "BUDGET", "FEE_TOO_HIGH")

# What the commit of an observed lane has in its place.
_NO_CERTIFICATE = Certificate(bytes(32), 0, 0, (), 0, b"")

Encode = Callable[[Sequence[Journey]], bytes]


class Carrier:
    """Pays with `payers`, by chain id. Certificates are kept in memory: losing them costs one question."""

    def __init__(self, manifest: Manifest, payers: Mapping[int, Submitter], panel: NotaryPanel) -> None:
        self._manifest, self._payers, self._panel = manifest, payers, panel
        self.observing = Observing(manifest, payers, panel)
        self._chain = manifest.chain(Role.TRANSACTION)
        self._registry = self._chain.contract("TransactionRegistry")
        self._certifier = Certifier(panel)
        self._recording: set[bytes] = set()  # roots whose certificate is being sent to the registry just now
        self._judged: dict[bytes, tuple[Place | None, JudgedCommit]] = {}  # verdicts whose record could not be sent yet
        self._lock = threading.Lock()

    def pays_on(self, journey: Journey, step: Step) -> int:
        """The chain, by id, whose answer a step waits for."""
        if step in (Step.COMMIT, Step.REDELIVER):
            return journey.proposal.message.destination.chain_id
        return self._chain.chain_id

    def group(self, journey: Journey, step: Step) -> Hashable:
        """Messages of one group may take a step together; each alone, where they have nothing in common."""
        match step:
            case Step.PROPOSE:
                return step
            case Step.ATTEST | Step.COMMIT:
                root = self._certifier.root_of(journey.id)
                return journey.proposal.message.destination.chain_id, None if root is None else root.digest
            case Step.JUDGE:
                return step, journey.proposal.message.destination.chain_id
            case _:
                return journey.id

    def most(self, step: Step) -> int:
        """How many messages take a step together."""
        return MAX_PROPOSALS if step is Step.PROPOSE else MAX_TOGETHER

    def forget(self, message_id: bytes) -> None:
        """Nobody carries this message any more."""
        self._certifier.forget(message_id)
        self._judged.pop(message_id, None)

    def reword(self, journey: Journey, step: Step, problem: Problem) -> Problem:
        """What a no means where it is nobody's fault and time or somebody else cures it: a committee that has not
        rotated everywhere, or a lane that was opened anew.
        """
        if is_renewed(problem) and (generation := self.observing.generation_of(journey.proposal.message)) is not None:
            return renewed(journey.proposal.message, generation) or problem
        if not is_apart(problem):
            return problem
        chain = self._manifest.by_id(self.pays_on(journey, step))
        assert chain is not None  # only chains of the manifest are paid on
        root = self._certifier.root_of(journey.id)
        if root is not None and root.epoch != self._panel.epochs(root.chain_id)[0]:
            self._certifier.forget(journey.id)  # its own destination is about to leave that epoch: it is asked again
        signed_in = None if root is None or step is Step.JUDGE else root.epoch
        return apart(chain.caip2, self._panel.epochs(chain.chain_id), signed_in)

    def held(self) -> int:
        """How many messages a certificate is kept for."""
        return len(self._certifier)

    def take(self, step: Step, journeys: Sequence[Journey]) -> Failures:
        """Take one step of messages of one group. Who failed, and why; the others' transactions are under way, each
        with a tag that `read_tag` reads.
        """
        match step:
            case Step.PROPOSE:
                return self._record(
                    step, journeys, lambda some: ("propose", [each.proposal.message.as_abi() for each in some])
                )
            case Step.ATTEST:
                return self._by_policy(journeys, self._attest_all)
            case Step.COMMIT:
                return self._by_policy(journeys, self._commit_all)
            case Step.REDELIVER:
                return self._submit(step, journeys, self._redelivery)
            case Step.JUDGE:
                return self._judge_all(journeys)

    # -- calls -------------------------------------------------------------------------------------------------------

    def _by_policy(self, journeys: Sequence[Journey], act: Callable[[Sequence[Journey]], Failures]) -> Failures:
        """Ask each message's destination what its lane asks for as proof, then act for those that could be told."""
        failures: Failures = {}
        for journey in journeys:
            try:
                journey.policy = self.observing.policy_of(journey.proposal.message)
            except Problem as problem:
                failures[journey.id] = problem
        return failures | act([each for each in journeys if each.id not in failures])

    def _attest_all(self, journeys: Sequence[Journey]) -> Failures:
        attested = [each for each in journeys if each.needs_certificate]
        unasked = Unavailable("LANE_POLICY", "its destination asks for no certificate")
        others = dict.fromkeys((each.id for each in journeys if not each.needs_certificate), unasked)
        return others | self._under_roots(attested, self._attest)

    def _commit_all(self, journeys: Sequence[Journey]) -> Failures:
        observed = [each for each in journeys if each.policy is not None and each.policy.observed_under is not None]
        plain = [each for each in journeys if each.policy is None or each.policy.observed_under is None]
        return self._under_roots(plain, self._commit) | _joined(self._commit_observed(each) for each in observed)

    def _commit_observed(self, journey: Journey) -> Failures:
        """One transaction for itself: its proof is about one block of the origin, and long."""
        message, policy = journey.proposal.message, journey.policy
        assert policy is not None
        try:
            observation = self.observing.observe(message, journey.origin, policy)
        except Problem as problem:
            return {journey.id: problem}

        def deliver(root: Root | None, _one: Sequence[Journey] = ()) -> Failures:
            proof = _NO_CERTIFICATE if root is None else root.certificate(message.id)
            gateway = Contract("Gateway", message.destination.gateway)
            arguments = (message.as_delivery(), journey.proposal.payload, *as_abi(proof), observation)
            return self._submit(Step.COMMIT, [journey], lambda _: gateway.encode_call("commit_observed", *arguments))

        return self._under_roots([journey], deliver) if journey.needs_certificate else deliver(None)

    def _under_roots(self, journeys: Sequence[Journey], act: Callable[[Root, Sequence[Journey]], Failures]) -> Failures:
        if not journeys:
            return {}
        failures = self._certifier.certify(journeys)
        by_root: dict[bytes, tuple[Root, list[Journey]]] = {}
        for journey in journeys:
            root = self._certifier.root_of(journey.id)
            if root is not None:
                by_root.setdefault(root.digest, (root, []))[1].append(journey)
            elif journey.id not in failures:
                failures[journey.id] = Unavailable("WAITING", "its certificate is formed again")
        return failures | _joined(act(root, under) for root, under in by_root.values())

    def _attest(self, root: Root, journeys: Sequence[Journey]) -> Failures:
        """The registry takes a root once, whole: what is on its way there is not sent a second time.

        Its messages are recorded a few at a time, so that some become ready while it is sent for the others.
        """
        arguments = ("attest", root.chain_id, list(root.ids), root.epoch, root.signatures)
        with self._lock:
            if root.digest in self._recording or self._is_in_flight(root):
                what = "the certificate over its root was sent, and waits until its block is final"
                return {journey.id: Unavailable("NOT_FINAL", what) for journey in journeys}
            self._recording.add(root.digest)
        try:
            return self._record(Step.ATTEST, journeys, lambda _some: arguments, is_whole=True)
        finally:
            with self._lock:
                self._recording.discard(root.digest)

    def _is_in_flight(self, root: Root) -> bool:
        """Whether a transaction that records this root is under way, this process's or an earlier one's."""
        tags = [ticket.tag for ticket in self._payers[self._chain.chain_id].in_flight]
        attesting = [tag for tag in tags if tag.startswith(tag_of(Step.ATTEST, []))]
        return any(message_id in root.ids for tag in attesting for message_id in read_tag(tag)[1])

    def _commit(self, root: Root, journeys: Sequence[Journey]) -> Failures:
        """One transaction for each run under the root, the certificate checked in each, or before all of many."""
        by_id = {journey.id: journey for journey in journeys}
        calls = [[by_id[each.message.id] for each in run] for run in runs(each.proposal for each in journeys)]
        signatures = root.signatures
        if len(calls) > RUNS_BEFORE_CERTIFY:
            try:
                self._certify_there(root)
            except Problem as problem:
                return dict.fromkeys(by_id, problem)
            signatures = b""
        return _joined(
            self._submit(Step.COMMIT, call, lambda some: _delivery(root, some, signatures)) for call in calls
        )

    def _certify_there(self, root: Root) -> None:
        payer = self._payers[root.chain_id]
        gateway = Contract("Gateway", self._manifest.ends[root.chain_id].gateway)
        if not gateway.read(payer.node, "certified", root.digest):
            payer.send(gateway.address, gateway.encode_call("certify", root.digest, root.epoch, root.signatures))

    def _redelivery(self, journeys: Sequence[Journey]) -> bytes:
        (journey,) = journeys
        message = journey.proposal.message
        gateway = Contract("Gateway", message.destination.gateway)
        return gateway.encode_call("retry", message.as_delivery(), journey.proposal.payload)

    def _judge_all(self, journeys: Sequence[Journey]) -> Failures:
        """Have them judged in one question, and record each verdict: the registry takes one in a transaction."""
        failures: Failures = {}
        places: dict[bytes, Place | None] = {}
        for journey in journeys:
            found = journey.voided or (None if journey.has_ended else journey.commit)
            if found is None and not journey.has_ended:
                failures[journey.id] = Unavailable("NOT_FINAL", "its delivery was left behind by its chain")
            else:
                places[journey.id] = found
        judged = self._verdicts([each for each in journeys if each.id in places], places)
        for journey in journeys:
            verdict = judged.get(journey.id)
            if isinstance(verdict, Problem):
                failures[journey.id] = verdict
            elif verdict is not None:
                failures |= self._record_verdict(journey, places[journey.id], verdict)
        return failures

    def _verdicts(
        self, journeys: Sequence[Journey], places: Mapping[bytes, Place | None]
    ) -> dict[bytes, JudgedCommit | Problem]:
        """A quorum's verdict over each, or why there is none: those that are held, and the others asked for."""
        found: dict[bytes, JudgedCommit | Problem] = {}
        for journey in journeys:
            held = self._judged.pop(journey.id, None)
            if held is not None and held[0] == places[journey.id]:
                found[journey.id] = held[1]
        asked = [each for each in journeys if each.id not in found]
        if not asked:
            return found
        started = time.monotonic()
        several = [Asked(each.proposal.message, each.origin, places[each.id]) for each in asked]
        answers = self._panel.judge_together(several, chain_id=self._chain.chain_id, registry=self._registry.address)
        for journey, answer in zip(asked, answers, strict=True):
            found[journey.id] = answer
            if not isinstance(answer, Problem):
                journey.milliseconds["recheck"] = (time.monotonic() - started) * 1000
        return found

    def _record_verdict(self, journey: Journey, place: Place | None, judged: JudgedCommit) -> Failures:
        arguments = ("judge", astuple(judged.verdict), judged.signatures)
        failures = self._record(Step.JUDGE, [journey], lambda _some: arguments)
        if (problem := failures.get(journey.id)) is not None and problem.code in _NOT_NOW:
            self._judged[journey.id] = place, judged
        return failures

    def _record(
        self,
        step: Step,
        journeys: Sequence[Journey],
        arguments: Callable[[Sequence[Journey]], tuple[object, ...]],
        *,
        is_whole: bool = False,
    ) -> Failures:
        def encode(some: Sequence[Journey]) -> bytes:
            function, *values = arguments(some)
            return self._registry.encode_call(str(function), *values)

        return self._submit(step, journeys, encode, is_whole=is_whole)

    def _submit(self, step: Step, journeys: Sequence[Journey], encode: Encode, *, is_whole: bool = False) -> Failures:
        """Send one transaction for all of them; where one spoils it, find that one and send the others."""
        chain_id = self.pays_on(journeys[0], step)
        end = journeys[0].proposal.message.destination
        to = end.gateway if step in (Step.COMMIT, Step.REDELIVER) else self._registry.address
        shares = Counter(journey.proposal.message.lane.hex() for journey in journeys)
        tag = tag_of(step, [journey.id for journey in journeys])
        try:
            self._payers[chain_id].submit(to, encode(journeys), tag=tag, shares=shares)
        except Refused as problem:
            if problem.code != "CALL_REVERTED" or is_whole or len(journeys) == 1 or _hits_all(problem):
                return {journey.id: problem for journey in journeys}
        except Problem as problem:
            return {journey.id: problem for journey in journeys}
        else:
            return {}
        arrived = self._arrived(journeys) if step is Step.COMMIT else {}
        left = [journey for journey in journeys if journey.id not in arrived]
        half = (len(left) + 1) // 2
        parts = [left] if arrived else [left[:half], left[half:]]
        return arrived | _joined(self._submit(step, part, encode) for part in parts if part)

    def _arrived(self, journeys: Sequence[Journey]) -> Failures:
        """Which of them somebody else has delivered meanwhile: asked at once, before anything is halved."""
        messages = [journey.proposal.message for journey in journeys]
        gateway = Contract("Gateway", messages[0].destination.gateway)
        calls = [gateway.encode_call("is_committed", each.lane, each.generation, each.sequence) for each in messages]
        to = f"0x{gateway.address.hex()}"
        try:
            replies = self._payers[messages[0].destination.chain_id].node.batch(
                [("eth_call", [{"to": to, "data": f"0x{call.hex()}"}, "latest"]) for call in calls]
            )
            stands = [bool(gateway.interface.decode_result("is_committed", data(reply))) for reply in replies]
        except Problem:
            return {}
        return {
            journey.id: Refused("CALL_REVERTED", "Gateway: already committed", where=to)
            for journey, is_there in zip(journeys, stands, strict=True)
            if is_there
        }


def tag_of(step: Step, message_ids: Sequence[bytes]) -> bytes:
    """What a transaction is for, as it is written down beside it: the step and the messages."""
    return step.value.encode() + b"|" + b"".join(message_ids)


def read_tag(tag: bytes) -> tuple[Step, list[bytes]]:
    """The step and the ids of its messages. ValueError for what is no tag."""
    name, _, joined = tag.partition(b"|")
    return Step(name.decode()), [joined[at : at + 32] for at in range(0, len(joined), 32)]


def _delivery(root: Root, journeys: Sequence[Journey], signatures: bytes) -> bytes:
    """The call data that commits messages of one run under their root."""
    message = journeys[0].proposal.message
    gateway = Contract("Gateway", message.destination.gateway)
    shown = replace(root, signatures=signatures)
    if len(journeys) > 1:
        return gateway.encode_call("commit_together", *shown.together([each.proposal for each in journeys]))
    told = (message.as_delivery(), journeys[0].proposal.payload, *as_abi(shown.certificate(message.id)))
    if not signatures:
        return gateway.encode_call("commit_certified", *told[:-2])
    return gateway.encode_call("commit", *told)


def as_abi(certificate: Certificate) -> tuple[object, ...]:
    """A certificate as the contracts take it."""
    return (
        certificate.index,
        certificate.size,
        list(certificate.proof),
        certificate.epoch,
        certificate.signatures,
    )


def _hits_all(problem: Problem) -> bool:
    """Whether a no concerns a group as a whole, so that halving it finds nothing."""
    return is_apart(problem) or any(words in problem.what for words in _STANDS)


def _joined(parts: Iterable[Failures]) -> Failures:
    return {message_id: problem for part in parts for message_id, problem in part.items()}
