"""OV06: a camera that films a screen signs what it sees; only an independent sensor can lift a video above that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.media_signing import Authenticity, Provenance
from ledger.media_signing.assurance import Assurance, Observation, Shown, assurance
from tests.ledger.media_signing.film import BEGIN

SHOWN = Shown("camera 1", "yard 3", BEGIN, BEGIN + timedelta(seconds=10))
SCALE = Observation("scale 7", "yard 3", BEGIN, BEGIN + timedelta(seconds=1), True)
OK, TRUSTED = Authenticity.AUTHENTIC, Provenance.TRUSTED


def test_OV06_a_perfectly_signed_video_alone_is_of_low_assurance() -> None:
    assert assurance(SHOWN, OK, TRUSTED, []) is Assurance.LOW_ASSURANCE
    assert assurance(SHOWN, OK, TRUSTED, [SCALE]) is Assurance.CORROBORATED


@pytest.mark.parametrize(
    "other",
    [
        replace(SCALE, device="camera 1"),
        replace(SCALE, place="yard 4"),
        replace(SCALE, start=SHOWN.end, end=SHOWN.end + timedelta(seconds=5)),
        replace(SCALE, start=BEGIN - timedelta(seconds=5), end=BEGIN),
    ],
    ids=["the camera itself", "another place", "later", "earlier"],
)
def test_OV06_what_is_not_an_independent_witness_lifts_nothing(other: Observation) -> None:
    assert assurance(SHOWN, OK, TRUSTED, [other]) is Assurance.LOW_ASSURANCE
    assert assurance(SHOWN, OK, TRUSTED, [replace(other, agrees=False)]) is Assurance.LOW_ASSURANCE


def test_OV06_one_witness_that_disagrees_outweighs_all_that_agree() -> None:
    against = replace(SCALE, device="locator 2", agrees=False)
    assert assurance(SHOWN, OK, TRUSTED, [SCALE, against, SCALE]) is Assurance.CONTRADICTED


@pytest.mark.parametrize("authenticity", [each for each in Authenticity if each is not OK])
def test_OV06_a_witness_does_not_mend_a_video(authenticity: Authenticity) -> None:
    assert assurance(SHOWN, authenticity, TRUSTED, [SCALE]) is Assurance.LOW_ASSURANCE


@pytest.mark.parametrize("provenance", [each for each in Provenance if each is not TRUSTED])
def test_OV06_nor_its_signer(provenance: Provenance) -> None:
    assert assurance(SHOWN, OK, provenance, [SCALE]) is Assurance.LOW_ASSURANCE
