"""ONVIF Media Signing: video that carries its own signatures, as cameras make it, checked and made here.

What happens here: the records that a camera adds to its H.264 or H.265 stream (SEI, "user data unregistered") are read,
their signatures checked with the certificate that travels with them, and the pictures compared with the digests that
were signed, group of pictures by group of pictures. `signer` adds such records to a stream that was not signed.
Two questions are kept apart all the way to the page: were the pictures changed (`Authenticity`), and whose key signed
them (`Provenance`). An unknown signer is not a tampered picture, and a known signer does not mend one.
What may never happen here: I/O, decoding a picture, a clock, or "authentic" without a signature that holds.

Format: ONVIF Media Signing Specification 26.06 (general tag versions 1 and 2). Where that text and the public reference
implementation differ, what cameras send is read either way; `documents` says where.
"""

from ledger.media_signing.chain import SignerChain, TrustList
from ledger.media_signing.elementary import Codec, annex_b_units, length_prefixed_units
from ledger.media_signing.packets import PacketSigner, packet_units, prefix_bytes
from ledger.media_signing.segments import SegmentSigner
from ledger.media_signing.signer import MediaSigner, SigningPlan
from ledger.media_signing.verdict import Authenticity, GroupVerdict, Provenance, Trouble, TroubleKind, VideoVerdict
from ledger.media_signing.verify import verify_video

__all__ = [
    "Authenticity",
    "Codec",
    "GroupVerdict",
    "MediaSigner",
    "PacketSigner",
    "Provenance",
    "SegmentSigner",
    "SignerChain",
    "SigningPlan",
    "Trouble",
    "TroubleKind",
    "TrustList",
    "VideoVerdict",
    "annex_b_units",
    "length_prefixed_units",
    "packet_units",
    "prefix_bytes",
    "verify_video",
]
