"""Bundles with a timestamp over their note, true and false."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ledger.bundle import assemble
from ledger.bundle.format import dump, load
from tests.ledger.bundle.estate import TRUST_ROOT, Estate
from tests.ledger.stamps import STAMPED_AT, Office, authority, certify, key

AUTHORITY = certify("Stamping root", key("p256"))
STAMPED_ROOT = replace(TRUST_ROOT, timestamping=(AUTHORITY.der,))
OFFICE = Office(authority(AUTHORITY))
PARTS = Estate(trust_root=STAMPED_ROOT).with_entries().parts()
NOTE = PARTS["note"]
STAMPED = assemble(**PARTS, stamp=OFFICE.stamp(NOTE))
UNSTAMPED = assemble(**PARTS)
ENDED = Office(authority(AUTHORITY, until=STAMPED_AT - timedelta(days=1)))
STRANGE = Office(authority(certify("Stranger", key("p256", 9))))
KEYED = replace(OFFICE, signing=key("p256", 6))


def with_stamp(stamp: bytes | None, raw: bytes = STAMPED) -> bytes:
    """The bundle with this stamp in place of its own, sealed again."""
    return dump(replace(load(raw), stamp=stamp))


FALSE = {
    "of other bytes": (with_stamp(OFFICE.stamp(NOTE + b"\n")), "STAMP_INVALID"),
    "signed with another key": (with_stamp(KEYED.stamp(NOTE)), "STAMP_INVALID"),
    "of an authority that nobody named": (with_stamp(STRANGE.stamp(NOTE)), "STAMP_UNTRUSTED"),
    "of an authority that had ended": (with_stamp(ENDED.stamp(NOTE)), "STAMP_UNTRUSTED"),
    "cut short": (with_stamp(OFFICE.stamp(NOTE)[:-1]), "STAMP_FORMAT"),
    "empty": (with_stamp(b""), "STAMP_FORMAT"),
    "too large": (with_stamp(bytes(64 * 1024 + 1)), "STAMP_FORMAT"),
    "under a trust root that names no authority": (
        with_stamp(OFFICE.stamp(NOTE), Estate().with_entries().build()),
        "STAMP_UNEXPECTED",
    ),
}
OPEN = with_stamp(replace(OFFICE, named="1.2.3.4").stamp(NOTE))
"""Holds, as far as OpenSSL says; but in a way that a browser does not know."""
