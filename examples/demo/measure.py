"""The sensors' part of the journey: a scale and a thermometer speak in chains of their own, as the cameras do."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from examples.demo import story
from examples.demo.film import VALID_AFTER, VALID_BEFORE, device_key
from examples.demo.folder import DataFolder
from ledger.capture.camera import hand_over_first
from ledger.capture.chain import Chain, Make
from ledger.capture.spool import Spool
from ledger.capture.uplink import Uplink
from ledger.evidence import Device, ReadingStatement, Terms
from ledger.evidence.terms import Limits
from ledger.gs1 import Identifier
from ledger.store import Ledger, utc_now


def measure(
    sensor: story.Sensor, folder: DataFolder, ledger: Ledger, uplink: Uplink, lot: Identifier, start: datetime
) -> int:
    """State every reading of a sensor about the lot, and hand them over; returns how many there are.

    `start`: the demo's own beginning (UTC), the same on every run in a folder, so that a second run signs nothing new.
    Errors: those of `Chain.keep` and the uplink.
    """
    home = folder / "sensors" / sensor.name
    home.mkdir(parents=True, exist_ok=True)
    key = device_key(home / "device.key")
    device = Device(sensor.name, key.public_key, sensor.label, start - VALID_BEFORE, start + VALID_AFTER)
    ledger.evidence.enrol(device)
    limits = {sensor.quantity: Limits(Decimal(sensor.least), Decimal(sensor.most))}
    ledger.evidence.agree(Terms(device.id, start - VALID_BEFORE, place=sensor.place.normal, limits=limits))
    with Spool(home / "spool") as spool:
        chain = Chain(device, key, spool=spool, clock=utc_now)
        stated = 0 if chain.last is None else chain.last.statement.sequence
        for before, value in sensor.readings[stated:]:
            chain.keep(_stating(sensor, lot, start - before, value))
        while hand_over_first(spool, uplink):
            pass
    return len(sensor.readings)


def _stating(sensor: story.Sensor, lot: Identifier, at: datetime, value: str) -> Make:
    def make(sequence: int, previous: bytes) -> ReadingStatement:
        place, subject = sensor.place.normal, lot.normal
        return ReadingStatement(
            sensor.name, sequence, previous, at, place, subject, sensor.quantity, value, sensor.unit
        )

    return make
