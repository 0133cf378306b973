"""`/verify`: one page that checks a proof file on the reader's device, whole in one file, with or without this server.

Style, words of every language and the modules of `static/verify` stand in the page itself; its policy, which stands
there too, lets it fetch nothing and run nothing else. May never happen here: a page that differs from one reader to the
next, or an address it would ask.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from fastapi import APIRouter, Response
from markupsafe import Markup

from ledger.web.check_words import IN_BROWSER, STATES
from ledger.web.language import ENGLISH, Language, languages
from ledger.web.modules import FOLDER
from ledger.web.pages import environment, static_bytes
from ledger.web.verifier_words import BUNDLE_CHECKS, VERIFIER
from ledger.web.words import ERASURE_REASONS, EVENT_TYPES, N_, STEPS

ENTRY, WORDS = "bundle/main.mjs", "words.mjs"
NO_SCRIPT = N_("This page needs JavaScript to check anything.")
_IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|class|function|async function) (\w+))", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StandAlone:
    """The page's bytes, and its content security policy as a header says it."""

    page: bytes
    policy: str


def verifier_page() -> APIRouter:
    """`/verify`: always the same bytes."""
    router = APIRouter(include_in_schema=False)

    @router.head("/verify")
    @router.get("/verify")
    def verifier() -> Response:
        made = stand_alone()
        headers = {"Content-Security-Policy": made.policy + "; frame-ancestors 'none'", "Cache-Control": "no-cache"}
        return Response(made.page, media_type="text/html; charset=utf-8", headers=headers)

    return router


@cache
def stand_alone() -> StandAlone:
    """The page with everything in it."""
    script, style = _joined(), static_bytes("style.css").decode("utf-8")
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    page = (
        environment(ENGLISH)
        .get_template("verifier.html")
        .render(
            policy=policy,
            style=Markup(style),  # noqa: S704  files of this package, and hashed by the policy
            script=Markup(script),  # noqa: S704  the same
            languages=tuple(languages().values()),
            words=VERIFIER,
            checks=BUNDLE_CHECKS,
            limits=[key for key in VERIFIER if key.startswith("limit.")],
            no_script=NO_SCRIPT,
        )
    )
    return StandAlone(page.encode("utf-8"), policy)


def _joined() -> str:
    """All modules that the page needs in one script: each a function that returns what it exports, in order of need."""
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        if name in parts:
            return
        source = _words() if name == WORDS else Path(FOLDER, name).read_text("utf-8")
        for _, target in _IMPORT.findall(source):
            add(_resolved(name, target))
        parts[name] = _wrapped(name, source)

    add(ENTRY)
    script = '"use strict";\n' + "".join(parts.values())
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("a module holds what would end the script")
    return script


def _wrapped(name: str, source: str) -> str:
    exported = ", ".join(_EXPORT.findall(source))
    body = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = {_variable(_resolved(name, found[2]))};\n", source)
    body = _EXPORT.sub("", body)
    return f"const {_variable(name)} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"


def _resolved(importer: str, target: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(importer).parent / target).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _variable(name: str) -> str:
    return "$" + re.sub(r"\W", "_", name.removesuffix(".mjs"))


def _words() -> str:
    table = {code: _in(language) for code, language in languages().items()}
    return f"export const WORDS = {json.dumps(table, ensure_ascii=False)};\n".replace("</", "<\\/")


def _in(language: Language) -> dict[str, str]:
    named = {
        **{f"bundle.{key}": text for key, text in BUNDLE_CHECKS.items()},
        **{f"state.{key}": text for key, text in STATES.items()},
        **{f"step.{key}": text for key, text in {**EVENT_TYPES, **STEPS}.items()},
        **{key: text for key, text in IN_BROWSER.items() if key.startswith(("reason.", "more."))},
        **{f"erased.{key}": text for key, text in ERASURE_REASONS.items()},
        **VERIFIER,
        "trust.name": N_("Trust root"),
    }
    return {key: language.gettext(text) for key, text in named.items()} | {"error.code": "{code} {where}"}


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
