"""What `pledgetrail verify` says, in the reader's language. English is what the rules themselves say.

A rule's sentence is a fixed text with values in it. `locale/verify.<code>.po` holds each such text with its places to
fill in braces; a sentence is recognised by the fixed parts, and the values are set into the translation as they are.
What is not recognised stays in English: better that than nothing. May never happen here: a value that is changed, or a
sentence whose yes or no depends on the language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from ledger.errors import Problem, WrongUse

LOCALE_FOLDER: Final = Path(__file__).parent / "locale"
ENGLISH, CHINESE = "en", "zh"
MAX_NESTED: Final = 3  # sentences inside sentences: a list of who vouches for a step
_PLACE = re.compile(r"\{(\w+)\}")
_CODE, _FINDING, _LABEL = "code.", "finding.", "label."
_CONTRADICTION = re.compile(
    r"([A-Z][A-Z_]+): (.+) \(([^()]*)\)", re.DOTALL
)  # a finding: code, what the log says, about what
_NUMBERED = re.compile(r"(.+) number (\d+)")
_SHAPES = {
    "moment": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC",
    "name": r"\S+",
    "ordinal": r"\d+",
}  # of places that anything would fill
_LISTED, _BETWEEN = "; ", "\uff1b"  # of a list, in English and in Chinese
_SENTENCES = frozenset({"asked", "answer", "who", "what", "why"})  # places that are filled with words of ours


@dataclass(frozen=True, slots=True)
class Words:
    """One language. `texts`: translation by English sentence; `patterns`: the same where values are inside."""

    code: str
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    patterns: tuple[tuple[re.Pattern[str], str], ...] = field(default=(), repr=False)

    def say(self, text: str, *, depth: int = 0) -> str:
        """A sentence in this language; unchanged where the catalogue does not know it."""
        found = self.texts.get(text)
        if found is not None or not text:
            return found or text
        for pattern, translated in self.patterns:
            match = pattern.fullmatch(text)
            if match is not None:
                values = match.groupdict()
                for name in _SENTENCES & values.keys() if depth < MAX_NESTED else ():
                    values[name] = self.say(values[name], depth=depth + 1)
                return _PLACE.sub(_filling(values), translated)
        return self._each(text, depth) if depth == 0 else text

    def contradiction(self, text: str) -> str:
        """A finding of the history: its meaning by its code, and what the log says of it, which stays as it is."""
        found = _CONTRADICTION.fullmatch(text)
        meant = None if found is None else self.texts.get(_FINDING + found[1])
        if found is None or meant is None:
            return self.say(text)
        about = _NUMBERED.fullmatch(found[3])
        said = found[3] if about is None else self.say(f"{about[1]} number {about[2]}")
        return f"{found[1]}: {meant} ({said}; {found[2]})"

    def _each(self, text: str, depth: int) -> str:
        """A list, each part in this language; unchanged where no part is known."""
        parts = text.split(_LISTED)
        said = [self.say(part, depth=depth + 1) for part in parts]
        return text if said == parts else _BETWEEN.join(said)

    def translate(self, problem: Problem) -> None:
        """Say a refusal in this language; code and place stay, and what the rule said where it is not known."""
        said, meant = self.say(problem.what), self.texts.get(_CODE + problem.code)
        if meant is not None and said == problem.what:
            said = f"{meant} ({problem.what})"
        problem.what, problem.cure = said, self.say(problem.cure)
        problem.labels = {name: self.texts.get(_LABEL + name, name) for name in problem.labels}


def words_for(asked: str, environment: Mapping[str, str]) -> Words:
    """The language that is asked for by its code, else the environment's (LC_ALL, LC_MESSAGES, LANG), else English.

    `WrongUse` LANGUAGE for a code that there is no catalogue for.
    """
    if asked:
        if asked not in (ENGLISH, CHINESE):
            raise WrongUse("LANGUAGE", "There is no such language here.", where=asked[:20], cure="Give en or zh.")
        return _words(asked)
    named = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return _words(CHINESE if named.lower().startswith(CHINESE) else ENGLISH)


@cache
def _words(code: str) -> Words:
    if code == ENGLISH:
        return Words(code)
    from babel.messages.pofile import read_po  # noqa: PLC0415 - an English reader does not wait for it

    with (LOCALE_FOLDER / f"verify.{code}.po").open("rb") as file:
        read = {str(each.id): str(each.string) for each in read_po(file, locale=code) if each.id}
    texts = {text: translated for text, translated in read.items() if not _PLACE.search(text)}
    # The longest fixed text first: it says most about which sentence it is.
    placed = sorted((text for text in read if text not in texts), key=lambda text: -len(_PLACE.sub("", text)))
    return Words(code, texts, tuple((_pattern(text), read[text]) for text in placed))


def _filling(values: Mapping[str, str]) -> Callable[[re.Match[str]], str]:
    return lambda place: values[place[1]]


def _pattern(text: str) -> re.Pattern[str]:
    parts = _PLACE.split(text)
    shaped = [f"(?P<{name}>{_SHAPES.get(name, '.+?')})" for name in parts[1::2]]
    fixed = [re.escape(part) if place % 2 == 0 else shaped[place // 2] for place, part in enumerate(parts)]
    return re.compile("".join(fixed), re.DOTALL)
