"""What a destination takes as proof of a message, and what a credential rests on, fetched from the chains.

Nothing is remembered for it: certificate and verdict stand in the call data of the transactions that recorded them.
Whoever gets it checks it; relay/PARTNER.md says how, field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from contracts.binding import Contract
from contracts.manifest import Manifest, Role
from contracts.node import Node
from ledger.attestation import attestation_digest, signed, verdict_digest
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.interoperable import caip2, caip10
from ledger.proposal import Message, Proposal
from ledger.quorum import Certificate
from relay.carrier import as_abi
from relay.crossing import fetch_block_log, fetch_certificate, fetch_judgement
from relay.journey import Journey
from relay.watcher import Place


def proof_of(nodes: Mapping[int, Node], manifest: Manifest, journey: Journey) -> dict[str, Any]:
    """Message, certificate, inclusion and receipt proof, and the call that the destination takes them in.

    Errors: `Refused` PROOF_NOT_READY before a certificate is recorded; those of `Node.request`.
    """
    if journey.attested is None and journey.needs_certificate:
        raise _not_yet("PROOF_NOT_READY", "no certificate is recorded for it", journey)
    certificate = None if journey.attested is None else fetch_certificate(nodes, manifest, journey)
    proposal = journey.proposal
    sent = fetch_block_log(nodes, journey.origin)
    return {
        "message": show_message(proposal),
        "certificate": None if certificate is None else _certificate(certificate, proposal.message),
        "multiproof": None
        if certificate is None
        else {
            "indices": [certificate.index],
            "size": certificate.size,
            "proof": [_hex(each) for each in certificate.proof],
        },
        "tx_receipt": _place(journey.origin)
        | {
            "header": _hex(sent.header),
            "proof": [_hex(node) for node in sent.proof],
            "transaction_index": sent.transaction,
            "log_index": sent.log_index,
        },
        "call": None if certificate is None else _call(journey, certificate),
    }


def credential_of(nodes: Mapping[int, Node], manifest: Manifest, journey: Journey) -> dict[str, Any]:
    """What the transaction chain holds of a judged message: certificate, verdict, both signature sets, the credential.

    Errors: `Refused` CREDENTIAL_NOT_READY before a verdict is recorded; those of `Node.request`.
    """
    if journey.judged is None:
        raise _not_yet("CREDENTIAL_NOT_READY", "no verdict is recorded for it", journey)
    verdict, signatures = fetch_judgement(nodes, manifest, journey)
    chain = manifest.chain(Role.TRANSACTION)
    registry = chain.contracts["TransactionRegistry"]
    digest = verdict_digest(chain_id=chain.chain_id, registry=registry, verdict=verdict)
    certificate = None if journey.attested is None else fetch_certificate(nodes, manifest, journey)
    return {
        "id": _hex(journey.id),
        "state": journey.state.value,
        "registry": caip10(chain.chain_id, registry),
        "credential": _hex(journey.credential),
        "certificate": None if certificate is None else _certificate(certificate, journey.proposal.message),
        "verdict": {
            name: _hex(value) if isinstance(value, bytes) else value for name, value in asdict(verdict).items()
        },
        "signatures": _hex(signatures),
        "signed": _hex(signed(digest, signatures)),
        "recorded": _place(journey.judged),
        "commit": None if journey.commit is None else _place(journey.commit),
    }


def _call(journey: Journey, certificate: Certificate) -> dict[str, str] | None:
    """The call that commits it; None where the destination checks the receipt proof under a header it holds."""
    if journey.policy is not None and journey.policy.observed_under is not None:
        return None
    proposal, end = journey.proposal, journey.proposal.message.destination
    arguments = (proposal.message.as_delivery(), proposal.payload, *as_abi(certificate))
    call = Contract("Gateway", end.gateway).encode_call("commit", *arguments)
    return {"to": caip10(end.chain_id, end.gateway), "data": _hex(call)}


def show_message(proposal: Proposal) -> dict[str, Any]:
    """Every field that a message's id binds, with its payload. Numbers up to 2^64 are decimal text."""
    message = proposal.message
    ends = {"origin": message.origin, "destination": message.destination}
    return {
        "id": _hex(message.id),
        "version": message.version,
        "kind": int(message.kind),
        "lane": _hex(message.lane),
        "generation": message.generation,
        "sequence": str(message.sequence),
        "sender": caip10(message.origin.chain_id, message.sender),
        "recipient": caip10(message.destination.chain_id, message.recipient),
        "expiry": str(message.expiry),
        "gas_limit": str(message.gas_limit),
        "payload": _hex(proposal.payload),
        "payload_digest": _hex(keccak256(proposal.payload)),
    } | {
        name: {
            "chain": caip2(end.chain_id),
            "genesis": _hex(end.genesis),
            "gateway": caip10(end.chain_id, end.gateway),
        }
        for name, end in ends.items()
    }


def _certificate(certificate: Certificate, message: Message) -> dict[str, Any]:
    end = message.destination
    digest = attestation_digest(
        chain_id=end.chain_id, gateway=end.gateway, root=certificate.root, epoch=certificate.epoch
    )
    return {
        "for": caip10(end.chain_id, end.gateway),
        "root": _hex(certificate.root),
        "index": certificate.index,
        "size": certificate.size,
        "proof": [_hex(each) for each in certificate.proof],
        "epoch": certificate.epoch,
        "signatures": _hex(certificate.signatures),
        "signed": _hex(signed(digest, certificate.signatures)),
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "chain": caip2(place.chain_id),
        "block": place.block,
        "block_hash": _hex(place.block_hash),
        "transaction": _hex(place.transaction),
    }


def _not_yet(code: str, what: str, journey: Journey) -> Refused:
    where = f"{journey.state}: {_hex(journey.id)}"
    return Refused(code, f"{what} yet", where=where, cure="Follow the message, and ask again then.")


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
