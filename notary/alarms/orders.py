"""Who may change what: orders of the quorum after their delay, epochs one after another, certificates of those that
count, verdicts and barred members.

RULES_CHANGED, QUORUM_UNEXPECTED, EQUIVOCATION, VERDICT_DIFFERS. The contracts refuse all this themselves; here it is
seen when one of them is not what it was, or a quorum was taken over. Logs of one transaction are judged together: an
order is taken in the transaction that carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.attestation import DIFFERS, attestation_digest
from ledger.errors import Refused
from ledger.quorum import check_signatures, quorum
from notary.alarms.alarm import Label
from notary.alarms.facts import Fact, Place
from notary.alarms.floor import Floor, show, word_of
from notary.alarms.messages import limits_of

ORDER, EPOCH, CURRENT = "order", "epoch", "current"
MEMBER_PAUSE = 24 * 3600  # seconds, as `Administration.vy` has it
# What only an order of the quorum may do, whatever its fields.
_ORDERED = {
    ("Committee", "EpochStarted"),
    ("Administration", "PeerRegistered"),
    ("Administration", "ObserverRegistered"),
    ("Administration", "OutboundAdvanced"),
    ("Administration", "MessageVoided"),
    ("Administration", "Sealed"),
    ("LightClient", "HeadersCured"),
    ("CertifiedHeaders", "HeadersCured"),
}


def announced(floor: Floor, fact: Fact) -> None:
    """A quorum's order is known from now on; it is due after its delay."""
    fields = fact.fields
    floor.memory.put(ORDER, _order_key(fact), (fact.place.time, fields["due"], fields["epoch"]))


def judge_transaction(floor: Floor, facts: Sequence[Fact]) -> None:
    """What one transaction changed, and whether an order stood behind it."""
    if not floor.is_set_up(facts[0].place):
        return
    taken = {fact.contract for fact in facts if fact.name == "OrderTaken"}
    approved = {fact.contract for fact in facts if fact.name == "MessageApproved"}
    for fact in facts:
        if fact.name == "OrderTaken":
            if fact.contract not in approved:
                _judge_order(floor, fact)
        elif fact.contract not in taken and _needs_order(floor, fact):
            _unordered(floor, fact, "without an order of the quorum")


def epoch_started(floor: Floor, fact: Fact) -> None:
    """Another committee counts now, and the one before until its grace is over."""
    chain, number, now = fact.place.chain_id, fact.fields["epoch"], fact.place.time
    ending = floor.memory.get(EPOCH, _epoch_key(chain, number - 1)) if number > 0 else None
    if ending is not None:
        grace = floor.terms.manifest.rotation.grace
        floor.memory.put(EPOCH, _epoch_key(chain, number - 1), (ending[0], now + grace))
    members = [member[1] for member in fact.fields["members"]]
    floor.memory.put(EPOCH, _epoch_key(chain, number), (members, None))
    held = floor.memory.get(CURRENT, word_of(chain, 32))
    if held is not None and number != held[0] + 1:
        _unexpected(floor, fact.place, f"epoch {number}", f"epoch {number} follows epoch {held[0]}")
    floor.memory.put(CURRENT, word_of(chain, 32), (number,))


def signed_in_epoch(floor: Floor, fact: Fact) -> None:
    """A certificate or a verdict was taken as of an epoch: it must have been current, or within its grace."""
    members_of(floor, fact.place, fact.fields["epoch"])


def root_attested(floor: Floor, fact: Fact) -> None:
    """A certificate with its signatures: they are checked again, as anybody can."""
    fields = fact.fields
    members = members_of(floor, fact.place, fields["epoch"])
    end = floor.terms.manifest.ends.get(fields["destination_chain"])
    if members is None:
        return
    if end is None:
        _unexpected(floor, fact.place, show(fields["root"]), "a certificate for a chain outside the deployment")
        return
    digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=fields["root"], epoch=fields["epoch"])
    try:
        check_signatures(members, digest, fields["signatures"], needed=quorum(len(members)))
    except Refused as refused:
        what = f"a certificate was taken that no quorum of epoch {fields['epoch']} signed: {refused.what}"
        _unexpected(floor, fact.place, show(fields["root"]), what, signatures=fields["signatures"])


