"""Blocks made by hand on a state made by hand, for what no chain of ours would put into a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from contracts.embedded.genesis import SYSTEM_CONTRACTS
from contracts.reexecution.accounts import Entry
from contracts.reexecution.claims import ClaimedBlock, Hints, decode_withdrawal
from contracts.reexecution.execution import Outcome, execute
from contracts.reexecution.rules import ChainRules
from contracts.reexecution.witness import Witness
from ledger.ethereum import rlp_strict
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.rlp_strict import Rlp
from ledger.ethereum.trie import Account, account_key, slot_key, trie_of
from ledger.secp256k1 import ORDER, SigningKey
from tests.second_engine.engine import Body, Executed, Specification, ours, touched

CHAIN_ID = 7102
BASE_FEE, FEE, TIP = 10**9, 3 * 10**9, 10**8  # wei per gas
GAS_LIMIT = 30_000_000
TIME = 1_800_000_000
COINBASE = b"\xfe" * 20
KEYS = tuple(SigningKey.from_secret(bytes([n]) * 32) for n in (0x31, 0x32, 0x33))
ETHER = 10**18


def account(balance: int = 0, *, nonce: int = 0, code: bytes = b"", storage: Mapping[int, int] | None = None) -> Any:
    """One account of a state."""
    return {"nonce": nonce, "balance": balance, "code": code, "storage": dict(storage or {})}


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transaction to sign. `kind`: EIP-2718 type, 0 for one as before it. `to` empty creates."""

    nonce: int
    to: bytes = b"\x55" * 20
    value: int = 0
    data: bytes = b""
    gas: int = 1_000_000
    kind: int = 2
    fee: int = FEE
    tip: int = TIP
    access: tuple[Rlp, ...] = ()
    blob_fee: int = 10**9
    hashes: tuple[bytes, ...] = ()
    authorizations: tuple[Rlp, ...] = ()
    chain_id: int = CHAIN_ID

    def signed(self, key: SigningKey = KEYS[0], *, high_s: bool = False) -> bytes:
        """The transaction as a block holds it."""
        n = rlp_strict.encode_int
        rest: tuple[Rlp, ...] = (n(self.gas), self.to, n(self.value), self.data)
        fees: tuple[Rlp, ...] = (n(self.tip), n(self.fee))
        head: tuple[Rlp, ...] = (n(self.chain_id), n(self.nonce))
        fields: tuple[Rlp, ...] = {
            0: (n(self.nonce), n(self.fee), *rest),
            1: (*head, n(self.fee), *rest, self.access),
            2: (*head, *fees, *rest, self.access),
            3: (*head, *fees, *rest, self.access, n(self.blob_fee), self.hashes),
            4: (*head, *fees, *rest, self.access, self.authorizations),
        }[self.kind]
        if self.kind:
            r, s, parity = _sign(key, bytes([self.kind]) + rlp_strict.encode(fields), high_s=high_s)
            return bytes([self.kind]) + rlp_strict.encode((*fields, n(parity), n(r), n(s)))
        protected = (*fields, n(self.chain_id), b"", b"") if self.chain_id else fields
        r, s, parity = _sign(key, rlp_strict.encode(protected), high_s=high_s)
        v = 35 + 2 * self.chain_id + parity if self.chain_id else 27 + parity
        return rlp_strict.encode((*fields, n(v), n(r), n(s)))


def authorization(key: SigningKey, to: bytes, nonce: int, chain_id: int = CHAIN_ID) -> Rlp:
    """EIP-7702: an account's word that it delegates to code."""
    n = rlp_strict.encode_int
    fields: tuple[Rlp, ...] = (n(chain_id), to, n(nonce))
    r, s, parity = _sign(key, b"\x05" + rlp_strict.encode(fields))
    return (*fields, n(parity), n(r), n(s))


def _sign(key: SigningKey, preimage: bytes, *, high_s: bool = False) -> tuple[int, int, int]:
    found = key.sign(keccak256(preimage))
    parity = found.v - 27
    return (found.r, ORDER - found.s, 1 - parity) if high_s else (found.r, found.s, parity)


