"""What somebody does to a deployment, one deed for each way in which bridges were robbed or watches slept (K08).

Each is done to a `Traffic`, and says which labels it deserves, all of them and no others; and how many seconds go by
before it is an anomaly at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from ledger.attestation import DIFFERS, SAME
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.errors import Unavailable
from ledger.proposal import Kind
from ledger.secp256k1 import SigningKey
from notary.alarms.alarm import Label
from notary.alarms.facts import Doubt
from tests.notary.alarms.model import DELAY, GRACE, LOG_SIGNER, Said
from tests.notary.alarms.traffic import ASSET, DESTINATION, ORIGIN, TRANSACTION, Sending, Traffic

SILENCE = 300  # seconds for which a message may wait here
Deed = Callable[[Traffic], None]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What is done, what it deserves, and how long it takes to become one (seconds)."""

    do: Deed
    labels: frozenset[Label]
    after: int = 0


def _forged_notice(traffic: Traffic) -> Sending:
    """A message between two ends that exchange messages, which nobody sent."""
    return traffic.make(
        ORIGIN,
        "AnchorRegistry",
        DESTINATION,
        "AnchorMirror",
        kind=Kind.NOTICE,
        sequence=10**6 + traffic.now,
        payload=b"forged %d" % traffic.now,
    )


def commit_of_nothing(traffic: Traffic) -> None:
    traffic.commit(_forged_notice(traffic))


def certificate_of_nothing(traffic: Traffic) -> None:
    """A quorum signs what nobody sent, and nobody commits it yet."""
    traffic.chains[TRANSACTION].send(*traffic.certificate([_forged_notice(traffic).id], DESTINATION))


def mint_of_nothing(traffic: Traffic) -> None:
    """Ronin, Nomad: a commit that mints, for a transfer that never left."""
    forged = traffic.make(
        ORIGIN, "Vault", DESTINATION, "Voucher", kind=Kind.TRANSFER, quantity=7, sequence=10**6 + traffic.now
    )
    _mint(traffic, forged, 7)


def executed_twice(traffic: Traffic) -> None:
    def twice(sending: Sending) -> None:
        traffic.commit(sending, then=lambda: traffic.commit(sending))

    traffic.send(ORIGIN, "AnchorRegistry", DESTINATION, "AnchorMirror", kind=Kind.NOTICE, then=twice)


def one_place_twice(traffic: Traffic) -> None:
    """An origin that gives one sequence to two messages, and a destination that takes both."""
    place = traffic.notice().proposal.message.sequence
    traffic.send(
        ORIGIN,
        "AnchorRegistry",
        DESTINATION,
        "AnchorMirror",
        kind=Kind.NOTICE,
        sequence=place,
        payload=b"another",
        then=traffic.commit,
    )


def minted_over_locked(traffic: Traffic) -> None:
    """Verus: everything is proven, and more arrives than left."""
    traffic.send(
        ORIGIN,
        "Vault",
        DESTINATION,
        "Voucher",
        kind=Kind.TRANSFER,
        quantity=5,
        then=lambda sending: _mint(traffic, sending, 5_000),
    )


def released_twice(traffic: Traffic) -> None:
    """A transfer that arrived is given back to its sender as well."""

    def both(sending: Sending) -> None:
        _mint(traffic, sending, 5)
        traffic.chains[ORIGIN].send(Said("Vault", "ValueReturned", _value(sending, 5)))

    traffic.send(ORIGIN, "Vault", DESTINATION, "Voucher", kind=Kind.TRANSFER, quantity=5, then=both)


def books_rewritten(traffic: Traffic) -> None:
    """A slot of the vault is changed by no transaction."""
    traffic.chains[ORIGIN].stolen["Vault", ASSET] = 10**6
    traffic.transfer(ORIGIN, fate="done")


def code_swapped(traffic: Traffic) -> None:
    traffic.chains[DESTINATION].code["Gateway"] = hashlib.sha256(b"another").digest()


def storage_rewritten(traffic: Traffic) -> None:
    traffic.chains[DESTINATION].rewrites["Administration"] = hashlib.sha256(b"%d" % traffic.now).digest()


def member_contradicts_itself(traffic: Traffic) -> None:
    fields = {"signer": b"\x51" * 20, "lane": bytes(32), "generation": 1, "sequence": 7}
    roots = {"first_root": b"\x01" * 32, "second_root": b"\x02" * 32}
    traffic.chains[TRANSACTION].send(Said("Committee", "MemberBarred", fields | roots))


def certificate_of_strangers(traffic: Traffic) -> None:
    keys = [SigningKey.from_secret(bytes([0x71 + index]) * 32) for index in range(3)]

    def record(sending: Sending) -> None:
        traffic.chains[TRANSACTION].send(*traffic.certificate([sending.id], DESTINATION, keys=keys))
        traffic.commit(sending)

    traffic.send(ORIGIN, "AnchorRegistry", DESTINATION, "AnchorMirror", kind=Kind.NOTICE, then=record)


