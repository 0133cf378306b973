"""What a refused statement shows about its device. The statement does not count, but that it was made is kept.

Of what a device signed, the envelope is kept as evidence. Of what it did not sign, only that such a thing came, once an
hour and device: whoever has no key may not fill the log. May never happen here: a finding that rests on bytes which the
device did not sign, other than the ones that say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType

from ledger.errors import BadInput, Refused
from ledger.evidence.findings import Code, DeviceFinding
from ledger.evidence.replay import REUSED
from ledger.evidence.signed import SignedEvidence
from ledger.evidence.statement import Statement, read_statement
from ledger.evidence.verification import Device, Evidence

_KEPT = MappingProxyType(
    {
        "EVIDENCE_PREVIOUS": Code.CHAIN_BROKEN,
        "EVIDENCE_TIME": Code.IMPOSSIBLE_TIME,
    }
)


def findings_of_refusal(
    refusal: Refused, signed: SignedEvidence, *, device: Device, other: Evidence | None, received_at: datetime
) -> tuple[DeviceFinding, ...]:
    """What to keep of a statement that `judge_evidence` refused so; empty for what may still come right.

    `other`: the device's evidence of the same number, where one is held. The signature over `signed` must have been
    found to hold, unless the refusal says that it does not.
    """
    return tuple(_findings(refusal, signed, device, other, received_at))


def _findings(
    refusal: Refused, signed: SignedEvidence, device: Device, other: Evidence | None, received_at: datetime
) -> Iterator[DeviceFinding]:
    hour = received_at.replace(minute=0, second=0, microsecond=0)
    if refusal.code == "EVIDENCE_SIGNATURE":
        stripped = not any(signed.signature)
        code = Code.STRIPPED_SIGNATURE if stripped else Code.BAD_SIGNATURE
        how = "without a signature" if stripped else "with a signature of another key"
        yield DeviceFinding(code, device.id, None, f"Something came in its name {how}, in this hour.", hour)
        return
    if refusal.code == "DEVICE_REVOKED":
        what = "Its key signed a statement that came after its revocation, in this hour."
        yield DeviceFinding(Code.USED_AFTER_REVOCATION, device.id, None, what, hour)
        return
    statement = _read(signed)
    if statement is None:
        return
    if refusal.code in _KEPT:
        yield _kept(_KEPT[refusal.code], refusal.what, statement, signed, received_at)
    elif refusal.code in REUSED and other is None:
        what = f"Number {statement.sequence} was passed over, and came after all."
        yield _kept(Code.COUNTER_ROLLBACK, what, statement, signed, received_at)
    elif refusal.code in REUSED and other is not None:
        what = f"Two different statements of number {statement.sequence} bear the device's signature."
        yield _kept(Code.FORK, what, statement, signed, received_at, other)
        if _is_elsewhere(statement, other.statement):
            what = "Its key speaks from two places, or twice at one time: more than one device holds it."
            yield _kept(Code.CLONED_KEY, what, statement, signed, received_at, other)


def _is_elsewhere(one: Statement, other: Statement) -> bool:
    """Whether one device cannot have made both: they speak of the same time, or of places that differ."""
    places = {place for place in (getattr(one, "place", None), getattr(other, "place", None)) if place}
    together = one.begins < other.ends and other.begins < one.ends
    return len(places) > 1 or together or one.begins == other.begins


def _kept(
    code: Code,
    what: str,
    statement: Statement,
    signed: SignedEvidence,
    received_at: datetime,
    other: Evidence | None = None,
) -> DeviceFinding:
    facts = {"statement": signed.digest.hex()}
    if other is not None:
        facts["held"] = other.digest.hex()
    return DeviceFinding(code, statement.device, statement.sequence, what, received_at, facts, signed.envelope())


def _read(signed: SignedEvidence) -> Statement | None:
    try:
        return read_statement(signed.statement_bytes)
    except BadInput:
        return None
