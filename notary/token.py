"""A notary's keys in a hardware token (PKCS#11): they sign there and never leave.

Tokens give `r ‖ s` with whatever `s` comes, and no recovery value: both are put right here. They draw their own random
numbers, so that signing a digest again may give another signature over it; contracts take either. Ed25519, for
cosigning, needs a token that offers EdDSA. May never happen here: signing with a key that the token would hand out, or
with another key than the one that was opened.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import NoSuchKey, NoSuchToken, PinIncorrect, PinLenRange, PinLocked, PKCS11Error

from ledger import ed25519
from ledger.errors import Problem, Refused, Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.secp256k1 import HALF_ORDER, ORDER, Signature, recover
from notary.config import TokenPlace

_POINT = b"\x04\x41\x04"  # DER: an octet string of 65 bytes, an uncompressed point
_SECP256K1 = bytes.fromhex("06052b8104000a")  # DER: its object identifier
_EDWARDS_POINT = b"\x04\x20"  # DER: an octet string of 32 bytes
# DER: its object identifier (RFC 8410), or its name as older tokens have it (PKCS#11 version 2.40).
_ED25519 = (bytes.fromhex("06032b6570"), b"\x13\x0cedwards25519")


class _Token:
    """An open token. Its keys sign one after the other."""

    def __init__(self, place: TokenPlace, pin: bytes) -> None:
        self.place, self.lock = place, threading.Lock()
        try:
            if not os.path.exists(place.library):  # noqa: PTH110  # loading what is not there aborts in some libraries
                raise self.missing("there is no such PKCS#11 library")
            token = pkcs11.lib(place.library).get_token(token_label=place.label)
            self.mechanisms = frozenset(token.slot.get_mechanisms())
            self.session = token.open(user_pin=pin.decode("utf-8", errors="strict"))
        except (PinIncorrect, PinLenRange, PinLocked, UnicodeDecodeError):
            raise Refused("TOKEN_PIN", "the token does not take the PIN, or is locked", where=place.label) from None
        except (NoSuchToken, PKCS11Error, RuntimeError) as error:
            raise self.missing(f"the token does not open ({type(error).__name__})") from error

    def pair(self, label: str, kind: KeyType) -> tuple[Any, bytes, bytes]:
        """The only pair of that label and kind: the private key's handle, the public point and the curve, both DER.

        Errors: `Refused` TOKEN_KEY, TOKEN_EXTRACTABLE.
        """
        wanted: dict[Any, Any] = {Attribute.LABEL: label, Attribute.KEY_TYPE: kind}
        private = list(self.session.get_objects(wanted | {Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
        public = list(self.session.get_objects(wanted | {Attribute.CLASS: ObjectClass.PUBLIC_KEY}))
        try:
            if len(private) != 1 or len(public) != 1:
                raise NoSuchKey
            point, curve = bytes(public[0][Attribute.EC_POINT]), bytes(public[0][Attribute.EC_PARAMS])
            extractable = private[0][Attribute.EXTRACTABLE] or not private[0][Attribute.SENSITIVE]
        except PKCS11Error as error:
            raise Refused("TOKEN_KEY", "the token holds not exactly one pair of that label", where=label) from error
        if extractable:
            cure = "Make a key inside the token, sensitive and not extractable."
            raise Refused("TOKEN_EXTRACTABLE", "the token would hand the key out", where=label, cure=cure)
        return private[0], point, curve

    def sign(self, key: Any, message: bytes, mechanism: Mechanism) -> bytes:
        """What the token signs, as it comes. Errors: `Unavailable` TOKEN_MISSING."""
        try:
            with self.lock:
                return bytes(key.sign(message, mechanism=mechanism))
        except PKCS11Error as error:
            raise self.missing(f"the token does not sign ({type(error).__name__})") from error

    def missing(self, what: str) -> Unavailable:
        cure = "Check `token` in the configuration, and that the token is there."
        return Unavailable("TOKEN_MISSING", what, where=f"{self.place.library}, {self.place.label}", cure=cure)


class TokenKey:
    """A secp256k1 key in an open token, and the Ed25519 key beside it. Safe to share between threads."""

    def __init__(self, place: TokenPlace, pin: bytes) -> None:
        """Errors: `Unavailable` TOKEN_MISSING; `Refused` TOKEN_PIN, TOKEN_KEY (none, several, or not of its curve),
        TOKEN_EXTRACTABLE, TOKEN_MECHANISM (no EdDSA, where a cosigning key is named)."""
        self._place, self._token = place, _Token(place, pin)
        self._session = self._token.session
        try:
            self._key, self.address = self._find()
            self._cosigning = None if place.cosigning is None else TokenCosigningKey(self._token, place.cosigning)
        except BaseException:
            self._session.close()
            raise

    @property
    def cosigning(self) -> TokenCosigningKey:
        """The Ed25519 key, of a place that names one."""
        assert self._cosigning is not None
        return self._cosigning

    def sign(self, digest: bytes) -> Signature:
        """Sign a 32-byte digest, `s` low and `v` found. Errors: `Unavailable` TOKEN_MISSING; `Refused` TOKEN_KEY."""
        raw = self._token.sign(self._key, digest, Mechanism.ECDSA)
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
        private, point, curve = self._token.pair(self._place.key, KeyType.EC)
        if curve != _SECP256K1 or len(point) != 67 or not point.startswith(_POINT):
            raise Refused("TOKEN_KEY", "the key is not of secp256k1", where=self._place.key)
        return private, keccak256(point[3:])[12:]


class TokenCosigningKey:
    """An Ed25519 key in the token of an attesting key, which opens and closes it."""

    def __init__(self, token: _Token, label: str) -> None:
        if Mechanism.EDDSA not in token.mechanisms:
            cure = "Leave `cosigning` out of `token`: the key then stands in the notary's folder."
            raise Refused("TOKEN_MECHANISM", "the token does not sign with Ed25519", where=label, cure=cure)
        self._token, self._label = token, label
        self._key, point, curve = token.pair(label, KeyType.EC_EDWARDS)
        if curve not in _ED25519 or len(point) != 34 or not point.startswith(_EDWARDS_POINT):
            raise Refused("TOKEN_KEY", "the key is not of Ed25519", where=label)
        self.public_key = point[2:]
        ed25519.check_public_key(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes) over a message. Errors: `Unavailable` TOKEN_MISSING; `Refused` TOKEN_KEY."""
        signature = self._token.sign(self._key, message, Mechanism.EDDSA)
        try:
            ed25519.verify(self.public_key, message, signature)
        except Refused:
            what = "the token's signature is not of the key that was opened"
            raise Refused("TOKEN_KEY", what, where=self._label) from None
        return signature

    def __repr__(self) -> str:
        return f"TokenCosigningKey({self.public_key.hex()})"
