"""The notary's HTTP bodies: strict JSON and tlog-witness requests in, plain JSON values out.

Bytes are lower-case hex with 0x; chains are CAIP-2 names; indices count from 0. May never happen here: a field that is
ignored, or one value with two spellings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ledger.canonical import JsonValue, parse_json
from ledger.errors import BadInput, Problem
from ledger.interoperable import parse_caip2
from ledger.merkle import HASH_BYTES
from ledger.note import strict_base64
from notary.attesting import Attestation
from notary.journal import Attested, Doubt
from notary.judging import Ask, SignedVerdict
from notary.notary import Status
from notary.policy import LeavesNotReady, LeavesRefused
from notary.proven import Locator
from notary.vouching import HeaderRequest, VouchedHeader

MAX_BODY_BYTES = 128 * 1024  # 64 leaves need 8 KiB; a note may have 64 KiB
MAX_PROOF_LINES = 63  # C2SP tlog-witness
_PLACES = ("block", "transaction_index", "log_index")
_MAX_INDEX = 2**31 - 1
_MAX_BLOCK = 2**53 - 1
_SIZE = re.compile(rb"old (0|[1-9][0-9]{0,18})")
_ID = re.compile(r"0x[0-9a-f]{64}")


def read_attestation_request(raw: bytes) -> list[Locator]:
    """{"leaves": [locator, …]}. Errors: `BadInput` REQUEST_FORMAT, CHAIN_NAME, JSON_*."""
    leaves = _object(raw, {"leaves"})["leaves"]
    if not isinstance(leaves, list):
        raise _malformed("leaves is a list", "leaves")
    return [_locator(leaf, "origin", f"leaves[{place}]") for place, leaf in enumerate(leaves)]


def read_verdict_request(raw: bytes) -> Ask:
    """{"origin": locator, "commit": locator with "chain"}; without "commit" it asks whether the message expired.

    Errors as `read_attestation_request`.
    """
    return _ask(parse_json(raw, max_bytes=MAX_BODY_BYTES, max_depth=8), "body")


def read_verdicts_request(raw: bytes) -> list[Ask]:
    """{"verdicts": [body of `read_verdict_request`, …]}. Errors as `read_attestation_request`."""
    listed = _object(raw, {"verdicts"})["verdicts"]
    if not isinstance(listed, list):
        raise _malformed("verdicts is a list", "verdicts")
    return [_ask(each, f"verdicts[{place}]") for place, each in enumerate(listed)]


def read_header_request(raw: bytes) -> HeaderRequest:
    """{"origin": chain, "block": number, "destination": chain}. Errors as `read_attestation_request`."""
    fields = _object(raw, {"origin", "block", "destination"})
    origin, destination = (_chain(fields[name], name) for name in ("origin", "destination"))
    return HeaderRequest(origin, _index(fields["block"], "block", _MAX_BLOCK), destination)


def read_checkpoint_request(raw: bytes) -> tuple[int, list[bytes], bytes]:
    """Old size, consistency proof and note of a tlog-witness `add-checkpoint` body. Errors: `BadInput` REQUEST_FORMAT,
    NOTE_BASE64."""
    head, gap, note = raw.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    found = _SIZE.fullmatch(first)
    if not gap or found is None or len(lines) > MAX_PROOF_LINES:
        raise _malformed("expected `old <size>`, at most 63 proof lines, an empty line and the note", "add-checkpoint")
    proof = [strict_base64(line.decode("ascii", errors="replace")) for line in lines]
    if any(len(node) != HASH_BYTES for node in proof):
        raise _malformed("a proof line holds one 32-byte hash", "add-checkpoint")
    return int(found[1]), proof, note


def read_message_id(text: str) -> bytes:
    """A message id as it stands in a path. Errors: `BadInput` REQUEST_FORMAT."""
    if _ID.fullmatch(text) is None:
        raise _malformed("a message id is 0x and 64 lower-case hex digits", text[:80])
    return bytes.fromhex(text[2:])


def show_attestation(attestation: Attestation) -> dict[str, Any]:
    """The answer to `POST /attestations`."""
    return {
        "epoch": attestation.epoch,
        "root": _hex(attestation.root),
        "ids": [_hex(each) for each in attestation.ids],
        "member": attestation.member,
        "signature": _hex(attestation.signature),
    }


def show_attested(message_id: bytes, held: list[tuple[Attested, int | None, bytes]]) -> dict[str, Any]:
    """The answer to `GET /attestations/{id}`: each attestation with the member's index in its epoch, and its
    signature."""
    return {
        "id": _hex(message_id),
        "attestations": [
            {
                "epoch": attested.epoch,
                "member": member,
                "root": _hex(attested.root),
                "leaf": attested.leaf,
                "size": attested.size,
                "signature": _hex(signature),
            }
            for attested, member, signature in held
        ],
    }


def show_verdict(signed: SignedVerdict) -> dict[str, Any]:
    """The answer to `POST /verdicts`."""
    fields = {
        name: _hex(value) if isinstance(value, bytes) else value for name, value in asdict(signed.verdict).items()
    }
    return {"verdict": fields, "member": signed.member, "signature": _hex(signed.signature)}


def show_verdicts(judged: Sequence[SignedVerdict | Problem]) -> dict[str, Any]:
    """The answer to `POST /verdicts/together`: of each message the verdict, or the problem that stands in its way."""
    return {
        "verdicts": [
            {"problem": show_problem(each, each.http_status)} if isinstance(each, Problem) else show_verdict(each)
            for each in judged
        ]
    }


def show_vouched(vouched: VouchedHeader) -> dict[str, Any]:
    """The answer to `POST /headers`."""
    header = {
        name: _hex(value) if isinstance(value, bytes) else value for name, value in asdict(vouched.header).items()
    }
    return {
        "header": header,
        "epoch": vouched.epoch,
        "member": vouched.member,
        "signature": _hex(vouched.signature),
    }


def show_status(status: Status) -> dict[str, Any]:
    """The answer to `GET /status`."""
    return asdict(status) | {"address": _hex(status.address)}


def show_doubts(doubts: Sequence[Doubt]) -> dict[str, Any]:
    """The answer to `GET /log-doubts`: both notes as they were signed, so that anybody can check them."""
    return {
        "doubts": [
            {
                "kind": each.kind,
                "size": each.size,
                "offered": each.offered.decode(),
                "held": each.held.decode(),
                "held_size": each.held_size,
                "time": each.time,
            }
            for each in doubts
        ]
    }


def show_problem(problem: Problem, status: int) -> dict[str, Any]:
    """An error as RFC 9457 problem JSON, with the refused leaves where there are some."""
    shown: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.what,
        "status": status,
        "code": problem.code,
        "what": problem.what,
        "where": problem.where,
        "cure": problem.cure,
    }
    if isinstance(problem, (LeavesRefused, LeavesNotReady)):
        shown["refused"] = [
            {"leaf": each.leaf, "code": each.problem.code, "what": each.problem.what, "where": each.problem.where}
            for each in problem.refused
        ]
    return shown


def _object(raw: bytes, names: set[str], where: str = "body") -> dict[str, JsonValue]:
    return _fields(parse_json(raw, max_bytes=MAX_BODY_BYTES, max_depth=8), names, where)


def _fields(value: JsonValue, names: set[str], where: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict) or set(value) != names:
        raise _malformed(f"expected an object with exactly {', '.join(sorted(names))}", where)
    return value


def _ask(value: JsonValue, where: str) -> Ask:
    is_over = isinstance(value, dict) and "commit" not in value
    fields = _fields(value, {"origin"} if is_over else {"origin", "commit"}, where)
    inside = "" if where == "body" else f"{where}."
    commit = None if is_over else _locator(fields["commit"], "chain", f"{inside}commit")
    return _locator(fields["origin"], "origin", f"{inside}origin"), commit


def _locator(value: JsonValue, chain: str, where: str) -> Locator:
    fields = _fields(value, {chain, *_PLACES}, where)
    chain_id = _chain(fields[chain], f"{where}.{chain}")
    block, transaction_index, log_index = (
        _index(fields[place], f"{where}.{place}", bound)
        for place, bound in zip(_PLACES, (_MAX_BLOCK, _MAX_INDEX, _MAX_INDEX), strict=True)
    )
    return Locator(chain_id, block, transaction_index, log_index)


def _chain(value: JsonValue, where: str) -> int:
    if not isinstance(value, str):
        raise _malformed("a chain is named like eip155:7101", where)
    return parse_caip2(value)


def _index(value: JsonValue, where: str, bound: int) -> int:
    if type(value) is not int or not 0 <= value <= bound:
        raise _malformed("a whole number from 0 is needed", where)
    return value


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"


def _malformed(what: str, where: str) -> BadInput:
    return BadInput("REQUEST_FORMAT", what, where=where)
