"""Signed transactions as bytes: decoded strictly, their signer recovered, their price in gas known.

Pure. What may never happen here: two byte strings give one transaction, or a signature that Ethereum's consensus
refuses (high s, wrong v, another chain) names a sender. The texts of refusals follow geth, whose clients match on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from coincurve import PublicKey
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_hash.auto import keccak

from contracts.embedded.rules import calldata_floor_gas
from ledger.errors import BadInput, Refused

MAX_TRANSACTION_BYTES: Final = 128 * 1024  # geth's limit too
MAX_INITCODE_BYTES: Final = 49_152  # EIP-3860
MAX_NONCE: Final = 2**64 - 2  # EIP-2681
SECP256K1_N: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ACCESS_LIST, DYNAMIC_FEE, BLOB, SET_CODE = 1, 2, 3, 4  # EIP-2930, 1559, 4844, 7702
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

    Errors: `BadInput` TX_SIZE, TX_ENCODING, TX_TYPE, TX_FIELD; `Refused` TX_CHAIN_ID, TX_UNPROTECTED, SIG_MALLEABLE,
    SIG_INVALID, TX_FEE, TX_INITCODE, TX_INTRINSIC_GAS, TX_FLOOR_GAS.
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
    try:
        evm = PragueTransactionBuilder.decode(raw)
        canonical = evm.encode() == raw
    except RecursionError:
        raise BadInput("RLP_DEPTH", "the transaction is nested too deeply") from None
    except Exception as error:
        raise BadInput("TX_ENCODING", f"rlp: {type(error).__name__} while decoding the transaction") from error
    if not canonical:
        raise BadInput("TX_ENCODING", "rlp: the transaction is not in canonical form")
    return evm


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
