"""A secret sealed with a password, in the Web3 Secret Storage form, version 3: scrypt, AES-128-CTR, Keccak MAC.

Other people's tools open the attesting key's file; the cosigning key's has the same form under `purpose`. May never
happen here: a password or a secret in an error; a file that makes this program work or allocate without bound.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import stat
import uuid
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ledger.errors import BadInput, Refused, Unavailable
from ledger.ethereum.keccak import keccak256

PASSWORD_VARIABLE = "PLEDGETRAIL_KEY_PASSWORD"  # noqa: S105  # the name, not the word
MAX_PASSWORD_BYTES = 1_024
MAX_FILE_BYTES = 16 * 1024
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1  # 128 MiB and about half a second
MAX_SCRYPT_BYTES = 512 * 1024 * 1024  # 128 * N * r, of files that others made
MAX_SCRYPT_P = 16
SECRET_BYTES = 32

_KEY_BYTES = 32


def seal(secret: bytes, password: bytes, *, purpose: str, public: bytes) -> bytes:
    """The file that holds a secret. `public`: the address or public key it belongs to, readable by all."""
    salt, iv = secrets.token_bytes(32), secrets.token_bytes(16)
    key = _derive(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    sealed = _stream(key, iv, secret)
    parameters = {"dklen": _KEY_BYTES, "n": SCRYPT_N, "p": SCRYPT_P, "r": SCRYPT_R, "salt": salt.hex()}
    crypto = {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": iv.hex()},
        "ciphertext": sealed.hex(),
        "kdf": "scrypt",
        "kdfparams": parameters,
        "mac": keccak256(key[16:] + sealed).hex(),
    }
    fields = {"address": public.hex(), "crypto": crypto, "id": str(uuid.uuid4()), "purpose": purpose, "version": 3}
    return json.dumps(fields, indent=1).encode() + b"\n"


def unseal(raw: bytes, password: bytes, *, where: str) -> bytes:
    """The secret (32 bytes) of a file. Errors: `BadInput` KEYSTORE_FORMAT; `Refused` KEY_PASSWORD."""
    try:
        salt, iv, sealed, mac, numbers = _read(json.loads(raw))
    except (ValueError, KeyError, TypeError, RecursionError):
        # `from None`, here and below: a cause could quote the file.
        raise BadInput("KEYSTORE_FORMAT", "this is no key file of version 3 with scrypt", where=where) from None
    key = _derive(password, salt, *numbers)
    if not hmac.compare_digest(keccak256(key[16:] + sealed), mac):
        cure = f"Name the right file with `password_file`, or set {PASSWORD_VARIABLE}."
        raise Refused("KEY_PASSWORD", "the password does not open the key file", where=where, cure=cure)
    return _stream(key, iv, sealed)


def read_password(file: Path | None) -> bytes:
    """The password from a file of mode 0600 (one line), else from the environment.

    Errors: `Unavailable` PASSWORD_MISSING; `Refused` KEY_MODE; `BadInput` PASSWORD_FORMAT.
    """
    if file is None:
        found = os.environ.get(PASSWORD_VARIABLE, "").encode("utf-8", errors="surrogateescape")
        where = PASSWORD_VARIABLE
    else:
        where = str(file)
        try:
            if stat.S_IMODE(file.stat().st_mode) & 0o077:
                raise Refused("KEY_MODE", "others may read the password file", where=where, cure=f"chmod 600 {file}")
            with file.open("rb") as opened:
                found = opened.read(MAX_PASSWORD_BYTES + 2).removesuffix(b"\n").removesuffix(b"\r")
        except OSError as error:
            raise Unavailable("PASSWORD_MISSING", "the password file cannot be read", where=where) from error
    if not found:
        cure = f"Name a file with `password_file`, or set {PASSWORD_VARIABLE}."
        raise Unavailable("PASSWORD_MISSING", "the keys are sealed and there is no password", where=where, cure=cure)
    if len(found) > MAX_PASSWORD_BYTES or b"\n" in found:
        raise BadInput("PASSWORD_FORMAT", f"a password is one line of at most {MAX_PASSWORD_BYTES} bytes", where=where)
    return found


def _read(fields: Any) -> tuple[bytes, bytes, bytes, bytes, tuple[int, int, int]]:
    crypto = fields["crypto"]
    if fields["version"] != 3 or crypto["cipher"] != "aes-128-ctr" or crypto["kdf"] != "scrypt":
        raise ValueError
    parameters = crypto["kdfparams"]
    n, r, p, length = (parameters[name] for name in ("n", "r", "p", "dklen"))
    if not all(type(number) is int and number > 0 for number in (n, r, p)) or length != _KEY_BYTES:
        raise ValueError
    if n < 2 or n & (n - 1) or 128 * n * r > MAX_SCRYPT_BYTES or p > MAX_SCRYPT_P:
        raise ValueError
    texts = (parameters["salt"], crypto["cipherparams"]["iv"], crypto["ciphertext"], crypto["mac"])
    salt, iv, sealed, mac = (bytes.fromhex(text) for text in texts)
    if (len(iv), len(sealed), len(mac)) != (16, SECRET_BYTES, 32):
        raise ValueError
    return salt, iv, sealed, mac, (n, r, p)


def _derive(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=n, r=r, p=p).derive(password)


def _stream(key: bytes, iv: bytes, content: bytes) -> bytes:
    worker = Cipher(algorithms.AES(key[:16]), modes.CTR(iv)).encryptor()
    return worker.update(content) + worker.finalize()
