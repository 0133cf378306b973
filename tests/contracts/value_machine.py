"""Any schedule of a value lane, with an adversary in it; after every step the law is held against both contracts.

The adversary has a quorum's attestations for whatever it likes to say about messages, except that the origin counted
more than it did. What notaries say to the registry is honest, and `ledger.conservation` is asked before a word that
gives value back. Where the two meet there is a limit, which `steal` keeps: nobody can see at the destination that a
transfer's place was given back (`test_value_forgery.py` shows how far that goes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.manifest import Role
from ledger.conservation import Books, Transfer, check_come_back
from ledger.errors import Refused
from ledger.proposal import Kind, Proposal
from tests.contracts.evm import Outcome, Reverted
from tests.contracts.value_bed import ALICE, BOB, CAP, DAY, ENDED, ENDS, ITEMS, OTHER, VOIDED, ValueBed

T = TypeVar("T")
THIEF = b"\x7f" * 20
ACCOUNTS = (ALICE, BOB, THIEF)
QUANTITY = st.integers(1, 150) | st.integers(CAP + 1, CAP + 100)  # within a message's limit, and beyond it
WEIGHTS = {
    "lock": 4,
    "burn": 3,
    "move_an_item": 1,
    "withdraw": 1,
    "take_back": 4,
    "commit": 6,
    "retry": 3,
    "acknowledge": 1,
    "judge": 1,
    "settle": 3,
    "approve": 3,
    "disturb": 1,
    "forge_more_than_was_sent": 1,
    "forge_another_kind": 1,
    "steal": 1,
    "acknowledge_twice": 2,
}
STEPS = st.sampled_from([name for name, weight in WEIGHTS.items() for _ in range(weight)])


class Schedules(RuleBasedStateMachine):
    """`bed` is shared by all schedules, each of which begins where it was laid."""

    bed: ClassVar[ValueBed]

    def __init__(self) -> None:
        super().__init__()
        self.bed.rewind()
        self.sent: list[Proposal] = []  # transfers that the ends sent
        self.senders: dict[bytes, bytes] = {}
        self.outcomes: dict[bytes, bytes] = {}  # of executed messages
        self.answers: list[Proposal] = []  # acknowledgements
        self.judged: set[bytes] = set()
        self.came_back: list[Proposal] = []  # found expired or void
        self.held: list[Proposal] = []
        self.generations = dict.fromkeys(ENDS, 1)
        self.forged = 0

    @rule(what=STEPS, which=st.integers(0, 2**16), quantity=QUANTITY)
    def step(self, what: str, which: int, quantity: int) -> None:
        """One rule, so that every step is as likely as its weight says. `which`: whatever has to be chosen."""
        getattr(self, what)(which, quantity)

    # -- people --------------------------------------------------------------------------------------------------------

    def lock(self, which: int, quantity: int) -> None:
        self._sent(self._try(lambda: self.bed.lock(quantity, beneficiary=(BOB, BOB, ALICE)[which % 3])), ALICE)

    def burn(self, which: int, quantity: int) -> None:
        holders = [who for who in ACCOUNTS if self.bed.voucher.call("balances", self.bed.asset, who)]
        if holders:
            by = holders[which % len(holders)]
            held = int(self.bed.voucher.call("balances", self.bed.asset, by))
            self._sent(self._try(lambda: self.bed.burn(min(quantity, held), by=by, beneficiary=by)), by)

    def move_an_item(self, which: int, _quantity: int) -> None:
        token_id = ITEMS[which % len(ITEMS)]
        asset = self.bed.item(token_id)
        if self.bed.voucher.call("balances", asset, BOB):
            self._sent(self._try(lambda: self.bed.burn(1, asset=asset)), BOB)
        else:
            self._sent(self._try(lambda: self.bed.lock_item(token_id)), ALICE)

    def withdraw(self, which: int, _quantity: int) -> None:
        for asset in self._assets():
            self._try(lambda asset=asset: self.bed.vault.send("withdraw", ACCOUNTS[which % 3], asset))  # type: ignore[misc]

    def take_back(self, which: int, _quantity: int) -> None:
        for proposal in self._pick(self.came_back, which):
            self._try(lambda p=proposal: self.bed.take_back(p, self.senders[p.message.id]))  # type: ignore[misc]

    # -- relays: anything, in any order, again and again ---------------------------------------------------------------

    def commit(self, which: int, _quantity: int) -> None:
        latest = self.sent[-3:] if which % 2 else self.sent
        for proposal in self._pick(latest, which):
            self._deliver(proposal, self.bed.commit)

    def retry(self, which: int, _quantity: int) -> None:
        for proposal in self._pick(self.held, which) * 2:
            self._deliver(proposal, self.bed.retry)

    def acknowledge(self, which: int, _quantity: int) -> None:
        for answer in self._pick(self.answers, which):
            self._try(lambda a=answer: self.bed.commit(a))  # type: ignore[misc]

    # -- notaries, honest ----------------------------------------------------------------------------------------------

    def judge(self, which: int, _quantity: int) -> None:
        for proposal in self._pick(self.sent, which):
            self._judge(proposal)

    def _judge(self, proposal: Proposal) -> None:
        """Say what became of a transfer, once it is final; a word that gives back only while the books are true."""
        if proposal.message.id in self.judged:
            return
        if proposal.message.id in self.outcomes:
            self._answered(proposal, self.bed.close(proposal, self.outcomes[proposal.message.id].rstrip(b"\x00")))
            return
        destination = self.bed.destination(proposal)
        is_void = self.bed.status(proposal) == VOIDED
        if not is_void and self.bed.sites[destination].evm.time < proposal.message.expiry:
            return
        transfer = Transfer.read(proposal.payload)
        try:
            check_come_back(transfer, books=self._books(transfer.asset), to_vault=destination is Role.ORIGIN)
        except Refused as refused:
            assert refused.code == "VALUE_UNBACKED"
            return
        self.came_back.append(proposal)
        self._answered(proposal, self.bed.void(proposal) if is_void else self.bed.expire(proposal))

    def settle(self, which: int, _quantity: int) -> None:
        """Wait until a transfer is final, say so, and let its sender hear it."""
        heard = len(self.answers)
        for proposal in self._pick(self.sent, which):
            if proposal.message.id not in self.outcomes:
                now = self.bed.sites[self.bed.destination(proposal)].evm.time
                self.bed.wait(max(0, proposal.message.expiry - now))
            self._judge(proposal)
        for answer in self.answers[heard:]:
            self._try(lambda a=answer: self.bed.commit(a))  # type: ignore[misc]

    def approve(self, which: int, _quantity: int) -> None:
        for proposal in self._pick(self.held, which):
            self._try(lambda p=proposal: self.bed.approve(p))  # type: ignore[misc]

    def disturb(self, which: int, quantity: int) -> None:
        """Time, pauses, voids and generations: rarer than what people and relays do."""
        what, side = which % 6, tuple(ENDS)[quantity % 2]
        if what < 2:
            self.bed.wait((60, 3 * DAY)[what])
        elif what < 4:
            self._try(lambda: self.bed.pause(side, quantity % 4, is_inbound=what == 2))
        elif what == 4:
            for proposal in self._pick([p for p in self.sent if p.message.id not in self.outcomes], quantity):
                self._try(lambda p=proposal: self.bed.order_void(p))  # type: ignore[misc]
        else:
            self.generations[side] += 1
            self.bed.advance(side, self.generations[side])

    # -- the adversary, with signatures of a quorum --------------------------------------------------------------------

    def forge_more_than_was_sent(self, which: int, quantity: int) -> None:
        """The total is true; the quantity is beyond what is left of it."""
        for proposal in self._pick(self.sent, which):
            _, left, total = self._left(proposal)
            self._forge(proposal, max(left, 0) + quantity % 50 + 1, total)

    def forge_another_kind(self, which: int, quantity: int) -> None:
        """What is no transfer is not counted: it must not mint."""
        for proposal in self._pick(self.sent, which):
            self._forge(proposal, quantity, 2**100, kind=(Kind.NOTICE, Kind.CALL, Kind.ACKNOWLEDGEMENT)[which % 3])

    def steal(self, which: int, quantity: int) -> None:
        """Take the place of transfers that are on their way; not of what was given back."""
        for proposal in self._pick(self.sent, which):
            asset, left, total = self._left(proposal)
            if left > 0 and not any(Transfer.read(p.payload).asset == asset for p in self.came_back):
                self._forge(proposal, min(quantity, left), total)

    def acknowledge_twice(self, which: int, _quantity: int) -> None:
        """The same words once more, as a message of its own; and the value is asked for again."""
        for answer in self._pick(self.answers, which):
            self.forged += 1
            expiry = self.bed.sites[self.bed.destination(answer)].evm.time + DAY
            again = self.bed.forge(answer, answer.payload, sequence=10**6 + self.forged, expiry=expiry)
            self._try(lambda a=again: self.bed.commit(a))  # type: ignore[misc]
            for about in [p for p in self.came_back if p.message.id == answer.payload[:32]]:
                self._try(lambda p=about: self.bed.take_back(p, self.senders[p.message.id]))  # type: ignore[misc]

    # -- the law -------------------------------------------------------------------------------------------------------

    @invariant()
    def the_law_holds(self) -> None:
        for asset in self._assets():
            outstanding, backing = self.bed.law(asset)
            assert outstanding <= backing, f"{outstanding} out, {backing} locked"
            held = [int(self.bed.voucher.call("balances", asset, account)) for account in ACCOUNTS]
            assert sum(held) == outstanding

    @invariant()
    def the_vault_has_what_it_owes(self) -> None:
        _, backing = self.bed.law()
        owed = sum(int(self.bed.vault.call("owed", account, self.bed.asset)) for account in ACCOUNTS)
        assert int(self.bed.token.call("balanceOf", self.bed.vault.address)) == backing + owed

    # -- inside --------------------------------------------------------------------------------------------------------

    def _sent(self, proposal: Proposal | None, sender: bytes) -> None:
        if proposal is not None:
            self.sent.append(proposal)
            self.senders[proposal.message.id] = sender

    def _deliver(self, proposal: Proposal, act: Callable[[Proposal], Outcome]) -> None:
        done = self._try(lambda: act(proposal))
        for log in done.logs if done else ():
            if log.name == "MessageCommitted" and log.fields["executed"]:
                self.outcomes[proposal.message.id] = bytes(log.fields["outcome"])
            elif log.name == "MessageHeld" and proposal not in self.held:
                self.held.append(proposal)

    def _answered(self, proposal: Proposal, answer: Proposal) -> None:
        self.judged.add(proposal.message.id)
        self.answers.append(answer)

    def _books(self, asset: bytes) -> Books:
        """Both ends, as a notary reads them; what was promised to come back has come back."""
        locked, released = self.bed.vault.call("books", asset)
        minted, burned = self.bed.voucher.call("books", asset)
        moving = sum(
            Transfer.read(proposal.payload).quantity
            for proposal in self.sent
            if Transfer.read(proposal.payload).asset == asset and not self._is_over(proposal)
        )
        return Books(locked, released, minted, burned, moving)

    def _is_over(self, proposal: Proposal) -> bool:
        """Arrived, or taken back."""
        end = self.bed.ends[OTHER[self.bed.destination(proposal)]]
        return proposal.message.id in self.outcomes or end.call("deposit_state", proposal.message.id) == ENDED

    def _left(self, proposal: Proposal) -> tuple[bytes, int, int]:
        """Of the proposal's lane in its present generation: asset, units sent and not arrived, units sent."""
        destination = self.bed.destination(proposal)
        origin = OTHER[destination]
        lane, asset = proposal.message.lane, Transfer.read(proposal.payload).asset
        place = (lane, self.generations[origin], asset)
        total = int(self.bed.sites[origin].gateway.call("units_sent", *place))
        arrived = int(self.bed.sites[destination].gateway.call("units_received", *place)[0])
        return asset, total - arrived, total

    def _forge(self, proposal: Proposal, quantity: int, total: int, kind: Kind = Kind.TRANSFER) -> None:
        self.forged += 1
        payload = Transfer(Transfer.read(proposal.payload).asset, quantity, total, THIEF).encode()
        destination = self.bed.destination(proposal)
        said = self.bed.forge(
            proposal,
            payload,
            kind=kind,
            generation=self.generations[OTHER[destination]],
            sequence=10**6 + self.forged,
            expiry=self.bed.sites[destination].evm.time + DAY,
        )
        self._try(lambda: self.bed.commit(said))

    def _assets(self) -> tuple[bytes, ...]:
        return (self.bed.asset, *(self.bed.item(token_id) for token_id in ITEMS))

    @staticmethod
    def _pick(proposals: list[Proposal], which: int) -> list[Proposal]:
        """One of them, if there is one."""
        return [proposals[which % len(proposals)]] if proposals else []

    @staticmethod
    def _try(act: Callable[[], T]) -> T | None:
        """None when a contract said no, which is always allowed."""
        try:
            return act()
        except Reverted:
            return None
