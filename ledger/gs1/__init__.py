"""GS1 identifiers: read whichever way they are written, compared by what they mean. Pure; resolves nothing.

`parse(text)` gives an `Identifier`; `.normal` is what to look it up by; `goods_key(lot)` is what a
pledge reserves.
"""

from ledger.gs1.characters import check_digit
from ledger.gs1.epc_uri import epc_uri
from ledger.gs1.goods import GOODS_DOMAIN, goods_key
from ledger.gs1.identifier import CANONICAL_BASE, Identifier, from_ais, lot, unit
from ledger.gs1.keys import Level
from ledger.gs1.parse import parse
from ledger.gs1.uri import is_uri

__all__ = [
    "CANONICAL_BASE",
    "GOODS_DOMAIN",
    "Identifier",
    "Level",
    "check_digit",
    "epc_uri",
    "from_ais",
    "goods_key",
    "is_uri",
    "lot",
    "parse",
    "unit",
]
