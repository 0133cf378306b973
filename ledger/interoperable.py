"""Names of chains and accounts: CAIP-2 and CAIP-10 in APIs, interoperable addresses (ERC-7930) on chain.

Twin of `contracts/vyper/interoperable_address.vy`; only the minimal form is accepted, so encodings compare as bytes.
"""

from __future__ import annotations

import re

from ledger.errors import BadInput

MAX_BYTES = 58

_VERSION_AND_TYPE = b"\x00\x01\x00\x00"  # version 1, chain type eip155
_ACCOUNT = re.compile(r"0x[0-9a-f]{40}")
_CAIP2 = re.compile(r"eip155:([1-9][0-9]{0,31})")


def caip2(chain_id: int) -> str:
    """`eip155:7101` for 7101 (CAIP-2)."""
    return f"eip155:{chain_id}"


def parse_caip2(text: str) -> int:
    """The EIP-155 chain id of a CAIP-2 name; anything else is `BadInput` CHAIN_NAME."""
    found = _CAIP2.fullmatch(text)
    if found is None:
        raise BadInput("CHAIN_NAME", "not a CAIP-2 name of an EVM chain", where=text[:80], cure="Write eip155:<id>.")
    return int(found.group(1))


def caip10(chain_id: int, account: bytes) -> str:
    """`eip155:7101:0x…` (CAIP-10), address in lower case."""
    return f"{caip2(chain_id)}:0x{account.hex()}"


def parse_caip10(text: str) -> tuple[int, bytes]:
    """Chain id and account (20 bytes) of a CAIP-10 name in lower case; else `BadInput` CHAIN_NAME, ACCOUNT_NAME."""
    chain, _, account = text.rpartition(":")
    if _ACCOUNT.fullmatch(account) is None:
        cure = "Write eip155:<id>:0x<40 lower-case hex digits>."
        raise BadInput("ACCOUNT_NAME", "not a CAIP-10 name of an EVM account", where=ascii(text)[:120], cure=cure)
    return parse_caip2(chain), bytes.fromhex(account[2:])


def encode(chain_id: int, account: bytes) -> bytes:
    """The minimal ERC-7930 form: 26 bytes and the chain id's own length.

    Errors: `BadInput` ADDRESS_FORM for a chain id outside 1..2^256-1 or an account that is not 20 bytes.
    """
    if not 0 < chain_id < 2**256 or len(account) != 20:
        raise BadInput("ADDRESS_FORM", "a chain id from 1 and a 20-byte account are needed")
    reference = chain_id.to_bytes((chain_id.bit_length() + 7) // 8, "big")
    return _VERSION_AND_TYPE + bytes([len(reference)]) + reference + b"\x14" + account


def decode(encoded: bytes) -> tuple[int, bytes]:
    """Chain id and account of a minimal ERC-7930 address of an EVM chain; else `BadInput` ADDRESS_FORM."""
    size = encoded[4] if len(encoded) >= 27 else 0
    if not 0 < size <= 32 or len(encoded) != 26 + size:
        raise BadInput("ADDRESS_FORM", "not an interoperable address of an EVM chain", where=encoded.hex()[:120])
    chain_id, account = int.from_bytes(encoded[5 : 5 + size], "big"), encoded[6 + size :]
    # Encoding again refuses another version, chain type, address length and leading zeros in one comparison.
    if chain_id == 0 or encode(chain_id, account) != encoded:
        raise BadInput("ADDRESS_FORM", "not the minimal form", where=encoded.hex()[:120])
    return chain_id, account
