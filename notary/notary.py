"""One notary: its nodes, its rules, its journal and its keys, put together.

It offers four signatures (`attest`, `judge`, `vouch`, `add_checkpoint`), each made in one order: read and prove, judge,
write down, sign. Everything may be called from several threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version

from contracts.manifest import ChainManifest
from contracts.node import Node
from ledger.errors import Problem
from notary import policy
from notary.attesting import Attestation, Attesting
from notary.chains import Chains
from notary.config import NotaryConfig
from notary.connecting import connect
from notary.cosigning import Cosigning
from notary.guard import Guard
from notary.journal import Journal
from notary.judging import Judging
from notary.lull import Lull
from notary.proven import Locator
from notary.replays import Replays
from notary.seats import Seats
from notary.signer import open_signer
from notary.vouching import Vouching


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """Where a chain is. `verdict`: "same", "differs" or "unchecked"; `problem`: why it differs, cannot be read, or what
    else an operator should look at. `epoch`: the current one there, `member`: this notary's index in it, None where it
    has none; `drift_seconds`: how far the chain's time is ahead of this machine's. None where nothing could be read.
    """

    final_block: int | None
    checked_to: int | None
    verdict: str
    problem: str
    epoch: int | None = None
    member: int | None = None
    drift_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What anybody may know about a notary. `index`, `epoch`: as the manifest says, `index` None for a later member."""

    index: int | None
    address: bytes
    cosigner: str | None
    epoch: int
    version: str
    chains: dict[str, ChainStatus]
    attestations: int
    verdicts: int
    log_size: int
    log_doubts: tuple[str, ...]
    keys: str


class Notary:
    """A notary that may be asked. Close it to give up its folder."""

    def __init__(
        self,
        config: NotaryConfig,
        *,
        nodes: Mapping[int, Node] | None = None,
        clock: Callable[[], int] = lambda: int(time.time()),
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Open keys and journal and look at every chain once.

        `nodes`: nodes to use instead of those the configuration names. `clock`: POSIX seconds, for cosignatures only;
        `wall`: likewise, to compare chains' clocks with. Nothing that is signed rests on this machine's clock.
        Errors: those of `open_signer` and `Journal`; NOT_A_MEMBER; CHAIN_ID, WRONG_NETWORK, FINAL_REWRITTEN, NODE_*;
        RULES_*.
        """
        self.config, self._wall = config, wall
        manifest, member = config.manifest, config.index
        self.replays, self.lull = Replays(config.folder), Lull()
        signer = open_signer(config.folder, password_file=config.password_file, token=config.token)
        self._keys, self._kept = signer.public, signer.kept
        with ExitStack() as opened:
            opened.callback(signer.close)
            if member is not None:
                policy.require_member(manifest, member, address=self._keys.address, cosigning=self._keys.cosigning)
            guard = None
            if config.guard is not None:
                guard = Guard(config.guard, self._keys.address)
                opened.callback(guard.close)
            self._journal = Journal(config.folder, owner=self._keys.address, guard=guard)
            opened.callback(self._journal.close)
            self._chains = Chains(manifest, nodes or connect(config.nodes, opened), self._journal)
            self._seats = Seats(self._chains, self._keys.address)
            self._attesting = Attesting(self._chains, self._journal, signer, self._seats)
            self._judging = Judging(self._chains, self._journal, signer, self._seats, self.replays)
            self._vouching = Vouching(self._chains, self._journal, signer, self._seats)
            self._name = config.name if member is None else manifest.cosigners[member].name
            self._cosigning = Cosigning(manifest, self._journal, signer, self._seats, name=self._name, clock=clock)
            for chain_id in self._chains.watchers:
                self._chains.look(chain_id)
            self._resources = opened.pop_all()
        self.attested = self._attesting.attested
        self.member = self._attesting.member
        self.judge = self._judging.judge
        self.judge_together = self._judging.judge_together
        self.vouch = self._vouching.vouch
        self.keep_up = self._judging.keep_up
        self.add_checkpoint = self._cosigning.add_checkpoint
        self.log_doubts = self._cosigning.doubts

    def attest(self, leaves: Sequence[Locator]) -> Attestation:
        """As `Attesting.attest`; the background gives way to it."""
        with self.lull.request():
            return self._attesting.attest(leaves)

    def close(self) -> None:
        """Give up nodes, journal and folder. May be called twice."""
        self._resources.close()

    def __repr__(self) -> str:
        return f"Notary(index={self.config.index}, address=0x{self._keys.address.hex()})"

    @property
    def log_size(self) -> int:
        """The size of the last checkpoint that was accepted, 0 before the first."""
        return self._cosigning.log_size

    def status(self) -> Status:
        """What anybody may know; a node that cannot be read is said, not raised."""
        attestations, verdicts = self._journal.counts()
        manifest = self.config.manifest
        return Status(
            index=self.config.index,
            address=self._keys.address,
            cosigner=self._name,
            epoch=manifest.committee.epoch,
            version=version("pledgetrail"),
            chains={chain.caip2: self._chain_status(chain) for chain in manifest.chains},
            attestations=attestations,
            verdicts=verdicts,
            log_size=self.log_size,
            log_doubts=tuple(f"{doubt.kind} at size {doubt.size}" for doubt in self.log_doubts()),
            keys=self._kept,
        )

    def _chain_status(self, chain: ChainManifest) -> ChainStatus:
        checked = self._journal.checked(chain.end)
        found = ChainStatus(None, None, "unchecked", "")
        if checked is not None:
            word = "same" if checked.differs_at is None else "differs"
            problem = "" if checked.differs_at is None else f"block {checked.differs_at}: {checked.reason}"
            found = ChainStatus(None, checked.header.number, word, problem)
        trouble = self._judging.trouble(chain.chain_id)
        if trouble is not None and not found.problem:
            found = replace(found, problem=f"{trouble.code}: {trouble.what}")
        try:
            view = self._chains.look(chain.chain_id)
            found = replace(found, final_block=view.final, drift_seconds=round(view.head.timestamp - self._wall()))
            if alarm := policy.clock_alarm(found.drift_seconds or 0):
                found = replace(found, problem=found.problem or alarm)
            if view.final < 0:
                return found
            current = self._chains.committee(chain.chain_id, self._chains.final_header(chain.chain_id, view)).current
            return replace(found, epoch=current.number, member=current.index_of(self._keys.address))
        except Problem as problem:
            return replace(found, problem=f"{problem.code}: {problem.what}")
