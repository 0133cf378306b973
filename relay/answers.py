"""What a notary answered, read strictly: a member, a signature, a verdict, or nonsense.

A notary may lie in any field. May never happen here: an error that is not typed, one member counted under two numbers,
or a value with two spellings.
"""

from __future__ import annotations

import re
from typing import Any

from ledger.attestation import Verdict
from ledger.errors import Problem, Unavailable
from ledger.secp256k1 import Signature

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")


def read_signature(answer: dict[str, Any]) -> tuple[int, Signature]:
    """The member index it claims (from 0) and its signature. Errors: `Unavailable` NOTARY_GARBAGE."""
    index = _number(answer, "member", bits=8)
    try:
        return index, Signature.parse(_bytes(answer, "signature", 65))
    except Problem as problem:
        raise _garbage(problem.what) from problem


def read_verdict(answer: dict[str, Any]) -> Verdict:
    """The verdict of an answer. Errors: `Unavailable` NOTARY_GARBAGE."""
    fields = answer.get("verdict")
    if not isinstance(fields, dict):
        raise _garbage("there is no verdict")
    executed = fields.get("executed")
    if type(executed) is not bool:
        raise _garbage("executed is neither true nor false")
    return Verdict(
        id=_bytes(fields, "id", 32),
        epoch=_number(fields, "epoch", bits=64),
        origin_block=_bytes(fields, "origin_block", 32),
        commit_block=_bytes(fields, "commit_block", 32),
        commit_transaction=_bytes(fields, "commit_transaction", 32),
        checked_from=_number(fields, "checked_from", bits=64),
        verdict=_number(fields, "verdict", bits=8),
        executed=executed,
        outcome=_bytes(fields, "outcome", 32),
        policy=_number(fields, "policy", bits=8),
        origin_log=_number(fields, "origin_log", bits=64),
        commit_log=_number(fields, "commit_log", bits=64),
    )


def _number(fields: dict[str, Any], name: str, *, bits: int) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 <= value < 2**bits:
        raise _garbage(f"{name} is not a whole number of {bits} bits")
    return value


def _bytes(fields: dict[str, Any], name: str, length: int) -> bytes:
    text = fields.get(name)
    if not isinstance(text, str) or len(text) != 2 + 2 * length or _HEX.fullmatch(text) is None:
        raise _garbage(f"{name} is not 0x and {2 * length} lower-case hex digits")
    return bytes.fromhex(text[2:])


def _garbage(what: str) -> Unavailable:
    return Unavailable("NOTARY_GARBAGE", what)
