"""The reader's language: which one, its catalogue, its dates and amounts.

English sentences are the keys; `locale/<code>.po` holds the other languages and is read at start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType

from babel import Locale
from babel.dates import format_date
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal
from starlette.requests import Request

LOCALE_FOLDER = Path(__file__).parent / "locale"
MAX_HEADER_CHARS = 512  # of Accept-Language
ENGLISH, CHINESE = "en", "zh"


@dataclass(frozen=True, slots=True)
class Language:
    """One language of the pages. `name`: what its own readers call it."""

    code: str
    name: str
    locale: Locale
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)

    def gettext(self, text: str) -> str:
        """The sentence in this language."""
        return self.texts.get(text) or text

    def ngettext(self, one: str, many: str, count: int) -> str:
        """The sentence for this many; a language without a plural has one form."""
        return self.texts.get(one) or (one if count == 1 else many)

    def date_time(self, moment: datetime) -> str:
        """Day and minute, UTC and labelled so."""
        there = moment.astimezone(UTC)
        return f"{format_date(there, 'medium', locale=self.locale)} {there:%H:%M} UTC"

    def since(self, posix: int | None) -> str:
        """A block's time; empty where it is unknown."""
        return "" if posix is None else self.date_time(datetime.fromtimestamp(posix, UTC))

    def money(self, amount: Decimal, currency: str) -> str:
        """An amount with its currency."""
        return format_currency(amount, currency, locale=self.locale)

    def number(self, value: Decimal | int) -> str:
        """A number with its separators."""
        return format_decimal(value, locale=self.locale)


@cache
def languages() -> Mapping[str, Language]:
    """Every language by its code; English first."""
    return MappingProxyType(
        {
            ENGLISH: Language(ENGLISH, "English", Locale("en", "GB")),
            CHINESE: Language(CHINESE, "中文", Locale("zh", "CN", script="Hans"), _catalogue(CHINESE)),
        }
    )


def language_of(request: Request) -> Language:
    """The language `?lang=` asks for, else the best of Accept-Language, else English."""
    known = languages()
    asked = request.query_params.get("lang", "")
    if asked in known:
        return known[asked]
    for code in _preferences(request.headers.get("accept-language", "")):
        if code in known:
            return known[code]
    return known[ENGLISH]


def _preferences(header: str) -> list[str]:
    """Primary subtags, best first (RFC 9110 section 12.5.4); what is malformed counts for nothing."""
    weighed: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:MAX_HEADER_CHARS].split(",")):
        tag, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        if tag and 0 < quality <= 1:
            weighed.append((-quality, place, tag.lower().partition("-")[0]))
    return [tag for _, _, tag in sorted(weighed)]


def _catalogue(code: str) -> Mapping[str, str]:
    with (LOCALE_FOLDER / f"{code}.po").open("rb") as file:
        catalogue = read_po(file, locale=code)
    texts = {}
    for message in catalogue:
        if message.id:
            texts[_first(message.id)] = _first(message.string)
    return MappingProxyType(texts)


def _first(text: str | Sequence[str] | None) -> str:
    """A plain text, or the first of its plural forms."""
    return text if isinstance(text, str) else (text or ("",))[0]
