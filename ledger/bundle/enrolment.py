"""Enrolment of a device as a log entry: which key speaks under which name, and from when until when.

The log holds it before the device's first evidence, so that a bundle needs nobody's word for whose key it was. It
names the algorithm, so that no message does. What an enrolment does not say is whether the key was revoked later. May
never happen here: two spellings of one enrolment, or a person's name; `label` says what the device is.
"""

from __future__ import annotations

from typing import Final

from ledger.canonical import canonical_json, parse_canonical
from ledger.errors import BadInput, Problem
from ledger.evidence import Device
from ledger.evidence.fields import read_time, write_time
from ledger.evidence.keys import as_algorithm

DEVICE_DOMAIN: Final = "pledgetrail/device/v1/json"
KIND: Final = "enrolment"
MAX_ENROLMENT_BYTES = 4 * 1024
MAX_NAME_CHARS = 256

_FIELDS = {"algorithm", "device", "key", "kind", "label", "valid_from", "valid_until"}


def write_enrolment(device: Device) -> bytes:
    """The RFC 8785 bytes to log, in domain `DEVICE_DOMAIN`, when a device is enrolled.

    `revoked_at` is left out: it comes later, if ever. Raises `BadInput` EVIDENCE_FIELD for times with fractions of a
    millisecond.
    """
    return canonical_json(
        {
            "kind": KIND,
            "device": device.id,
            "algorithm": device.algorithm,
            "key": device.public_key.hex(),
            "label": device.label,
            "valid_from": write_time(device.valid_from),
            "valid_until": write_time(device.valid_until),
        }
    )


def read_enrolment(raw: bytes) -> Device:
    """The device that `write_enrolment` wrote so.

    Raises `BadInput` DEVICE_FORMAT, NON_CANONICAL, KEY_…, DEVICE_PERIOD.
    """
    try:
        value = parse_canonical(raw, max_bytes=MAX_ENROLMENT_BYTES)
    except Problem as problem:
        if problem.code == "NON_CANONICAL":
            raise
        raise _malformed(problem.what) from problem
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        raise _malformed(f"its fields are not {', '.join(sorted(_FIELDS))}")
    texts = {name: text for name, text in value.items() if isinstance(text, str)}
    if len(texts) != len(value) or texts["kind"] != KIND:
        raise _malformed("a field is no text, or it is of another kind")
    if not 0 < len(texts["device"]) <= MAX_NAME_CHARS or len(texts["label"]) > MAX_NAME_CHARS:
        raise _malformed("the device's name or label is too long, or it has no name")
    try:
        key = bytes.fromhex(texts["key"])
    except ValueError:
        raise _malformed("its key is not hexadecimal") from None
    valid_from, valid_until = (read_time(texts[name]) for name in ("valid_from", "valid_until"))
    device = Device(
        texts["device"],
        key,
        texts["label"],
        valid_from,
        valid_until,
        algorithm=as_algorithm(texts["algorithm"]),
    )
    if write_enrolment(device) != raw:
        raise _malformed("a value is in another spelling")
    return device


def _malformed(why: str) -> BadInput:
    return BadInput("DEVICE_FORMAT", f"This is no enrolment of a device: {why}.")
