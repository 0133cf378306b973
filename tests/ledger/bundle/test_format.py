"""A body that is fine CBOR and no bundle: each field has its type and bound, and the refusal names it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest

from ledger.bundle import dump, load, verify
from ledger.bundle.format import MAGIC
from ledger.errors import BadInput
from tests.ledger.bundle import estate
from tests.ledger.bundle.estate import TRUST_ROOT, Estate
from tests.ledger.refusals import refused

HONEST = Estate().with_entries().build()


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The honest body with one change, encoded and sealed again."""
    body = cbor2.loads(HONEST[len(MAGIC) + 32 :])
    change(body)
    raw = cbor2.dumps(body, canonical=True)
    return MAGIC + hashlib.sha256(raw).digest() + raw


MALFORMED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a part is missing": (lambda b: b.pop("note"), "body"),
    "a part is unknown": (lambda b: b.update(comment="made by me"), "body"),
    "a part is another type": (lambda b: b.update(judged=[]), "judged"),
    "the subject is empty": (lambda b: b.update(subject=""), "subject"),
    "the subject is bytes": (lambda b: b.update(subject=b"x"), "subject"),
    "the subject is too long": (lambda b: b.update(subject="x" * 513), "subject"),
    "the subject holds a control character": (lambda b: b.update(subject="a\x1b[31mb"), "subject"),
    "the note is text": (lambda b: b.update(note="note"), "note"),
    "the objects are a map": (lambda b: b.update(objects={}), "objects"),
    "an object is a number": (lambda b: b.update(objects=[1]), "objects[0]"),
    "a salt is short": (lambda b: b["objects"][2].update(salt=bytes(31)), "objects[2].salt"),
    "an index is true": (lambda b: b["objects"][1].update(index=True), "objects[1].index"),
    "a hash of a path is short": (lambda b: b["objects"][0].update(path=[bytes(31)]), "objects[0].path[0]"),
    "a path is higher than any tree": (lambda b: b["objects"][0].update(path=[bytes(32)] * 65), "objects[0].path"),
    "a receipt's proof is longer than any": (lambda b: b["sent"].update(proof=[b""] * 65), "sent.proof"),
    "a proof node is text": (lambda b: b["committed"].update(proof=["x"]), "committed.proof[0]"),
    "a transaction is bytes": (lambda b: b["sent"].update(transaction=b"\2"), "sent.transaction"),
    "a side is missing": (lambda b: b["attested"].update(path=[bytes(32)]), "attested.path[0]"),
    "executed is one": (lambda b: b["judged"]["verdict"].update(executed=1), "judged.verdict.executed"),
    "a verdict's field is missing": (lambda b: b["judged"]["verdict"].pop("outcome"), "judged.verdict"),
    "the credential is long": (lambda b: b["judged"].update(credential=bytes(33)), "judged.credential"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_body_is_refused_with_the_place_when(case: str) -> None:
    change, where = MALFORMED[case]
    with pytest.raises(BadInput) as caught:
        load(changed(change))
    assert (caught.value.code, caught.value.where) == ("BUNDLE_FIELD", where)
    assert load(changed(lambda _: None)) == load(HONEST)


def test_what_would_not_load_is_not_written() -> None:
    bundle = load(HONEST)
    with refused("BUNDLE_FIELD"):
        dump(replace(bundle, subject=""))
    assert dump(bundle) == HONEST


def test_cosigners_beyond_any_calendar_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(estate, "COSIGNED_AT", 2**62)
        forged = Estate(message={"expiry": 2**63}).with_entries().forge()
    with refused("COSIGNATURE_FUTURE"):
        verify(forged, trust_root=TRUST_ROOT)
