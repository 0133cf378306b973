"""Who acts on the chains in the demo, each with an account of its own. The keys stay in the data folder, mode 0600."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from ledger.errors import BadInput, Problem
from ledger.secp256k1 import SigningKey

ROLES = ("deployer", "anchorer", "relay", "keeper_one", "keeper_two", "holder", "lender_a", "lender_b")


def load_accounts(path: Path) -> dict[str, SigningKey]:
    """Read the accounts by role, or make new ones where the file is missing.

    On a chain of your own, name funded accounts in the same form: {"deployer": "0x…", …}. Errors: `BadInput`
    ACCOUNTS_FORMAT.
    """
    if not path.exists():
        made = {role: f"0x{secrets.token_bytes(32).hex()}" for role in ROLES}
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as target:
            json.dump(made, target, indent=1)
    try:
        stored = json.loads(path.read_text())
        return {role: SigningKey.from_secret(bytes.fromhex(stored[role].removeprefix("0x"))) for role in ROLES}
    except (ValueError, KeyError, TypeError, AttributeError, Problem) as error:
        # The cause is not shown: it could quote a key.
        raise BadInput(
            "ACCOUNTS_FORMAT",
            f"the accounts file does not name a private key for each of {', '.join(ROLES)}",
            where=str(path),
        ) from (None if isinstance(error, ValueError) else error)
