"""The identity of a loan: twin of `PledgeRegistry._loan_id`.

It binds registry, lender, receipt, goods and terms, so that a holder who consents to a loan consents to no other lender
and to no other terms.
"""

from __future__ import annotations

from ledger.attestation import address_word, word
from ledger.ethereum.keccak import keccak256

_LOAN_TAG = keccak256(b"pledgetrail/loan/v2")


def loan_id(
    *,
    chain_id: int,
    registry: bytes,
    lender: bytes,
    number: bytes,
    receipt_id: bytes,
    goods_key: bytes,
    terms_digest: bytes,
    due: int,
) -> bytes:
    """Keccak-256 of the tag and all fields, one ABI word each.

    `registry`, `lender`: 20 bytes; `due`: POSIX seconds of the destination's time; the others 32 bytes.
    """
    return keccak256(
        _LOAN_TAG
        + word(chain_id)
        + address_word(registry)
        + address_word(lender)
        + number
        + receipt_id
        + goods_key
        + terms_digest
        + word(due)
    )
