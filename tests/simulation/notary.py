"""A notary's process: the production policy and journal over model chains, with the crash points of row 5 and row 8.

Its order of acts is that of `notary.attesting` and `notary.judging`; what is read from a chain here needs no proof,
because a model's block is whole or it is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contracts.epochs import Epoch
from contracts.manifest import ChainManifest, Manifest, Role
from ledger.attestation import EXPIRED, SAME, Verdict, attestation_digest, log_place, verdict_digest
from ledger.conservation import Arrivals, Transfer
from ledger.errors import Problem, Refused, Unavailable
from ledger.interoperable import parse_caip2
from ledger.proposal import Message, Proposal
from ledger.quorum import root_over
from ledger.secp256k1 import SigningKey
from notary import policy
from notary.journal import Journal
from notary.policy import Lane, LeafRefusal, Ledgers
from notary.proven import Witnessed
from relay.notaries import RefusedLeaves, UnreadyLeaves
from tests.simulation.chain import GENESIS_TIME, LANE_POLICY, Block, View
from tests.simulation.journal import Disk, MemoryJournal
from tests.simulator.inline import Killed

Answer = dict[str, Any]
Signed = Callable[[Sequence[Message], bytes, int, int], None]  # messages, root, epoch, member
CRASH_POINTS = ("before promise", "in promise", "after promise", "after signing", "before verdict")


class NotaryProcess:
    """One process with one key. `views`: its own node of each chain, by chain id; `dies_at`: one of `CRASH_POINTS`.

    `signed` hears of every attestation the moment it exists. `clock`: seconds of this machine, which may be wrong.
    """

    def __init__(
        self,
        index: int,
        key: SigningKey,
        manifest: Manifest,
        views: Mapping[int, View],
        *,
        signed: Signed,
        clock: Callable[[], float],
    ) -> None:
        self.index, self.key, self.manifest, self.views = index, key, manifest, dict(views)
        self.disk = Disk()
        self._signed, self._clock = signed, clock
        self.dies_at = ""
        self.met: Counter[str] = Counter()
        self.start()

    @property
    def name(self) -> str:
        return f"notary {self.index + 1}"

    def start(self) -> None:
        """As after a crash: all it knows is on its disk."""
        self.journal: Journal = MemoryJournal(self.disk)

    def ask(self, path: str, body: Answer) -> Answer:
        """As `relay.notaries.Notary.ask`. `Killed` where the process dies."""
        return self.attest(body) if path == "/attestations" else self.judge(body)

    def add_checkpoint(self, _body: bytes) -> tuple[int, bytes]:
        raise Unavailable("NOTARY_UNREACHABLE", "the model has no evidence log")

    # -- row 5 -------------------------------------------------------------------------------------------------------

    def attest(self, body: Answer) -> Answer:
        """All leaves or none."""
        opened: list[tuple[Proposal, Block]] = []
        refused: list[LeafRefusal] = []
        for leaf, place in enumerate(body["leaves"]):
            try:
                opened.append(self._open(place))
                self._carriage(opened[-1][0])
            except Problem as problem:
                refused.append(LeafRefusal(leaf, problem))
        _require_all(refused)
        messages = [proposal.message for proposal, _ in opened]
        policy.require_one_destination(messages)
        end, root = messages[0].destination, root_over(messages)
        epoch = self._seat(end.chain_id)
        digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=epoch)
        for message in messages:
            policy.require_first(message, attested=self.journal.attested_at(message))
        self._maybe_die("before promise")
        self.disk.dies_before_commit = self._dies("in promise")
        highest = max((block for _, block in opened), key=lambda block: block.number)
        blocks = [(messages[0].origin, Witnessed(highest.number, highest.hash))]
        self.journal.promise(messages, epoch=epoch, root=root, digest=digest, blocks=blocks)
        self._maybe_die("after promise")
        signature = self.key.sign(digest)
        self._signed(messages, root, epoch, self.index)
        self._maybe_die("after signing")
        return {"epoch": epoch, "member": self.index, "signature": _hex(signature.pack())}

    def _open(self, place: Answer) -> tuple[Proposal, Block]:
        chain_id = parse_caip2(place["origin"])
        block = self.final_block(chain_id, place["block"])
        if place["transaction_index"] >= len(block.logs):
            raise Refused("PROOF_ABSENT", "the block has no such transaction")
        origin = self.manifest.by_id(chain_id)
        assert origin is not None
        return policy.read_leaf(block.logs[place["transaction_index"]], origin=origin, manifest=self.manifest), block

    def _carriage(self, proposal: Proposal) -> None:
        message, transfer = proposal.message, Transfer.read(proposal.payload)
        head, final = self.look(message.destination.chain_id)
        attested = self.journal.attested_at(message)
        there = final.state
        is_used = (message.lane, message.generation, message.sequence) in there.used
        lane = Lane(1, LANE_POLICY)
        policy.require_carriage(message, lane=lane, now=head.timestamp, attested=attested, is_used=is_used)
        sent = self.look(message.origin.chain_id)[1].state.sent
        arrivals = there.arrivals.get(message.lane, Arrivals())
        lane_sent = sent.get(message.lane, (1, 0))[1]
        policy.require_counted(transfer, sent=lane_sent, arrivals=arrivals, is_used=is_used)
        books = Ledgers(sum(total for _, total in sent.values()), 0, there.minted, 0)
        policy.require_conserved(transfer, books=books, is_used=is_used)

    # -- row 8 -------------------------------------------------------------------------------------------------------

    def judge(self, body: Answer) -> Answer:
        """The verdict over a commit, or that there will never be one."""
        proposal, origin = self._open(body["origin"])
        message, registry = proposal.message, self.manifest.chain(Role.TRANSACTION)
        finding = self._commit(message, body["commit"]) if "commit" in body else self._expired(message)
        verdict = Verdict(
            id=message.id,
            epoch=self._seat(registry.chain_id),
            origin_block=origin.hash,
            checked_from=0,
            origin_log=log_place(body["origin"]["transaction_index"], 0),
            **finding,
        )
        policy.require_same_verdict(verdict, recorded=self.journal.verdict(verdict.id, verdict.commit_transaction))
        policy.require_no_rival(verdict, recorded=self.journal.verdicts(verdict.id))
        self._maybe_die("before verdict")
        self.journal.judge(verdict)
        contract = registry.contracts["TransactionRegistry"]
        digest = verdict_digest(chain_id=registry.chain_id, registry=contract, verdict=verdict)
        fields = {name: getattr(verdict, name) for name in Verdict.__dataclass_fields__}
        shown = {name: _hex(value) if isinstance(value, bytes) else value for name, value in fields.items()}
        return {"verdict": shown, "member": self.index, "signature": _hex(self.key.sign(digest).pack())}

    def _commit(self, message: Message, place: Answer) -> dict[str, Any]:
        block, index = self.final_block(parse_caip2(place["chain"]), place["block"]), place["transaction_index"]
        if index >= len(block.logs):
            raise Refused("PROOF_ABSENT", "the block has no such transaction")
        said = policy.read_commit(block.logs[index], message=message)
        return {
            "commit_block": block.hash,
            "commit_transaction": block.transaction(index),
            "verdict": SAME,
            "executed": said.executed,
            "outcome": said.outcome,
            "policy": LANE_POLICY,
            "commit_log": log_place(index, 0),
        }

    def _expired(self, message: Message) -> dict[str, Any]:
        chain_id = message.destination.chain_id
        _, final = self.look(chain_id)
        if final.timestamp < message.expiry:
            raise Unavailable("NOT_EXPIRED", "no final block is so late")
        number = final.number
        while number and self.views[chain_id].block(number - 1).timestamp >= message.expiry:
            number -= 1
        is_used = (message.lane, message.generation, message.sequence) in final.state.used
        policy.require_unexecuted(message, is_used=is_used, status=0)
        return {
            "commit_block": self.views[chain_id].block(number).hash,
            "commit_transaction": bytes(32),
            "verdict": EXPIRED,
            "executed": False,
            "outcome": policy.EXPIRED_OUTCOME,
            "policy": 0,
            "commit_log": 0,
        }

    # -- reading -----------------------------------------------------------------------------------------------------

    def look(self, chain_id: int) -> tuple[Block, Block]:
        """The newest block of a chain and its highest final one, compared with what was final before."""
        chain, view = self._chain(chain_id), self.views[chain_id]
        head, witnessed = view.head(), self.journal.witnessed(chain.end)
        if policy.clock_alarm(head.timestamp - GENESIS_TIME - int(self._clock())):
            self.met["clock alarm"] += 1
        if witnessed is not None:
            found = view.block(witnessed.number).hash
            policy.require_history(chain, number=witnessed.number, witnessed=witnessed.hash, found=found)
        final = policy.final_height(chain, head=head.number, finalized=None)
        if final < 0:
            raise Unavailable("NOT_FINAL", "the chain has no final block yet")
        return head, view.block(final)

    def final_block(self, chain_id: int, number: int) -> Block:
        """A final block that is whole. Errors: NOT_FINAL, RECEIPTS_ROOT, those of `look`."""
        chain, (head, _) = self._chain(chain_id), self.look(chain_id)
        final = policy.final_height(chain, head=head.number, finalized=None)
        policy.require_final(chain, block=number, head=head.number, final=final)
        block = self.views[chain_id].block(number)
        if not block.is_whole:
            self.met["omitted log noticed"] += 1
            raise Unavailable("RECEIPTS_ROOT", "the receipts the node lists are not those of the block")
        return block

    def _chain(self, chain_id: int) -> ChainManifest:
        chain = self.manifest.by_id(chain_id)
        assert chain is not None
        return chain

    def _seat(self, chain_id: int) -> int:
        """The epoch that is current at finality, once this key is a member of it."""
        committee = self.look(chain_id)[1].state.committee
        epoch = Epoch(committee.epoch, committee.members, frozenset(), None, b"")
        policy.require_seat(epoch, address=self.key.address, chain=self._chain(chain_id))
        return committee.epoch

    # -- dying -------------------------------------------------------------------------------------------------------

    def _dies(self, point: str) -> bool:
        if self.dies_at != point:
            return False
        self.dies_at = ""
        self.met[f"notary dies {point}"] += 1
        return True

    def _maybe_die(self, point: str) -> None:
        if self._dies(point):
            raise Killed


def _require_all(refused: list[LeafRefusal]) -> None:
    """All or nothing, in the words in which the relay hears of it."""
    if not refused:
        return
    named = {each.leaf: each.problem for each in refused}
    if all(isinstance(each, Unavailable) for each in named.values()):
        raise UnreadyLeaves(named)
    raise RefusedLeaves(named)


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
