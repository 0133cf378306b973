"""The members of a run's committee: honest, or faulty in one of five ways; and the lines on which relays ask them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING

from ledger.errors import Problem, Refused, Unavailable
from ledger.secp256k1 import SigningKey
from tests.simulation.node import View
from tests.simulation.notary import Answer, NotaryProcess
from tests.simulator.inline import Killed

if TYPE_CHECKING:
    from tests.simulation.network import Network

KINDS = ("silent", "liar", "equivocator", "twin", "eclipsed")
MESSAGE_FAULTS = ("lost", "delayed", "duplicated", "answered in vain")


class ModelKey:
    """A key that remembers what it signed: it is asked for the same again and again, and answers the same."""

    def __init__(self, secret: bytes) -> None:
        key = SigningKey.from_secret(secret)
        self.address = key.address
        self.sign = lru_cache(maxsize=256)(key.sign)


@cache
def key_of(index: int, epoch: int) -> ModelKey:
    """A member's key in an epoch."""
    return ModelKey(hashlib.sha256(b"simulated notary %d in epoch %d" % (index, epoch)).digest())


@cache
def members_of(n: int, epoch: int) -> tuple[bytes, ...]:
    """The addresses of an epoch's members."""
    return tuple(key_of(index, epoch).address for index in range(n))


@dataclass
class Member:
    """One member: its kind, and its processes, two where it is a twin."""

    kind: str
    processes: list[NotaryProcess]
    is_down: bool = False
    last_message: int = 0


class Members:
    """The committee of one run, of which up to f are faulty."""

    def __init__(self, network: Network, n: int) -> None:
        self._run, self.n = network, n
        self.all = [Member("honest", [self._process(index)]) for index in range(n)]
        for index in network.random.sample(range(n), network.random.randint(0, (n - 1) // 3)):
            member = self.all[index]
            member.kind = network.random.choice(KINDS)
            network.note("faulty", index, member.kind)
            if member.kind == "twin":
                member.processes.append(self._process(index))

    @property
    def processes(self) -> list[NotaryProcess]:
        """Of all members."""
        return [process for member in self.all for process in member.processes]

    def _process(self, index: int) -> NotaryProcess:
        run = self._run
        return NotaryProcess(
            index,
            partial(key_of, index),
            run.manifest,
            {chain_id: View(chain) for chain_id, chain in run.chains.items()},
            signed=run.record,
            clock=lambda: run.now + run.skews[index],
        )

    def deliver(self, index: int, number: int, path: str, body: Answer) -> Answer:
        """A message reaches a member. Errors: what it refuses; `Unavailable` where it is down, or dies over it."""
        member, run = self.all[index], self._run
        if number < member.last_message:
            run.met["message reordered"] += 1
        member.last_message = max(number, member.last_message)
        if member.is_down or member.kind == "silent":
            run.met["notary silent" if member.kind == "silent" else "notary down"] += 1
            raise Unavailable("NOTARY_UNREACHABLE", "no answer")
        try:
            answer = self._answer(member, path, body)
        except Killed:
            member.is_down = True
            run.later(run.random.uniform(0.5, 3.0), lambda: self._restart(member))
            raise Unavailable("NOTARY_UNREACHABLE", "the connection broke") from None
        run.note("answered", index, path)
        return answer

    def heal(self) -> None:
        """Whoever is honest has no trouble any more; whoever is shown another chain for good stays so."""
        for process in self.processes:
            process.dies_at, process.disk.is_full, process.disk.dies_before_commit = "", False, False
            for view in process.views.values():
                if view.shown is None:
                    view.heal()

    def _answer(self, member: Member, path: str, body: Answer) -> Answer:
        process = member.processes[self._run.random.randrange(len(member.processes))]
        if process is not member.processes[0]:
            self._run.met["twin answers"] += 1
        if member.kind == "liar":
            self._run.met["notary lies"] += 1
            return self._lie(process, path, body)
        return process.ask(path, body)

    def _lie(self, process: NotaryProcess, path: str, body: Answer) -> Answer:
        if self._run.random.random() < 0.4:
            raise Refused("EQUIVOCATION", "it says so")
        answer = process.ask(path, body)
        match self._run.random.randrange(4):
            case 0:
                return answer | {"member": (process.index + 1) % self.n}
            case 1:
                return answer | {"epoch": 9, "signature": "0x"}
            case 2:
                return {"member": True}
            case _:
                signature = process.keys(1).sign(hashlib.sha256(path.encode()).digest())
                return answer | {"signature": f"0x{signature.pack().hex()}"}

    def _restart(self, member: Member) -> None:
        for process in member.processes:
            process.start()
        member.is_down = False
        self._run.met["notary restarts"] += 1


class Line:
    """The network between one relay and one notary: implements `relay.notaries.Notary`."""

    def __init__(self, network: Network, relay: int, member: int) -> None:
        self._run, self._relay, self._member = network, relay, member

    @property
    def name(self) -> str:
        return f"notary {self._member + 1}"

    def ask(self, path: str, body: Answer) -> Answer:
        run, number = self._run, self._run.next_message()
        if (self._relay, self._member) in run.cut:
            run.met["partition"] += 1
            raise self._silence()
        fault = run.message_fault()
        if fault:
            run.met[f"message {fault}"] += 1
        match fault:
            case "lost":
                raise self._silence()
            case "delayed":
                run.later(run.random.uniform(0.2, 4.0), lambda: self._late(number, path, body))
                raise self._silence()
            case "duplicated":
                run.later(run.random.uniform(0.0, 4.0), lambda: self._late(number, path, body))
            case "answered in vain":
                self._late(number, path, body)
                raise self._silence()
        return run.members.deliver(self._member, number, path, body)

    def add_checkpoint(self, _body: bytes) -> tuple[int, bytes]:
        raise self._silence()

    def _late(self, number: int, path: str, body: Answer) -> None:
        """It arrives, and nobody waits for the answer."""
        try:
            self._run.members.deliver(self._member, number, path, body)
        except Problem:
            self._run.met["late message refused"] += 1

    def _silence(self) -> Unavailable:
        return Unavailable("NOTARY_UNREACHABLE", f"{self.name} does not answer")