def header_of(number: int, *, excess_blob_gas: int = 0) -> Header:
    """What execution reads of a block's header; the rest is empty."""
    return Header(
        parent_hash=keccak256((number - 1).to_bytes(8, "big")),
        ommers_hash=bytes(32),
        beneficiary=COINBASE,
        state_root=bytes(32),
        transactions_root=bytes(32),
        receipts_root=bytes(32),
        logs_bloom=bytes(256),
        difficulty=0,
        number=number,
        gas_limit=GAS_LIMIT,
        gas_used=GAS_LIMIT,  # what it used is what both engines are asked; execution stops only beyond this
        timestamp=TIME + 12 * number,
        extra_data=b"",
        prev_randao=keccak256(b"randao %d" % number),
        nonce=bytes(8),
        base_fee_per_gas=BASE_FEE,
        withdrawals_root=bytes(32),
        blob_gas_used=0,
        excess_blob_gas=excess_blob_gas,
        parent_beacon_block_root=keccak256(b"beacon %d" % number),
        requests_hash=bytes(32),
    )


class PlainWitness:
    """A state that stands in memory, in place of one that a node proves."""

    def __init__(self, accounts: Mapping[bytes, Any]) -> None:
        self._accounts = accounts
        self.root = state_root(accounts)

    def account(self, address: bytes) -> Account | None:
        found = self._accounts.get(address)
        return None if found is None else _proven(found)

    def slot(self, address: bytes, slot: int) -> int:
        found = self._accounts.get(address)
        return 0 if found is None else int(found["storage"].get(slot, 0))

    def code(self, address: bytes, code_hash: bytes) -> bytes:
        code = b"" if address not in self._accounts else bytes(self._accounts[address]["code"])
        assert keccak256(code) == code_hash
        return code


def state_root(accounts: Mapping[bytes, Any]) -> bytes:
    """The root of a state, computed in full."""
    return trie_of({account_key(address): _proven(found).rlp() for address, found in accounts.items()}).root


def _proven(found: Any) -> Account:
    leaves = {
        slot_key(slot): rlp_strict.encode(rlp_strict.encode_int(value))
        for slot, value in found["storage"].items()
        if value
    }
    return Account(found["nonce"], found["balance"], trie_of(leaves).root, keccak256(found["code"]))


@dataclass
class Bed:
    """A state and both engines on it; each block goes on from the one before."""

    other: Specification
    accounts: dict[bytes, Any]
    rules: ChainRules = field(default_factory=lambda: ChainRules(CHAIN_ID, withdrawals=True))
    queues: bool = False
    number: int = 0
    excess_blob_gas: int = 0

    def __post_init__(self) -> None:
        for address, code in SYSTEM_CONTRACTS.items():
            self.accounts.setdefault(address, account(nonce=1, code=code))
        for key in KEYS:
            self.accounts.setdefault(key.address, account(1_000 * ETHER))
        assert self.other.begin(CHAIN_ID, self.accounts) == state_root(self.accounts)

    def body(self, *transactions: bytes, withdrawals: Sequence[bytes] = ()) -> Body:
        """The next block, not yet executed."""
        header = header_of(self.number + 1, excess_blob_gas=self.excess_blob_gas)
        ancestors = [keccak256(n.to_bytes(8, "big")) for n in range(self.number, max(-1, self.number - 256), -1)]
        return Body(header, ancestors, transactions, withdrawals, self.queues)

    def run(self, *transactions: bytes, withdrawals: Sequence[bytes] = ()) -> tuple[Executed, Executed]:
        """Execute the next block in both; ours first."""
        body = self.body(*transactions, withdrawals=withdrawals)
        outcome = self.outcome(body)
        theirs = self.other.execute(body, touched(outcome))
        self._go_on(outcome, theirs.codes)
        self.number += 1
        return ours(outcome, state_root(self.accounts)), theirs

    def outcome(self, body: Body) -> Outcome:
        """Our execution alone; the state stays."""
        withdrawn = tuple(decode_withdrawal(raw) for raw in body.withdrawals)
        block = ClaimedBlock(body.header, tuple(body.transactions), withdrawn, (), Hints({}, {}))
        return execute(block, cast(Witness, PlainWitness(self.accounts)), body.ancestors, self.rules)

    def _go_on(self, outcome: Outcome, codes: Mapping[bytes, bytes]) -> None:
        # Code that was made in the block is taken from the other engine, by its hash.
        codes = {keccak256(code): code for found in self.accounts.values() if (code := found["code"])} | dict(codes)
        for address, change in outcome.changes.items():
            if change.after is None or change.after == Entry():
                self.accounts.pop(address, None)
                continue
            before = self.accounts.get(address, account())
            slots = ({} if change.wiped else before["storage"]) | change.slots
            self.accounts[address] = account(
                change.after.balance,
                nonce=change.after.nonce,
                code=codes.get(change.after.code_hash, b""),
                storage={slot: value for slot, value in slots.items() if value},
            )
