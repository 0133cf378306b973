"""Who and what the demo tells of: one lot of tea, its places, papers and steps. Data only, and all of it made up.

Numbers use GS1's prefix 952, which is reserved for demonstrations, so that nothing here is anybody's product.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from examples.demo.pledge import Loan, WarehouseReceipt
from ledger.canonical import JsonValue
from ledger.epcis import build
from ledger.gs1 import Identifier, check_digit, from_ais, lot, unit
from ledger.store.paper_book import Name


def _with_check_digit(digits: str) -> str:
    return digits + check_digit(digits)


TEA_GTIN = _with_check_digit("0952000000101")
LEAF_GTIN = _with_check_digit("0952000000102")
TEA = lot(TEA_GTIN, "T2609")
LEAVES = lot(LEAF_GTIN, "L2609")
UNITS = tuple(unit(TEA_GTIN, f"{serial:06d}", lot="T2609") for serial in range(1, 13))
CASE = from_ais([("00", _with_check_digit("09520000000000001"))])
TEA_NAME = Name(en="Spring green tea, 100 g", zh="明前绿茶 100 克")

GARDEN = from_ais([("414", _with_check_digit("952000000201"))])
WORKSHOP = from_ais([("414", _with_check_digit("952000000202"))])
WAREHOUSE = from_ais([("414", _with_check_digit("952000000203"))])
ESTATE_PARTY = from_ais([("417", _with_check_digit("952000000204"))])
WAREHOUSE_PARTY = from_ais([("417", _with_check_digit("952000000205"))])
PLACES = {
    GARDEN: Name(en="Tea garden, east slope", zh="东坡茶园"),
    WORKSHOP: Name(en="Tea workshop", zh="制茶工坊"),
    WAREHOUSE: Name(en="Bonded warehouse", zh="监管仓库"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step that is filmed: its name, its caption in the picture, where, and how long before now."""

    name: str
    caption: str
    place: Identifier
    before: timedelta


STEPS = (
    Step("picking", "1 PICKING", GARDEN, timedelta(hours=30)),
    Step("pan-firing", "2 PAN-FIRING", WORKSHOP, timedelta(hours=24)),
    Step("processing", "3 PROCESSING", WORKSHOP, timedelta(hours=20)),
    Step("packing", "4 PACKING", WORKSHOP, timedelta(hours=4)),
)
SIGNING_STEP = 3  # filmed by a camera that also signs inside its video
SECONDS_PER_STEP = 6.0
SECONDS_PER_SEGMENT = 2.0


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor: what it measures, where, within which limits, and its readings, each so long before now."""

    name: str
    label: str
    place: Identifier
    quantity: str
    unit: str
    least: str
    most: str
    readings: tuple[tuple[timedelta, str], ...]


_AIR = (
    *("21.8", "22.4", "24.1", "26.5", "28.9", "30.2", "31.7", "33.0", "38.2", "34.1", "32.6"),
    *("31.0", "29.4", "28.1", "26.8", "25.9", "25.0", "24.2", "23.7", "23.1", "22.6", "22.2"),
)
_NET = ["124.60", "122.35", "121.20", "120.45", "120.10"]
_WHILE_PACKING = timedelta(hours=4) - timedelta(seconds=3)  # so that another device saw what the last camera films
SENSORS = (
    Sensor(
        "thermometer-1",
        "Workshop thermometer",
        WORKSHOP,
        "temperature",
        "CEL",
        "10",
        "35",  # above it the leaves are too warm: once they were, for some minutes
        (
            *((timedelta(hours=24) - number * timedelta(minutes=12), value) for number, value in enumerate(_AIR)),
            (_WHILE_PACKING, "21.9"),
        ),
    ),
    Sensor(
        "scale-1",
        "Scale at the packing table",
        WORKSHOP,
        "weight",
        "KGM",
        "0",
        "500",
        (
            *((timedelta(hours=20) - number * timedelta(hours=3), value) for number, value in enumerate(_NET)),
            (_WHILE_PACKING, "120.00"),
        ),
    ),
)

RECEIPT_ONE = WarehouseReceipt("WR-2026-0117", "keeper_one", 120_000)
RECEIPT_TWO = WarehouseReceipt("WR-2026-0342", "keeper_two", 120_000)
KEEPER_NAMES = {"keeper_one": "Bonded warehouse one", "keeper_two": "Bonded warehouse two"}
# A date and not a term from today: a second run finds the loans of the first by ids that bind it.
DUE = int(datetime(2030, 1, 1, tzinfo=UTC).timestamp())
LOAN_A = Loan("LN-A-0091", "lender_a", RECEIPT_ONE, "90 days, 70 % of value", DUE)
LOAN_B = Loan("LN-B-0415", "lender_b", RECEIPT_TWO, "60 days, 65 % of value", DUE)
LENDER_NAMES = {"lender_a": "Lender A", "lender_b": "Lender B"}
AMOUNTS = {LOAN_A.number: Decimal("180000.00"), LOAN_B.number: Decimal("165000.00")}
CURRENCY = "CNY"


def events(now: datetime) -> bytes:
    """The EPCIS document of the lot: leaves picked, tea made, units commissioned, packed and shipped."""
    leaves, tea = build.Amount(LEAVES, Decimal("500"), "KGM"), build.Amount(TEA, Decimal("120"), "KGM")

    def happening(before: timedelta, place: Identifier) -> build.Happening:
        return build.Happening(now - before, place, place)

    fired = now - timedelta(hours=24)
    heat = build.Reading("Temperature", Decimal("231.5"), "CEL", fired, "urn:pledgetrail:device:probe-1")
    listed: list[dict[str, JsonValue]] = [
        build.lot_creation(happening(timedelta(hours=30), GARDEN), made=leaves),
        build.transformation(happening(timedelta(hours=20), WORKSHOP), inputs=[leaves], outputs=[tea], readings=[heat]),
        build.commissioning(happening(timedelta(hours=5), WORKSHOP), units=UNITS, lot=TEA),
        build.packing(happening(timedelta(hours=4), WORKSHOP), parent=CASE, children=UNITS),
        build.shipping(
            happening(timedelta(hours=3), WORKSHOP), things=[CASE], sender=ESTATE_PARTY, receiver=WAREHOUSE_PARTY
        ),
    ]
    return build.document(listed, created_at=now)
