"""The life of a message as logs tell it: sent once, committed once, in its place, on a lane that is neither paused nor
silent nor nearly spent. Pure but for what it remembers.

PROPOSAL_MISSING, COMMIT_REPEATED, FREEZE_IGNORED (pauses), LANE_SILENT, CAP_NEARLY_SPENT. A destination may be seen
before its origin, whose node is a little behind: what lacks its counterpart is a suspicion first, and an alarm only
once its patience is over and every chain was read up to where it is.
May never happen here: an executed message that is forgotten, so that a second execution passes for a first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ledger.conservation import Transfer, Window
from ledger.errors import BadInput
from ledger.proposal import Kind, Proposal
from notary.alarms.alarm import Label
from notary.alarms.facts import Fact, Place
from notary.alarms.floor import MAX_DUE, Floor, Record, as_place, as_record, show, word_of

MESSAGE, SUSPECT, USED, TAKEN, PAUSES, ALIVE, WINDOW, LIMITS = (
    "message",
    "suspect",
    "used",
    "taken",
    "pauses",
    "alive",
    "window",
    "limits",
)
COMMIT, ATTESTED = b"\x01", b"\x02"
MAX_PAUSES = 8  # of one direction of a lane that are remembered


class Sent(NamedTuple):
    """What an origin said of a message; `expiry` in seconds, `quantity` in smallest units, 0 for no transfer."""

    place: tuple[Any, ...]
    destination: int
    lane: bytes
    generation: int
    sequence: int
    kind: int
    expiry: int
    quantity: int


def sent(floor: Floor, fact: Fact) -> None:
    """A message left its origin."""
    assert fact.proposal is not None
    message, identity = fact.proposal.message, fact.fields["sendId"]
    said = Sent(
        as_record(fact.place),
        message.destination.chain_id,
        message.lane,
        message.generation,
        message.sequence,
        message.kind,
        message.expiry,
        _quantity(fact.proposal),
    )
    _look_for_pause(floor, said, fact.place, is_inbound=False, identity=identity)
    held = floor.memory.get(MESSAGE, identity)
    for stage in (COMMIT, ATTESTED):
        if floor.memory.get(SUSPECT, identity + stage) is not None:
            floor.memory.drop(SUSPECT, identity + stage)
    if held is None:
        due = min(fact.place.time + floor.terms.silence, message.expiry)
        floor.memory.put(MESSAGE, identity, (said, None), due=due)
    elif len(held) == 2 and held[0] is None:
        _arrive(floor, identity, said, held[1])


def committed(floor: Floor, fact: Fact) -> None:
    """A destination executed a message, or tried to."""
    _came(floor, fact, is_executed=bool(fact.fields["executed"]))


def held_back(floor: Floor, fact: Fact) -> None:
    """A destination took a transfer in and holds it, since it is beyond the lane's limits."""
    floor.alarm(
        Label.CAP_NEARLY_SPENT,
        f"held {show(fact.fields['id'])}",
        "a transfer beyond its lane's limits is held",
        at=fact.place,
        where={"lane": show(fact.fields["lane"]), "sequence": fact.fields["sequence"]},
        evidence={"message": show(fact.fields["id"])},
    )
    _came(floor, fact, is_executed=False)


def voided(floor: Floor, fact: Fact) -> None:
    """A destination's quorum used a message up; whether it might, is asked where orders are."""
    identity, fields = fact.fields["id"], fact.fields
    _take_place(floor, identity, fields["lane"], fields["generation"], fields["sequence"], fact.place)
    floor.memory.put(MESSAGE, identity, (as_record(fact.place),))


def attested(floor: Floor, fact: Fact) -> None:
    """A certificate over a message stands on the transaction chain."""
    identity = fact.fields["id"]
    if floor.memory.get(MESSAGE, identity) is None:
        _suspect(floor, identity + ATTESTED, fact.place)


def paused(floor: Floor, fact: Fact) -> None:
    """A direction of a lane is paused, or its pause lifted."""
    key = _pause_key(fact.fields["lane"], is_inbound=fact.fields["is_inbound"])
    before = floor.memory.get(PAUSES, key)
    known = [] if before is None else list(before[0])
    floor.memory.put(PAUSES, key, ([*known, [*fact.place.order, fact.fields["until"], fact.place.time]][-MAX_PAUSES:],))


def limited(floor: Floor, fact: Fact) -> None:
    """A lane's limits were set."""
    fields = fact.fields
    floor.memory.put(LIMITS, fields["lane"], (fields["per_message"], fields["per_window"], fields["window"]))


