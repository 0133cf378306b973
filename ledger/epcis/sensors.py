"""Sensor elements: what instruments said about an event's subjects. Source: EPCIS 2.0, section 7.3.7."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ledger.canonical import JsonValue
from ledger.epcis.dimensions import UOM
from ledger.epcis.fields import Extension, Fields
from ledger.epcis.limits import MAX_SENSOR_REPORTS
from ledger.epcis.problems import bad_field
from ledger.epcis.vocabulary import ALERT_TYPE, COMPONENT, MEASUREMENT_TYPE

_HEX = re.compile(r"[A-Fa-f0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorMetadata:
    """Said once for all reports of its element."""

    time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    device: str | None = None
    device_metadata: str | None = None
    raw_data: str | None = None
    processing_method: str | None = None
    biz_rules: str | None = None
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorReport:
    """One observation. `type` is what was measured (`Temperature`); numbers are in `uom` (UN/CEFACT Rec 20)."""

    type: str
    exception: str | None = None
    device: str | None = None
    device_metadata: str | None = None
    raw_data: str | None = None
    processing_method: str | None = None
    biz_rules: str | None = None
    time: datetime | None = None
    microorganism: str | None = None
    chemical_substance: str | None = None
    coordinate_reference_system: str | None = None
    component: str | None = None
    value: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    mean: Decimal | None = None
    standard_deviation: Decimal | None = None
    percentile_rank: Decimal | None = None
    percentile_value: Decimal | None = None
    text: str | None = None
    boolean: bool | None = None
    hex_binary: str | None = None
    uri: str | None = None
    uom: str | None = None
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True)
class SensorElement:
    """Reports that share metadata; at least one."""

    metadata: SensorMetadata
    reports: tuple[SensorReport, ...]
    extensions: tuple[Extension, ...]


def read_sensor_elements(fields: Fields) -> tuple[SensorElement, ...]:
    """`sensorElementList`."""

    def read(value: JsonValue, pointer: str) -> SensorElement:
        element = Fields(value, pointer, fields.context)
        metadata = SensorMetadata()
        if element.has("sensorMetadata"):
            inner = Fields(element.take("sensorMetadata"), element.at("sensorMetadata"), fields.context)
            metadata = _read_metadata(inner)
        if not element.has("sensorReport"):
            element.take("sensorReport")
        reports = element.array("sensorReport", read_report, least=1, limit=MAX_SENSOR_REPORTS)
        return SensorElement(metadata, reports, element.extensions())

    def read_report(value: JsonValue, pointer: str) -> SensorReport:
        return _read_report(Fields(value, pointer, fields.context))

    return fields.array("sensorElementList", read)


def _read_metadata(fields: Fields) -> SensorMetadata:
    start, end = fields.maybe("startTime", fields.time), fields.maybe("endTime", fields.time)
    if start is not None and end is not None and end < start:
        raise bad_field(fields.at("endTime"), "the measuring ends before it starts")
    return SensorMetadata(
        time=fields.maybe("time", fields.time),
        start_time=start,
        end_time=end,
        device=fields.maybe("deviceID", fields.uri),
        device_metadata=fields.maybe("deviceMetadata", fields.uri),
        raw_data=fields.maybe("rawData", fields.uri),
        processing_method=fields.maybe("dataProcessingMethod", fields.uri),
        biz_rules=fields.maybe("bizRules", fields.uri),
        extensions=fields.extensions(),
    )


def _read_report(fields: Fields) -> SensorReport:
    minimum, maximum = fields.maybe("minValue", fields.number), fields.maybe("maxValue", fields.number)
    if minimum is not None and maximum is not None and maximum < minimum:
        raise bad_field(fields.at("maxValue"), "the maximum is below the minimum")
    uom = fields.maybe("uom", fields.text)
    if uom is not None and not UOM.fullmatch(uom):
        raise bad_field(fields.at("uom"), f"{uom[:20]!r} is no UN/CEFACT Rec 20 code", cure="Such as CEL, P1.")
    hex_binary = fields.maybe("hexBinaryValue", fields.text)
    if hex_binary is not None and not _HEX.fullmatch(hex_binary):
        raise bad_field(fields.at("hexBinaryValue"), "hexadecimal digits are needed here")
    return SensorReport(
        type=fields.word("type", MEASUREMENT_TYPE),
        exception=fields.maybe("exception", lambda name: fields.word(name, ALERT_TYPE)),
        device=fields.maybe("deviceID", fields.uri),
        device_metadata=fields.maybe("deviceMetadata", fields.uri),
        raw_data=fields.maybe("rawData", fields.uri),
        processing_method=fields.maybe("dataProcessingMethod", fields.uri),
        biz_rules=fields.maybe("bizRules", fields.uri),
        time=fields.maybe("time", fields.time),
        microorganism=fields.maybe("microorganism", fields.uri),
        chemical_substance=fields.maybe("chemicalSubstance", fields.uri),
        coordinate_reference_system=fields.maybe("coordinateReferenceSystem", fields.uri),
        component=fields.maybe("component", lambda name: fields.word(name, COMPONENT)),
        value=fields.maybe("value", fields.number),
        minimum=minimum,
        maximum=maximum,
        mean=fields.maybe("meanValue", fields.number),
        standard_deviation=fields.maybe("sDev", fields.number),
        percentile_rank=fields.maybe("percRank", fields.number),
        percentile_value=fields.maybe("percValue", fields.number),
        text=fields.maybe("stringValue", fields.text),
        boolean=fields.maybe("booleanValue", fields.boolean),
        hex_binary=hex_binary,
        uri=fields.maybe("uriValue", fields.uri),
        uom=uom,
        extensions=fields.extensions(),
    )
