"""Who acts on the chains in the demo, each with an account of its own. The keys stay in the data folder, mode 0600.

May never happen here: new keys made where the user named keys of their own, or a key quoted in an error.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from ledger.canonical import parse_json
from ledger.durable_file import write_new
from ledger.errors import BadInput, Problem
from ledger.secp256k1 import SigningKey

ROLES = ("deployer", "anchorer", "relay", "keeper_one", "keeper_two", "holder", "lender_a", "lender_b")
MAX_FILE_BYTES = 64 * 1024


def own_accounts(path: Path) -> dict[str, SigningKey]:
    """The data folder's own accounts by role, made at first use. Errors: as `read_accounts`."""
    made = {role: f"0x{secrets.token_bytes(32).hex()}" for role in ROLES}
    write_new(path, json.dumps(made, indent=1).encode(), mode=0o600)
    return read_accounts(path)


def read_accounts(path: Path) -> dict[str, SigningKey]:
    """Read the accounts by role: {"deployer": "0x…", …}, each 32 bytes in hex. Nothing is made.

    Errors: `BadInput` FILE_UNREADABLE, ACCOUNTS_FORMAT.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadInput(
            "FILE_UNREADABLE",
            f"the accounts file cannot be read: {error.strerror}",
            where=str(path),
            cure="Name a file with the accounts' keys; without --accounts the demo makes its own.",
        ) from error
    try:
        stored = parse_json(raw, max_bytes=MAX_FILE_BYTES)
        if not isinstance(stored, dict):
            raise TypeError
        return {role: _key(stored[role]) for role in ROLES}
    except (ValueError, KeyError, TypeError, Problem):
        # `from None`: the cause could quote a key.
        raise BadInput(
            "ACCOUNTS_FORMAT",
            f"the accounts file does not name a private key for each of {', '.join(ROLES)}",
            where=str(path),
            cure='Write {"deployer": "0x…", …}, each key 32 bytes in hex.',
        ) from None


def _key(text: object) -> SigningKey:
    if not isinstance(text, str):
        raise TypeError
    return SigningKey.from_secret(bytes.fromhex(text.removeprefix("0x")))
