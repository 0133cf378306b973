"""Terms of a leg: what one side of a two-phase commit hands over, as its application reads it. Pure.

`WarehouseReceipt.vy` and `TokenLeg.vy` read these bytes; who consents to a leg's key consents to them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.attestation import address_word, fits, word
from ledger.errors import BadInput

RECEIPT_TERMS_BYTES, TOKEN_TERMS_BYTES = 160, 128


@dataclass(frozen=True, slots=True)
class ReceiptTerms:
    """A warehouse receipt to a receiver. Accounts: 20 bytes; `receipt_id`, `goods_key`: 32 bytes; `quantity`: units.

    What the receipt is for stands here, so that whoever gets it knows from the plan alone. Errors: `BadInput`
    LEG_TERMS.
    """

    receipt_id: bytes
    keeper: bytes
    goods_key: bytes
    quantity: int
    receiver: bytes

    def __post_init__(self) -> None:
        _check((self.keeper, self.receiver), (self.receipt_id, self.goods_key), self.quantity)

    def encode(self) -> bytes:
        """The terms, 160 bytes."""
        described = address_word(self.keeper) + self.goods_key + word(self.quantity)
        return self.receipt_id + described + address_word(self.receiver)


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """A payment. Accounts: 20 bytes; `quantity`: the token's smallest units. Errors: `BadInput` LEG_TERMS."""

    token: bytes
    quantity: int
    payer: bytes
    payee: bytes

    def __post_init__(self) -> None:
        _check((self.token, self.payer, self.payee), (), self.quantity)

    def encode(self) -> bytes:
        """The terms, 128 bytes."""
        return address_word(self.token) + word(self.quantity) + address_word(self.payer) + address_word(self.payee)


def read_receipt_terms(terms: bytes) -> ReceiptTerms:
    """Read a receipt's terms; `BadInput` LEG_TERMS unless they are exactly what `ReceiptTerms.encode` gives."""
    words = _words(terms, RECEIPT_TERMS_BYTES)
    receipt_id, keeper, goods_key, quantity, receiver = words
    return ReceiptTerms(receipt_id, _account(keeper), goods_key, int.from_bytes(quantity, "big"), _account(receiver))


def read_token_terms(terms: bytes) -> TokenTerms:
    """Read a payment's terms; `BadInput` LEG_TERMS unless they are exactly what `TokenTerms.encode` gives."""
    token, quantity, payer, payee = _words(terms, TOKEN_TERMS_BYTES)
    return TokenTerms(_account(token), int.from_bytes(quantity, "big"), _account(payer), _account(payee))


def _check(accounts: tuple[bytes, ...], words: tuple[bytes, ...], quantity: int) -> None:
    sizes = all(len(each) == 20 and any(each) for each in accounts) and all(len(each) == 32 for each in words)
    if not (sizes and fits(quantity, 256) and quantity):
        raise BadInput("LEG_TERMS", "an account of a leg is missing, it moves nothing, or a field is outside its type")


def _words(terms: bytes, size: int) -> list[bytes]:
    if len(terms) != size:
        raise BadInput("LEG_TERMS", f"these terms have {size} bytes", where=f"{len(terms)} bytes")
    return [terms[begin : begin + 32] for begin in range(0, size, 32)]


def _account(found: bytes) -> bytes:
    if any(found[:12]):
        raise BadInput("LEG_TERMS", "an account is longer than 20 bytes", where=found.hex())
    return found[12:]
