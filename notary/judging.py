"""Row 8 of the journey: a commit opened, its chain re-executed up to it without gaps, and a verdict signed.

What may never happen here: a verdict *same* over a block that was not itself re-executed; a verdict where nothing is
known; two different verdicts over one commit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial

from contracts.manifest import ChainManifest, Role
from ledger.attestation import DIFFERS, EXPIRED, SAME, VOID, Verdict, log_place, verdict_digest
from ledger.errors import BadInput, Problem, Refused, Unavailable
from ledger.ethereum.header import Header
from ledger.proposal import Message
from notary import policy
from notary.chains import Chains
from notary.ending import expiry_block, require_ended
from notary.journal import Journal
from notary.proven import Locator, ProvenBlock
from notary.reading import Reading
from notary.recheck import Rechecker
from notary.replays import Replays
from notary.seats import Seat, Seats
from notary.signer import Signer

BACKGROUND_BLOCKS = 64  # of one chain, before the background looks at the next chain


@dataclass(frozen=True, slots=True)
class SignedVerdict:
    """A verdict over a commit with this member's signature (`r ‖ s ‖ v`) for the transaction registry."""

    verdict: Verdict
    member: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """What a verdict says of the destination; its fields are those of `Verdict`."""

    commit_block: bytes
    commit_transaction: bytes
    checked_from: int
    verdict: int
    executed: bool
    outcome: bytes
    policy: int
    commit_log: int

    def about(self, message: Message, epoch: int, *, origin_block: bytes, origin_log: int) -> Verdict:
        """The verdict over a message whose log stands at a place of the origin."""
        return Verdict(id=message.id, epoch=epoch, origin_block=origin_block, origin_log=origin_log, **asdict(self))


Ask = tuple[Locator, Locator | None]
"""A message's place, and its commit's or void's; None asks whether it expired."""

Judged = tuple[Seat, Verdict]


class _Request:
    """What the verdicts of one request share."""

    def __init__(self, chains: Chains, seats: Seats) -> None:
        self.reading = Reading(chains)
        self._chains, self._seats, self._named = chains, seats, set[bytes]()

    def name(self, message: Message) -> None:
        """Two verdicts over one message would each be held against the journal alone, and not against each other.

        Errors: `BadInput` VERDICT_REPEATED.
        """
        if message.id in self._named:
            what, where = "the message is named twice in the request", f"0x{message.id.hex()}"
            raise BadInput("VERDICT_REPEATED", what, where=where)
        self._named.add(message.id)

    @cached_property
    def seat(self) -> Seat:
        """As `Seats.at_finality`, of the transaction chain."""
        chain_id = self._chains.manifest.chain(Role.TRANSACTION).chain_id
        watcher = self._chains.watcher(chain_id)
        return self._seats.seat(chain_id, watcher.final_header(self.reading.view(chain_id)))


