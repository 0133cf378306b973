"""Facts in, alarms out: which log is whose to judge, in which order, and what is judged by waiting. Pure.

    rules = Rules(Terms(manifest), memory)
    rules.begin(now); rules.take(block); rules.wait_over(words, asked_at); rules.alarms

The same blocks in the same order, chain by chain, give the same alarms; how the chains' blocks are mixed does not
matter but for what waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from notary.alarms import messages, orders, titles, value
from notary.alarms.alarm import Alarm, Label, Severity
from notary.alarms.facts import Fact, SeenBlock, Standing, Word
from notary.alarms.floor import Floor, Records, Terms, show, word_of

Rule = Callable[[Floor, Fact], None]
STATE, STIRRED = "state", "stirred"
DELIVERED = "(delivered)"

# By contract and log. What stands first is asked first.
RULES: Mapping[tuple[str, str], tuple[Rule, ...]] = {
    ("Gateway", "MessageSent"): (messages.sent,),
    ("Gateway", "MessageCommitted"): (messages.committed,),
    ("Gateway", "MessageHeld"): (messages.held_back,),
    ("Gateway", "MessageVoided"): (messages.voided,),
    ("Gateway", "RootCertified"): (orders.signed_in_epoch,),
    ("Administration", "LanePaused"): (messages.paused,),
    ("Administration", "LaneLimited"): (messages.limited,),
    ("Committee", "EpochStarted"): (orders.epoch_started,),
    ("Committee", "MemberBarred"): (orders.barred,),
    ("TransactionRegistry", "Attested"): (messages.attested,),
    ("TransactionRegistry", "RootAttested"): (orders.root_attested,),
    ("TransactionRegistry", "CommitJudged"): (orders.judged,),
    ("Vault", "ValueSent"): (value.left,),
    ("Voucher", "ValueSent"): (value.left,),
    ("Vault", "ValueReleased"): (value.arrived,),
    ("Voucher", "VoucherMinted"): (value.arrived,),
    ("Vault", "ValueReturned"): (value.returned,),
    ("Voucher", "ValueReturned"): (value.returned,),
    ("WarehouseReceipt", "ReceiptFrozen"): (titles.frozen,),
    ("WarehouseReceipt", "ReceiptHeld"): (titles.frozen,),
    ("WarehouseReceipt", "ReceiptReleased"): (titles.freed,),
    ("WarehouseReceipt", "ReceiptEnforced"): (titles.freed,),
    ("WarehouseReceipt", "ReceiptDelivered"): (titles.freed,),
    ("WarehouseReceipt", "ReceiptLetGo"): (titles.freed,),
    ("WarehouseReceipt", "ReceiptTransferred"): (titles.moved,),
    ("WarehouseReceipt", "ReceiptRedeemed"): (titles.moved,),
    ("WarehouseReceipt", "ReceiptSplit"): (titles.moved,),
    ("WarehouseReceipt", "ReceiptsMerged"): (titles.moved,),
    ("AnchorRegistry", "Anchored"): (titles.anchored,),
    ("AnchorMirror", "AnchorMirrored"): (titles.mirrored,),
}
# Judged with the rest of their transaction, because they may need an order of the quorum, or are one.
# Every change of what these hold is told by a log of their own. Of the others, a message that is delivered may change a
# counter silently.
_TELL_ALL = frozenset(
    {
        "Administration",
        "AnchorMirror",
        "AnchorRegistry",
        "Committee",
        "Gateway",
        "TransactionRegistry",
        "Vault",
        "Voucher",
    }
)
_OF_ORDERS = frozenset({"Administration", "Committee", "LightClient", "CertifiedHeaders"})


class Rules:
    """The rules over one memory. One thread's."""

    def __init__(self, terms: Terms, memory: Records) -> None:
        self._floor = Floor(terms, memory)

    @property
    def alarms(self) -> list[Alarm]:
        """What was raised since `begin`."""
        return self._floor.alarms

    def begin(self, now: int) -> None:
        """A step begins, at a second of the watch's clock."""
        self._floor.now, self._floor.alarms = now, []

    def stands(self, chain_id: int, caip2: str, standing: Standing) -> None:
        """Where a chain is now: alarmed where its newest block is too old, or too far ahead."""
        floor = self._floor
        floor.times[chain_id] = max(standing.time, floor.times.get(chain_id, 0))
        apart = abs(floor.now - standing.time)
        if apart > floor.terms.stalled:
            floor.alarm(
                Label.CHAIN_STALLED,
                f"chain {caip2} {standing.final} {standing.time}",
                f"the newest block that counts is {apart} seconds away from this machine's clock",
                since=standing.time,
                where={"chain": caip2, "block": standing.final},
            )

    def take(self, block: SeenBlock) -> None:
        """Judge a block, after the one before it: a final one, or one whose judgement is forgotten again."""
        floor = self._floor
        for _, facts in groupby(block.facts, key=lambda fact: fact.place.transaction):
            together = list(facts)
            if any(_may_need_order(fact) for fact in together):
                for fact in _announced(together):
                    orders.announced(floor, fact)
                orders.judge_transaction(floor, together)
            for fact in together:
                for rule in RULES.get((fact.contract, fact.name), ()):
                    rule(floor, fact)
        for name in {each for fact in block.facts for each in _stirs(fact)}:
            floor.memory.put(STIRRED, word_of(block.chain_id, 32) + name.encode(), (block.number,))

    def wait_over(self, words: Sequence[Word], asked_at: int) -> None:
        """Judge what waited. Only once every chain was read up to where it is. `words`: what notaries said last, at
        `asked_at` (seconds of the watch's clock)."""
        messages.wait_over(self._floor)
        value.wait_over(self._floor)
        if words:
            titles.cosigned(self._floor, words, asked_at)

    def foresee(self) -> list[Alarm]:
        """What these blocks would be told for, were they final, and their patience over: only what is critical."""
        self._floor.now += self._floor.terms.patience
        messages.wait_over(self._floor)
        value.wait_over(self._floor)
        return [alarm for alarm in self.alarms if alarm.severity is Severity.CRITICAL]

    def heard(self, words: Sequence[Word]) -> None:
        """Judge what notaries say of the log and of the chains."""
        titles.doubted(self._floor, words)
        titles.differing(self._floor, words)

    def state(self, chain_id: int, caip2: str, block: int, found: Mapping[str, tuple[bytes, bytes]]) -> None:
        """Compare the contracts (code hash and storage root by name, proven after a block) with what they were.

        Code never changes; storage does only in blocks with a log that tells of it.
        """
        floor = self._floor
        delivered = floor.memory.get(STIRRED, word_of(chain_id, 32) + DELIVERED.encode())
        for name, (code, storage) in found.items():
            key = word_of(chain_id, 32) + name.encode()
            held = floor.memory.get(STATE, key)
            if held is not None:
                stirs = [floor.memory.get(STIRRED, key), None if name in _TELL_ALL else delivered]
                is_quiet = all(each is None or each[0] <= held[2] for each in stirs)
                what = "its code" if code != held[0] else "its storage, and no log tells of it"
                if code != held[0] or (storage != held[1] and is_quiet):
                    floor.alarm(
                        Label.STATE_REWRITTEN,
                        f"state {caip2} {name} {show(code)} {show(storage)}",
                        f"{name} changed {what}, between blocks {held[2]} and {block}",
                        where={"chain": caip2, "block": block, "contract": name},
                        evidence={
                            "code_hash": {"before": show(held[0]), "after": show(code)},
                            "storage_root": {"before": show(held[1]), "after": show(storage)},
                        },
                    )
            if held is None or held != (code, storage, block):
                floor.memory.put(STATE, key, (code, storage, block))

    def books(self, chain_id: int, caip2: str, block: int, found: Mapping[tuple[str, bytes], tuple[int, int]]) -> None:
        """Compare the books of the ends of value (two totals by end and asset, proven after a block) with the logs."""
        for (end, asset), totals in found.items():
            held = self._floor.memory.get(value.BOOKS, value.books_key(chain_id, end, asset))
            apart = None if held is None else (totals[0] - held[0], totals[1] - held[1])
            if held is not None and apart is not None and any(apart):
                self._floor.alarm(
                    Label.STATE_REWRITTEN,
                    f"books {caip2} {end} {show(asset)} {apart[0]} {apart[1]}",
                    f"the books of the {end.lower()} are not what its logs add up to",
                    where={"chain": caip2, "block": block, "contract": end},
                    evidence={
                        "asset": show(asset),
                        "logs": [str(each) for each in held],
                        "state": [str(each) for each in totals],
                    },
                )

    def rewritten(self, caip2: str, number: int, known: bytes) -> None:
        """A block that was final is another one now."""
        self._floor.alarm(
            Label.CHAIN_REWRITTEN,
            f"chain {caip2} {number} {show(known)}",
            f"block {number} was final and is now another one",
            where={"chain": caip2, "block": number},
            evidence={"block_hash": show(known)},
        )

    def blind(self, subject: str, since: int, code: str, what: str, *, is_lie: bool) -> None:
        """Something could not be read for a while. `is_lie`: there were answers, that do not hold together."""
        self._floor.alarm(
            Label.NODES_DISAGREE if is_lie else Label.SIGHT_LOST,
            f"{subject} {code} {since}",
            what,
            since=since,
            where={"of": subject},
            evidence={"code": code},
        )


def _may_need_order(fact: Fact) -> bool:
    return (
        fact.contract in _OF_ORDERS
        or fact.name in ("OrderTaken", "OrderAnnounced")
        or (fact.name == "CommitJudged" and not fact.fields["signatures"])
    )


def _stirs(fact: Fact) -> Iterator[str]:
    """Whose storage a log tells of; what is delivered may be any application's."""
    yield fact.contract
    if fact.contract in ("Administration", "Committee"):
        yield "Gateway"
    if fact.contract == "Gateway":
        yield DELIVERED


def _announced(facts: Sequence[Fact]) -> Iterator[Fact]:
    return (fact for fact in facts if fact.name == "OrderAnnounced")
