"""A device's key in a hardware token (PKCS#11): it signs there and never leaves.

Tokens give `r ‖ s` with whatever `s` comes: that is put right here. May never happen here: signing with a key that the
token would hand out, or handing out a signature that the opened key did not make.
"""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import (
    NoSuchKey,
    NoSuchToken,
    PinIncorrect,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)

from ledger import p256
from ledger.capture.keys import TokenPlace
from ledger.errors import Problem, Refused, Unavailable
from ledger.evidence import Algorithm
from ledger.evidence.keys import verify_signature

_CURVES: dict[Algorithm, tuple[KeyType, bytes, bytes]] = {
    # Key type, the curve's object identifier in DER, and what stands before the point in its DER octet string.
    "P-256": (KeyType.EC, bytes.fromhex("06082a8648ce3d030107"), b"\x04\x41"),
    "Ed25519": (KeyType.EC_EDWARDS, bytes.fromhex("06032b6570"), b"\x04\x20"),
}
_ED25519_NAME = bytes.fromhex("130c656477617264733235353139")  # the same curve as some tokens name it: a string


class TokenKey:
    """A device's key in an open token. Safe to share between threads: the token signs one after the other."""

    def __init__(self, place: TokenPlace, algorithm: Algorithm, pin: bytes) -> None:
        """Errors: `Unavailable` TOKEN_MISSING; `Refused` TOKEN_PIN, TOKEN_KEY (none, several, or of another curve),
        TOKEN_EXTRACTABLE."""
        self._place, self._lock, self.algorithm = place, threading.Lock(), algorithm
        try:
            if not os.path.exists(place.library):  # noqa: PTH110  # loading what is not there aborts in some libraries
                raise self._missing("there is no such PKCS#11 library")
            token = pkcs11.lib(str(place.library)).get_token(token_label=place.label)
            try:
                self._session = token.open(user_pin=pin.decode("utf-8", errors="strict"))
            except UserAlreadyLoggedIn:
                # One process logs in once, and a camera may have two keys here: its own, and its video's.
                self._session = token.open()
        except (PinIncorrect, PinLenRange, PinLocked, UnicodeDecodeError):
            cure = "Correct the file that `pin_file` names; a locked token is opened again by its security officer."
            what = "The token does not take the PIN, or is locked."
            raise Refused("TOKEN_PIN", what, where=place.label, cure=cure) from None
        except (NoSuchToken, PKCS11Error, RuntimeError) as error:
            raise self._missing(f"the token does not open ({type(error).__name__})") from error
        try:
            self._key, self._public_key = self._find()
        except BaseException:
            self._session.close()
            raise

    @property
    def public_key(self) -> bytes:
        """As it is enrolled."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """64 bytes over the message. Errors: `Unavailable` TOKEN_MISSING; `Refused` TOKEN_KEY."""
        try:
            with self._lock:
                if self.algorithm == "P-256":
                    raw = self._key.sign(sha256(message).digest(), mechanism=Mechanism.ECDSA)
                else:
                    raw = self._key.sign(message, mechanism=Mechanism.EDDSA)
        except PKCS11Error as error:
            raise self._missing(f"the token does not sign ({type(error).__name__})") from error
        signature = p256.low_s(bytes(raw)) if self.algorithm == "P-256" else bytes(raw)
        try:
            verify_signature(self.algorithm, self._public_key, message, signature)
        except Problem as error:
            what = "The token's signature is not of the key that was opened."
            raise Refused("TOKEN_KEY", what, where=self._place.key) from error
        return signature

    def close(self) -> None:
        """Give the token up."""
        self._session.close()

    def __repr__(self) -> str:
        return f"TokenKey({self._public_key.hex()})"

    def _find(self) -> tuple[Any, bytes]:
        kind, curve, before = _CURVES[self.algorithm]
        wanted: dict[Any, Any] = {Attribute.LABEL: self._place.key, Attribute.KEY_TYPE: kind}
        try:
            private = list(self._session.get_objects(wanted | {Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
            public = list(self._session.get_objects(wanted | {Attribute.CLASS: ObjectClass.PUBLIC_KEY}))
            if len(private) != 1 or len(public) != 1:
                raise NoSuchKey
            point, named = bytes(public[0][Attribute.EC_POINT]), bytes(public[0][Attribute.EC_PARAMS])
            extractable = private[0][Attribute.EXTRACTABLE] or not private[0][Attribute.SENSITIVE]
        except PKCS11Error as error:
            what = f"The token holds not exactly one {self.algorithm} pair of that label."
            cure = "Make one in the token (ledger/capture/README.md, section Start), or correct `key`."
            raise Refused("TOKEN_KEY", what, where=self._place.key, cure=cure) from error
        if named not in (curve, _ED25519_NAME) or not point.startswith(before):
            raise Refused("TOKEN_KEY", f"The key is not of {self.algorithm}.", where=self._place.key)
        if extractable:
            cure = "Make a key inside the token, sensitive and not extractable."
            raise Refused("TOKEN_EXTRACTABLE", "The token would hand the key out.", where=self._place.key, cure=cure)
        return private[0], point[2:]

    def _missing(self, what: str) -> Unavailable:
        cure = "Check `key` in the configuration, and that the token is there."
        where = f"{self._place.library}, {self._place.label}"
        return Unavailable("TOKEN_MISSING", f"The token cannot be used: {what}.", where=where, cure=cure)
