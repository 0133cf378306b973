"""Brings the headers of one chain to the contract that holds them on another, and keeps idle light clients alive.

Under policy *relay* it carries what the origin's validators sealed to a `LightClient`; under *certified* it asks the
notaries for signatures over the header and carries those to `CertifiedHeaders`. Nothing here is trusted: the contract
checks the seals, or the signatures, again. A header that contradicts a held one is carried all the same, because it
freezes the contract, which is what a contradiction is there for.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol

from contracts.binding import Contract
from contracts.manifest import ChainManifest, Observer, Policy, Seals
from contracts.node import Node, quantity
from contracts.submitter import Submitter
from ledger.errors import Refused, Unavailable
from ledger.ethereum.header import Header, header_from_rpc
from ledger.ethereum.qbft import QbftHeader
from ledger.headers.held import MAX_HEIGHT, HeldHeader
from ledger.headers.light_client import digest_of
from ledger.headers.path import MAX_STEPS, next_update
from ledger.interoperable import caip2

REFRESHES_PER_TRUST_PERIOD = 3


@dataclass(frozen=True, slots=True)
class CertifiedHeader:
    """A quorum's signatures over one header, packed, for the holder of headers that they name."""

    epoch: int
    signatures: bytes


class Certifier(Protocol):
    """Who gathers the notaries' signatures over a header."""

    def certify_header(self, header: HeldHeader, *, origin: ChainManifest, holder: Holder) -> CertifiedHeader:
        """A quorum's signatures. Errors: `Unavailable` WAITING, or what a quorum refused."""
        ...


@dataclass(frozen=True, slots=True)
class Holder:
    """The contract that holds an origin's headers, and the chain it stands on (EIP-155 id)."""

    chain_id: int
    contract: Contract
    observer: Observer


def holders_of(chain: ChainManifest) -> tuple[Holder, ...]:
    """Every holder of foreign headers on a chain."""
    kinds = {Policy.RELAY: "LightClient", Policy.CERTIFIED: "CertifiedHeaders"}
    return tuple(Holder(chain.chain_id, Contract(kinds[each.policy], each.headers), each) for each in chain.observers)


def read_header(node: Node, chain: ChainManifest, number: int) -> Header:
    """A chain's header, hashed as the chain hashes it. Errors: `Unavailable` NODE_BEHIND; `Refused` HEADER_HASH."""
    block = node.request("eth_getBlockByNumber", hex(number), False)
    if not isinstance(block, dict):
        raise Unavailable("NODE_BEHIND", "the node does not have the block", where=f"{chain.caip2}, block {number}")
    header = header_from_rpc(block, QbftHeader if chain.rules.seals is Seals.QBFT else Header)
    if header.number != number:
        raise Refused("HEADER_HASH", f"the node answered with block {header.number}", where=f"block {number}")
    return header


def held_form(header: Header) -> HeldHeader:
    """What a holder keeps of a header."""
    return HeldHeader(header.number, header.hash, header.state_root, header.receipts_root, header.timestamp)


class HeaderBearer:
    """Brings one origin's headers to one holder. Safe to share between threads: one brings, the others wait."""

    def __init__(self, holder: Holder, origin: ChainManifest, origin_node: Node, payer: Submitter) -> None:
        self._holder, self._origin, self._origin_node, self._payer = holder, origin, origin_node, payer
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Which chain's headers it brings, and where to, for people."""
        return f"{self._origin.caip2} on {caip2(self._holder.chain_id)}"

    @property
    def pays_on(self) -> int:
        """The chain, by id, on which the headers are held."""
        return self._holder.chain_id

    def bring(self, header: Header, certifier: Certifier) -> None:
        """Have the holder hold a header. It was final when its message was seen.

        Errors: `Refused` CLIENT_FROZEN, CALL_REVERTED with the contract's words (expired, in doubt, from the future),
        SEALS_SHORT, CLIENT_PATH, HEADER_CONFLICT (another one is held, and both are known now); those of
        `Certifier.certify_header` and of `Submitter.send`.
        """
        with self._lock:
            if self._is_held(header):
                return
            self._require_live()
            if isinstance(header, QbftHeader) and self._holder.observer.policy is Policy.RELAY:
                self._bring_sealed(header)
            else:
                self._bring_certified(header, certifier)
            if not self._is_held(header):
                raise Refused(
                    "HEADER_CONFLICT",
                    "another header was vouched for at this height: the holder is frozen",
                    where=f"{self._origin.caip2}, block {header.number}",
                    cure="The quorum orders a cure, once it is known which chain is the chain.",
                )

    def refresh(self) -> bool:
        """Renew a light client that a third of its trust period has left without a header; whether it was due.

        Errors as `bring`.
        """
        if self._holder.observer.policy is not Policy.RELAY:
            return False  # certified headers age with their committee's epoch, not by themselves
        with self._lock:
            _height, timestamp, *_ = self._status()
            now = quantity(self._payer.node.request("eth_getBlockByNumber", "latest", False)["timestamp"])
            if now - timestamp < self._holder.observer.trust_period // REFRESHES_PER_TRUST_PERIOD:
                return False
            head = quantity(self._origin_node.request("eth_blockNumber"), what="block number")
            newest = self._sealed(head - self._origin.rules.finality_blocks)
            if newest.timestamp <= timestamp:
                return False  # the origin itself stands still: nothing newer was sealed
            self._bring_sealed(newest)
            return True

    def _require_live(self) -> None:
        if self._status()[3] == MAX_HEIGHT:
            raise Refused(
                "CLIENT_FROZEN",
                "two headers of one height were vouched for: nothing is believed until the quorum has decided",
                where=self.name,
                cure="The quorum orders a cure.",
            )

    def _bring_sealed(self, header: QbftHeader) -> None:
        for _ in range(MAX_STEPS):
            latest, *_ = self._status()
            trusted = self._sealed(latest).extra.validators
            if header.number <= latest and self._vouches(header):
                trusted = header.extra.validators
            update = next_update(
                self._sealed, trusted=trusted, since=min(latest, header.number - 1), target=header.number
            )
            self._send("update", *update.as_abi())
            if update.header.number == header.number:
                return
        raise Refused("CLIENT_PATH", f"more than {MAX_STEPS} headers lie on the way", where=self._origin.caip2)

    def _bring_certified(self, header: Header, certifier: Certifier) -> None:
        held = held_form(header)
        certified = certifier.certify_header(held, origin=self._origin, holder=self._holder)
        fields = (held.height, held.block_hash, held.state_root, held.receipts_root, held.timestamp)
        self._send("certify", *fields, certified.epoch, certified.signatures)

    def _sealed(self, number: int) -> QbftHeader:
        header = read_header(self._origin_node, self._origin, number)
        if not isinstance(header, QbftHeader):
            raise Refused("SEAL_MODE", "the origin's headers are not sealed", where=self._origin.caip2)
        return header

    def _vouches(self, header: QbftHeader) -> bool:
        """Whether the header's own list still vouches for its height: one that was replaced above it."""
        until, _time = self._read("vouches_until", digest_of(header.extra.validators))
        return bool(until >= header.number)

    def _is_held(self, header: Header) -> bool:
        return bool(self._read("held", header.number) == held_form(header).word)

    def _status(self) -> tuple[int, ...]:
        status: tuple[int, ...] = self._read("status")
        return status

    def _read(self, function: str, *arguments: Any) -> Any:
        return self._holder.contract.read(self._payer.node, function, *arguments)

    def _send(self, function: str, *arguments: Any) -> None:
        self._payer.send(self._holder.contract.address, self._holder.contract.encode_call(function, *arguments))
