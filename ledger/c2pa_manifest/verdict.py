"""A C2PA validation report as two answers (C2PA 2.2, chapter 15: "Validation", status codes).

What happens here: each status code is about the signer, about the file, or about neither; an unknown failure counts as
one of the file, since a yes may not rest on what is not understood. May never happen here: one word for both questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ledger.errors import BadInput
from ledger.media_signing import Authenticity, Provenance
from ledger.printable import printable

_SIGNER = ("signingCredential.", "timeStamp.untrusted", "timeStamp.mismatch")
_NOT_VALID_THEN = ("signingCredential.expired", "claimSignature.outsideValidity")
_MATCHES = ("assertion.bmffHash.match", "assertion.dataHash.match", "assertion.boxesHash.match")
_BROKEN_SIGNATURE = ("claimSignature.mismatch", "claimSignature.missing", "claim.missing", "claim.multiple")
MAX_CODES = 64
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class ManifestVerdict:
    """What the active manifest of a file and its ingredients show. `signer`, `issuer`: as the certificate names them.

    `failures`: status codes of C2PA, at most `MAX_CODES`. `signed_at`: RFC 3339, where a time stamp tells.
    """

    authenticity: Authenticity
    provenance: Provenance
    signer: str
    issuer: str
    generator: str
    signed_at: str
    failures: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """A yes to both questions."""
        return self.authenticity is Authenticity.AUTHENTIC and self.provenance is Provenance.TRUSTED


def judge(report: object) -> ManifestVerdict:
    """The verdict on a report `{"results", "signature", "generator"}`; `BadInput` C2PA_UNREADABLE for another shape."""
    fields = _mapping(report)
    results = _mapping(fields.get("results"))
    active = _mapping(results.get("activeManifest"))
    passed, failed = set(_codes(active, "success")), list(_codes(active, "failure"))
    for ingredient in _list(results.get("ingredientDeltas")):
        failed += _codes(_mapping(_mapping(ingredient).get("validationDeltas")), "failure")
    signature = _mapping(fields.get("signature"))
    return ManifestVerdict(
        _authenticity(passed, failed),
        _provenance(passed, failed),
        _text(signature.get("common_name")),
        _text(signature.get("issuer")),
        _text(fields.get("generator")),
        _text(signature.get("time")),
        tuple(failed[:MAX_CODES]),
    )


def _authenticity(passed: set[str], failed: Iterable[str]) -> Authenticity:
    of_the_file = [code for code in failed if not code.startswith(_SIGNER) and code not in _NOT_VALID_THEN]
    whole = "claimSignature.validated" in passed and any(code in passed for code in _MATCHES)
    return Authenticity.AUTHENTIC if whole and not of_the_file else Authenticity.TAMPERED


def _provenance(passed: set[str], failed: Iterable[str]) -> Provenance:
    failures = list(failed)
    if any(code in _BROKEN_SIGNATURE for code in failures) or "claimSignature.validated" not in passed:
        return Provenance.NO_CERTIFICATE
    if any(code in _NOT_VALID_THEN for code in failures):
        return Provenance.NOT_VALID_THEN
    if "signingCredential.trusted" in passed and not any(code.startswith(_SIGNER) for code in failures):
        return Provenance.TRUSTED
    return Provenance.UNTRUSTED_SIGNER


def _codes(found: Mapping[str, object], kind: str) -> Iterable[str]:
    return [_text(_mapping(each).get("code")) or "unnamed" for each in _list(found.get(kind))]


def _mapping(value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise unreadable("its validation report has another shape")
    return value


def _list(value: object) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise unreadable("its validation report has another shape")
    return value


def _text(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return printable(text)[:_MAX_TEXT]


def unreadable(what: str) -> BadInput:
    """The refusal for a file whose manifest can be called neither good nor bad."""
    return BadInput(
        "C2PA_UNREADABLE",
        f"the file's C2PA manifest cannot be read: {what}",
        cure="Ask for the file again; if it comes so from its maker, it can be kept without its manifest.",
    )
