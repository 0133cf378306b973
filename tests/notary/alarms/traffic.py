"""Traffic as honest people make it: transfers both ways with refusals, retries, expiries and returns, loans, anchors,
pauses that a quorum lifts, limits, voids and rotations; everything legal, and nothing that deserves an alarm.

    traffic = Traffic(seed=1)
    traffic.tick()        # one second goes by
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from contracts.manifest import Role
from ledger.attestation import EXPIRED, SAME, VOID, attestation_digest
from ledger.conservation import Transfer
from ledger.errors import Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.merkle import leaf_hash, root_of
from ledger.proposal import Kind, Message, Proposal
from ledger.quorum import pack, quorum
from ledger.secp256k1 import SigningKey
from notary.alarms.facts import Word
from tests.notary.alarms.model import (
    BEGAN,
    DELAY,
    IDS,
    KEYS,
    LIMITS,
    VALUE,
    ModelChain,
    ModelNotaries,
    Said,
    a_manifest,
    address,
)

ORIGIN, DESTINATION, TRANSACTION = Role.ORIGIN, Role.DESTINATION, Role.TRANSACTION
ASSET = b"\xa5" * 32
ACCOUNT = b"\xac" * 20
SHORT_LIFE, LIFE = 40, 100_000  # seconds
MAX_ROOT = 64
SENDERS = {ORIGIN: "Vault", DESTINATION: "Voucher"}


@dataclass(slots=True)
class Sending:
    """A message on its way."""

    proposal: Proposal
    id: bytes
    origin: Role
    destination: Role


class Traffic:
    """Three chains and everybody on them. `transfers`: a second's, about; `calm`: without
    reorganisations, nodes that fail, and pauses; `done`: transfers whose story is over."""

    def __init__(
        self, seed: int, *, transfers: int = 20, keeps_all: bool = False, calm: bool = False, pauses: bool = True
    ) -> None:
        self.random = random.Random(seed)
        self.manifest = a_manifest()
        self.now = BEGAN
        self.chains = {role: ModelChain(self.manifest.chain(role), self.random, keeps_all=keeps_all) for role in IDS}
        self.notaries = ModelNotaries()
        self.done, self.begun, self.reorganisations, self.rotations, self.pauses = 0, 0, 0, 0, 0
        self._transfers, self._is_calm = transfers, calm
        self._has_pauses = pauses and not calm
        self._sequences: dict[tuple[bytes, int], int] = {}
        self._totals: dict[bytes, int] = {}
        self._later: dict[int, list[Callable[[], None]]] = {}
        self._certified: dict[Role, list[tuple[Sending, Callable[[], None]]]] = {role: [] for role in IDS}
        self._paused: dict[bytes, list[Callable[[], None]]] = {}
        self._epochs: dict[Role, tuple[int, tuple[SigningKey, ...]]] = dict.fromkeys(IDS, (1, KEYS))
        self._salt, self._stale = 0, dict.fromkeys(IDS, 0)
        self._rotating: set[Role] = set()
        self.log_size = 0
        for index in range(len(KEYS)):
            named = f"http://notary{index}.example"
            self.notaries.words[named] = Word(named, 0, {})
        for chain in self.chains.values():
            self._begin_epoch(chain, 1, KEYS)
        self.quiet(8)

    # -- time ----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """A second in which new things begin."""
        for _ in range(self.random.randint(0, 2 * self._transfers)):
            self.transfer(self.random.choice((ORIGIN, DESTINATION)))
        self._sometimes()
        self._pass()

    def quiet(self, seconds: int) -> None:
        """Time goes by, and nothing new begins."""
        for _ in range(seconds):
            self._pass()

    def at(self, seconds: int, act: Callable[[], None]) -> None:
        """Act so many seconds from now."""
        self._later.setdefault(self.now + seconds, []).append(act)

    def _pass(self) -> None:
        self.now += 1
        for act in self._later.pop(self.now, ()):
            act()
        for role in IDS:
            self._certify(role)
        for role, chain in self.chains.items():
            chain.now = self.now
            # Chains are not in step, and none rests for long.
            if chain.is_still:
                continue
            if self.random.random() < 0.8 or self._stale[role]:
                chain.mine()
                self._stale[role] = 0
            else:
                self._stale[role] += 1
            if not (self._is_calm or chain.is_still) and self.random.random() < 0.03:
                chain.reorganise(self.random.randint(1, 2))
                self.reorganisations += 1
        for chain in self.chains.values():
            chain.settle()

    def _sometimes(self) -> None:
        """What happens beside the transfers, each every now and then."""
        every = self.random.random
        if every() < 0.05:
            self.anchor()
        if every() < 0.1:
            self.loan()
        if every() < 0.02:
            self.notice()
        if self._has_pauses and every() < 0.003:
            self.pause(self.random.choice((ORIGIN, DESTINATION)))
        if every() < 0.002:
            self.limit()
        if every() < 0.002:
            self.rotate()
        if every() < 0.004:
            self.void()
        if not self._is_calm and every() < 0.02:
            chain = self.random.choice(list(self.chains.values()))
            chain.lag = self.random.randint(0, 2)
        if not self._is_calm and every() < 0.01:
            chain = self.random.choice(list(self.chains.values()))
            code = self.random.choice(("NODE_UNREACHABLE", "NODES_DISAGREE", "NODE_BEHIND"))
            chain.faults += [Unavailable(code, "for a moment")] * 2

    # -- what people do ------------------------------------------------------------------------------------------

    def transfer(self, origin: Role, *, quantity: int = 0, fate: str = "") -> Sending:
        """Value leaves, and arrives, or fails first, or comes back."""
        self.begun += 1
        fate = fate or self.random.choices(("done", "retried", "expired", "refused"), (90, 4, 3, 3))[0]
        destination = VALUE[origin][1]
        return self.send(
            origin,
            SENDERS[origin],
            destination,
            SENDERS[destination],
            kind=Kind.TRANSFER,
            quantity=quantity or self.random.randint(1, 9),
            life=SHORT_LIFE if fate == "expired" else LIFE,
            then=lambda sending: self._carried(sending, fate),
        )

    def notice(self, *, then: Callable[[], None] | None = None) -> Sending:
        """A message that nobody answers; over a lane of its own."""
        return self.send(
            ORIGIN,
            "AnchorRegistry",
            DESTINATION,
            "AnchorMirror",
            kind=Kind.NOTICE,
            then=lambda sending: self.attest(sending, lambda: self.commit(sending, then=then)),
        )

    def anchor(self) -> None:
        """The log grows, notaries cosign, and then it is anchored and carried."""
        self.log_size += self.random.randint(1, 50)
        self._listen()
        size, root = self.log_size, hashlib.sha256(b"%d" % self.log_size).digest()
        self.chains[ORIGIN].send(Said("AnchorRegistry", "Anchored", {"size": size, "root": root}))
        origin = hashlib.sha256(self.manifest.log_origin.encode()).digest()
        mirrored = Said("AnchorMirror", "AnchorMirrored", {"log_origin": origin, "size": size, "root": root})
        self.at(8, lambda: self.chains[DESTINATION].send(mirrored))

    def loan(self, *, ends: bool = True) -> bytes:
        """A receipt is frozen, freed, and only then transferred."""
        receipt = self._random_bytes()
        named = {"receipt_id": receipt, "loan_id": bytes(32)}
        estate = self.chains[ORIGIN]
        estate.send(Said("WarehouseReceipt", "ReceiptFrozen", named))
        if ends:
            after = self.random.randint(1, 60)
            self.at(after, lambda: estate.send(Said("WarehouseReceipt", "ReceiptReleased", named)))
            moved = Said("WarehouseReceipt", "ReceiptTransferred", {"receipt_id": receipt, "holder": ACCOUNT})
            self.at(after + 10, lambda: estate.send(moved))
        return receipt

    def pause(self, destination: Role) -> None:
        """A member pauses a lane, and the quorum lifts it early: nothing but acknowledgements moves meanwhile."""
        lane = self.lane(destination)
        if lane in self._paused:
            return
        self.pauses += 1
        self._paused[lane] = []
        named = {"lane": lane, "is_inbound": True}
        day = Said("Administration", "LanePaused", lambda time: named | {"until": time + 24 * 3600})
        lifted = Said("Administration", "LanePaused", named | {"until": 0})
        self.at(30, lambda: self.chains[destination].send(day))
        self.at(60, lambda: self.order(destination, [lifted], after=lambda: self._resume(lane)))

    def limit(self) -> None:
        """An owner lowers a lane's limits, and a quorum raises them again."""
        lane = self.lane(DESTINATION)
        lower = {"lane": lane, "per_message": 10**5, "per_window": 10**11, "window": LIMITS.window}
        higher = {"lane": lane, "per_message": 10**6, "per_window": 10**12, "window": LIMITS.window}
        self.chains[DESTINATION].send(Said("Administration", "LaneLimited", lower))
        self.order(DESTINATION, [Said("Administration", "LaneLimited", higher)])

    def rotate(self) -> None:
        """Another committee of the same keys in another order follows on every chain."""
        if self._rotating:
            return
        self._rotating = set(IDS)
        self.rotations += 1
        number, keys = self._epochs[ORIGIN]
        following = keys[1:] + keys[:1]
        for role in IDS:
            self.order(
                role,
                [self.epoch_log(number + 1, following)],
                contract="Committee",
                after=partial(self._took_over, role, number + 1, following),
            )

    def void(self) -> None:
        """A quorum voids a message that nobody carries."""
        self.begun += 1
        sending = self.send(
            ORIGIN, "Vault", DESTINATION, "Voucher", kind=Kind.TRANSFER, quantity=3, then=lambda _: None
        )
        message = sending.proposal.message
        gone = {"id": sending.id, "lane": message.lane, "generation": 1, "sequence": message.sequence}
        logs = [Said("Gateway", "MessageVoided", gone), Said("Administration", "MessageVoided", {"id": sending.id})]
        self.order(DESTINATION, logs, after=lambda: self._comes_back(sending, VOID))

    # -- how it is carried ---------------------------------------------------------------------------------------

    def send(
        self,
        origin: Role,
        sender: str,
        destination: Role,
        recipient: str,
        *,
        kind: Kind,
        then: Callable[[Sending], None],
        quantity: int = 0,
        life: int = LIFE,
        sequence: int | None = None,
        payload: bytes = b"",
    ) -> Sending:
        """A message leaves; `then` is called once it is final."""
        sending = self.make(
            origin,
            sender,
            destination,
            recipient,
            kind=kind,
            quantity=quantity,
            life=life,
            sequence=sequence,
            payload=payload,
        )
        logs = [Said("Gateway", "MessageSent", {"sendId": sending.id}, sending.proposal)]
        if quantity:
            logs.append(Said(sender, "ValueSent", self._value(sending, quantity)))
        self.chains[origin].send(*logs, then=lambda: then(sending))
        return sending

    def make(
        self,
        origin: Role,
        sender: str,
        destination: Role,
        recipient: str,
        *,
        kind: Kind,
        quantity: int = 0,
        life: int = LIFE,
        sequence: int | None = None,
        payload: bytes = b"",
    ) -> Sending:
        """A message, which nobody has sent."""
        ends = {role: self.chains[role].chain.end for role in (origin, destination)}
        accounts = address(origin, sender), address(destination, recipient)
        place = (accounts[0] + accounts[1], 1)
        number = self._sequences.get(place, 0) if sequence is None else sequence
        if sequence is None:
            self._sequences[place] = number + 1
        if quantity:
            total = self._totals[place[0]] = self._totals.get(place[0], 0) + quantity
            payload = Transfer(ASSET, quantity, total, ACCOUNT).encode()
        expiry = self.now + life
        message = Message(
            kind, ends[origin], ends[destination], 1, number, *accounts, expiry, 10**5, keccak256(payload)
        )
        return Sending(Proposal(message, payload), message.id, origin, destination)

    def attest(self, sending: Sending, then: Callable[[], None]) -> None:
        """Put it under the next certificate for its destination; `then` at once, as a relay commits without waiting."""
        self._certified[sending.destination].append((sending, then))

    def commit(
        self, sending: Sending, *logs: Said, executed: bool = True, then: Callable[[], None] | None = None
    ) -> None:
        """The destination takes it, unless the lane is paused: then once it is not."""
        held = self._paused.get(sending.proposal.message.lane)
        if held is not None and sending.proposal.message.kind != Kind.ACKNOWLEDGEMENT:
            held.append(lambda: self.commit(sending, *logs, executed=executed, then=then))
            return
        said = Said("Gateway", "MessageCommitted", {"id": sending.id, "executed": executed, "outcome": bytes(32)})
        self.chains[sending.destination].send(*logs, said, then=then)

    def judge(self, sending: Sending, verdict: int, *logs: Said, then: Callable[[], None] | None = None) -> None:
        """The registry takes a quorum's verdict."""
        self.chains[TRANSACTION].send(*logs, self.verdict_log(sending.id, verdict), then=then)

    def verdict_log(self, identity: bytes, verdict: int, *, epoch: int | None = None) -> Said:
        """The registry's log of a verdict."""
        fields = {
            "id": identity,
            "epoch": self._epochs[TRANSACTION][0] if epoch is None else epoch,
            "verdict": verdict,
            "commit_block": bytes(32),
            "commit_transaction": bytes(32),
            "signatures": b"\x01" * 90,
        }
        return Said("TransactionRegistry", "CommitJudged", fields)

    def _carried(self, sending: Sending, fate: str) -> None:
        """A transfer is final at its origin."""
        if fate == "expired":
            self.at(SHORT_LIFE + 12, lambda: self._comes_back(sending, EXPIRED))
            return
        arrives = self._arrival(sending)
        if fate == "refused":
            done = lambda: self._comes_back(sending, SAME)  # noqa: E731
            self.attest(sending, lambda: self.commit(sending, then=done))
        elif fate == "retried":
            again = lambda: self.at(5, lambda: self.commit(sending, arrives, then=partial(self._close, sending)))  # noqa: E731
            self.attest(sending, lambda: self.commit(sending, executed=False, then=again))
        else:
            self.attest(sending, lambda: self.commit(sending, arrives, then=partial(self._close, sending)))

    def _close(self, sending: Sending) -> None:
        """It arrived: the registry closes it and tells its sender."""
        self._answer(sending, SAME, [])

    def _comes_back(self, sending: Sending, verdict: int) -> None:
        """It did not: told so, its sender takes back what it sent."""
        quantity = Transfer.read(sending.proposal.payload).quantity
        returned = Said(SENDERS[sending.origin], "ValueReturned", self._value(sending, quantity))
        self._answer(sending, verdict, [returned])

    def _answer(self, sending: Sending, verdict: int, logs: Sequence[Said]) -> None:
        end = SENDERS[sending.origin]
        answer = self.make(TRANSACTION, "TransactionRegistry", sending.origin, end, kind=Kind.ACKNOWLEDGEMENT)
        sent = Said("Gateway", "MessageSent", {"sendId": answer.id}, answer.proposal)

        def over() -> None:
            self.done += 1

        def told() -> None:
            self.attest(answer, lambda: self.commit(answer, *logs, then=over))

        self.judge(sending, verdict, sent, then=told)

    def _arrival(self, sending: Sending) -> Said:
        quantity = Transfer.read(sending.proposal.payload).quantity
        if sending.destination is DESTINATION:
            return Said("Voucher", "VoucherMinted", self._value(sending, quantity))
        return Said("Vault", "ValueReleased", self._value(sending, quantity))

    def _value(self, sending: Sending, quantity: int) -> dict[str, Any]:
        return {"id": sending.id, "asset": ASSET, "account": ACCOUNT, "quantity": quantity}

    def _certify(self, destination: Role) -> None:
        """One certificate for what waits, told to the registry; and relays commit, whether that was mined or not."""
        waiting, self._certified[destination] = self._certified[destination], []
        for begin in range(0, len(waiting), MAX_ROOT):
            part = waiting[begin : begin + MAX_ROOT]
            self.chains[TRANSACTION].send(*self.certificate([sending.id for sending, _ in part], destination))
            for _, then in part:
                then()

    def certificate(
        self, ids: Sequence[bytes], destination: Role, *, keys: Sequence[SigningKey] = (), epoch: int | None = None
    ) -> list[Said]:
        """The registry's logs of a certificate that a quorum signed, or `keys`."""
        number, members = self._epochs[TRANSACTION]
        number = number if epoch is None else epoch
        end = self.chains[destination].chain.end
        root = root_of([leaf_hash(identity) for identity in ids])
        digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=number)
        signing = keys or members[: quorum(len(members))]
        signatures = pack({index: key.sign(digest) for index, key in enumerate(signing)})
        logs = [
            Said("TransactionRegistry", "Attested", {"id": identity, "root": root, "epoch": number}) for identity in ids
        ]
        fields = {"root": root, "destination_chain": end.chain_id, "epoch": number, "certificate": bytes(32)}
        return [*logs, Said("TransactionRegistry", "RootAttested", fields | {"signatures": signatures})]

    # -- orders --------------------------------------------------------------------------------------------------

    def order(
        self,
        role: Role,
        logs: Sequence[Said],
        *,
        contract: str = "Administration",
        wait: int = DELAY + 5,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """A quorum announces, the delay passes, and it is carried out; `after` once that is final."""
        self._salt += 1
        chain, named = self.chains[role], {"action": b"\x0a" * 32, "salt": self._salt.to_bytes(32, "big")}
        epoch = self._epochs[role][0]

        def carry_out() -> None:
            if self._epochs[role][0] == epoch:
                taken = Said(contract, "OrderTaken", named | {"epoch": epoch})
                chain.send(taken, *logs, then=after)
            else:
                # It lapsed with its epoch: the next committee orders it anew.
                self.order(role, logs, contract=contract, wait=wait, after=after)

        announced = Said(contract, "OrderAnnounced", lambda time: named | {"due": time + DELAY, "epoch": epoch})
        chain.send(announced, then=lambda: self.at(wait, carry_out))

    def lane(self, destination: Role) -> bytes:
        """The value lane into a chain."""
        sender, origin, recipient = VALUE[destination]
        ends = {role: self.chains[role].chain.end for role in (origin, destination)}
        accounts = address(origin, sender), address(destination, recipient)
        return Message(Kind.NOTICE, ends[origin], ends[destination], 1, 0, *accounts, 1, 1, bytes(32)).lane

    def epoch_log(self, number: int, keys: Sequence[SigningKey]) -> Said:
        """The committee's log of an epoch that begins."""
        members = tuple(
            (f"{key.address.hex()}".encode()[:32], key.address, bytes(32), bytes(32), bytes(20)) for key in keys
        )
        return Said("Committee", "EpochStarted", {"epoch": number, "records": bytes(32), "members": members})

    def _begin_epoch(self, chain: ModelChain, number: int, keys: Sequence[SigningKey]) -> None:
        chain.send(self.epoch_log(number, keys))

    def epoch(self, role: Role) -> int:
        """The number of a chain's present epoch."""
        return self._epochs[role][0]

    def _took_over(self, role: Role, number: int, keys: tuple[SigningKey, ...]) -> None:
        self._epochs[role] = (number, keys)
        self._rotating.discard(role)

    def _resume(self, lane: bytes) -> None:
        for act in self._paused.pop(lane):
            act()

    def _listen(self) -> None:
        """The notaries that answer have accepted the log as it is."""
        for named, word in self.notaries.words.items():
            self.notaries.words[named] = replace(word, log_size=self.log_size)

    def _random_bytes(self) -> bytes:
        return self.random.randbytes(32)
