"""One run: three chains, a committee of which up to f are faulty, two relays, an attacker, and a bad network.

Virtual time in seconds. Until `HEAL_AT` faults come as the seed draws them; then they end, and whatever left the origin
for good must be closed before `END_AT`. What must never happen is looked at in every block and once more at the end.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from contracts.manifest import Manifest, Role
from ledger.attestation import word
from ledger.errors import Problem, Refused, Unavailable
from ledger.proposal import MESSAGE_SENT, Message
from ledger.quorum import Certificate, Committee, pack, root_over
from ledger.secp256k1 import Signature, SigningKey
from relay.panel import NotaryPanel
from tests.simulation.chain import (
    FINALITY,
    GENESIS_TIME,
    PERIOD,
    Block,
    Commit,
    ModelChain,
    Rotate,
    Send,
    Transaction,
    View,
    manifest_of,
    root_digest,
)
from tests.simulation.notary import CRASH_POINTS, Answer, NotaryProcess
from tests.simulation.relay import CRASH_POINTS as RELAY_POINTS
from tests.simulation.relay import RelayProcess
from tests.simulator.inline import Inline, Killed

HEAL_AT, END_AT = 16.0, 150.0
RELAYS = 2
CLOSED = frozenset({4, 6})
KINDS = ("silent", "liar", "equivocator", "twin", "eclipsed")
ORIGIN, DESTINATION, REGISTRY = 7001, 7002, 7003
SENDERS = (b"\x31" * 20, b"\x32" * 20)


class Violation(AssertionError):
    """What must never happen has happened: `seed` shows it again."""


@cache
def key_of(index: int) -> SigningKey:
    """A member's key."""
    return SigningKey.from_secret(hashlib.sha256(b"simulated notary %d" % index).digest())


@dataclass
class Member:
    """One member of the committee: its kind, and its processes, two where it is a twin."""

    kind: str
    processes: list[NotaryProcess]
    is_down: bool = False
    last_message: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a run leaves: the digest of its trace, how often each fault was met, and the messages it closed.
    `delays`: virtual seconds from a message's final log to its final record."""

    digest: str
    met: Counter[str]
    closed: int
    delays: tuple[float, ...]


class Line:
    """The network between one relay and one notary: implements `relay.notaries.Notary`."""

    def __init__(self, network: Network, relay: int, member: int) -> None:
        self._network, self._relay, self._member = network, relay, member

    @property
    def name(self) -> str:
        return f"notary {self._member + 1}"

    def ask(self, path: str, body: Answer) -> Answer:
        network, number = self._network, self._network.next_message()
        if (self._relay, self._member) in network.cut:
            network.met["partition"] += 1
            raise self._silence()
        match network.message_fault():
            case "lost":
                network.met["message lost"] += 1
                raise self._silence()
            case "delayed":
                network.met["message delayed"] += 1
                network.later(network.random.uniform(0.2, 4.0), lambda: self._late(number, path, body))
                raise self._silence()
            case "duplicated":
                network.met["message duplicated"] += 1
                network.later(network.random.uniform(0.0, 4.0), lambda: self._late(number, path, body))
            case "answer lost":
                network.met["answer lost"] += 1
                self._late(number, path, body)
                raise self._silence()
        return network.deliver(self._member, number, path, body)

    def add_checkpoint(self, _body: bytes) -> tuple[int, bytes]:
        raise self._silence()

    def _late(self, number: int, path: str, body: Answer) -> None:
        """It arrives, and nobody waits for the answer."""
        try:
            self._network.deliver(self._member, number, path, body)
        except Problem:
            self._network.met["late message refused"] += 1

    def _silence(self) -> Unavailable:
        return Unavailable("NOTARY_UNREACHABLE", f"{self.name} does not answer")


