"""Signed transactions as bytes: decoded strictly, their signer recovered, their price in gas known.

Pure. What may never happen here: two byte strings give one transaction, or a signature that Ethereum's consensus
refuses (high s, wrong v, another chain) names a sender. The texts of refusals follow geth, whose clients match on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from coincurve import PublicKey
from eth.vm.forks.prague.transactions import PragueTransactionBuilder

from contracts.embedded.rules import calldata_floor_gas
from ledger.errors import BadInput, Refused
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256 as keccak

MAX_TRANSACTION_BYTES: Final = 128 * 1024  # geth's limit too
MAX_INITCODE_BYTES: Final = 49_152  # EIP-3860
MAX_NONCE: Final = 2**64 - 2  # EIP-2681
SECP256K1_N: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ACCESS_LIST, DYNAMIC_FEE, BLOB, SET_CODE = 1, 2, 3, 4  # EIP-2930, 1559, 4844, 7702
FIELDS: Final = {0: 9, ACCESS_LIST: 11, DYNAMIC_FEE: 12, SET_CODE: 13}
# Where the access list and the authorization list stand; everything else is a value.
LISTS: Final[dict[int, tuple[int | None, int | None]]] = {
    0: (None, None),
    ACCESS_LIST: (7, None),
    DYNAMIC_FEE: (8, None),
    SET_CODE: (8, 9),
}
AUTHORIZATION_FIELDS: Final = 6
MAX_DEPTH: Final = 4  # transaction, access list, entry, its storage keys
MAX_ITEMS: Final = 4096  # of all lists together
LEGACY_V_OFFSET: Final = 35  # EIP-155


@dataclass(frozen=True, slots=True)
class Transaction:
    """One valid signed transaction. Amounts in wei; `kind` is its EIP-2718 type, 0 for legacy; `to` empty to create."""

    raw: bytes
    hash: bytes
    sender: bytes
    kind: int
    nonce: int
    gas: int
    max_fee: int
    max_priority_fee: int
    to: bytes
    value: int
    data: bytes
    evm: Any
    """py-evm's object for the same bytes."""

    @property
    def most_it_may_cost(self) -> int:
        """Wei that the sender must own for it to be executed."""
        return self.gas * self.max_fee + self.value

    def price_at(self, base_fee: int) -> int:
        """Effective gas price in wei in a block of that base fee (EIP-1559)."""
        return min(self.max_fee, base_fee + self.max_priority_fee)


def decode_transaction(raw: bytes, *, chain_id: int) -> Transaction:
    """Decode what `eth_sendRawTransaction` was given.

    Errors: `BadInput` TX_SIZE, TX_ENCODING, TX_TYPE, TX_FIELD, RLP_*; `Refused` TX_CHAIN_ID, TX_UNPROTECTED,
    SIG_MALLEABLE, SIG_INVALID, TX_FEE, TX_INITCODE, TX_INTRINSIC_GAS, TX_FLOOR_GAS.
    """
    if not 0 < len(raw) <= MAX_TRANSACTION_BYTES:
        raise BadInput("TX_SIZE", f"oversized data: transaction size {len(raw)}, limit {MAX_TRANSACTION_BYTES}")
    evm = _parse(raw)
    kind = int(evm.type_id or 0)
    sender = _recover(evm, kind, chain_id)
    transaction = Transaction(
        raw=raw,
        hash=bytes(keccak(raw)),
        sender=sender,
        kind=kind,
        nonce=int(evm.nonce),
        gas=int(evm.gas),
        max_fee=int(evm.max_fee_per_gas),
        max_priority_fee=int(evm.max_priority_fee_per_gas),
        to=bytes(evm.to),
        value=int(evm.value),
        data=bytes(evm.data),
        evm=evm,
    )
    _check_fields(transaction)
    _check_gas(transaction)
    return transaction


def _parse(raw: bytes) -> Any:
    if raw[0] < 0xC0 and raw[0] not in (ACCESS_LIST, DYNAMIC_FEE, SET_CODE):
        # A blob transaction comes with blobs, which only a beacon chain carries.
        raise BadInput("TX_TYPE", "transaction type not supported", where=f"type {raw[0]:#04x}")
    _check_shape(raw)
    try:
        return PragueTransactionBuilder.decode(raw)
    except Exception as error:  # rlp and py-evm share no base class
        raise BadInput("TX_ENCODING", f"rlp: {type(error).__name__} while decoding the transaction") from error