def limits_of(floor: Floor, lane: bytes) -> tuple[int, int, int] | None:
    """Units a message, units a window, seconds of the window, as they are now; None while none were set."""
    held = floor.memory.get(LIMITS, lane)
    if held is not None:
        return held[0], held[1], held[2]
    stated = floor.terms.limits.get(lane)
    return None if stated is None else (stated.per_message, stated.per_window, stated.window)


def wait_over(floor: Floor) -> None:
    """Judge what waited long enough. Only to be asked once every chain was read up to where it is."""
    for key, record in floor.memory.due(SUSPECT, floor.now, MAX_DUE):
        floor.memory.drop(SUSPECT, key)
        _accuse(floor, key[:32], as_place(record[0]), is_commit=key[32:] == COMMIT)
    for identity, record in floor.memory.due(MESSAGE, floor.now, MAX_DUE):
        _still_waiting(floor, identity, record)


# -- inside ----------------------------------------------------------------------------------------------------------


def _came(floor: Floor, fact: Fact, *, is_executed: bool) -> None:
    identity, place = fact.fields["id"], fact.place
    arrival = (*as_record(place), is_executed)
    held = floor.memory.get(MESSAGE, identity)
    if held is None:
        floor.memory.put(MESSAGE, identity, (None, arrival))
        _suspect(floor, identity + COMMIT, place)
    elif len(held) == 1:
        _repeated(floor, identity, place, as_place(held[0]), "it was over: executed, voided or expired")
    elif held[1] is None:
        _arrive(floor, identity, Sent(*held[0]), arrival)
    elif held[1][-1]:
        _repeated(floor, identity, place, as_place(held[1][:-1]), "it was executed before")
    else:
        said = None if held[0] is None else Sent(*held[0])
        if said is not None:
            _look_for_pause(floor, said, place, is_inbound=True, identity=identity)
        is_over = is_executed and said is not None
        floor.memory.put(MESSAGE, identity, (as_record(place),) if is_over else (held[0], arrival))


def _arrive(floor: Floor, identity: bytes, said: Sent, arrival: tuple[Any, ...] | list[Any]) -> None:
    """Origin and destination are both known now."""
    place, is_executed = as_place(arrival[:-1]), arrival[-1]
    if place.chain_id != said.destination:
        _accuse(floor, identity, place, is_commit=True, elsewhere=as_place(said.place))
    _take_place(floor, identity, said.lane, said.generation, said.sequence, place)
    _look_for_pause(floor, said, place, is_inbound=True, identity=identity)
    if said.quantity:
        _count(floor, said, place)
    floor.memory.put(ALIVE, said.lane, (place.time, False))
    floor.memory.put(MESSAGE, identity, (as_record(place),) if is_executed else (said, tuple(arrival)))


def _suspect(floor: Floor, key: bytes, place: Place) -> None:
    floor.memory.put(SUSPECT, key, (as_record(place),), due=floor.now + floor.terms.patience)


def _accuse(floor: Floor, identity: bytes, place: Place, *, is_commit: bool, elsewhere: Place | None = None) -> None:
    deed = "a destination committed" if is_commit else "a quorum attested"
    lacks = "what no origin holds in a final block" if elsewhere is None else "what was sent to another chain"
    floor.alarm(
        Label.PROPOSAL_MISSING,
        f"{'commit' if is_commit else 'certificate'} {show(identity)}",
        f"{deed} {lacks}",
        at=place,
        evidence={
            "message": show(identity),
            "read_to": {f"eip155:{chain}": time for chain, time in sorted(floor.times.items())},
            **({} if elsewhere is None else {"sent": elsewhere.as_json()}),
        },
    )


def _repeated(floor: Floor, identity: bytes, place: Place, first: Place, why: str) -> None:
    floor.alarm(
        Label.COMMIT_REPEATED,
        f"message {show(identity)} {place.order}",
        f"a message was committed again: {why}",
        at=place,
        evidence={"message": show(identity), "first": first.as_json()},
    )


def _take_place(floor: Floor, identity: bytes, lane: bytes, generation: int, sequence: int, place: Place) -> None:
    """A sequence of a lane's generation is used: below a mark all are, above it they are remembered one by one."""
    lane_key = lane + word_of(generation, 4)
    held = floor.memory.get(USED, lane_key)
    mark = 0 if held is None else held[0]
    taken = floor.memory.get(TAKEN, lane_key + word_of(sequence))
    if taken is not None and taken[0] == identity:
        return
    if sequence < mark or taken is not None:
        floor.alarm(
            Label.COMMIT_REPEATED,
            f"place {show(lane)} {generation} {sequence} {show(identity)}",
            "two messages were committed in one place of a lane",
            at=place,
            where={"lane": show(lane), "generation": generation, "sequence": sequence},
            evidence={"message": show(identity), "first": None if taken is None else show(taken[0])},
        )
        return
    if sequence > mark:
        floor.memory.put(TAKEN, lane_key + word_of(sequence), (identity,))
        return
    mark += 1
    while floor.memory.get(TAKEN, lane_key + word_of(mark)) is not None:
        floor.memory.drop(TAKEN, lane_key + word_of(mark))
        mark += 1
    floor.memory.put(USED, lane_key, (mark,))


