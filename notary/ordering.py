"""`pledgetrail notary order`: what an order would do, decoded here, and this member's signature over exactly that.

May never happen here: a signature that the person did not approve by the digest which this program computed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contracts.order_request import read_order_request, require_approved
from ledger.config_file import read_file
from notary.config import NotaryConfig
from notary.signer import open_signer


def sign_order(config: NotaryConfig, file: Path, *, approve: str = "") -> dict[str, Any]:
    """Decode the order in a file; sign it where `approve` is its digest (`0x` and 64 hex digits), and only then.

    Errors: those of `read_order_request`, `require_approved` and `open_signer`.
    """
    request = read_order_request(read_file(file), config.manifest)
    shown: dict[str, Any] = {
        "order": request.lines(),
        "action": f"0x{request.action.hex()}",
        "digest": f"0x{request.digest.hex()}",
    }
    if not approve:
        return shown
    require_approved(request, approve)
    signer = open_signer(config.folder, password_file=config.password_file, token=config.token)
    try:
        signature = signer.sign(request.digest)
        return shown | {"address": f"0x{signer.public.address.hex()}", "signature": f"0x{signature.hex()}"}
    finally:
        signer.close()
