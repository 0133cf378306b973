"""A notary's process: the production policy and journal over model chains, with the crash points of row 5 and row 8.

Its order of acts is that of `notary.attesting` and `notary.judging`; what is read from a chain here needs no proof,
because a model's block is whole or it is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contracts.manifest import Role
from ledger.attestation import EXPIRED, SAME, Verdict, attestation_digest, log_place, verdict_digest
from ledger.conservation import Arrivals, Transfer
from ledger.errors import Problem, Refused, Unavailable
from ledger.interoperable import parse_caip2
from ledger.proposal import Kind, Message, Proposal
from ledger.quorum import root_over
from ledger.secp256k1 import DigestSigner
from notary import policy
from notary.journal import Journal
from notary.policy import Lane, LeafRefusal, Ledgers
from relay.notaries import RefusedLeaves, UnreadyLeaves
from tests.simulation.chain import Block
from tests.simulation.gateway import GENERATION
from tests.simulation.journal import Disk, MemoryJournal
from tests.simulation.lanes import DESTINATION, ORIGIN, Deployment, policy_of
from tests.simulation.node import View
from tests.simulation.reading import Reading
from tests.simulator.inline import Killed

Answer = dict[str, Any]
Signed = Callable[[Sequence[Message], bytes, int, int], None]  # messages, root, epoch, member
CRASH_POINTS = ("before promise", "in promise", "after promise", "after signing", "before verdict")


class NotaryProcess:
    """One process of one member. `keys`: its key in each epoch; `views`: its own node of each chain, by chain id;
    `dies_at`: one of `CRASH_POINTS`.

    `signed` hears of every attestation the moment it exists. `clock`: seconds of this machine, which may be wrong.
    """

    def __init__(
        self,
        index: int,
        keys: Callable[[int], DigestSigner],
        manifest: Deployment,
        views: Mapping[int, View],
        *,
        signed: Signed,
        clock: Callable[[], float],
    ) -> None:
        self.index, self.keys, self.manifest, self.views = index, keys, manifest, dict(views)
        self.disk = Disk()
        self._signed, self.clock = signed, clock
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
        reading = Reading(self)
        return self._attest(reading, body) if path == "/attestations" else self._judge(reading, body)

    def add_checkpoint(self, _body: bytes) -> tuple[int, bytes]:
        raise Unavailable("NOTARY_UNREACHABLE", "the model has no evidence log")

    # -- row 5 -------------------------------------------------------------------------------------------------------

    def _attest(self, reading: Reading, body: Answer) -> Answer:
        """All leaves or none."""
        messages = self._opened(reading, body["leaves"])
        policy.require_one_destination(messages)
        end, root = messages[0].destination, root_over(messages)
        epoch = reading.seat(end.chain_id)
        digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=epoch)
        for message in messages:
            policy.require_first(message, attested=self.journal.attested_at(message))
        self._maybe_die("before promise")
        self.disk.dies_before_commit = self._dies("in promise")
        self.journal.promise(messages, epoch=epoch, root=root, digest=digest, blocks=reading.witnessed(messages))
        self._maybe_die("after promise")
        signature = self.keys(epoch).sign(digest)
        self._signed(messages, root, epoch, self.index)
        self._maybe_die("after signing")
        return {"epoch": epoch, "member": self.index, "signature": _hex(signature.pack())}

    def _opened(self, reading: Reading, leaves: Sequence[Answer]) -> list[Message]:
        proposals = list[Proposal]()
        refused = list[LeafRefusal]()
        for leaf, place in enumerate(leaves):
            try:
                proposals.append(self._open(reading, place)[0])
                self._require_carriage(reading, proposals[-1])
            except Problem as problem:
                refused.append(LeafRefusal(leaf, problem))
        _require_all(refused)
        return [proposal.message for proposal in proposals]

    def _open(self, reading: Reading, place: Answer) -> tuple[Proposal, Block]:
        chain_id = parse_caip2(place["origin"])
        block = reading.final_block(chain_id, place["block"])
        if place["transaction_index"] >= len(block.logs):
            raise Refused("PROOF_ABSENT", "the block has no such transaction")
        return self.manifest.leaf(block.logs[place["transaction_index"]], chain_id), block

    def _require_carriage(self, reading: Reading, proposal: Proposal) -> None:
        message = proposal.message
        head, final = reading.look(message.destination.chain_id)
        policy.require_carriage(
            message,
            lane=Lane(GENERATION, int(policy_of(message))),
            now=head.timestamp,
            attested=self.journal.attested_at(message),
            is_used=(message.lane, message.generation, message.sequence) in final.state.used,
        )
        if message.kind is Kind.TRANSFER:
            self._require_backed(reading, message, Transfer.read(proposal.payload))

    def _require_backed(self, reading: Reading, message: Message, transfer: Transfer) -> None:
        here, there = (reading.look(end.chain_id)[1].state for end in (message.origin, message.destination))
        vault, voucher = (reading.look(chain_id)[1].state.books for chain_id in (ORIGIN, DESTINATION))
        is_used = (message.lane, message.generation, message.sequence) in there.used
        sent, arrivals = here.sent.get(message.lane, (1, 0))[1], there.arrivals.get(message.lane, Arrivals())
        policy.require_counted(transfer, sent=sent, arrivals=arrivals, is_used=is_used)
        books = Ledgers(*vault.get(transfer.asset, (0, 0)), *voucher.get(transfer.asset, (0, 0)))
        policy.require_conserved(transfer, books=books, is_used=is_used)

    # -- row 8 -------------------------------------------------------------------------------------------------------

    def _judge(self, reading: Reading, body: Answer) -> Answer:
        """The verdict over a commit, or that there will never be one."""
        proposal, origin = self._open(reading, body["origin"])
        message, registry = proposal.message, self.manifest.chain(Role.TRANSACTION)
        finding = _commit(reading, message, body["commit"]) if "commit" in body else _expired(reading, message)
        verdict = Verdict(
            id=message.id,
            epoch=reading.seat(registry.chain_id),
            origin_block=origin.hash,
            checked_from=0,
            origin_log=log_place(body["origin"]["transaction_index"], 0),
            **finding,
        )
        given = self.journal.verdicts(verdict.id)
        over = [each for each in given if each.commit_transaction == verdict.commit_transaction]
        policy.require_same_verdict(verdict, recorded=over[0] if over else None)
        policy.require_no_rival(verdict, recorded=given)
        self._maybe_die("before verdict")
        self.journal.judge(verdict)
        contract = registry.contracts["TransactionRegistry"]
        digest = verdict_digest(chain_id=registry.chain_id, registry=contract, verdict=verdict)
        fields = {name: getattr(verdict, name) for name in Verdict.__dataclass_fields__}
        shown = {name: _hex(value) if isinstance(value, bytes) else value for name, value in fields.items()}
        signature = self.keys(verdict.epoch).sign(digest)
        return {"verdict": shown, "member": self.index, "signature": _hex(signature.pack())}

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


def _commit(reading: Reading, message: Message, place: Answer) -> dict[str, Any]:
    block, index = reading.final_block(parse_caip2(place["chain"]), place["block"]), place["transaction_index"]
    if index >= len(block.logs):
        raise Refused("PROOF_ABSENT", "the block has no such transaction")
    said = policy.read_commit(block.logs[index], message=message)
    return {
        "commit_block": block.hash,
        "commit_transaction": block.transaction(index),
        "verdict": SAME,
        "executed": said.executed,
        "outcome": said.outcome,
        "policy": int(policy_of(message)),
        "commit_log": log_place(index, 0),
    }


def _expired(reading: Reading, message: Message) -> dict[str, Any]:
    chain_id = message.destination.chain_id
    _, final = reading.look(chain_id)
    if final.timestamp < message.expiry:
        raise Unavailable("NOT_EXPIRED", "no final block is so late")
    number = final.number
    while number and reading.block(chain_id, number - 1).timestamp >= message.expiry:
        number -= 1
    is_used = (message.lane, message.generation, message.sequence) in final.state.used
    policy.require_unexecuted(message, is_used=is_used, status=0)
    return {
        "commit_block": reading.block(chain_id, number).hash,
        "commit_transaction": bytes(32),
        "verdict": EXPIRED,
        "executed": False,
        "outcome": policy.EXPIRED_OUTCOME,
        "policy": 0,
        "commit_log": 0,
    }


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
