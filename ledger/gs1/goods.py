"""The goods key: the identity of pledged goods, so that the same pile cannot be pledged under two papers."""

from __future__ import annotations

from ledger.canonical import canonical_json, digest
from ledger.errors import BadInput
from ledger.gs1.identifier import Identifier
from ledger.gs1.keys import Level

GOODS_DOMAIN = "pledgetrail/goods/v1/json"


def goods_key(lot: Identifier) -> bytes:
    """32 bytes, the same for every writing of the same lot (GTIN-14 and lot code, byte for byte).

    A unit whose writing carries its lot gives its lot's key. Refuses GOODS_NOT_A_LOT otherwise: a class is
    not goods, and a unit pledged by itself beside its lot would be the same goods under two keys.
    """
    found = lot.lot()
    if found is None or found.level is not Level.LOT or found.ai("01") is None:
        raise BadInput(
            "GOODS_NOT_A_LOT",
            "goods are pledged by their lot, GTIN and lot code together",
            where=lot.text[:80],
            cure="Name the lot: (01) GTIN (10) lot, as element string, Digital Link or urn:epc:class:lgtin.",
        )
    return digest(GOODS_DOMAIN, canonical_json({"gtin": found.ai("01"), "lot": found.ai("10")}))
