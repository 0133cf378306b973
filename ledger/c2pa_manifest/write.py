"""Sign an exported recording with a C2PA manifest that names the evidence it was exported from.

What happens here: the recording becomes the parent of the manifest, the claim of the ledger is added, and a key that
may be in a token signs it (ES256). What may never happen here: a time stamp or anything else from the network.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import c2pa

from ledger.c2pa_manifest.read import settings
from ledger.errors import BadInput, WrongUse
from ledger.evidence.keys import DeviceSigner
from ledger.media_signing import SignerChain

LABEL = "org.pledgetrail.segment"


@dataclass(frozen=True, slots=True)
class Claim:
    """What the ledger says of a recording it exports. `evidence`: digest of the device's statement, hexadecimal.

    `recorded_from`, `recorded_until`: RFC 3339, by the device's clock. `entry`: in the ledger's log.
    """

    device: str
    sequence: int
    evidence: str
    media_cid: str
    recorded_from: str
    recorded_until: str
    entry: int


def sign_recording(video: bytes, claim: Claim, key: DeviceSigner, chain: bytes) -> bytes:
    """The MP4 `video` with a manifest. `chain`: PEM, leaf first, without the root; its leaf must allow C2PA signing.

    Raises `WrongUse` C2PA_KEY (not P-256, or not the leaf's), C2PA_CERTIFICATE (the certificate may not sign claims);
    `BadInput` CERTIFICATES, VIDEO_NOT_VIDEO.
    """
    leaf = SignerChain(chain)
    if key.algorithm != "P-256" or not leaf.is_of(key.public_key):
        raise WrongUse(
            "C2PA_KEY",
            "exports are signed with a P-256 key whose certificate heads the chain, and these are not one",
            cure="Give the key and the certificate that was issued for it, followed by its intermediates.",
        )
    manifest = {
        "claim_generator_info": [{"name": "Pledgetrail"}],
        "title": f"{claim.device} number {claim.sequence}",
        "assertions": [{"label": LABEL, "data": {**_data(claim)}}],
    }
    out = io.BytesIO()
    try:
        context = c2pa.Context.from_dict(settings(b""))
        signer = c2pa.Signer.from_callback(key.sign, c2pa.C2paSigningAlg.ES256, chain.decode("ascii"), None)
        with c2pa.Builder(manifest, context=context) as builder:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            builder.sign(signer, "video/mp4", io.BytesIO(video), out)
    except c2pa.C2paError as error:
        raise _refusal(error) from error
    return out.getvalue()


def _data(claim: Claim) -> dict[str, str]:
    return {name: str(getattr(claim, name)) for name in Claim.__slots__}


def _refusal(error: c2pa.C2paError) -> BadInput | WrongUse:
    what = str(error)[:200]
    if "ertificate" in what or "OtherError" in what or "Signature" in what:
        return WrongUse(
            "C2PA_CERTIFICATE",
            f"the certificate cannot sign claims: {what}",
            cure="Use a certificate for document or e-mail signing (extended key usage), under an issuer of its own.",
        )
    return BadInput("VIDEO_NOT_VIDEO", f"the recording cannot carry a manifest: {what}", cure="Export an MP4.")
