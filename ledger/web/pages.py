"""Rendering: one Jinja environment per language, everything escaped, text from outside made harmless to read.

May never happen here: inline script or style (the policy forbids both), or characters that turn the reading direction
of a page around.
"""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import segno
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ledger.errors import Problem
from ledger.http.addresses import evidence_path, page_path, recording_path
from ledger.http.problems import status_of
from ledger.http.requests import raw_path
from ledger.web import sensor_words, words
from ledger.web.language import Language, language_of, languages
from ledger.web.picture import picture_of

FOLDER = Path(__file__).parent
STATIC = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
MAX_SHOWN_CHARS = 200

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# The consumer page checks itself: its own modules alone, what they fetch from here, and the bytes they have checked.
CHECKING_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

_LOGGED = re.compile(r"0x[0-9a-f]{64}", re.ASCII)

# Control, format, private and unassigned characters: among them those that reverse the order of what follows.
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    cache_control: str,
    policy: str = POLICY,
    **values: Any,
) -> Response:
    """One page in the reader's language."""
    language = language_of(request)
    body = (
        environment(language.code)
        .get_template(template)
        .render(
            lang=language,
            status=status,
            others=[(other, _in_language(request, other)) for other in languages().values() if other is not language],
            **values,
        )
    )
    headers = {
        "Content-Security-Policy": policy,
        "Content-Language": language.code,
        "Vary": "Accept-Language",
        "Cache-Control": cache_control,
    }
    return HTMLResponse(body, status_code=status, headers=headers)


def problem_page(request: Request, problem: Problem) -> Response:
    """What a person sees instead of a page."""
    return render(
        request,
        "problem.html",
        status=status_of(problem),
        cache_control="no-store",
        problem=problem,
        of_portal=request.url.path.startswith("/portal"),
        words=words,
    )


def qr_code(url: str) -> Markup:
    """A QR code as inline SVG, black on white with its quiet zone of four modules."""
    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=True, border=4, dark="#000", light="#fff", omitsize=True, nl=False
    )
    return Markup(out.getvalue().decode("ascii"))  # noqa: S704  made of numbers by the line above


def static_address(name: str) -> str:
    """Where a static file is served, with its digest in the name, so that it may be cached for ever."""
    stem, _, suffix = name.partition(".")
    return f"/static/{stem}-{hashlib.sha256(static_bytes(name)).hexdigest()[:12]}.{suffix}"


@cache
def static_bytes(name: str) -> bytes:
    """A static file of this package."""
    return (FOLDER / "static" / name).read_bytes()


def shown(text: object) -> Markup:
    """Text from outside: bounded, isolated in its direction, hidden characters written out as ⟨U+202E⟩."""
    whole = str(text)
    visible = "".join(
        f"⟨U+{ord(char):04X}⟩" if unicodedata.category(char) in _HIDDEN else char for char in whole[:MAX_SHOWN_CHARS]
    )
    if len(whole) > MAX_SHOWN_CHARS:
        visible += "…"
    return Markup("<bdi>{}</bdi>").format(visible)


def short_hex(value: bytes) -> Markup:
    """The beginning and the end of an id, the whole of it when pointed at."""
    text = f"0x{value.hex()}"
    return Markup('<code title="{}">{}…{}</code>').format(text, text[:8], text[-4:])


def spelt(value: object) -> str:
    """The word that a contract logged as 32 bytes (`0x…`: ASCII, filled up with zeros); empty where it is none."""
    if not isinstance(value, str) or _LOGGED.fullmatch(value) is None:
        return ""
    word = bytes.fromhex(value[2:]).rstrip(b"\0")
    text = word.decode("ascii", "replace")
    return text if 2 < len(word) < 32 and text.isascii() and text.isprintable() else ""


@cache
def environment(code: str) -> Environment:
    """The templates in one language."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    language = languages()[code]
    made.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.filters.update(shown=shown, short_hex=short_hex, spelt=spelt, word=_word_in(language))
    made.globals.update(
        words=words,
        style=static_address("style.css"),
        icon=static_address("icon.svg"),
        page_path=page_path,
        recording_path=recording_path,
        evidence_path=evidence_path,
        picture_of=picture_of,
        sensors=sensor_words,
    )
    return made


def _word_in(language: Language) -> Any:
    def word(code: str, vocabulary: Mapping[str, str]) -> Markup:
        """The word for a code in the reader's language; a code without one is shown as it is."""
        return escape(language.gettext(vocabulary[code])) if code in vocabulary else shown(code)

    return word


def _in_language(request: Request, other: Language) -> str:
    kept = {name: value for name, value in request.query_params.items() if name != "lang"}
    return f"{raw_path(request)}?{urlencode({**kept, 'lang': other.code})}"
