"""The modules that check a page in the reader's browser, served under one name that holds the digest of all of them.

The page names each with its hash (Subresource Integrity), so that none can be exchanged behind a page that was
delivered whole. May never happen here: a script from anywhere else, inline script, or a module the page does not pin.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ledger.web.check_words import CHECKS, IN_BROWSER, STATES
from ledger.web.language import Language, languages
from ledger.web.sensor_words import MEASURED, UNITS
from ledger.web.words import EVENT_TYPES, STEPS

FOLDER = Path(__file__).parent / "static" / "verify"
MEDIA_TYPE = "text/javascript; charset=utf-8"
ENTRY, WORDS = "main.mjs", "words.mjs"


@dataclass(frozen=True, slots=True)
class Module:
    """One module as a page refers to it. `integrity`: its hash, as the attribute takes it."""

    name: str
    address: str
    integrity: str


@cache
def module_bytes() -> Mapping[str, bytes]:
    """Every module by name, the words in all languages among them."""
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.mjs"))}
    return MappingProxyType({**found, WORDS: _words()})


@cache
def modules() -> tuple[Module, ...]:
    """Every module, the one that starts the others last."""
    whole = hashlib.sha256(b"".join(hashlib.sha256(raw).digest() for raw in module_bytes().values())).hexdigest()
    names = sorted(module_bytes(), key=lambda name: (name == ENTRY, name))
    return tuple(
        Module(name, f"/static/verify-{whole[:12]}/{name}", _integrity(module_bytes()[name])) for name in names
    )


def _integrity(raw: bytes) -> str:
    return f"sha384-{base64.b64encode(hashlib.sha384(raw).digest()).decode('ascii')}"


def _words() -> bytes:
    """The same catalogue that the pages use, so that what a page says can be compared with what it should say."""
    table = json.dumps({code: _in(language) for code, language in languages().items()}, ensure_ascii=False)
    return f"// Made of the page's own catalogue.\nexport const WORDS = {table};\n".encode()


def _in(language: Language) -> dict[str, str]:
    named = {
        **{f"check.{key}": text for key, text in CHECKS.items()},
        **{f"state.{key}": text for key, text in STATES.items()},
        **{f"step.{key}": text for key, text in {**EVENT_TYPES, **STEPS}.items()},
        **{f"measured.{key}": text for key, text in MEASURED.items()},
        **IN_BROWSER,
    }
    symbols = {f"unit.{code}": symbol for code, symbol in UNITS.items()}
    return {key: language.gettext(text) for key, text in named.items()} | symbols