class Network:
    """A run of one seed. `brief`: how many of the messages expire soon, 0 to 1; `censors`: so many relays that
    withhold, delay, double and reorder what they carry stand beside one honest relay, instead of a second honest one.
    """

    def __init__(self, seed: int, *, brief: float = 0.12, censors: int = 0) -> None:
        self.seed, self.random = seed, Random(seed)
        self.now, self._count, self._events = 0.0, 0, list[tuple[float, int, Callable[[], None]]]()
        self._trace, self.met = hashlib.sha256(), Counter[str]()
        self.n = self.random.choice((4, 4, 4, 7))
        keys = [key_of(index) for index in range(self.n)]
        self.committee = Committee(1, tuple(key.address for key in keys))
        roles = ((Role.ORIGIN, 1), (Role.DESTINATION, 2), (Role.TRANSACTION, 3))
        manifests = tuple(manifest_of(role, number, seed) for role, number in roles)
        self.manifest = Manifest(manifests, self.committee, (), "", b"")
        self.chains = {each.chain_id: ModelChain(each, self.committee) for each in manifests}
        self.chains[DESTINATION].seen = self._look_at
        self.signatures: dict[tuple[bytes, int], set[int]] = {}
        self.contents: dict[bytes, tuple[Message, ...]] = {}
        self._final_sent: dict[bytes, float] = {}
        self._closed_at: dict[bytes, float] = {}
        self._scanned = {ORIGIN: 0, REGISTRY: 0}
        self.cut: set[tuple[int, int]] = set()
        self.skews = [0.0] * (self.n + RELAYS + censors)
        self._messages, self._forks = 0, 0
        self.rates = {kind: self.random.choice((0.0, 0.03, 0.12)) for kind in _MESSAGE_FAULTS}
        self.transaction_loss = self.random.choice((0.0, 0.05, 0.2))
        self.forged: ModelChain | None = None
        self.members = [Member("honest", [self._process(index)]) for index in range(self.n)]
        self._turn_some_faulty()
        self.relays_down = set[int]()
        self._brief, self._censors = brief, censors
        self.relays = [self._relay(index) for index in range(1 + censors if censors else RELAYS)]
        self._plan()

    # -- time --------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Something happens in so many seconds."""
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, act))

    def note(self, *said: object) -> None:
        """One line of the trace."""
        self._trace.update(f"{self.now:.6f} {said}\n".encode())

    def run(self) -> Outcome:
        """To the end. Errors: `Violation`."""
        while self._events:
            self.now, _, act = heapq.heappop(self._events)
            act()
            if self.now > HEAL_AT + FINALITY + 3 and self._is_done():
                break
            if self.now > END_AT:
                self.fail(f"not closed after {END_AT:.0f} s: {self._open()}")
        self._require_one_certificate()
        self._require_balance()
        for relay in self.relays:
            self.met += relay.met
        for member in self.members:
            for process in member.processes:
                self.met += process.met
        delays = tuple(self._closed_at[each] - self._final_sent[each] for each in self._final_sent)
        return Outcome(self._trace.hexdigest(), self.met, len(self._closed_at), delays)

    def fail(self, what: str) -> None:
        """Errors: `Violation`, always."""
        raise Violation(f"seed {self.seed}: {what}")

    # -- who is there ------------------------------------------------------------------------------------------------

    def _process(self, index: int) -> NotaryProcess:
        views = {chain_id: View(chain) for chain_id, chain in self.chains.items()}
        clock = lambda: self.now + self.skews[index]  # noqa: E731
        return NotaryProcess(index, key_of(index), self.manifest, views, signed=self.record, clock=clock)

    def _relay(self, index: int) -> RelayProcess:
        lines = [Line(self, index, member) for member in range(self.n)]
        panel = NotaryPanel(lines, self.committee, executor=lambda _name: Inline(), committees=self.committees)
        views = {chain_id: View(chain) for chain_id, chain in self.chains.items()}
        clock = lambda: max(0.0, self.now + self.skews[self.n + index])  # noqa: E731
        send = self._censor if self._censors and index else self.send
        return RelayProcess(self.manifest, views, panel, send, clock)

    def committees(self, chain_id: int) -> Sequence[Committee]:
        """Whose signatures a chain takes now, as a relay reads it."""
        final = self.chains[chain_id].final
        return final.state.committees(final.timestamp)

    def _turn_some_faulty(self) -> None:
        count = self.random.randint(0, (self.n - 1) // 3)
        for index in self.random.sample(range(self.n), count):
            member = self.members[index]
            member.kind = self.random.choice(KINDS)
            self.note("faulty", index, member.kind)
            if member.kind == "twin":
                member.processes.append(self._process(index))

    # -- the network -------------------------------------------------------------------------------------------------

    def next_message(self) -> int:
        """The number of a message to a notary."""
        self._messages += 1
        return self._messages

    def message_fault(self) -> str:
        """What happens to a message on its way; empty for nothing."""
        if self.now >= HEAL_AT:
            return ""
        drawn = self.random.random()
        for kind, rate in self.rates.items():
            if drawn < rate:
                return kind
            drawn -= rate
        return ""

    def deliver(self, index: int, number: int, path: str, body: Answer) -> Answer:
        """A message reaches a notary. Errors: what it refuses; `Unavailable` where it is down, or dies over it."""
        member = self.members[index]
        if number < member.last_message:
            self.met["message reordered"] += 1
        member.last_message = max(number, member.last_message)
        if member.is_down or member.kind == "silent":
            self.met["notary silent" if member.kind == "silent" else "notary down"] += 1
            raise Unavailable("NOTARY_UNREACHABLE", "no answer")
        try:
            answer = self._answer(member, path, body)
        except Killed:
            member.is_down = True
            self.later(self.random.uniform(0.5, 3.0), lambda: self._restart(member))
            raise Unavailable("NOTARY_UNREACHABLE", "the connection broke") from None
        self.note("answered", index, path)
        return answer

    def _answer(self, member: Member, path: str, body: Answer) -> Answer:
        process = member.processes[self.random.randrange(len(member.processes))]
        if process is not member.processes[0]:
            self.met["twin answers"] += 1
        if member.kind == "liar":
            self.met["notary lies"] += 1
            return self._lie(process, path, body)
        return process.ask(path, body)

    def _lie(self, process: NotaryProcess, path: str, body: Answer) -> Answer:
        if self.random.random() < 0.4:
            raise Refused("EQUIVOCATION", "it says so")
        answer = process.ask(path, body)
        match self.random.randrange(4):
            case 0:
                return answer | {"member": (process.index + 1) % self.n}
            case 1:
                return answer | {"epoch": 9, "signature": "0x"}
            case 2:
                return {"member": True}
            case _:
                signature = process.key.sign(hashlib.sha256(path.encode()).digest())
                return answer | {"signature": f"0x{signature.pack().hex()}"}

    def _restart(self, member: Member) -> None:
        for process in member.processes:
            process.start()
        member.is_down = False
        self.met["notary restarts"] += 1

    def send(self, chain_id: int, transaction: Transaction) -> None:
        """A transaction on its way into a chain's blocks."""
        self.note("sent", chain_id, type(transaction).__name__)
        pending = self.chains[chain_id].pending
        if self.now < HEAL_AT and self.random.random() < self.transaction_loss:
            fate = self.random.choice(("lost", "doubled", "late"))
            self.met[f"transaction {fate}"] += 1
            if fate == "lost":
                return
            self.later(self.random.uniform(0.5, 3.0), lambda: self.chains[chain_id].pending.append(transaction))
            if fate == "late":
                return
        pending.append(transaction)

    def _censor(self, chain_id: int, transaction: Transaction) -> None:
        """What a censoring relay does with what it should carry, also when all other faults are over."""
        fate = self.random.choice(("withheld", "withheld", "delayed", "doubled"))
        self.met[f"relay {fate}"] += 1
        for _ in range({"withheld": 0, "delayed": 1, "doubled": 2}[fate]):
            self.later(self.random.uniform(0.5, 20.0), lambda: self.chains[chain_id].pending.append(transaction))

    # -- what happens when -------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        draw = self.random
        for chain_id in self.chains:
            self.later(draw.uniform(0, PERIOD), lambda chain_id=chain_id: self._mine(chain_id))  # type: ignore[misc]
        for salt in range(1, 1 + draw.randint(2, 4)):
            self.later(draw.uniform(0.1, 9.0), lambda salt=salt: self._user(salt))  # type: ignore[misc]
        for index in range(len(self.relays)):
            self.later(draw.uniform(1, 2), lambda index=index: self._step(index))  # type: ignore[misc]
        for _ in range(draw.randint(4, 9)):
            name = draw.choice(_FAULTS)
            self.later(draw.uniform(1.0, HEAL_AT - 2), lambda name=name: self._fault(name))  # type: ignore[misc]
        self.later(HEAL_AT, self._heal)

    def _mine(self, chain_id: int) -> None:
        chain = self.chains[chain_id]
        block = chain.mine(self.now)
        self.note("block", chain_id, block.number, block.hash.hex())
        self._scan(chain_id)
        self.later(PERIOD, lambda: self._mine(chain_id))

    def _user(self, salt: int) -> None:
        is_short = self.random.random() < self._brief
        expiry = GENESIS_TIME + (int(self.now) + self.random.randint(5, 14) if is_short else 10_000)
        origin, there = self.chains[ORIGIN], self.chains[DESTINATION].manifest.end
        sender, quantity = self.random.choice(SENDERS), self.random.randint(1, 1000)
        origin.pending.append(Send(origin.manifest, there, sender, quantity, expiry, salt))

    def _step(self, index: int) -> None:
        if index not in self.relays_down:
            try:
                self.relays[index].step()
            except Killed:
                self.relays_down.add(index)
                self.later(self.random.uniform(0.5, 4.0), lambda: self._revive(index))
        self.later(0.5 if self.now < HEAL_AT else 1.0, lambda: self._step(index))

    def _revive(self, index: int) -> None:
        self.relays[index].start()
        self.relays_down.discard(index)
        self.met["relay restarts"] += 1

    def _heal(self) -> None:
        self.cut.clear()
        for member in self.members:
            for process in member.processes:
                process.dies_at, process.disk.is_full, process.disk.dies_before_commit = "", False, False
                for view in process.views.values():
                    if view.shown is None:
                        view.heal()
        for relay in self.relays:
            relay.dies_at = ""
            for view in relay.views.values():
                view.heal()
        self._finish_rotations()
        self._ask_people()

    def _finish_rotations(self) -> None:
        """An order that a reorganisation took is given again: orders of a quorum are kept by its members."""
        epochs = {chain_id: chain.head.state.committee.epoch for chain_id, chain in self.chains.items()}
        for chain_id, epoch in epochs.items():
            self.chains[chain_id].pending += [Rotate(each + 1) for each in range(epoch, max(epochs.values()))]

    def _ask_people(self) -> None:
        for relay in self.relays:
            relay.retry_all()
        self.later(8.0, self._ask_people)

    # -- faults ------------------------------------------------------------------------------------------------------

    def _fault(self, name: str) -> None:
        self.note("fault", name)
        getattr(self, f"_{name}")()

    def _some_view(self) -> View:
        owners: list[NotaryProcess | RelayProcess] = [each for member in self.members for each in member.processes]
        return self.random.choice([view for owner in (*owners, *self.relays) for view in owner.views.values()])

    def _partition(self) -> None:
        cut = {(relay, member) for relay in range(RELAYS) for member in range(self.n) if self.random.random() < 0.6}
        self.cut |= cut
        self.later(self.random.uniform(1, 6), lambda: self.cut.difference_update(cut))

    def _rpc_down(self) -> None:
        view = self._some_view()
        view.is_down = True
        self.met["RPC down"] += 1
        self.later(self.random.uniform(1, 5), view.heal)

    def _rpc_lags(self) -> None:
        view = self._some_view()
        view.lag = self.random.randint(1, 8)
        self.met["RPC lags"] += 1
        self.later(self.random.uniform(1, 5), view.heal)

    def _rpc_omits(self) -> None:
        for process in (member.processes[0] for member in self.members):
            process.views[self.random.choice((ORIGIN, DESTINATION))].omits = True
        for view in (view for member in self.members for view in member.processes[0].views.values() if view.omits):
            self.later(self.random.uniform(2, 6), view.heal)
        self.met["RPC omits logs"] += 1

    def _relay_is_lied_to(self) -> None:
        """Its node shows a chain that never was; what it carries of it, nobody signs."""
        view, chain = self.relays[0].views[ORIGIN], self._forge()
        view.shown = chain
        self.met["RPC lies to a relay"] += 1
        self.later(self.random.uniform(2, 6), view.heal)

    def _notary_dies(self) -> None:
        member = self.random.choice(self.members)
        member.processes[0].dies_at = self.random.choice(CRASH_POINTS)

    def _disk_full(self) -> None:
        disk = self.random.choice(self.members).processes[0].disk
        disk.is_full = True
        self.met["disk full"] += 1
        self.later(self.random.uniform(1, 5), lambda: setattr(disk, "is_full", False))

    def _relay_dies(self) -> None:
        self.random.choice(self.relays).dies_at = self.random.choice(RELAY_POINTS)

    def _reorganise(self) -> None:
        chain_id, depth = self.random.choice(tuple(self.chains)), self.random.randint(1, FINALITY)
        mode = self.random.choice(("vanishes", "moves", "reappears"))
        chain = self.chains[chain_id]
        self._forks += 1
        left = chain.reorganise(depth, self._forks)
        self.met[f"reorganisation of depth {depth}"] += 1
        if left:
            self.met[f"reorganised transaction {mode}"] += 1
        if mode == "reappears":
            chain.pending = [*left, *chain.pending]
        elif mode == "moves":
            self.later(self.random.uniform(1, 4), lambda: chain.pending.extend(left))
        for _ in range(self.random.randint(0, depth + 1)):
            chain.mine(self.now)
        self._scan(chain_id)

    def _clock_skew(self) -> None:
        if self.random.random() < 0.5:
            self.chains[DESTINATION].skew += self.random.randint(1, 10)
            self.met["chain's clock leaps"] += 1
            return
        self.skews[self.random.randrange(len(self.skews))] = self.random.choice((-7200.0, 3.0, 40.0, 7200.0))
        self.met["machine's clock skewed"] += 1

    def _rotate(self) -> None:
        epoch = self.chains[DESTINATION].head.state.committee.epoch + 1
        for chain in self.chains.values():
            self.later(self.random.uniform(0, 4), lambda chain=chain: chain.pending.append(Rotate(epoch)))  # type: ignore[misc]
        self.met["rotation in flight"] += 1

    def _attack(self) -> None:
        """Somebody gathers signatures for a message that never left, and pays for its commit."""
        chain = self._forge()
        places = [(block, at) for block in chain.blocks for at, log in enumerate(block.logs) if _is_sent(log)]
        block, at = places[-1]
        transaction = next(each for each in block.transactions if isinstance(each, Send))
        proposal = transaction.proposal(chain.blocks[block.number - 1].state)
        message, given = proposal.message, dict[int, Signature]()
        root, place = root_over([message]), {"origin": f"eip155:{ORIGIN}", "block": block.number}
        epoch = self.chains[DESTINATION].head.state.committee.epoch
        for member in self.members:
            process = member.processes[-1]
            if member.kind in ("eclipsed", "twin"):
                process.views[ORIGIN].shown = chain
                self.met[f"{member.kind} is shown another chain"] += 1
            try:
                if member.kind == "equivocator":
                    given[process.index] = process.key.sign(root_digest(message.destination, root, epoch))
                    self.record([message], root, epoch, process.index)
                    self.met["equivocator signs"] += 1
                    continue
                body = {"leaves": [place | {"transaction_index": at, "log_index": 0}]}
                answer = process.ask("/attestations", body)
                given[process.index] = Signature.parse(bytes.fromhex(answer["signature"][2:]))
            except (Problem, Killed):
                self.met["forged message refused by a notary"] += 1
        certificate = Certificate(root, 0, 1, (), epoch, pack(given) if given else b"")
        forged = Commit(self.chains[DESTINATION].manifest, proposal, certificate)
        try:
            self.chains[DESTINATION].simulate(forged)
        except Problem:
            self.met["forged certificate refused"] += 1
        self.chains[DESTINATION].pending.append(forged)

    def _hurry(self) -> None:
        """Somebody has the newest message attested before its block is final, and pays for its commit at once."""
        origin, there = self.chains[ORIGIN], self.chains[DESTINATION]
        places = [
            (block, at) for block in origin.blocks[-FINALITY:] for at, log in enumerate(block.logs) if _is_sent(log)
        ]
        if not places:
            return
        block, at = places[-1]
        transaction = [each for each in block.transactions if isinstance(each, Send)][-1]
        state = origin.blocks[block.number - 1].state.copy()
        for each in (each for each in block.transactions if isinstance(each, Send) and each is not transaction):
            each.run(state, block.timestamp)
        proposal, given = transaction.proposal(state), dict[int, Signature]()
        body = {
            "leaves": [{"origin": f"eip155:{ORIGIN}", "block": block.number, "transaction_index": at, "log_index": 0}]
        }
        for process in (member.processes[0] for member in self.members):
            try:
                answer = process.ask("/attestations", body)
            except (Problem, Killed):
                self.met["message refused before it is final"] += 1
            else:
                given[process.index] = Signature.parse(bytes.fromhex(answer["signature"][2:]))
        root = root_over([proposal.message])
        certificate = Certificate(root, 0, 1, (), there.head.state.committee.epoch, pack(given))
        there.pending.append(Commit(there.manifest, proposal, certificate))

    def _forge(self) -> ModelChain:
        """The origin as it never was: another message, final, at the place of the next one."""
        if self.forged is None:
            self._forks += 1
            origin = self.chains[ORIGIN]
            chain = origin.forked(origin.final.number, self._forks + 1000)
            there = self.chains[DESTINATION].manifest.end
            sent = Send(origin.manifest, there, SENDERS[0], 666, GENESIS_TIME + 10_000, 10_000)
            chain.pending.append(sent)
            for _ in range(2 * FINALITY + 3):
                chain.mine(self.now)
            self.forged = chain
        return self.forged

    # -- what must never happen --------------------------------------------------------------------------------------

    def record(self, messages: Sequence[Message], root: bytes, epoch: int, member: int) -> None:
        """A signature exists."""
        self.note("signed", member, epoch, root.hex())
        self.contents[root] = tuple(messages)
        self.signatures.setdefault((root, epoch), set()).add(member)

    def _scan(self, chain_id: int) -> None:
        """What has become final on the origin and in the registry."""
        chain = self.chains[chain_id]
        while chain_id in self._scanned and self._scanned[chain_id] < chain.final.number:
            self._scanned[chain_id] += 1
            block = chain.blocks[self._scanned[chain_id]]
            if chain_id == ORIGIN:
                for log in block.logs:
                    self._final_sent[log.topics[1]] = self.now
                continue
            for message_id, state in block.state.records.items():
                if state in CLOSED:
                    self._closed_at.setdefault(message_id, self.now)

    def _look_at(self, chain: ModelChain, block: Block) -> None:
        for each in (each for each in block.transactions if isinstance(each, Commit)):
            message = each.proposal.message
            if message.id not in self._final_sent:
                self.fail(f"committed without a final origin log: 0x{message.id.hex()}")
            twice = sum(
                isinstance(other, Commit) and other.proposal.message.id == message.id
                for before in chain.blocks
                for other in before.transactions
            )
            if twice != 1:
                self.fail(f"committed twice: 0x{message.id.hex()}")
        locked = sum(total for _, total in self.chains[ORIGIN].final.state.sent.values())
        if block.state.minted > locked:
            self.fail(f"more is minted than locked: {block.state.minted} > {locked}")

    def _require_one_certificate(self) -> None:
        certified: dict[bytes, bytes] = {}
        for (root, _epoch), members in self.signatures.items():
            if len(members) < self.committee.quorum:
                continue
            for message in self.contents[root]:
                place = message.lane + word(message.generation) + word(message.sequence)
                if certified.setdefault(place, message.id) != message.id:
                    self.fail(f"two certificates for sequence {message.sequence}")

    def _require_balance(self) -> None:
        executed = [each for each in self._final_sent if self.chains[REGISTRY].final.state.records[each] == 4]
        commits = [each for each in _executed(self.chains[DESTINATION]) if each.proposal.message.id in self._final_sent]
        if {each.proposal.message.id for each in commits} != set(executed):
            self.fail("what is closed is not what was committed")

    def _is_done(self) -> bool:
        return not self._open() and not self.chains[ORIGIN].pending

    def _open(self) -> list[str]:
        return [each.hex()[:8] for each in self._final_sent if each not in self._closed_at]


def _is_sent(log: Any) -> bool:
    return bool(log.topics[0] == MESSAGE_SENT)


def _executed(chain: ModelChain) -> list[Commit]:
    return [each for block in chain.blocks for each in block.transactions if isinstance(each, Commit)]


_MESSAGE_FAULTS = ("lost", "delayed", "duplicated", "answer lost")
_FAULTS = (
    *("partition", "rpc_down", "rpc_lags", "rpc_omits", "relay_is_lied_to", "notary_dies", "notary_dies", "disk_full"),
    *("relay_dies", "relay_dies", "reorganise", "reorganise", "reorganise", "clock_skew", "rotate", "attack", "hurry"),
)
