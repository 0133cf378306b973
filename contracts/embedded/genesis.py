"""What an embedded chain begins with. Pure: the same `Genesis` gives the same genesis hash on every machine.

The genesis holds the two system contracts whose writes open every block (EIP-4788, EIP-2935), with their official
runtime code. The queue contracts of EIP-7002 and EIP-7251 are absent: there are no validators to withdraw or
consolidate, so the block's requests are always empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from eth.vm.forks.cancun.constants import BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CONTRACT_CODE
from eth.vm.forks.prague.constants import HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CONTRACT_CODE

from ledger.errors import WrongUse

ZERO_HASH: Final = bytes(32)
ZERO_ADDRESS: Final = "0x" + "00" * 20
# The start of Prague on the public network: in the past for every clock, and equal for every chain we start.
GENESIS_TIMESTAMP: Final = 1_746_612_311
GAS_LIMIT: Final = 30_000_000
BASE_FEE_WEI: Final = 1_000_000_000
MAX_CHAIN_ID: Final = 2**53 - 1  # above it, JavaScript wallets lose digits
MAX_ACCOUNTS: Final = 10_000
SYSTEM_CONTRACTS: Final = {
    bytes(BEACON_ROOTS_ADDRESS): bytes(BEACON_ROOTS_CONTRACT_CODE),
    bytes(HISTORY_STORAGE_ADDRESS): bytes(HISTORY_STORAGE_CONTRACT_CODE),
}

_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Genesis:
    """The parameters of a chain, fixed for its whole life.

    `accounts`: "0x" address to wei. `timestamp`: seconds since 1970 UTC. `gas_limit`: of every block. `base_fee`: wei
    per gas of block 0. `fee_recipient`: where priority fees go. Errors: `WrongUse` CHAIN_GENESIS.
    """

    chain_id: int
    accounts: Mapping[str, int] = field(default_factory=dict)
    timestamp: int = GENESIS_TIMESTAMP
    gas_limit: int = GAS_LIMIT
    base_fee: int = BASE_FEE_WEI
    fee_recipient: str = ZERO_ADDRESS

    def __post_init__(self) -> None:
        _require(0 < self.chain_id <= MAX_CHAIN_ID, f"the chain id must lie in 1..{MAX_CHAIN_ID}", str(self.chain_id))
        _require(len(self.accounts) <= MAX_ACCOUNTS, f"more than {MAX_ACCOUNTS} accounts", str(len(self.accounts)))
        for address in (*self.accounts, self.fee_recipient):
            _require(_ADDRESS.fullmatch(address) is not None, "not an address: 0x and 40 hex digits", address)
        for address, wei in self.accounts.items():
            _require(0 <= wei < 2**256, "a balance must lie in 0..2**256-1 wei", address)
        _require(0 <= self.timestamp < 2**63, "the timestamp must lie in 0..2**63-1", str(self.timestamp))
        _require(5_000_000 <= self.gas_limit < 2**40, "the gas limit must lie in 5000000..2**40-1", str(self.gas_limit))
        _require(7 <= self.base_fee < 2**64, "the base fee must lie in 7..2**64-1 wei", str(self.base_fee))

    def to_json(self) -> str:
        """The stable text that the data folder keeps, and that a reopening is compared with."""
        accounts = {address.lower(): str(wei) for address, wei in self.accounts.items()}
        fields = {
            "chain_id": self.chain_id,
            "accounts": accounts,
            "timestamp": self.timestamp,
            "gas_limit": self.gas_limit,
            "base_fee": self.base_fee,
            "fee_recipient": self.fee_recipient.lower(),
        }
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Genesis:
        """Read back what `to_json` wrote. Errors: ValueError, KeyError, TypeError on any other text."""
        fields: dict[str, Any] = json.loads(text)
        fields["accounts"] = {address: int(wei) for address, wei in fields["accounts"].items()}
        return cls(**fields)

    def header_fields(self) -> dict[str, Any]:
        """py-evm's parameters of the genesis header.

        The header has no chain id; `extra_data` carries it, so that two chains never share a genesis hash.
        """
        return {
            "timestamp": self.timestamp,
            "gas_limit": self.gas_limit,
            "difficulty": 0,
            "base_fee_per_gas": self.base_fee,
            "extra_data": f"pledgetrail:{self.chain_id}".encode(),
            "coinbase": bytes.fromhex(self.fee_recipient[2:]),
            "parent_beacon_block_root": ZERO_HASH,
        }

    def state(self) -> dict[bytes, dict[str, Any]]:
        """py-evm's account state: the prefunded accounts and the system contracts."""
        accounts = {
            bytes.fromhex(address[2:]): {"balance": wei, "nonce": 0, "code": b"", "storage": {}}
            for address, wei in self.accounts.items()
            if wei  # an empty account is no account (EIP-161)
        }
        for address, code in SYSTEM_CONTRACTS.items():
            # Nonce 1, as every contract since EIP-161.
            accounts[address] = {
                "balance": accounts.get(address, {}).get("balance", 0),
                "nonce": 1,
                "code": code,
                "storage": {},
            }
        return accounts


def _require(holds: bool, what: str, where: str) -> None:
    if not holds:
        raise WrongUse("CHAIN_GENESIS", what, where=where)
