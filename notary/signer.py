"""The notary's two keys: one attests (secp256k1), one cosigns (Ed25519). The only place that holds their secrets.

They are made once, in the notary's folder, readable by their owner alone: sealed with a password (`keystore`), or, for
development, plain. What may never happen here: a secret in a
log line, an error or a `repr`; a key file replaced; a signature over anything the journal does not hold yet (the
caller's order: journal first, then here).
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ledger import ed25519
from ledger.checkpoint import CosignerKey, LogKey, cosign_by
from ledger.durable_file import write_new
from ledger.errors import BadInput, Refused, Unavailable
from ledger.membership import Possession, cosigning_statement, prove_possession
from ledger.secp256k1 import ORDER, DigestSigner, SigningKey
from notary import keystore

if TYPE_CHECKING:
    from notary.config import TokenPlace

ATTESTING_FILE = "attesting.key"
COSIGNING_FILE = "cosigning.key"
SEALED_SUFFIX = ".json"
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What others may know: the attesting account (20 bytes) and the Ed25519 cosigning key (32 bytes)."""

    address: bytes
    cosigning: bytes


class MessageSigner(Protocol):
    """Whatever signs messages with one Ed25519 key: a key in memory, or one in a token."""

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes) over a message."""
        ...


@dataclass(frozen=True, slots=True)
class HeldKey:
    """An Ed25519 key in memory. `repr` never shows it."""

    _secret: bytes = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return ed25519.public_key(self._secret)

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes) over a message; always the same."""
        return ed25519.sign(self._secret, message)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs digests and checkpoints. `repr` shows what is public. `kept`: "token", "sealed" or "plain"; where a token
    holds the attesting key alone, "token".
    """

    _attesting: DigestSigner = field(repr=False)
    _cosigning: MessageSigner = field(repr=False)
    kept: str = "plain"

    @property
    def public(self) -> PublicKeys:
        """The public parts."""
        return PublicKeys(self._attesting.address, self._cosigning.public_key)

    def sign(self, digest: bytes) -> bytes:
        """`r ‖ s ‖ v` (65 bytes) over a 32-byte digest; always the same for the same digest (RFC 6979)."""
        return self._attesting.sign(digest).pack()

    def cosign(self, note: bytes, *, log_key: LogKey, name: str, time: int) -> bytes:
        """A cosignature line over a checkpoint's note, under the notary's `name`; `time` in POSIX seconds."""
        key = CosignerKey(name, self._cosigning.public_key)
        return cosign_by(note, log_key=log_key, key=key, sign=self._cosigning.sign, time=time)

    def close(self) -> None:
        """Give a token up; a key in memory is gone with its process."""
        close = getattr(self._attesting, "close", None)
        if close is not None:
            close()

    def prove(self, operator: bytes) -> Possession:
        """That this notary holds both keys, for the record of the operator with this digest."""
        statement = cosigning_statement(operator, self._cosigning.public_key)
        return Possession(prove_possession(self._attesting, operator), self._cosigning.sign(statement))


def create_keys(folder: Path, *, sealed: bool = False, password_file: Path | None = None) -> PublicKeys:
    """Make the keys that `folder` does not hold yet; return the public parts. Existing keys are never replaced.

    `sealed`: with the password of `password_file`, or of the environment. Errors: those of `read_password`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Any 32 bytes are an Ed25519 key; a secp256k1 key must be a scalar from 1 to the order.
    password = keystore.read_password(password_file) if sealed else None
    _create(folder / ATTESTING_FILE, (1 + secrets.randbelow(ORDER - 1)).to_bytes(_SECRET_BYTES, "big"), password)
    _create(folder / COSIGNING_FILE, secrets.token_bytes(_SECRET_BYTES), password)
    return open_signer(folder, password_file=password_file).public


def open_signer(folder: Path, *, password_file: Path | None = None, token: TokenPlace | None = None) -> Signer:
    """The signer whose keys stand in `folder`, sealed (`*.json`) or plain (`*.key`); with `token`, the attesting key
    stands there, and the cosigning key where it names one; the password is also its PIN.

    Errors: `Unavailable` KEYS_MISSING, PASSWORD_MISSING; `Refused` KEY_MODE (others may read a file), KEY_INVALID,
    KEY_PASSWORD, TOKEN_*, KEYS_AMBIGUOUS; `BadInput` KEY_FORMAT, KEYSTORE_FORMAT, PASSWORD_FORMAT. None shows
    what a file holds.
    """
    if token is not None:
        from notary.token import TokenKey  # noqa: PLC0415  # only who has one needs the library

        password, path = keystore.read_password(password_file), folder / COSIGNING_FILE
        if token.cosigning is not None:
            attesting_key = TokenKey(token, password)
            return Signer(attesting_key, attesting_key.cosigning, "token")
        sealed_path = _sealed(path)
        cosigning = _unsealed(sealed_path, password) if sealed_path.exists() else _load(path)
        return Signer(TokenKey(token, password), HeldKey(cosigning), "token")
    names = (ATTESTING_FILE, COSIGNING_FILE)
    sealed = [name for name in names if _sealed(folder / name).exists()]
    plain = [name for name in names if (folder / name).exists()]
    if sealed and plain:
        cure = "Keep the sealed ones, and take the plain ones away."
        raise Refused("KEYS_AMBIGUOUS", "there are sealed and plain key files", where=str(folder), cure=cure)
    if not sealed:
        attesting, cosigning = (_load(folder / name) for name in names)
        return Signer(SigningKey.from_secret(attesting), HeldKey(cosigning))
    password = keystore.read_password(password_file)
    attesting, cosigning = (_unsealed(_sealed(folder / name), password) for name in names)
    return Signer(SigningKey.from_secret(attesting), HeldKey(cosigning), "sealed")


def _sealed(path: Path) -> Path:
    return path.with_suffix(SEALED_SUFFIX)


def _create(path: Path, secret: bytes, password: bytes | None) -> None:
    """Write a key file completely or not at all, and never over another one, sealed or plain."""
    if path.exists() or _sealed(path).exists():
        return
    if password is not None:
        is_attesting = path.name == ATTESTING_FILE
        public = SigningKey.from_secret(secret).address if is_attesting else ed25519.public_key(secret)
        write_new(_sealed(path), keystore.seal(secret, password, purpose=path.stem, public=public))
        return
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secret.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(unfinished)  # unlike a rename, this fails where another process was first
        except FileExistsError:
            return
    finally:
        unfinished.unlink()


def _unsealed(path: Path, password: bytes) -> bytes:
    return keystore.unseal(_read(path), password, where=str(path))


def _read(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        with path.open("rb") as file:
            raw = file.read(keystore.MAX_FILE_BYTES)
    except OSError as error:
        cure = "Create the keys with `pledgetrail notary keys`."
        raise Unavailable("KEYS_MISSING", "a key file cannot be read", where=str(path), cure=cure) from error
    if stat.S_IMODE(mode) & 0o077:
        raise Refused("KEY_MODE", "others may read the key file", where=str(path), cure=f"chmod 600 {path}")
    return raw


def _load(path: Path) -> bytes:
    text = _read(path).decode("ascii", errors="replace")
    try:
        secret = bytes.fromhex(text.strip())
        if len(secret) != _SECRET_BYTES:
            raise ValueError
    except ValueError:
        # `from None`: the cause's message could quote the file.
        raise BadInput("KEY_FORMAT", "a key file holds 64 hex digits", where=str(path)) from None
    return secret