def _pause_key(lane: bytes, *, is_inbound: bool) -> bytes:
    return lane + (b"\x01" if is_inbound else b"\x00")


def _look_for_pause(floor: Floor, said: Sent, place: Place, *, is_inbound: bool, identity: bytes) -> None:
    """An acknowledgement goes on through a pause: refunds hang on it."""
    held = floor.memory.get(PAUSES, _pause_key(said.lane, is_inbound=is_inbound))
    if held is None or said.kind == Kind.ACKNOWLEDGEMENT:
        return
    before = [pause for pause in held[0] if tuple(pause[:3]) < place.order]
    if before and before[-1][3] > place.time:
        floor.alarm(
            Label.FREEZE_IGNORED,
            f"pause {show(identity)} {place.order}",
            f"a lane carried a message while it was paused, until {before[-1][3]}",
            at=place,
            where={"lane": show(said.lane), "sequence": said.sequence},
            evidence={"message": show(identity), "paused_in": {"block": before[-1][0], "log": before[-1][2]}},
        )


def _count(floor: Floor, said: Sent, place: Place) -> None:
    """Twin of what the gateway counts: how much of the lane's window is used."""
    limits = limits_of(floor, said.lane)
    if limits is None:
        return
    held = floor.memory.get(WINDOW, said.lane)
    began, used = (0, 0) if held is None else (held[0], held[1])
    window = Window(*limits, began=began, used=used).count(said.quantity, place.time)
    if window is None:  # it should have been held
        window = Window(*limits, began=began, used=used + said.quantity)
    floor.memory.put(WINDOW, said.lane, (window.began, window.used))
    if window.used * 100 >= floor.terms.pace_percent * window.per_window or said.quantity > window.per_message:
        floor.alarm(
            Label.CAP_NEARLY_SPENT,
            f"window {show(said.lane)} {window.began}",
            f"{window.used} of {window.per_window} units of a lane's window have arrived",
            at=place,
            where={"lane": show(said.lane), "sequence": said.sequence},
            evidence={"window_began": window.began, "window_seconds": window.seconds, "used": str(window.used)},
        )


def _still_waiting(floor: Floor, identity: bytes, record: Record) -> None:
    """A message was sent so long ago, and is not there."""
    said, place = Sent(*record[0]), as_place(record[0][0])
    if floor.times.get(said.destination, 0) >= said.expiry:
        # Nobody can commit it any more; its place is used up by time.
        _take_place(floor, identity, said.lane, said.generation, said.sequence, place)
        floor.memory.put(MESSAGE, identity, (as_record(place),))
        return
    pauses = floor.memory.get(PAUSES, _pause_key(said.lane, is_inbound=True))
    until, changed = (0, 0) if pauses is None else pauses[0][-1][3:]
    alive, is_told = floor.memory.get(ALIVE, said.lane) or (0, False)
    # A lane on which others arrive is none that is silent: what became of this one, `explain` says. And one that was
    # paused begins to wait anew.
    since = max(place.time, alive, changed, min(until, floor.now))
    again = since + floor.terms.silence if until <= floor.now else floor.now + floor.terms.silence
    if again > floor.now:
        floor.memory.put(MESSAGE, identity, record, due=min(again, max(said.expiry, floor.now + 1)))
        return
    # Later it is looked at again, at its expiry; until then its lane is known to be silent.
    floor.memory.put(MESSAGE, identity, record, due=max(said.expiry, floor.now + floor.terms.silence))
    if not is_told:
        floor.memory.put(ALIVE, said.lane, (alive, True))
        floor.alarm(
            Label.LANE_SILENT,
            f"lane {show(said.lane)} {show(identity)}",
            f"a message has waited for {floor.now - place.time} seconds, and nothing arrives on its lane",
            at=place,
            where={"lane": show(said.lane), "generation": said.generation, "sequence": said.sequence},
            evidence={"message": show(identity), "expiry": said.expiry},
        )


def _quantity(proposal: Proposal) -> int:
    if proposal.message.kind != Kind.TRANSFER:
        return 0
    try:
        return Transfer.read(proposal.payload).quantity
    except BadInput:
        return 0