def verdict_of_an_unknown_epoch(traffic: Traffic) -> None:
    traffic.chains[TRANSACTION].send(traffic.verdict_log(b"\x0e" * 32, SAME, epoch=99))


def verdict_after_grace(traffic: Traffic) -> None:
    """A committee that was rotated out, whose keys somebody has now."""
    before = traffic.epoch(TRANSACTION)
    traffic.rotate()
    traffic.at(
        DELAY + GRACE + 60,
        lambda: traffic.chains[TRANSACTION].send(traffic.verdict_log(b"\x0e" * 32, SAME, epoch=before)),
    )


def committee_replaced(traffic: Traffic) -> None:
    """Harmony, Multichain: other members, and nobody ordered it."""
    keys = tuple(SigningKey.from_secret(bytes([0x81 + index]) * 32) for index in range(4))
    traffic.chains[DESTINATION].send(traffic.epoch_log(traffic.epoch(DESTINATION) + 1, keys))


def order_before_its_delay(traffic: Traffic) -> None:
    peer = {"chain_id": 99, "genesis": bytes(32), "gateway": bytes(20)}
    traffic.order(DESTINATION, [Said("Administration", "PeerRegistered", peer)], wait=30)


def order_never_announced(traffic: Traffic) -> None:
    named = {"action": b"\x0b" * 32, "salt": traffic.now.to_bytes(32, "big"), "epoch": traffic.epoch(ORIGIN)}
    observer = {"chain_id": 7102, "policy": 3, "observer": bytes(20)}
    traffic.chains[ORIGIN].send(
        Said("Administration", "OrderTaken", named), Said("Administration", "ObserverRegistered", observer)
    )


def limits_raised_by_one(traffic: Traffic) -> None:
    raised = {"lane": traffic.lane(ORIGIN), "per_message": 10**9, "per_window": 10**13, "window": 3_600}
    traffic.chains[ORIGIN].send(Said("Administration", "LaneLimited", raised))


def commit_disputed(traffic: Traffic) -> None:
    traffic.chains[TRANSACTION].send(traffic.verdict_log(traffic.now.to_bytes(32, "big"), DIFFERS))


def notary_finds_a_difference(traffic: Traffic) -> None:
    named, word = next(iter(traffic.notaries.words.items()))
    traffic.notaries.words[named] = replace(word, differs={"eip155:7102": "block 12: state root"})


def log_signs_two_states(traffic: Traffic) -> None:
    notes = [
        sign_checkpoint(Checkpoint(LOG_SIGNER.name, 900, hashlib.sha256(bytes([each])).digest()), LOG_SIGNER)
        for each in range(2)
    ]
    named, word = next(iter(traffic.notaries.words.items()))
    traffic.notaries.words[named] = replace(word, doubts=(Doubt(*notes),))


def log_shrinks(traffic: Traffic) -> None:
    traffic.anchor()
    traffic.at(
        5, lambda: traffic.chains[ORIGIN].send(Said("AnchorRegistry", "Anchored", {"size": 1, "root": b"\x0d" * 32}))
    )


def anchor_without_cosignatures(traffic: Traffic) -> None:
    traffic.log_size += 10**6
    anchored = {"size": traffic.log_size, "root": traffic.now.to_bytes(32, "big")}
    traffic.chains[ORIGIN].send(Said("AnchorRegistry", "Anchored", anchored))


def paused_lane_carries(traffic: Traffic) -> None:
    """Poly: the lane is paused, and something passes all the same."""
    sending = traffic.make(DESTINATION, "PledgeRegistry", TRANSACTION, "GoodsRegistry", kind=Kind.NOTICE)
    named = {"lane": sending.proposal.message.lane, "is_inbound": True}
    day = Said("Administration", "LanePaused", lambda time: named | {"until": time + 24 * 3_600})
    sent = Said("Gateway", "MessageSent", {"sendId": sending.id}, sending.proposal)
    later = lambda: traffic.at(10, lambda: traffic.commit(sending))  # noqa: E731
    traffic.chains[TRANSACTION].send(day)
    traffic.chains[DESTINATION].send(sent, then=later)


def frozen_receipt_moves(traffic: Traffic) -> None:
    receipt = traffic.loan(ends=False)
    moved = {"receipt_id": receipt, "holder": b"\x0e" * 20}
    traffic.at(5, lambda: traffic.chains[ORIGIN].send(Said("WarehouseReceipt", "ReceiptTransferred", moved)))


def lane_starved(traffic: Traffic) -> None:
    """Nobody carries what waits: the relays are down, or the committee is."""
    traffic.send(DESTINATION, "PledgeRegistry", ORIGIN, "WarehouseReceipt", kind=Kind.CALL, then=lambda _sending: None)