def members_of(floor: Floor, place: Place, epoch: int) -> list[bytes] | None:
    """The members of an epoch that counts where and when a log stands; an alarm and None for any other."""
    held = floor.memory.get(EPOCH, _epoch_key(place.chain_id, epoch))
    committee = floor.terms.manifest.committee
    if held is None and epoch == committee.epoch:
        held = (list(committee.members), None)
    if held is None:
        _unexpected(floor, place, f"epoch {epoch}", f"what an unknown epoch {epoch} signed was taken")
        return None
    if held[1] is not None and place.time >= held[1]:
        _unexpected(floor, place, f"epoch {epoch}", f"what epoch {epoch} signed was taken after its grace")
        return None
    members: list[bytes] = held[0]
    return members


def judged(floor: Floor, fact: Fact) -> None:
    """A verdict stands: *differs* is told at once."""
    signed_in_epoch(floor, fact)
    if fact.fields["verdict"] == DIFFERS:
        floor.alarm(
            Label.VERDICT_DIFFERS,
            f"verdict {show(fact.fields['id'])}",
            "notaries re-executed the blocks up to a commit and found another result",
            at=fact.place,
            evidence={
                "message": show(fact.fields["id"]),
                "commit_block": show(fact.fields["commit_block"]),
                "commit_transaction": show(fact.fields["commit_transaction"]),
                "signatures": show(fact.fields["signatures"]),
            },
        )


def barred(floor: Floor, fact: Fact) -> None:
    """A member attested two messages of one place; both roots and its signatures were handed in."""
    fields = fact.fields
    floor.alarm(
        Label.EQUIVOCATION,
        f"member {show(fields['signer'])}",
        "a member attested two different messages of one place",
        at=fact.place,
        where={"lane": show(fields["lane"]), "generation": fields["generation"], "sequence": fields["sequence"]},
        evidence={
            "signer": show(fields["signer"]),
            "first_root": show(fields["first_root"]),
            "second_root": show(fields["second_root"]),
        },
    )


def _needs_order(floor: Floor, fact: Fact) -> bool:
    if (fact.contract, fact.name) in _ORDERED:
        return True
    fields = fact.fields
    if fact.contract == "Administration":
        if fact.name == "LaneOpened":
            return bool(fields["generation"] != 1)
        if fact.name == "LaneLimited":
            return _is_higher(floor, fact)
        if fact.name == "LanePaused":
            return bool(fields["until"] != fact.place.time + MEMBER_PAUSE)
    # An order leaves no signatures beside the verdict it decides.
    return (fact.contract, fact.name) == ("TransactionRegistry", "CommitJudged") and not fields["signatures"]


def _is_higher(floor: Floor, fact: Fact) -> bool:
    """An owner sets a lane's first limits, and later only lower ones over the same window."""
    before, fields = limits_of(floor, fact.fields["lane"]), fact.fields
    if before is None:
        return False
    return bool(fields["per_message"] > before[0] or fields["per_window"] > before[1] or fields["window"] != before[2])


def _judge_order(floor: Floor, fact: Fact) -> None:
    held = floor.memory.get(ORDER, _order_key(fact))
    if held is None:
        _unordered(floor, fact, "by an order that was never announced")
        return
    announced_at, due, epoch = held
    floor.memory.drop(ORDER, _order_key(fact))
    if fact.place.time < due or due - announced_at < floor.terms.manifest.rotation.delay:
        _unordered(floor, fact, f"{fact.place.time - announced_at} seconds after its order was announced")
    elif epoch != fact.fields["epoch"]:
        _unordered(floor, fact, f"by an order of epoch {epoch}, taken as one of epoch {fact.fields['epoch']}")


def _unordered(floor: Floor, fact: Fact, why: str) -> None:
    named = {name: _shown(value) for name, value in fact.fields.items()}
    floor.alarm(
        Label.RULES_CHANGED,
        f"{fact.contract}.{fact.name} {fact.place.chain_id} {fact.place.order}",
        f"{fact.contract} changed its rules ({fact.name}) {why}",
        at=fact.place,
        evidence={"log": f"{fact.contract}.{fact.name}", "fields": dict(named)},
    )


def _unexpected(floor: Floor, place: Place, subject: str, what: str, *, signatures: bytes = b"") -> None:
    evidence = {"signatures": show(signatures)} if signatures else {}
    floor.alarm(Label.QUORUM_UNEXPECTED, f"{subject} {place.chain_id} {place.order}", what, at=place, evidence=evidence)


def _order_key(fact: Fact) -> bytes:
    named = fact.fields["action"] + fact.fields["salt"]
    return word_of(fact.place.chain_id, 32) + bytes(named) + fact.contract.encode()


def _epoch_key(chain: int, epoch: int) -> bytes:
    return word_of(chain, 32) + word_of(epoch)


def _shown(value: object) -> str:
    return show(value) if isinstance(value, bytes) else str(value)[:200]
