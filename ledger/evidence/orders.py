"""What the operator says about a device after its enrolment, each logged as an entry: revocation and release.

A revocation ends a key. A release lets a device go on whose next number can never come, because its spool was lost or
it was restored from a copy: what it sends next is taken with a finding. May never happen here: either without a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from ledger.canonical import canonical_json, parse_canonical
from ledger.errors import BadInput
from ledger.evidence.fields import MAX_TEXT_CHARS, read_time, write_time

ORDER_DOMAIN: Final = "pledgetrail/device-order/v1/json"
MAX_ORDER_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class DeviceOrder:
    """`kind` revocation: nothing received from `at` (UTC) on counts. Release: the number after `after` need not follow.

    `after`: the last number that is held when the order is given; a release is used up once a later one is held.
    Creating one checks it: `BadInput` DEVICE_ORDER.
    """

    kind: Literal["revocation", "release"]
    device: str
    at: datetime
    after: int
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip() or len(self.reason) > MAX_TEXT_CHARS or not self.reason.isprintable():
            raise BadInput(
                "DEVICE_ORDER",
                f"An order names its reason in at most {MAX_TEXT_CHARS} printable characters.",
                where="reason",
                cure="Say why.",
            )
        if self.after < 0:
            raise BadInput("DEVICE_ORDER", "The last number is not negative.", where="after")

    def canonical(self) -> bytes:
        """The bytes to log, in `ORDER_DOMAIN`."""
        return canonical_json(
            {
                "kind": self.kind,
                "device": self.device,
                "at": write_time(self.at),
                "after": self.after,
                "reason": self.reason,
            }
        )


def read_order(raw: bytes) -> DeviceOrder:
    """The order that `DeviceOrder.canonical` wrote so.

    Raises `BadInput` DEVICE_ORDER, EVIDENCE_FIELD, NON_CANONICAL, JSON_….
    """
    value = parse_canonical(raw, max_bytes=MAX_ORDER_BYTES)
    if not isinstance(value, dict) or value.keys() != {"kind", "device", "at", "after", "reason"}:
        raise BadInput("DEVICE_ORDER", "An order holds kind, device, at, after and reason, nothing else.")
    kind, device, at, after, reason = (value[name] for name in ("kind", "device", "at", "after", "reason"))
    if not isinstance(device, str) or not isinstance(at, str) or type(after) is not int or not isinstance(reason, str):
        raise BadInput("DEVICE_ORDER", "A field of the order has another type.")
    if kind == "revocation":
        return DeviceOrder("revocation", device, read_time(at), after, reason)
    if kind == "release":
        return DeviceOrder("release", device, read_time(at), after, reason)
    raise BadInput("DEVICE_ORDER", "An order is a revocation or a release.", where="kind")