class Judging:
    """Judges commits as one member. Safe to share between threads."""

    def __init__(self, chains: Chains, journal: Journal, signer: Signer, seats: Seats, replays: Replays) -> None:
        """Errors: `WrongUse` RULES_FORK, RULES_VALUE when a chain's rules are not ones we can execute."""
        self._chains, self._journal, self._signer, self._seats = chains, journal, signer, seats
        self._recheckers = {chain_id: Rechecker(each, journal, replays) for chain_id, each in chains.watchers.items()}
        self._troubles: dict[int, Problem] = {}
        self._lock = threading.Lock()

    def judge(self, origin: Locator, commit: Locator | None) -> SignedVerdict:
        """Judge what became of the message at `origin`: by the log at `commit`, which says that the destination
        committed or voided it; without one, that it expired there and was never executed.

        Errors: those of the proofs, `read_leaf`, `read_commit`, `read_void`, `expiry_block` and `require_ended`;
        `Refused` COMMIT_CHAIN, NOT_CHECKED, VERDICT_CONFLICT, NOT_A_MEMBER and SUSPENDED in the transaction chain's
        epoch; `Unavailable` NOT_FINAL, FINAL_REWRITTEN, UNKNOWN (blocks could not all be re-executed).
        """
        (judged,) = self.judge_together([(origin, commit)])
        if isinstance(judged, Problem):
            raise judged
        return judged

    def judge_together(self, asked: Sequence[Ask]) -> list[SignedVerdict | Problem]:
        """Judge several messages, each as `judge` does and for itself: a verdict, or why there is none, in their order.

        What they share is read and proven once, and all verdicts are on disk before the first is signed. A message that
        is named twice is judged once (VERDICT_REPEATED). Errors: `BadInput` VERDICTS_COUNT; `Unavailable`
        JOURNAL_WRITE, with which nothing is signed.
        """
        if not 1 <= len(asked) <= policy.MAX_LEAVES:
            what = f"a request asks for 1 to {policy.MAX_LEAVES} verdicts, not {len(asked)}"
            raise BadInput("VERDICTS_COUNT", what)
        about = _Request(self._chains, self._seats)
        return self._sign([_tried(partial(self._verdict, about, *each)) for each in asked])

    def _verdict(self, about: _Request, origin: Locator, commit: Locator | None) -> Judged:
        """What is to be signed of one message."""
        reading = about.reading
        message = reading.message(origin)
        about.name(message)
        finding = self._expired(reading, message) if commit is None else self._found(reading, message, commit)
        seat, place = about.seat, log_place(origin.transaction_index, origin.log_index)
        origin_block = reading.block(origin).header.hash
        return seat, finding.about(message, seat.epoch, origin_block=origin_block, origin_log=place)

    def _found(self, reading: Reading, message: Message, commit: Locator) -> Finding:
        """What the log at a place of the destination says, once its block was re-executed."""
        destination = self._chains.watcher(commit.chain_id)
        if message.destination != destination.chain.end:
            raise Refused("COMMIT_CHAIN", "the message is for another chain", where=str(message.destination))
        block = reading.block(commit)
        log = block.log(commit)
        is_void = policy.is_void(log)
        said = (policy.read_void if is_void else policy.read_commit)(log, message=message)
        found = self._recheck(destination.chain, block)
        # In a false state nothing is proven: the lane is the node's word.
        is_false = found == DIFFERS
        lane = destination.lane_said(commit.block, message.lane) if is_false else reading.lane(commit, message.lane)
        return Finding(
            commit_block=block.header.hash,
            commit_transaction=reading.transaction(commit),
            checked_from=destination.chain.checked_from,
            verdict=VOID if is_void and found == SAME else found,
            executed=said.executed,
            outcome=said.outcome,
            # A void asks for no proof of the message, and may concern a generation that is over.
            policy=0 if is_void else policy.policy_of(lane, message=message),
            commit_log=log_place(commit.transaction_index, commit.log_index),
        )

    def _expired(self, reading: Reading, message: Message) -> Finding:
        """That the destination never executed the message, and never will."""
        chain_id = message.destination.chain_id
        destination, view = self._chains.watcher(chain_id), reading.view(chain_id)
        expired = expiry_block(destination, view, message)
        checked = self._recheckers[chain_id].catch_up(view.final)
        require_ended(destination, message, expired=expired, checked=checked)
        self._require_rechecked(destination.chain, expired)
        return Finding(
            commit_block=expired.hash,
            commit_transaction=bytes(32),
            checked_from=destination.chain.checked_from,
            verdict=EXPIRED,
            executed=False,
            outcome=policy.EXPIRED_OUTCOME,
            policy=0,
            commit_log=0,
        )

    def keep_up(self, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Re-execute some final blocks of every chain, so that requests find it done. Raises nothing."""
        for chain_id in self._recheckers:
            try:
                self._keep_up(chain_id, is_stopping)
            except Problem as problem:
                self._troubles[chain_id] = problem
            except Exception as error:  # noqa: BLE001 - whatever a node can make us raise, the next round comes
                self._troubles[chain_id] = Unavailable("RECHECK_DEFECT", f"re-execution failed: {error!r}"[:500])
            else:
                self._troubles.pop(chain_id, None)

    def trouble(self, chain_id: int) -> Problem | None:
        """What was in the way of a chain's re-execution the last time it was tried in the background."""
        return self._troubles.get(chain_id)

    def _keep_up(self, chain_id: int, is_stopping: Callable[[], bool]) -> None:
        final = self._chains.look(chain_id).final
        for _ in range(BACKGROUND_BLOCKS):
            # One block at a time: a request that waits for its verdict gets its turn in between.
            checked = self._recheckers[chain_id].catch_up(final, at_most=1)
            if is_stopping() or checked.differs_at is not None or checked.header.number >= final:
                break

    def _recheck(self, chain: ChainManifest, block: ProvenBlock) -> int:
        number = block.header.number
        checked = self._recheckers[chain.chain_id].catch_up(number)
        word = policy.verdict_word(
            block=number, first=chain.checked_from, checked_to=checked.header.number, differs_at=checked.differs_at
        )
        if word == SAME:
            self._require_rechecked(chain, block.header)
        return word

    def _require_rechecked(self, chain: ChainManifest, header: Header) -> None:
        """The very block that was re-executed, and not merely one of the same number; blocks before the first one that
        is re-executed are not held.
        """
        if header.number >= chain.checked_from:
            held = self._journal.final(chain.end, header.number)
            policy.require_history(chain, number=header.number, witnessed=held or b"", found=header.hash)

    def _sign(self, judged: Sequence[Judged | Problem]) -> list[SignedVerdict | Problem]:
        """Write down all of them that contradict nothing, then sign those."""
        chain = self._chains.manifest.chain(Role.TRANSACTION)
        registry = chain.contracts["TransactionRegistry"]
        with self._lock:
            held = [each if isinstance(each, Problem) else _tried(partial(self._held, each)) for each in judged]
            self._journal.judge(*(each[1] for each in held if not isinstance(each, Problem)))
            signed: list[SignedVerdict | Problem] = []
            for each in held:
                if isinstance(each, Problem):
                    signed.append(each)
                    continue
                seat, verdict = each
                digest = verdict_digest(chain_id=chain.chain_id, registry=registry, verdict=verdict)
                signed.append(SignedVerdict(verdict, seat.index, self._signer.sign(digest)))
            return signed

    def _held(self, judged: Judged) -> Judged:
        """A verdict held against those given before. Errors: `Refused` VERDICT_CONFLICT."""
        verdict = judged[1]
        recorded = self._journal.verdict(verdict.id, verdict.commit_transaction)
        policy.require_same_verdict(verdict, recorded=recorded)
        policy.require_no_rival(verdict, recorded=self._journal.verdicts(verdict.id))
        return judged


def _tried(judge: Callable[[], Judged]) -> Judged | Problem:
    """What is judged, or why it cannot be: one message's problem is not another's."""
    try:
        return judge()
    except Problem as problem:
        return problem
