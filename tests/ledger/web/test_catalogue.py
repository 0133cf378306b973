"""Every sentence of the pages is there in every language, with the same places to fill, and none is left over."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from ledger.web.language import LOCALE_FOLDER, languages
from ledger.web.pages import FOLDER

_PLACE = re.compile(r"%\((\w+)\)s")
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext.babel_extract")]
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}
CODES = sorted(path.stem for path in LOCALE_FOLDER.glob("*.po"))


def _sentences() -> Iterator[tuple[str, ...]]:
    for _, _, message, _, _ in extract_from_dir(str(FOLDER), method_map=_METHODS, keywords=_KEYWORDS):
        yield (message,) if isinstance(message, str) else tuple(message)


def _catalogue(code: str) -> Catalog:
    with (LOCALE_FOLDER / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


def test_there_is_a_catalogue_for_each_language_but_the_one_of_the_keys() -> None:
    assert CODES == sorted(set(languages()) - {"en"}) == ["zh"]


@pytest.mark.parametrize("code", CODES)
def test_every_sentence_is_translated_and_none_is_left_over(code: str) -> None:
    said = {sentence[0] for sentence in _sentences()}
    held = {message.id if isinstance(message.id, str) else message.id[0] for message in _catalogue(code) if message.id}
    assert len(said) > 100
    assert (said - held, held - said) == (set(), set())


@pytest.mark.parametrize("code", CODES)
def test_every_translation_fills_the_same_places(code: str) -> None:
    for message in _catalogue(code):
        if not message.id:
            continue
        asked = set(_PLACE.findall(message.id if isinstance(message.id, str) else message.id[1]))
        for text in [message.string] if isinstance(message.string, str) else list(message.string or ()):
            assert text.strip()
            assert set(_PLACE.findall(text)) == asked, message.id
            assert "fuzzy" not in message.flags


@pytest.mark.parametrize("word", ["authentic", "genuine", "正品", "真品"])
def test_oq01_no_page_calls_anything_authentic(word: str) -> None:
    said = " ".join(part for sentence in _sentences() for part in sentence)
    assert word not in (said + " ".join(str(message.string) for message in _catalogue("zh"))).lower()