def _check_shape(raw: bytes) -> None:
    # py-evm's decoder recurses, copies a list once per item, and reads an empty list as the number zero, keeping the
    # bytes it was given as the encoding: what it is handed must already be bounded and of the right shape.
    kind = raw[0] if raw[0] < 0xC0 else 0
    fields = rlp_strict.decode(raw if kind == 0 else raw[1:], max_depth=MAX_DEPTH)
    if not isinstance(fields, tuple) or len(fields) != FIELDS[kind]:
        raise BadInput("TX_ENCODING", f"a transaction of this type is a list of {FIELDS[kind]} fields")
    lists = {place: field for place, field in enumerate(fields) if isinstance(field, tuple)}
    access, authorizations = (lists.get(place, ()) if place is not None else () for place in LISTS[kind])
    items = sum(_count(field) for field in fields)
    if (
        set(lists) != {place for place in LISTS[kind] if place is not None}
        or not all(_is_access(entry) for entry in access)
        or not all(_is_flat(entry, AUTHORIZATION_FIELDS) for entry in authorizations)
    ):
        raise BadInput("TX_ENCODING", "the transaction has a list where a value should stand, or the reverse")
    if items > MAX_ITEMS:
        raise BadInput("TX_ENCODING", f"{items} items in its lists are more than {MAX_ITEMS}")


def _is_flat(item: rlp_strict.Rlp, length: int) -> bool:
    return isinstance(item, tuple) and len(item) == length and all(isinstance(inner, bytes) for inner in item)


def _is_access(item: rlp_strict.Rlp) -> bool:
    if not isinstance(item, tuple) or len(item) != 2:
        return False
    address, keys = item
    return isinstance(address, bytes) and len(address) == 20 and _is_flat(keys, len(keys))


def _count(item: rlp_strict.Rlp) -> int:
    return 1 if isinstance(item, bytes) else 1 + sum(_count(inner) for inner in item)


def _recover(evm: Any, kind: int, chain_id: int) -> bytes:
    if kind == 0:
        if evm.v in (27, 28):
            raise Refused("TX_UNPROTECTED", "only replay-protected (EIP-155) transactions allowed over RPC")
        signed_for, parity = divmod(evm.v - LEGACY_V_OFFSET, 2)
    else:
        signed_for, parity = evm.chain_id, evm.y_parity
    if signed_for != chain_id:
        raise Refused("TX_CHAIN_ID", f"invalid chain id for signer: have {signed_for} want {chain_id}")
    if parity not in (0, 1) or not (0 < evm.r < SECP256K1_N and 0 < evm.s < SECP256K1_N):
        raise Refused("SIG_INVALID", "invalid transaction v, r, s values")
    if evm.s > SECP256K1_N // 2:
        raise Refused("SIG_MALLEABLE", "invalid transaction v, r, s values: s lies in the upper half (EIP-2)")
    signature = evm.r.to_bytes(32, "big") + evm.s.to_bytes(32, "big") + bytes([parity])
    digest = keccak(evm.get_message_for_signing())
    try:
        key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception where no point has that r
        raise Refused("SIG_INVALID", "invalid transaction v, r, s values: no key has made this signature") from error
    return bytes(keccak(key.format(compressed=False)[1:])[12:])


def _check_fields(transaction: Transaction) -> None:
    amounts = (transaction.max_fee, transaction.max_priority_fee, transaction.value)
    if transaction.gas >= 2**64 or max(amounts) >= 2**256:
        raise BadInput("TX_FIELD", "a gas limit is at most 2**64-1 and an amount 2**256-1")
    if transaction.nonce > MAX_NONCE:
        raise BadInput("TX_FIELD", "nonce has max value (EIP-2681)")
    if len(transaction.to) not in (0, 20):
        raise BadInput("TX_FIELD", "the recipient is not an address")
    if transaction.kind == SET_CODE and (not transaction.evm.authorization_list or not transaction.to):
        raise BadInput("TX_FIELD", "a set-code transaction needs a recipient and an authorization (EIP-7702)")
    if transaction.max_priority_fee > transaction.max_fee:
        raise Refused(
            "TX_FEE",
            "max priority fee per gas higher than max fee per gas: "
            f"maxPriorityFeePerGas: {transaction.max_priority_fee}, maxFeePerGas: {transaction.max_fee}",
        )


def _check_gas(transaction: Transaction) -> None:
    if not transaction.to and len(transaction.data) > MAX_INITCODE_BYTES:
        raise Refused(
            "TX_INITCODE",
            f"max initcode size exceeded: code size {len(transaction.data)}, limit {MAX_INITCODE_BYTES}",
        )
    intrinsic = intrinsic_gas(transaction.evm)
    if transaction.gas < intrinsic:
        raise Refused("TX_INTRINSIC_GAS", f"intrinsic gas too low: gas {transaction.gas}, minimum needed {intrinsic}")
    floor = calldata_floor_gas(transaction.data)
    if transaction.gas < floor:
        raise Refused(
            "TX_FLOOR_GAS",
            f"insufficient gas for floor data gas cost: gas {transaction.gas}, minimum needed {floor}",
        )


def intrinsic_gas(evm: Any) -> int:
    """Gas charged before the first instruction (EIP-2028, 2930, 3860, 7702); `evm` signed or not."""
    return int(evm.intrinsic_gas)
