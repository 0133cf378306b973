"""The vocabulary of what devices say: quantities, units, why a reading is named, what is wrong with a device's word.

`N_` only marks a text for the catalogues; the template translates it. Unknown codes are shown as they are.
"""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType

from ledger.evidence import Code
from ledger.history.readings import Why
from ledger.media_signing.assurance import Assurance
from ledger.web.language import Language
from ledger.web.words import N_

METRES_OF_A_KILOMETRE = 1000

MEASURED = MappingProxyType(
    {
        "weight": N_("Weight"),
        "temperature": N_("Temperature"),
        "humidity": N_("Humidity"),
        "position": N_("How far it moved"),
        "meter": N_("Meter"),
        "ear_chip.C62": N_("Ear chip: movements"),
        "ear_chip.CEL": N_("Ear chip: body temperature"),
        "ear_chip.C94": N_("Ear chip: heart beats"),
        "count": N_("Count"),
        "speed": N_("Speed"),
        "level": N_("Filling level"),
    }
)

UNITS = MappingProxyType(
    {
        "GRM": "g",
        "KGM": "kg",
        "TNE": "t",
        "CEL": "°C",
        "P1": "%",
        "DD": "°",
        "KWH": "kWh",
        "LTR": "L",
        "MTQ": "m³",
        "C62": "",
        "C94": "/min",
        "KMH": "km/h",
        "MTR": "m",
    }
)
"""Symbols of UN/CEFACT codes, the same in every language."""

WHY_TOLD = MappingProxyType(
    {
        Why.FIRST: N_("the first"),
        Why.NEWEST: N_("the newest"),
        Why.LEAST: N_("the lowest"),
        Why.GREATEST: N_("the highest"),
        Why.OUTSIDE: N_("outside the agreed limits"),
        Why.DOUBTED: N_("doubted"),
        Why.NOT_LOGGED: N_("not what was logged"),
    }
)

ASSURANCE = MappingProxyType(
    {
        Assurance.CORROBORATED: N_(
            "A sensor that does not depend on the camera was there meanwhile; none contradicts it."
        ),
        Assurance.LOW_ASSURANCE: N_(
            "Low assurance: a camera can film a screen, and no independent sensor bears this video out."
        ),
        Assurance.CONTRADICTED: N_(
            "Contradicted: sensors at this place and time do not agree. Do not rely on this video."
        ),
    }
)

EVIDENCE_KINDS = MappingProxyType(
    {"segment": N_("A piece of video"), "reading": N_("A reading"), "gap": N_("A loss that the device states")}
)

GAP_REASONS = MappingProxyType(
    {
        "clock": N_("its clock could not be trusted"),
        "key": N_("its key could not be used"),
        "source": N_("nothing usable came from the camera or sensor"),
        "spool-full": N_("there was no room to keep it"),
        "spool-lost": N_("it was lost before it was handed over"),
        "stopped": N_("the device was switched off"),
    }
)

DEVICE_FINDINGS = MappingProxyType(
    {
        Code.GAP: N_("Something is missing before it, and its device or its operator said so."),
        Code.CHAIN_BROKEN: N_("It does not follow what its device said before."),
        Code.FORK: N_("Its device signed two different statements under one number."),
        Code.CLONED_KEY: N_("Its device's key speaks from two places: more than one device holds it."),
        Code.COUNTER_ROLLBACK: N_("Its device used a number that it had passed over."),
        Code.REPLAY: N_("Old statements of its device came again."),
        Code.UNTRUSTED_TIME: N_("Its device's clock was wrong: do not rely on its time."),
        Code.IMPOSSIBLE_TIME: N_("Its own times contradict each other."),
        Code.SIGNED_AT_OTHER_TIME: N_("The camera signed its pictures at another time than is stated here."),
        Code.IMPOSSIBLE_VALUE: N_("The value is outside what was agreed as plausible."),
        Code.IMPOSSIBLE_TRAVEL: N_("It is further from its last position than it can have travelled."),
        Code.DISAGREEMENT: N_("Another device at the same place measures another value: one of the two is wrong."),
        Code.OUT_OF_PLACE: N_("It speaks from another place than was agreed."),
        Code.UNEXPECTED_STEP: N_("It speaks of a step that was not agreed for its device."),
        Code.STRIPPED_SIGNATURE: N_("Something came in its device's name without a signature."),
        Code.BAD_SIGNATURE: N_("Something came in its device's name with another key's signature."),
        Code.USED_AFTER_REVOCATION: N_("Its device's key spoke after it was revoked."),
        Code.OUT_OF_TURN: N_("It came before its predecessor, which never came."),
        Code.FLOOD: N_("Its device sent more than it may."),
        Code.SILENCE: N_("Its device should have spoken and did not."),
    }
)


def measured(quantity: str, unit: str) -> str:
    """The key of `MEASURED` for a quantity: an ear chip measures several, told apart by their unit."""
    named = f"{quantity}.{unit}"
    return named if named in MEASURED else quantity


def metres(value: float, language: Language) -> str:
    """A distance, to the metre below a kilometre and to a tenth of one above."""
    if value < METRES_OF_A_KILOMETRE:
        return f"{language.number(round(value))} m"
    return f"{language.number(Decimal(str(round(value / METRES_OF_A_KILOMETRE, 1))))} km"
