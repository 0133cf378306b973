"""The contract the chain is probed with, and the account that sends."""

from __future__ import annotations

import functools
from typing import Any

from eth_account import Account
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from vyper import compile_code

from contracts.embedded.genesis import Genesis

CHAIN_ID = 7101
ETHER = 10**18
GWEI = 10**9
KEY = bytes(31) + b"\x07"
STRANGER = "0x" + "22" * 20
# CALL(gas, address(this), 0, ...) for ever: as deep as the gas carries.
RECURSING_INITCODE = bytes.fromhex("685f5f5f5f5f305af1005f5260096017f3")

SOURCE = """
# pragma version 0.4.3
# pragma evm-version prague

event Put:
    key: indexed(uint256)
    who: indexed(address)
    value: uint256

values: public(HashMap[uint256, uint256])
total: public(uint256)

@external
@payable
def put(key: uint256, amount: uint256):
    self.values[key] = amount
    self.total += 1
    log Put(key=key, who=msg.sender, value=amount)

@external
def put_many(first: uint256, count: uint256, amount: uint256):
    for i: uint256 in range(count, bound=64):
        self.values[first + i] = amount
        log Put(key=first + i, who=msg.sender, value=amount)

@external
def clear(first: uint256, count: uint256, note: Bytes[4096]):
    for i: uint256 in range(count, bound=64):
        self.values[first + i] = 0

@external
def refuse(key: uint256):
    self.values[key] = 1
    raise "probe: refused"

@external
def burn():
    assert self.total == max_value(uint256), UNREACHABLE

@external
def try_refuse(key: uint256) -> bool:
    return raw_call(
        self,
        abi_encode(key, method_id=method_id("refuse(uint256)")),
        revert_on_failure=False,
    )

@view
@external
def context() -> (uint256, uint256, bytes32, address):
    return block.number, block.timestamp, blockhash(block.number - 1), msg.sender
"""


@functools.cache
def initcode() -> bytes:
    """The probe's deployment code."""
    return bytes.fromhex(compile_code(SOURCE, output_formats=["bytecode"])["bytecode"][2:])


def calldata(signature: str, *words: int) -> bytes:
    """A call with static arguments."""
    return bytes(keccak(signature.encode())[:4]) + b"".join(word.to_bytes(32, "big") for word in words)


def clear_calldata(first: int, count: int, note: bytes) -> bytes:
    """`clear` with its dynamic argument."""
    padded = note + bytes(-len(note) % 32)
    return calldata("clear(uint256,uint256,bytes)", first, count, 96, len(note)) + padded


class Wallet:
    """One key that signs transactions for one chain id."""

    def __init__(self, key: bytes = KEY, chain_id: int = CHAIN_ID) -> None:
        self._account = Account.from_key(key)
        self._chain_id = chain_id
        self.address: str = self._account.address.lower()
        self.raw_address = bytes.fromhex(self.address[2:])

    def sign(self, nonce: int, **fields: Any) -> bytes:
        """Raw bytes of an EIP-1559 transaction, or of the type that `fields` ask for."""
        chosen: dict[str, Any] = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": nonce,
            "gas": 1_000_000,
            "to": STRANGER,
            "value": 0,
            "data": b"",
        }
        chosen |= fields
        if chosen["type"] in (0, 1):
            chosen.setdefault("gasPrice", 3 * GWEI)
        else:
            chosen.setdefault("maxFeePerGas", 3 * GWEI)
            chosen.setdefault("maxPriorityFeePerGas", GWEI)
        if chosen["type"] == 0:
            del chosen["type"]
        chosen["to"] = "" if chosen["to"] is None else to_checksum_address(chosen["to"])
        for entry in chosen.get("accessList", ()):
            entry["address"] = to_checksum_address(entry["address"])
        return bytes(self._account.sign_transaction(chosen).raw_transaction)


def genesis(**fields: Any) -> Genesis:
    """A genesis that funds the wallet."""
    chosen: dict[str, Any] = {"chain_id": CHAIN_ID, "accounts": {Wallet().address: 1000 * ETHER}}
    return Genesis(**(chosen | fields))
