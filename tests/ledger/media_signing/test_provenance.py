"""Whose key it was, judged at the time of signing, and never mixed with whether the pictures are the signed ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product
from math import gcd

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from ledger.errors import BadInput, WrongUse
from ledger.evidence.keys import SoftwareKey
from ledger.media_signing import Authenticity, Codec, MediaSigner, Provenance, SignerChain, TrustList, verify_video
from tests.ledger.media_signing.authority import CAMERA, END, MAKER, NOBODY, ROOT, START, TRUST, issue, pem
from tests.ledger.media_signing.film import BEGIN, VENDOR, Film, film

STRANGER = issue("Somebody's root", ca=True)


def _only(values: set[Provenance]) -> Provenance:
    (value,) = values
    return value


def _provenance(made: Film, trust: TrustList = TRUST) -> Provenance:
    return _only({group.provenance for group in made.verify(trust).groups})


def test_a_signer_under_no_trusted_root_is_untrusted_and_its_pictures_authentic() -> None:
    for trust in (NOBODY, TrustList.load(pem(STRANGER.certificate))):
        verdict = film().verify(trust)
        assert verdict.authenticity is Authenticity.AUTHENTIC
        assert verdict.provenance is Provenance.UNTRUSTED_SIGNER
    assert film().verify(TRUST).provenance is Provenance.TRUSTED


@pytest.mark.parametrize(("tampered", "trusted"), list(product([False, True], [False, True])))
def test_the_two_questions_are_answered_apart(tampered: bool, trusted: bool) -> None:
    made = film()
    if tampered:
        made.change("P", 4)
    verdict = made.verify(TRUST if trusted else NOBODY)
    assert (verdict.authenticity is Authenticity.TAMPERED) is tampered
    assert verdict.provenance is (Provenance.TRUSTED if trusted else Provenance.UNTRUSTED_SIGNER)


def test_a_certificate_that_expired_later_undoes_nothing_and_one_not_yet_valid_proves_nothing() -> None:
    day = timedelta(days=1)
    for start, end, expected in [
        (START, BEGIN + day, Provenance.TRUSTED),
        (START, BEGIN - day, Provenance.NOT_VALID_THEN),
        (BEGIN + day, END, Provenance.NOT_VALID_THEN),
    ]:
        signer = issue("camera 1", MAKER, start=start, end=end)
        verdict = film(signer=signer).verify()
        assert (verdict.provenance, verdict.authenticity) == (expected, Authenticity.AUTHENTIC)


def test_an_intermediate_that_was_not_valid_then_does_not_vouch() -> None:
    maker = issue("Camera maker", ROOT, ca=True, end=BEGIN - timedelta(days=1))
    assert _provenance(film(signer=issue("camera 1", maker))) is Provenance.NOT_VALID_THEN


def test_the_certificate_may_end_between_two_groups() -> None:
    signer = issue("camera 1", MAKER, end=BEGIN + timedelta(seconds=1))
    verdict = film(("I" + "P" * 24) * 3, signer=signer).verify()
    assert [group.provenance for group in verdict.groups] == [Provenance.TRUSTED, *[Provenance.NOT_VALID_THEN] * 2]


def test_OV10_a_chain_is_looked_at_once_for_each_stretch_of_time_and_not_for_each_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, vouches = list[object](), TrustList.vouches

    def counted(self: TrustList, chain: SignerChain, moment: datetime | None) -> bool:
        asked.append(moment)
        return vouches(self, chain, moment)

    monkeypatch.setattr(TrustList, "vouches", counted)
    signer = issue("camera 1", MAKER, start=BEGIN + timedelta(seconds=1), end=BEGIN + timedelta(seconds=2))
    groups = film(("I" + "P" * 4) * 20, signer=signer).verify().groups
    assert len(asked) < 8
    alone = [TRUST.judge(each.chain, each.signed_until) for each in groups if each.chain is not None]
    assert [each.provenance for each in groups] == alone
    assert len(alone) == 20 and set(alone) == {Provenance.TRUSTED, Provenance.NOT_VALID_THEN}


def test_OV10_a_key_that_takes_long_to_check_signs_nothing() -> None:
    """OpenSSL takes an exponent as long as the key itself: seventy times the work, twenty thousand times a segment."""
    quick = rsa.generate_private_key(65537, 2048)
    numbers = quick.private_numbers()
    turn = (numbers.p - 1) * (numbers.q - 1)
    long = next(e for e in range((1 << 2000) + 1, 1 << 2001, 2) if gcd(e, turn) == 1)
    secret = pow(long, -1, turn)
    slow = rsa.RSAPrivateNumbers(
        numbers.p,
        numbers.q,
        secret,
        secret % (numbers.p - 1),
        secret % (numbers.q - 1),
        numbers.iqmp,
        rsa.RSAPublicNumbers(long, numbers.public_numbers.n),
    ).private_key()
    oid = bytes.fromhex("06092a864886f70d01010b")
    for key, holds in ((quick, True), (slow, False)):
        chain = SignerChain(issue("camera", MAKER, private=key).chain)
        signature = key.sign(b"x", padding.PKCS1v15(), hashes.SHA256())
        key.public_key().verify(signature, b"x", padding.PKCS1v15(), hashes.SHA256())
        assert chain.verifies(signature, b"x", algorithm="sha256", oid=oid) is holds
        assert TRUST.vouches(chain, BEGIN) is holds


def test_a_camera_cannot_issue_certificates() -> None:
    """The leaf of one camera signs a certificate for another key; its own chain is sound."""
    child = issue("camera 2", CAMERA)
    made = film(signer=child)
    assert child.chain.count(b"BEGIN") == 3
    assert _provenance(made) is Provenance.UNTRUSTED_SIGNER


def test_nor_can_one_whose_key_may_sign_certificates_but_that_is_no_issuer() -> None:
    odd = issue("camera 1", MAKER, signs_certificates=True)
    assert _provenance(film(signer=issue("camera 2", odd))) is Provenance.UNTRUSTED_SIGNER
    assert _provenance(film(signer=issue("camera 2", issue("Line 1", MAKER, ca=True)))) is Provenance.TRUSTED


def test_the_stream_cannot_bring_its_own_root() -> None:
    forged = issue("camera 1", issue("Camera maker", issue("Camera maker root", ca=True), ca=True))
    with_root = SignerChain(forged.chain + pem(issue("Camera maker root", ca=True).certificate))
    assert TRUST.judge(with_root, BEGIN) is Provenance.UNTRUSTED_SIGNER
    assert TRUST.judge(SignerChain(CAMERA.chain), BEGIN) is Provenance.TRUSTED


def test_no_certificate_means_nothing_is_known() -> None:
    made = film()
    stripped = [unit.replace(b"BEGIN CERTIFICATE", b"BEGIN_CERTIFICATE") for unit in made.units]
    verdict = Film(Codec.H264, stripped).verify()
    assert {group.authenticity for group in verdict.groups} == {Authenticity.NOT_COVERED}
    assert verdict.provenance is Provenance.NO_CERTIFICATE
    assert {group.authenticity for group in Film(Codec.H264, stripped).verify(complete=False).groups} == {
        Authenticity.PENDING
    }


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()])
def test_other_curves_verify(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    chain = SignerChain(issue("camera", MAKER, private=key).chain)
    assert chain.verifies(key.sign(b"x", ec.ECDSA(hashes.SHA256())), b"x", algorithm="sha256", oid=b"")
    assert not chain.verifies(key.sign(b"y", ec.ECDSA(hashes.SHA256())), b"x", algorithm="sha256", oid=b"")
    assert not chain.verifies(key.sign(b"x", ec.ECDSA(hashes.SHA256())), b"x", algorithm="unsupported", oid=b"")


def test_rsa_verifies_in_both_paddings_and_not_with_a_short_key() -> None:
    key = rsa.generate_private_key(65537, 2048)
    chain = SignerChain(issue("camera", MAKER, private=key).chain)
    pss = key.sign(b"x", padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH), hashes.SHA256())
    pkcs = key.sign(b"x", padding.PKCS1v15(), hashes.SHA256())
    oid = bytes.fromhex("06092a864886f70d01010b")
    assert chain.verifies(pss, b"x", algorithm="sha256", oid=b"")
    assert chain.verifies(pkcs, b"x", algorithm="sha256", oid=oid)
    assert not chain.verifies(pkcs, b"x", algorithm="sha256", oid=b"")
    short = rsa.generate_private_key(65537, 1024)
    weak = SignerChain(issue("camera", MAKER, private=short).chain)
    assert not weak.verifies(short.sign(b"x", padding.PKCS1v15(), hashes.SHA256()), b"x", algorithm="sha256", oid=oid)


def test_a_key_that_is_not_the_chains_is_refused_before_anything_is_signed() -> None:
    with pytest.raises(WrongUse) as caught:
        MediaSigner(Codec.H264, issue("x", MAKER).key, CAMERA.chain, vendor=VENDOR)
    assert caught.value.code == "MEDIA_SIGNING_KEY"
    with pytest.raises(WrongUse):
        MediaSigner(Codec.H264, SoftwareKey(bytes(range(32))), CAMERA.chain, vendor=VENDOR)
    MediaSigner(Codec.H264, CAMERA.key, CAMERA.chain, vendor=VENDOR)


@pytest.mark.parametrize(
    "raw",
    [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b" " * 2**19 + CAMERA.chain],
)
def test_what_is_no_chain_has_a_typed_refusal(raw: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        SignerChain(raw)
    assert caught.value.code == "CERTIFICATES"
    with pytest.raises(BadInput):
        SignerChain(CAMERA.chain * 6)
    assert len(SignerChain(CAMERA.chain).certificates) == 2


def test_another_key_than_before_is_told_apart_from_an_unknown_one() -> None:
    other = issue("camera 1", MAKER)
    made = film(signer=other)
    assert {group.provenance for group in made.verify().groups} == {Provenance.TRUSTED}
    verdict = verify_video(made.units, made.codec, TRUST, known=SignerChain(CAMERA.chain))
    assert {group.provenance for group in verdict.groups} == {Provenance.KEY_CHANGED}
    assert {group.authenticity for group in verdict.groups} == {Authenticity.AUTHENTIC}
