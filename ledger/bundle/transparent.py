"""One entry of the log as a SCITT transparent statement: a signed statement (RFC 9943) with a COSE receipt (RFC 9942).

The statement is a hash envelope: its payload is the entry, that is SHA-256 over domain ‖ 0x00 ‖ salt ‖ content, and the
entry is also the leaf that the receipt proves (RFC 9162, SHA-256; verifiable data structure 1). What is digested
travels beside it, unsigned, and is bound by the payload. May never happen here: a receipt of one entry beside another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import cbor2

from ledger.bundle.cose import KEY_ID, Headers, Sign1, loads, malformed, read_sign1, sign1, verify_sign1
from ledger.canonical import entry_digest
from ledger.checkpoint import LogKey, LogSigner
from ledger.errors import Refused
from ledger.merkle import leaf_hash, root_from

MEDIA_TYPE: Final = "application/scitt-statement+cose"
CWT_CLAIMS: Final = 15
PAYLOAD_HASH: Final = 258
PREIMAGE_TYPE: Final = 259
RECEIPTS: Final = 394
STRUCTURE: Final = 395
PROOFS: Final = 396
PREIMAGE: Final = "pledgetrail/preimage"

_ISSUER, _SUBJECT = 1, 2
_SIZE = -65601  # private use: the tree's size, signed
_SHA256 = -16  # COSE algorithm
_RFC9162 = 1
_INCLUSION = -1
_MAX_PATH = 64


@dataclass(frozen=True, slots=True)
class Transparent:
    """What a transparent statement proves: the content under its domain is entry `index` of the log's first `size`."""

    log: str
    domain: str
    salt: bytes
    canonical: bytes
    index: int
    size: int
    root: bytes


def write_transparent(
    signer: LogSigner, *, domain: str, salt: bytes, canonical: bytes, index: int, size: int, path: Sequence[bytes]
) -> bytes:
    """The statement of one entry with its receipt, both signed by the log. `path`: its inclusion proof at `size`."""
    entry = entry_digest(domain, salt, canonical)
    subject = f"{signer.name}/entries/{index}"
    claims = {_ISSUER: signer.name, _SUBJECT: subject}
    envelope: Headers = {PAYLOAD_HASH: _SHA256, PREIMAGE_TYPE: f"application/json; domain={domain}"}
    statement = sign1(signer.private_key, {CWT_CLAIMS: claims, KEY_ID: signer.key.key_id, **envelope}, payload=entry)
    root = root_from(leaf=leaf_hash(entry), index=index, size=size, proof=path)
    # A root does not bind its tree's size: one path may lead to the same root at several. The signature has to.
    headers: Headers = {CWT_CLAIMS: {**claims, _SIZE: size}, KEY_ID: signer.key.key_id, STRUCTURE: _RFC9162}
    receipt = sign1(signer.private_key, headers, payload=root, detached=True)
    proof = cbor2.dumps([size, index, list(path)], canonical=True)
    receipt = replace(receipt, unprotected={PROOFS: {_INCLUSION: [proof]}})
    preimage = {"domain": domain, "salt": salt, "canonical": canonical}
    return replace(statement, unprotected={RECEIPTS: [receipt.encode()], PREIMAGE: preimage}).encode()


def verify_transparent(raw: bytes, log_key: LogKey) -> Transparent:
    """Verify a statement with its receipt against the log's key.

    Raises `Refused` COSE_LOG (another log's), COSE_PREIMAGE, COSE_ALGORITHM, SIG_INVALID, PROOF_INVALID; `BadInput`
    COSE_FORMAT, COSE_HEADER, COSE_SIZE, NON_CANONICAL, BUNDLE_LIMIT.
    """
    statement = read_sign1(raw)
    if statement.unprotected.keys() != {RECEIPTS, PREIMAGE} or statement.payload is None:
        raise malformed("it does not carry exactly its receipt and what was digested")
    domain, salt, canonical = _read_preimage(statement.unprotected[PREIMAGE])
    entry = entry_digest(domain, salt, canonical)
    if entry != statement.payload:
        raise Refused("COSE_PREIMAGE", "What was digested is not what the statement says.", where=domain)
    known = frozenset({CWT_CLAIMS, KEY_ID, PAYLOAD_HASH, PREIMAGE_TYPE})
    headers = verify_sign1(statement, log_key.public_key, payload=entry, known=known)
    if headers.get(PAYLOAD_HASH) != _SHA256 or headers.get(PREIMAGE_TYPE) != f"application/json; domain={domain}":
        raise malformed("the statement is no hash envelope of this content")
    receipt = _receipt_of(statement)
    size, index, path = _read_proof(receipt)
    root = root_from(leaf=leaf_hash(entry), index=index, size=size, proof=path)
    signed = verify_sign1(receipt, log_key.public_key, payload=root, known=frozenset({CWT_CLAIMS, KEY_ID, STRUCTURE}))
    if signed.get(STRUCTURE) != _RFC9162:
        raise malformed("the receipt is of another kind of tree")
    expected = {_ISSUER: log_key.name, _SUBJECT: f"{log_key.name}/entries/{index}"}
    claimed = [(each.get(CWT_CLAIMS), each.get(KEY_ID)) for each in (headers, signed)]
    if claimed != [(expected, log_key.key_id), ({**expected, _SIZE: size}, log_key.key_id)]:
        raise Refused("COSE_LOG", "The statement or its receipt is of another log or entry.", where=log_key.name)
    return Transparent(log_key.name, domain, salt, canonical, index, size, root)


def _receipt_of(statement: Sign1) -> Sign1:
    receipts = statement.unprotected[RECEIPTS]
    if not isinstance(receipts, list) or len(receipts) != 1 or not isinstance(receipts[0], bytes):
        raise malformed("it does not carry exactly one receipt")
    receipt = read_sign1(receipts[0])
    if receipt.payload is not None:
        raise malformed("the receipt states a root of its own")
    return receipt


def _read_proof(receipt: Sign1) -> tuple[int, int, list[bytes]]:
    proofs = receipt.unprotected.get(PROOFS) if receipt.unprotected.keys() == {PROOFS} else None
    found = proofs.get(_INCLUSION) if isinstance(proofs, dict) and proofs.keys() == {_INCLUSION} else None
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], bytes):
        raise malformed("the receipt does not carry exactly one inclusion proof")
    proof = loads(found[0])
    if not isinstance(proof, list) or len(proof) != 3:
        raise malformed("the inclusion proof is not of size, index and path")
    size, index, path = proof
    if type(size) is not int or type(index) is not int or not isinstance(path, list) or len(path) > _MAX_PATH:
        raise malformed("a part of the inclusion proof has another type")
    if not all(isinstance(each, bytes) for each in path):
        raise malformed("the path does not consist of hashes")
    return size, index, path


def _read_preimage(value: Any) -> tuple[str, bytes, bytes]:
    if not isinstance(value, dict) or value.keys() != {"domain", "salt", "canonical"}:
        raise malformed("what was digested does not hold exactly domain, salt and content")
    domain, salt, canonical = value["domain"], value["salt"], value["canonical"]
    if not isinstance(domain, str) or not isinstance(salt, bytes) or not isinstance(canonical, bytes):
        raise malformed("a part of what was digested has another type")
    return domain, salt, canonical
