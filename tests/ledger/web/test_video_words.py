"""What pages say of a camera's signatures: two sentences, one to each question, in every language."""

from __future__ import annotations

import html
from itertools import product

import pytest
from starlette.testclient import TestClient

from ledger.canonical import JsonValue
from ledger.http.addresses import page_path
from ledger.media_signing import Authenticity, Provenance
from ledger.store import Ledger
from ledger.web.language import languages
from ledger.web.words import AUTHENTICITY, PROVENANCE
from tests.ledger.tea import NOW, UNITS

PAIRS = list(product(Authenticity, Provenance))
ABOUT_THE_SIGNER = {"en": ("key", "maker", "certificate", "trust"), "zh": ("密钥", "厂商", "证书")}
ABOUT_THE_PICTURES = {"en": ("picture", "changed after", "missing", "tamper"), "zh": ("画面", "改动", "缺失", "视频")}


def test_there_is_one_sentence_for_every_answer_and_no_two_are_alike() -> None:
    assert set(AUTHENTICITY) == set(Authenticity) and set(PROVENANCE) == set(Provenance)
    said = [*AUTHENTICITY.values(), *PROVENANCE.values()]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("code", languages())
@pytest.mark.parametrize(("authenticity", "provenance"), PAIRS)
def test_an_unknown_signer_is_never_told_as_a_change_nor_a_change_as_an_unknown_signer(
    authenticity: Authenticity, provenance: Provenance, code: str, story: Ledger, client: TestClient
) -> None:
    """All combinations, as a reader sees them on the page of one unit."""
    group: dict[str, JsonValue] = {"authenticity": authenticity.value, "provenance": provenance.value}
    segment = story.evidence.segment_at(_first_filmed(client))
    assert segment is not None
    story.signed_video.keep({segment.signed.digest: {"groups": [group], "chains": []}}, NOW)
    page = html.unescape(client.get(page_path(UNITS[0]), headers={"accept-language": code}).text)
    pictures, signer = (
        page.split(f'data-{name}="')[1].split(">", 1)[1].split("</p>")[0] for name in ("pictures", "signer")
    )
    assert not any(word in pictures.lower() for word in ABOUT_THE_SIGNER[code])
    assert not any(word in signer.lower() for word in ABOUT_THE_PICTURES[code])
    if code == "en":
        assert signer == PROVENANCE[provenance]


def _first_filmed(client: TestClient) -> int:
    page = client.get(page_path(UNITS[0])).text
    return int(page.split('data-kind="filmed" data-entries="')[1].split('"')[0].split()[0])
