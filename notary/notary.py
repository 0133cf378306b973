"""One notary: its nodes, its rules, its journal and its keys, put together in the order that makes it trustworthy.

Read and prove, judge, write down, and only then sign. What may never happen here: a signature before its row is on
disk; a decision that `notary.policy` did not make. Everything may be called from several threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version

from contracts.manifest import ChainManifest, Role
from contracts.node import Node, RpcNode
from ledger.attestation import SAME, Verdict, attestation_digest, verdict_digest
from ledger.checkpoint import LogKey, open_checkpoint
from ledger.errors import BadInput, Problem, Refused
from ledger.proposal import Chain, Message
from ledger.quorum import root_over
from ledger.witness import consider
from notary import policy
from notary.config import NotaryConfig
from notary.journal import Attested, Journal
from notary.policy import LeafRefusal
from notary.proven import Locator, ProvenBlock, Witnessed
from notary.recheck import Rechecker
from notary.signer import open_signer
from notary.watcher import View, Watcher

BACKGROUND_BLOCKS = 64  # of one chain, before the background looks at the next chain


@dataclass(frozen=True, slots=True)
class Attestation:
    """A signature over the root of `ids` for their one destination. `signature`: `r ‖ s ‖ v`."""

    epoch: int
    root: bytes
    ids: tuple[bytes, ...]
    member: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedVerdict:
    """A verdict over a commit with this member's signature for the transaction registry."""

    verdict: Verdict
    member: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """Where a chain is. `verdict`: "same", "differs" or "unchecked"; `problem` where the node could not be read."""

    final_block: int | None
    checked_to: int | None
    verdict: str
    problem: str


@dataclass(frozen=True, slots=True)
class Status:
    """What anybody may know about a notary."""

    index: int
    address: bytes
    cosigner: str
    epoch: int
    version: str
    chains: dict[str, ChainStatus]
    attestations: int
    verdicts: int
    log_size: int


