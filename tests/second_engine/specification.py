"""The other side of the pipe: executes blocks by the Ethereum specification (EELS), under Prague or another fork.

Runs in `.venv/eels` and imports nothing of this project. One JSON object a line: `{"do": "begin", …}` sets a whole
state, `{"do": "block", …}` executes a block on it and answers what came out, or `{"refused": reason}` where the block
could not be; the state is then of no use. Bytes are hex without a prefix, numbers are JSON integers.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
from importlib import import_module
from typing import Any

from ethereum.crypto.hash import keccak256
from ethereum.exceptions import EthereumException
from ethereum_rlp import rlp
from ethereum_types.bytes import Bytes, Bytes32
from ethereum_types.numeric import U64, U256, Uint

STACK_BYTES = 512 * 1024 * 1024  # 1,024 nested calls are about 12,000 Python frames
FORK = sys.argv[1] if len(sys.argv) > 1 else "prague"

_fork, _state, _types, _blocks, _vm, _requests, _trie, _bloom, _transactions = (
    import_module(f"ethereum.forks.{FORK}.{name}")
    for name in (
        "fork", "state", "fork_types", "blocks", "vm", "requests", "trie", "bloom", "transactions"
    )
)  # fmt: skip


class World:
    """One chain's whole state."""

    def __init__(self, chain_id: int, accounts: dict[str, Any]) -> None:
        self.chain_id, self.state = U64(chain_id), _state.State()
        for name, account in accounts.items():
            address = _address(name)
            code = Bytes(bytes.fromhex(account["code"]))
            values = _types.Account(Uint(account["nonce"]), U256(account["balance"]), code)
            _state.set_account(self.state, address, values)
            for slot, value in account["storage"].items():
                _state.set_storage(self.state, address, Bytes32(int(slot).to_bytes(32, "big")), U256(value))

    def block(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Execute a block's body and sum it up as a header would."""
        header = asked["header"]
        environment = _vm.BlockEnvironment(
            chain_id=self.chain_id,
            state=self.state,
            block_gas_limit=Uint(header["gas_limit"]),
            block_hashes=[Bytes32(bytes.fromhex(each)) for each in asked["ancestors"]],
            coinbase=_types.Address(bytes.fromhex(header["beneficiary"])),
            number=Uint(header["number"]),
            base_fee_per_gas=Uint(header["base_fee"]),
            time=U256(header["timestamp"]),
            prev_randao=Bytes32(bytes.fromhex(header["prev_randao"])),
            excess_blob_gas=U64(header["excess_blob_gas"]),
            parent_beacon_block_root=Bytes32(bytes.fromhex(header["parent_beacon_block_root"])),
        )
        output = self._body(environment, asked)
        receipts = [_encoded(_trie.trie_get(output.receipts_trie, key)) for key in output.receipt_keys]
        return {
            "state_root": _state.state_root(self.state).hex(),
            "receipts_root": _trie.root(output.receipts_trie).hex(),
            "receipts": [receipt.hex() for receipt in receipts],
            "logs_bloom": _bloom.logs_bloom(output.block_logs).hex(),
            "gas_used": int(output.block_gas_used),
            "blob_gas_used": int(output.blob_gas_used),
            "requests_hash": _requests.compute_requests_hash(output.requests).hex(),
            "accounts": {name: self._account(name, slots) for name, slots in asked["touched"].items()},
            "codes": [_state.get_account(self.state, _address(name)).code.hex() for name in asked["touched"]],
        }

    def _body(self, environment: Any, asked: dict[str, Any]) -> Any:
        transactions = tuple(_transaction(bytes.fromhex(raw)) for raw in asked["transactions"])
        withdrawals = tuple(rlp.decode_to(_blocks.Withdrawal, bytes.fromhex(raw)) for raw in asked["withdrawals"])
        if asked["queues"]:
            return _fork.apply_body(environment, transactions, withdrawals)
        # A chain without validators has no contracts that queue their requests. The specification refuses a block
        # without them; everything else is as in its `apply_body`.
        output = _vm.BlockOutput()
        for target, word in (
            (_fork.BEACON_ROOTS_ADDRESS, environment.parent_beacon_block_root),
            (_fork.HISTORY_STORAGE_ADDRESS, environment.block_hashes[-1]),
        ):
            _fork.process_unchecked_system_transaction(block_env=environment, target_address=target, data=word)
        for index, transaction in enumerate(transactions):
            _fork.process_transaction(environment, output, _transactions.decode_transaction(transaction), Uint(index))
        _fork.process_withdrawals(environment, output, withdrawals)
        if deposits := _requests.parse_deposit_requests(output):
            output.requests.append(_requests.DEPOSIT_REQUEST_TYPE + deposits)
        return output

    def _account(self, name: str, slots: list[int]) -> dict[str, Any] | None:
        address = _address(name)
        account = _state.get_account_optional(self.state, address)
        if account is None:
            return None
        values = {
            str(slot): int(_state.get_storage(self.state, address, Bytes32(slot.to_bytes(32, "big")))) for slot in slots
        }
        return {
            "nonce": int(account.nonce),
            "balance": int(account.balance),
            "code_hash": keccak256(account.code).hex(),
            "slots": values,
        }


def _address(name: str) -> Any:
    return _types.Address(bytes.fromhex(name))


def _transaction(raw: bytes) -> Any:
    """As a block holds it: typed ones as bytes, others decoded."""
    return Bytes(raw) if raw[0] < 0x80 else rlp.decode_to(_transactions.LegacyTransaction, raw)


def _encoded(receipt: Any) -> bytes:
    return bytes(receipt) if isinstance(receipt, bytes) else bytes(rlp.encode(receipt))


def serve() -> None:
    """Answer line by line until the input ends."""
    world: World | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        answer: dict[str, Any] = {}
        if asked["do"] == "begin":
            world = World(asked["chain_id"], asked["accounts"])
            answer = {"state_root": _state.state_root(world.state).hex()}
        else:
            assert world is not None
            try:
                answer = world.block(asked)
            except (EthereumException, rlp.DecodingError) as error:
                answer = {"refused": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.stack_size(STACK_BYTES)
    worker = threading.Thread(target=serve)
    worker.start()
    worker.join()
