"""What the operator says about a device after its enrolment, each logged as an entry: revocation and release.

A revocation ends a key. A release lets a device go on whose next number can never come, because its spool was lost or
it was restored from a copy: what it sends next is taken with a finding. May never happen here: either without a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from ledger.canonical import canonical_json
from ledger.errors import BadInput
from ledger.evidence.fields import MAX_TEXT_CHARS, write_time

ORDER_DOMAIN: Final = "pledgetrail/device-order/v1/json"


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
