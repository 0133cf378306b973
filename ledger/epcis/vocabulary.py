"""The words of the Core Business Vocabulary (CBV 2.0) that EPCIS events use, and how they may be spelled.

In EPCIS 2.0 JSON a standard word stands bare (`shipping`). The same word as `cbv:BizStep-shipping` or in full as
`https://ref.gs1.org/cbv/BizStep-shipping` means the same and is given back bare, so that nobody compares spellings.
Any other URI is somebody's own word and is kept. The spellings of EPCIS 1.2 (`urn:epcglobal:cbv:…`) are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger.epcis.problems import bad_field
from ledger.gs1 import is_uri

CBV = "https://ref.gs1.org/cbv/"
GS1_VOCABULARY = "https://gs1.org/voc/"
# Spellings of older drafts; a reader that took them for somebody's own words would split one meaning in two.
_FORBIDDEN = re.compile(r"urn:epcglobal:cbv|https?://ns\.gs1\.org/cbv/", re.IGNORECASE)
_FORBIDDEN_GS1 = re.compile(r"https?://(www\.)?gs1\.org/voc/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One list of words. `leads` are the beginnings of the long spellings; `forbidden` refuses the old ones."""

    name: str
    words: frozenset[str]
    leads: tuple[str, ...]
    forbidden: re.Pattern[str] = _FORBIDDEN


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _cbv(name: str, lead: str, words: str) -> Vocabulary:
    return Vocabulary(name, _words(words), (f"cbv:{lead}-", f"{CBV}{lead}-"))


BIZ_STEP = _cbv(
    "bizStep",
    "BizStep",
    """accepting arriving assembling collecting commissioning consigning creating_class_instance cycle_counting
    decommissioning departing destroying disassembling dispensing encoding entering_exiting holding inspecting
    installing killing loading other packing picking receiving removing repackaging repairing replacing reserving
    retail_selling sampling sensor_reporting shipping staging_outbound stock_taking stocking storing transporting
    unloading unpacking void_shipping""",
)
DISPOSITION = _cbv(
    "disposition",
    "Disp",
    """active available completeness_inferred completeness_verified conformant container_closed container_open
    damaged destroyed dispensed disposed encoded expired in_progress in_transit inactive mismatch_class
    mismatch_instance mismatch_quantity needs_replacement no_pedigree_match non_conformant non_sellable_other
    partially_dispensed recalled reserved retail_sold returned sellable_accessible sellable_not_accessible stolen
    unavailable unknown""",
)
BIZ_TRANSACTION_TYPE = _cbv(
    "business transaction type",
    "BTT",
    "bol cert desadv inv pedigree po poc prodorder recadv rma testprd testres upevt",
)
SOURCE_DESTINATION_TYPE = _cbv("source or destination type", "SDT", "location owning_party possessing_party")
ERROR_REASON = _cbv("error reason", "ER", "did_not_occur incorrect_data")
COMPONENT = _cbv(
    "component",
    "Comp",
    """altitude axial_distance azimuth easting elevation_angle height latitude longitude northing polar_angle
    spherical_radius x y z""",
)
MEASUREMENT_TYPE = Vocabulary(
    "measurement type",
    _words(
        """AbsoluteHumidity AbsorbedDose AbsorbedDoseRate Acceleration Altitude AmountOfSubstance
        AmountOfSubstancePerUnitVolume Angle AngularAcceleration AngularMomentum AngularVelocity Area Capacitance
        Conductance Conductivity Count Density Dimensionless DoseEquivalent DoseEquivalentRate DynamicViscosity
        ElectricCharge ElectricCurrent ElectricCurrentDensity ElectricFieldStrength Energy Exposure Force
        Frequency Illuminance Inductance Irradiance KinematicViscosity Length LinearMomentum Luminance
        LuminousFlux LuminousIntensity MagneticFlux MagneticFluxDensity MagneticVectorPotential Mass
        MassConcentration MassFlowRate MassPerAreaTime MemoryCapacity MolalityOfSolute MolarEnergy MolarMass
        MolarVolume Power Pressure RadiantFlux RadiantIntensity Radioactivity RelativeHumidity Resistance
        Resistivity SolidAngle SpecificVolume Speed SurfaceDensity SurfaceTension Temperature Time Torque Voltage
        Volume VolumeFlowRate VolumeFraction VolumetricFlux Wavenumber"""
    ),
    ("gs1:",),
    _FORBIDDEN_GS1,
)
ALERT_TYPE = Vocabulary(
    "sensor alert type", frozenset({"ALARM_CONDITION", "ERROR_CONDITION"}), ("gs1:",), _FORBIDDEN_GS1
)
ALL_VOCABULARIES = (
    BIZ_STEP,
    DISPOSITION,
    BIZ_TRANSACTION_TYPE,
    SOURCE_DESTINATION_TYPE,
    ERROR_REASON,
    COMPONENT,
    MEASUREMENT_TYPE,
    ALERT_TYPE,
)


def word(value: str, vocabulary: Vocabulary, pointer: str) -> str:
    """The bare word of `vocabulary`, or the URI of somebody's own word as it stands; else EPCIS_FIELD."""
    if value in vocabulary.words:
        return value
    for lead in vocabulary.leads:
        if value.startswith(lead):
            bare = value[len(lead) :]
            if bare in vocabulary.words:
                return bare
            raise bad_field(pointer, f"{value[:80]!r} is no {vocabulary.name} of the standard")
    if vocabulary.forbidden.match(value):
        raise bad_field(
            pointer,
            f"{value[:80]!r} is a spelling EPCIS 2.0 JSON does not use",
            cure="Write the standard word bare, such as `shipping`.",
        )
    if not is_uri(value):
        raise bad_field(
            pointer,
            f"{value[:80]!r} is neither a {vocabulary.name} of the standard nor a URI",
            cure="Use a word of CBV 2.0, or a URI of your own for a word of your own.",
        )
    return value
