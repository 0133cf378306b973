"""The attesting key in a hardware token (PKCS#11): it signs there and never leaves.

Tokens give `r ‖ s` with whatever `s` comes, and no recovery value: both are put right here. They draw their own random
numbers, so that signing a digest again may give another signature over it; contracts take either. May never happen
here: signing with a key that the token would hand out, or with another key than the one that was opened.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import NoSuchKey, NoSuchToken, PinIncorrect, PinLenRange, PinLocked, PKCS11Error

from ledger.errors import Problem, Refused, Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.secp256k1 import HALF_ORDER, ORDER, Signature, recover
from notary.config import TokenPlace

_POINT = b"\x04\x41\x04"  # DER: an octet string of 65 bytes, an uncompressed point
_SECP256K1 = bytes.fromhex("06052b8104000a")  # DER: its object identifier


class TokenKey:
    """A secp256k1 key in an open token. Safe to share between threads: the token signs one after the other."""

    def __init__(self, place: TokenPlace, pin: bytes) -> None:
        """Errors: `Unavailable` TOKEN_MISSING; `Refused` TOKEN_PIN, TOKEN_KEY (none, several, or not secp256k1),
        TOKEN_EXTRACTABLE."""
        self._place, self._lock = place, threading.Lock()
        try:
            if not os.path.exists(place.library):  # noqa: PTH110  # loading what is not there aborts in some libraries
                raise self._missing("there is no such PKCS#11 library")
            token = pkcs11.lib(place.library).get_token(token_label=place.label)
            self._session = token.open(user_pin=pin.decode("utf-8", errors="strict"))
        except (PinIncorrect, PinLenRange, PinLocked, UnicodeDecodeError):
            raise Refused("TOKEN_PIN", "the token does not take the PIN, or is locked", where=place.label) from None
        except (NoSuchToken, PKCS11Error, RuntimeError) as error:
            raise self._missing(f"the token does not open ({type(error).__name__})") from error
        try:
            self._key, self.address = self._find()
        except BaseException:
            self._session.close()
            raise

    def sign(self, digest: bytes) -> Signature:
        """Sign a 32-byte digest, `s` low and `v` found. Errors: `Unavailable` TOKEN_MISSING; `Refused` TOKEN_KEY."""
        try:
            with self._lock:
                raw: bytes = self._key.sign(digest, mechanism=Mechanism.ECDSA)
        except PKCS11Error as error:
            raise self._missing(f"the token does not sign ({type(error).__name__})") from error
        r, s = (int.from_bytes(raw[at : at + 32], "big") for at in (0, 32))
        low = ORDER - s if s > HALF_ORDER else s
        for parity in (27, 28):
            try:
                found = Signature(r, low, parity)
                if recover(digest, found) == self.address:
                    return found
            except Problem:
                continue  # no point has this r and parity
        raise Refused("TOKEN_KEY", "the token's signature is not of the key that was opened", where=self._place.key)

    def close(self) -> None:
        """Give the token up."""
        self._session.close()

    def __repr__(self) -> str:
        return f"TokenKey(0x{self.address.hex()})"

    def _find(self) -> tuple[Any, bytes]:
        wanted: dict[Any, Any] = {Attribute.LABEL: self._place.key, Attribute.KEY_TYPE: KeyType.EC}
        private = list(self._session.get_objects(wanted | {Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
        public = list(self._session.get_objects(wanted | {Attribute.CLASS: ObjectClass.PUBLIC_KEY}))
        try:
            if len(private) != 1 or len(public) != 1:
                raise NoSuchKey
            point, curve = bytes(public[0][Attribute.EC_POINT]), bytes(public[0][Attribute.EC_PARAMS])
            extractable = private[0][Attribute.EXTRACTABLE] or not private[0][Attribute.SENSITIVE]
        except PKCS11Error as error:
            what = "the token holds not exactly one pair of that label"
            raise Refused("TOKEN_KEY", what, where=self._place.key) from error
        if curve != _SECP256K1 or len(point) != 67 or not point.startswith(_POINT):
            raise Refused("TOKEN_KEY", "the key is not of secp256k1", where=self._place.key)
        if extractable:
            cure = "Make a key inside the token, sensitive and not extractable."
            raise Refused("TOKEN_EXTRACTABLE", "the token would hand the key out", where=self._place.key, cure=cure)
        return private[0], keccak256(point[3:])[12:]

    def _missing(self, what: str) -> Unavailable:
        cure = "Check `token` in the configuration, and that the token is there."
        return Unavailable("TOKEN_MISSING", what, where=f"{self._place.library}, {self._place.label}", cure=cure)