def transfer_held(traffic: Traffic) -> None:
    def hold(sending: Sending) -> None:
        message = sending.proposal.message
        held = {"id": sending.id, "lane": message.lane, "generation": 1, "sequence": message.sequence}
        traffic.chains[DESTINATION].send(Said("Gateway", "MessageHeld", held))

    traffic.send(ORIGIN, "Vault", DESTINATION, "Voucher", kind=Kind.TRANSFER, quantity=9, then=hold)


def window_spent(traffic: Traffic) -> None:
    """Withdrawals far above the usual pace, each of them legal."""
    lowered = {"lane": traffic.lane(DESTINATION), "per_message": 50, "per_window": 60, "window": 3_600}
    traffic.chains[DESTINATION].send(Said("Administration", "LaneLimited", lowered))
    traffic.at(5, partial(_transfer, traffic, 49))


def final_block_rewritten(traffic: Traffic) -> None:
    traffic.chains[DESTINATION].reorganise(6)


def chain_stands_still(traffic: Traffic) -> None:
    traffic.chains[TRANSACTION].is_still = True


def nodes_disagree(traffic: Traffic) -> None:
    traffic.chains[ORIGIN].faults += [Unavailable("NODES_DISAGREE", "two heads")] * 400


def chain_is_out_of_sight(traffic: Traffic) -> None:
    traffic.chains[DESTINATION].faults += [Unavailable("NODE_UNREACHABLE", "nobody answers")] * 400


def notaries_are_out_of_sight(traffic: Traffic) -> None:
    for named in list(traffic.notaries.words)[:2]:
        del traffic.notaries.words[named]


def _transfer(traffic: Traffic, quantity: int) -> None:
    traffic.transfer(ORIGIN, quantity=quantity, fate="done")


def _mint(traffic: Traffic, sending: Sending, quantity: int) -> None:
    traffic.commit(sending, Said("Voucher", "VoucherMinted", _value(sending, quantity)))


def _value(sending: Sending, quantity: int) -> dict[str, object]:
    return {"id": sending.id, "asset": ASSET, "account": b"\xac" * 20, "quantity": quantity}


def _deserves(do: Deed, *labels: Label, after: int = 0) -> Anomaly:
    return Anomaly(do, frozenset(labels), after)


ANOMALIES: Mapping[str, Anomaly] = {
    each.do.__name__: each
    for each in (
        _deserves(commit_of_nothing, Label.PROPOSAL_MISSING),
        _deserves(certificate_of_nothing, Label.PROPOSAL_MISSING),
        _deserves(mint_of_nothing, Label.PROPOSAL_MISSING, Label.VALUE_UNBACKED),
        _deserves(executed_twice, Label.COMMIT_REPEATED, after=10),
        _deserves(one_place_twice, Label.COMMIT_REPEATED, after=10),
        _deserves(minted_over_locked, Label.VALUE_UNBACKED, after=5),
        _deserves(released_twice, Label.VALUE_UNBACKED, after=5),
        _deserves(books_rewritten, Label.STATE_REWRITTEN),
        _deserves(code_swapped, Label.STATE_REWRITTEN),
        _deserves(storage_rewritten, Label.STATE_REWRITTEN),
        _deserves(member_contradicts_itself, Label.EQUIVOCATION),
        _deserves(certificate_of_strangers, Label.QUORUM_UNEXPECTED, after=5),
        _deserves(verdict_of_an_unknown_epoch, Label.QUORUM_UNEXPECTED),
        _deserves(verdict_after_grace, Label.QUORUM_UNEXPECTED, after=DELAY + GRACE + 60),
        _deserves(committee_replaced, Label.RULES_CHANGED),
        _deserves(order_before_its_delay, Label.RULES_CHANGED, after=40),
        _deserves(order_never_announced, Label.RULES_CHANGED),
        _deserves(limits_raised_by_one, Label.RULES_CHANGED),
        _deserves(commit_disputed, Label.VERDICT_DIFFERS),
        _deserves(notary_finds_a_difference, Label.VERDICT_DIFFERS),
        _deserves(log_signs_two_states, Label.LOG_FORKED),
        _deserves(log_shrinks, Label.LOG_FORKED, after=5),
        _deserves(anchor_without_cosignatures, Label.ANCHOR_UNCOSIGNED),
        _deserves(paused_lane_carries, Label.FREEZE_IGNORED, after=15),
        _deserves(frozen_receipt_moves, Label.FREEZE_IGNORED, after=5),
        _deserves(lane_starved, Label.LANE_SILENT, after=SILENCE),
        _deserves(transfer_held, Label.CAP_NEARLY_SPENT, after=5),
        _deserves(window_spent, Label.CAP_NEARLY_SPENT, after=10),
        _deserves(final_block_rewritten, Label.CHAIN_REWRITTEN),
        _deserves(chain_stands_still, Label.CHAIN_STALLED, after=120),
        _deserves(nodes_disagree, Label.NODES_DISAGREE),
        _deserves(chain_is_out_of_sight, Label.SIGHT_LOST, after=30),
        _deserves(notaries_are_out_of_sight, Label.SIGHT_LOST, after=30),
    )
}