class Notary:
    """A running notary. Close it to give up its folder."""

    def __init__(
        self,
        config: NotaryConfig,
        *,
        nodes: Mapping[int, Node] | None = None,
        clock: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        """Open keys and journal and look at every chain once.

        `nodes`: nodes to use instead of those the configuration names; `clock`: POSIX seconds, for cosignatures only.
        Errors: those of `open_signer` and `Journal`; NOT_A_MEMBER; CHAIN_ID, WRONG_NETWORK, FINAL_REWRITTEN, NODE_*.
        """
        self.config, self._clock = config, clock
        self._manifest = config.manifest
        self._signer = open_signer(config.folder)
        keys = self._signer.public
        policy.require_member(self._manifest, config.index, address=keys.address, cosigning=keys.cosigning)
        self._signing, self._cosigning = threading.Lock(), threading.Lock()
        with ExitStack() as opened:
            self._journal = Journal(config.folder, owner=keys.address)
            opened.callback(self._journal.close)
            self._watchers: dict[int, Watcher] = {}
            for chain in self._manifest.chains:
                node = nodes[chain.chain_id] if nodes else RpcNode(config.nodes[chain.chain_id])
                if isinstance(node, RpcNode) and not nodes:
                    opened.callback(node.close)
                self._watchers[chain.chain_id] = Watcher(chain, node)
            self._recheckers = {id_: Rechecker(watcher, self._journal) for id_, watcher in self._watchers.items()}
            for chain_id in self._watchers:
                self._look(chain_id)
            self._resources = opened.pop_all()

    def close(self) -> None:
        """Give up nodes, journal and folder. May be called twice."""
        self._resources.close()

    def __repr__(self) -> str:
        return f"Notary(index={self.config.index}, address=0x{self._signer.public.address.hex()})"

    # --- row 5: attesting ----------------------------------------------------------------------------------------

    def attest(self, leaves: Sequence[Locator]) -> Attestation:
        """Attest the messages whose logs stand at `leaves`, all or none, under one root in this order.

        Errors: `BadInput` LEAVES_COUNT, LEAVES_MIXED, LEAF_REPEATED; `LeavesRefused` (each leaf with the refusal of
        `policy` or of the proof), `LeavesNotReady` NOT_FINAL and the like; those of `Watcher.look` and of the journal.
        """
        if not 1 <= len(leaves) <= policy.MAX_LEAVES:
            raise BadInput("LEAVES_COUNT", f"a request names 1 to {policy.MAX_LEAVES} leaves, not {len(leaves)}")
        messages, blocks = self._open_leaves(leaves)
        policy.require_one_destination(messages)
        self._judge_leaves(messages)
        end, epoch, root = messages[0].destination, self._manifest.committee.epoch, root_over(messages)
        digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=epoch)
        with self._signing:
            # Again under the lock: another request may have promised meanwhile.
            self._require_first(messages)
            self._journal.promise(messages, epoch=epoch, root=root, digest=digest, blocks=blocks)
            signature = self._signer.sign(digest)
        return Attestation(epoch, root, tuple(message.id for message in messages), self.config.index, signature)

    def attested(self, message_id: bytes) -> list[tuple[Attested, bytes]]:
        """What this notary signed about a message, from its journal, each with its signature."""
        return [(held, self._signer.sign(held.digest)) for held in self._journal.attestations(message_id)]

    def _open_leaves(self, leaves: Sequence[Locator]) -> tuple[list[Message], list[tuple[Chain, Witnessed]]]:
        """The messages at these places, each proven; and the highest block of each origin that proved one."""
        views: dict[int, View] = {}
        blocks: dict[tuple[int, int], ProvenBlock] = {}
        messages: list[Message] = []
        refused: list[LeafRefusal] = []
        for place, leaf in enumerate(leaves):
            try:
                watcher = self._watcher(leaf.chain_id)
                if leaf.chain_id not in views:
                    views[leaf.chain_id] = self._look(leaf.chain_id)
                key = (leaf.chain_id, leaf.block)
                if key not in blocks:
                    blocks[key] = watcher.block(views[leaf.chain_id], leaf.block)
                log = blocks[key].log(leaf)
                messages.append(policy.read_leaf(log, origin=watcher.chain, manifest=self._manifest).message)
            except Problem as problem:
                refused.append(LeafRefusal(place, problem))
        policy.require_all(refused)
        read = {chain_id: max(number for of, number in blocks if of == chain_id) for chain_id in views}
        witnessed = [
            (self._watchers[chain_id].chain.end, Witnessed(number, blocks[chain_id, number].header.hash))
            for chain_id, number in read.items()
        ]
        return messages, witnessed

    def _judge_leaves(self, messages: Sequence[Message]) -> None:
        destination = self._watcher(messages[0].destination.chain_id)
        view = self._look(destination.chain.chain_id)
        lanes = destination.lanes(view, [message.lane for message in messages])

        def judge(message: Message) -> None:
            attested = self._journal.attested_at(message)
            policy.require_carriage(message, lane=lanes[message.lane], now=view.head.timestamp, attested=attested)

        _judge_each(messages, judge)

    def _require_first(self, messages: Sequence[Message]) -> None:
        _judge_each(messages, lambda m: policy.require_first(m, attested=self._journal.attested_at(m)))

    # --- row 8: judging a commit ---------------------------------------------------------------------------------

    def judge(self, origin: Locator, commit: Locator) -> SignedVerdict:
        """Judge the commit of the message at `origin` whose log stands at `commit`.

        Errors: those of the proofs, `read_leaf` and `read_commit`; `Refused` COMMIT_CHAIN, VERDICT_CONFLICT;
        `Unavailable` NOT_FINAL, UNKNOWN (blocks could not all be re-executed; nothing is signed).
        """
        message, origin_block = self._open_proposal(origin)
        destination = self._watcher(commit.chain_id)
        if message.destination != destination.chain.end:
            raise Refused("COMMIT_CHAIN", "the message is for another chain", where=str(message.destination))
        block = destination.block(self._look(commit.chain_id), commit.block)
        said = policy.read_commit(block.log(commit), message=message)
        transaction = destination.transaction(block, commit.transaction_index)
        first = destination.chain.checked_from
        checked = self._recheckers[commit.chain_id].catch_up(commit.block)
        word = policy.verdict_word(
            block=commit.block, first=first, checked_to=checked.header.number, differs_at=checked.differs_at
        )
        if word == SAME:
            # The block that was re-executed, and not merely one of the same number.
            held = self._journal.final(destination.chain.end, commit.block)
            policy.require_history(
                destination.chain, number=commit.block, witnessed=held or b"", found=block.header.hash
            )
        verdict = Verdict(
            id=message.id,
            epoch=self._manifest.committee.epoch,
            origin_block=origin_block.header.hash,
            commit_block=block.header.hash,
            commit_transaction=transaction,
            checked_from=first,
            verdict=word,
            executed=said.executed,
            outcome=said.outcome,
        )
        return self._sign_verdict(verdict)

    def _open_proposal(self, origin: Locator) -> tuple[Message, ProvenBlock]:
        watcher = self._watcher(origin.chain_id)
        block = watcher.block(self._look(origin.chain_id), origin.block)
        return policy.read_leaf(block.log(origin), origin=watcher.chain, manifest=self._manifest).message, block

    def _sign_verdict(self, verdict: Verdict) -> SignedVerdict:
        chain = self._manifest.chain(Role.TRANSACTION)
        registry = chain.contracts["TransactionRegistry"]
        digest = verdict_digest(chain_id=chain.chain_id, registry=registry, verdict=verdict)
        with self._signing:
            recorded = self._journal.verdict(verdict.id, verdict.commit_transaction)
            policy.require_same_verdict(verdict, recorded=recorded)
            self._journal.judge(verdict)
            return SignedVerdict(verdict, self.config.index, self._signer.sign(digest))

    def recheck(self, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Re-execute a few more final blocks of every chain, so that requests find it done.

        Meant to be called again and again by whoever runs the notary. Raises no `Problem`.
        """
        for chain_id, rechecker in self._recheckers.items():
            try:
                final = self._look(chain_id).final
                for _ in range(BACKGROUND_BLOCKS):
                    # One block at a time: a request that waits for its verdict gets its turn in between.
                    checked = rechecker.catch_up(final, at_most=1)
                    if is_stopping() or checked.differs_at is not None or checked.header.number >= final:
                        break
            except Problem:
                continue  # the request that needs these blocks will say why they could not be read

    # --- row 3: cosigning ----------------------------------------------------------------------------------------

    def add_checkpoint(self, note: bytes, *, old_size: int, proof: Sequence[bytes]) -> bytes:
        """Cosign a checkpoint of the evidence log, once it is proven to grow from the last one seen here.

        Errors: those of `open_checkpoint`, `require_growth` and `consider`; a stale `old_size` is `Refused` LOG_STALE.
        """
        log_key = LogKey(self._manifest.log_origin, self._manifest.log_key)
        offered = open_checkpoint(note, log_key=log_key)
        policy.require_growth(offered, old_size=old_size)
        with self._cosigning:
            seen = self._journal.checkpoint(offered.origin)
            accepted = consider(seen=seen, offered=offered, old_size=old_size, proof=proof)
            self._journal.accept_checkpoint(accepted)
            name = self._manifest.cosigners[self.config.index].name
            return self._signer.cosign(note, log_key=log_key, name=name, time=self._clock())

    @property
    def log_size(self) -> int:
        """The size of the last checkpoint that was accepted, 0 before the first."""
        seen = self._journal.checkpoint(self._manifest.log_origin)
        return 0 if seen is None else seen.size

    # --- all rows ------------------------------------------------------------------------------------------------

    def status(self) -> Status:
        """What anybody may know; a node that cannot be read is said, not raised."""
        attestations, verdicts = self._journal.counts()
        return Status(
            index=self.config.index,
            address=self._signer.public.address,
            cosigner=self._manifest.cosigners[self.config.index].name,
            epoch=self._manifest.committee.epoch,
            version=version("pledgetrail"),
            chains={chain.caip2: self._chain_status(chain) for chain in self._manifest.chains},
            attestations=attestations,
            verdicts=verdicts,
            log_size=self.log_size,
        )

    def _chain_status(self, chain: ChainManifest) -> ChainStatus:
        checked = self._journal.checked(chain.end)
        found = ChainStatus(None, None, "unchecked", "")
        if checked is not None:
            word = "same" if checked.differs_at is None else "differs"
            problem = "" if checked.differs_at is None else f"block {checked.differs_at}: {checked.reason}"
            found = ChainStatus(None, checked.header.number, word, problem)
        try:
            return replace(found, final_block=self._look(chain.chain_id).final)
        except Problem as problem:
            return replace(found, problem=f"{problem.code}: {problem.what}")

    def _watcher(self, chain_id: int) -> Watcher:
        watcher = self._watchers.get(chain_id)
        if watcher is None:
            raise BadInput("CHAIN_UNKNOWN", "the chain is not part of the deployment", where=f"eip155:{chain_id}"[:80])
        return watcher

    def _look(self, chain_id: int) -> View:
        watcher = self._watchers[chain_id]
        return watcher.look(self._journal.witnessed(watcher.chain.end))


def _judge_each(messages: Sequence[Message], judge: Callable[[Message], None]) -> None:
    refused: list[LeafRefusal] = []
    for leaf, message in enumerate(messages):
        try:
            judge(message)
        except Problem as problem:
            refused.append(LeafRefusal(leaf, problem))
    policy.require_all(refused)
