"""Blocks executed twice: by our re-execution and by the Ethereum specification; and where the two differ."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.reexecution.accounts import Change, Entry
from contracts.reexecution.execution import Outcome
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.trie import ordered_root
from ledger.ethereum.tx_receipt import bloom_of

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "eels" / "bin" / "python"
PROGRAM = Path(__file__).with_name("specification.py")


@dataclass(frozen=True, slots=True)
class Executed:
    """What one engine made of a block. `accounts`: every account asked for, None where there is none after it, else
    (nonce, balance, code hash, slots). `state_root`: None where it was not computed. `codes`: of those
    accounts, by hash; not compared, the hashes are.
    """

    receipts: tuple[bytes, ...]
    receipts_root: bytes
    logs_bloom: bytes
    gas_used: int
    blob_gas_used: int
    requests_hash: bytes
    accounts: dict[bytes, tuple[int, int, bytes, dict[int, int]] | None]
    state_root: bytes | None = None
    codes: dict[bytes, bytes] = field(default_factory=dict)

    def differences(self, other: Executed) -> list[str]:
        """The names of what differs; receipts and accounts by place."""
        names = ("receipts_root", "logs_bloom", "gas_used", "blob_gas_used", "requests_hash", "state_root")
        found = [name for name in names if getattr(self, name) != getattr(other, name)]
        if len(self.receipts) != len(other.receipts):
            found.append("number of receipts")
        pairs = zip(self.receipts, other.receipts, strict=False)
        found += [f"receipt {place}" for place, (one, two) in enumerate(pairs) if one != two]
        addresses = sorted(self.accounts.keys() | other.accounts.keys())
        return found + [f"account 0x{a.hex()}" for a in addresses if self.accounts.get(a) != other.accounts.get(a)]


class SpecificationRefusedError(Exception):
    """The specification says that no such block can be."""


@dataclass(frozen=True, slots=True)
class Body:
    """A block as both engines get it: `header` gives what execution reads, never what comes of it. `ancestors`: hashes,
    parent first. `queues`: whether the contracts of EIP-7002 and EIP-7251 stand on the chain.
    """

    header: Header
    ancestors: Sequence[bytes]
    transactions: Sequence[bytes]
    withdrawals: Sequence[bytes] = ()
    queues: bool = False


@dataclass
class Specification:
    """The other engine, holding one chain's whole state."""

    _process: subprocess.Popen[str]
    root: bytes = field(default=b"")

    def begin(self, chain_id: int, accounts: Mapping[bytes, Mapping[str, Any]]) -> bytes:
        """Start from a state: for each address nonce, balance, code and storage. The state root."""
        shown = {
            address.hex(): {
                "nonce": account["nonce"],
                "balance": account["balance"],
                "code": account["code"].hex(),
                "storage": {str(slot): value for slot, value in account["storage"].items()},
            }
            for address, account in accounts.items()
        }
        self.root = bytes.fromhex(self._ask(do="begin", chain_id=chain_id, accounts=shown)["state_root"])
        return self.root

    def execute(self, body: Body, touched: Mapping[bytes, Iterable[int]]) -> Executed:
        """Execute a block on the state. `touched`: whose values to tell. Errors: `SpecificationRefusedError`, and the
        state is of no use then.
        """
        header = body.header
        answer = self._ask(
            do="block",
            header={
                "number": header.number,
                "timestamp": header.timestamp,
                "gas_limit": header.gas_limit,
                "beneficiary": header.beneficiary.hex(),
                "base_fee": header.base_fee_per_gas,
                "prev_randao": header.prev_randao.hex(),
                "excess_blob_gas": header.excess_blob_gas,
                "parent_beacon_block_root": (header.parent_beacon_block_root or b"").hex(),
            },
            ancestors=[each.hex() for each in reversed(body.ancestors)],
            transactions=[raw.hex() for raw in body.transactions],
            withdrawals=[raw.hex() for raw in body.withdrawals],
            queues=body.queues,
            touched={address.hex(): sorted(slots) for address, slots in touched.items()},
        )
        if "refused" in answer:
            raise SpecificationRefusedError(answer["refused"])
        return _read(answer)

    def _ask(self, **fields: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(fields) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the second engine ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def specification(fork: str = "prague") -> Iterator[Specification]:
    """The second engine in its process, ended with the block."""
    assert PYTHON.exists(), f"the second engine is not installed: {PYTHON} (make test installs it with .ci/setup-eels)"
    command = [str(PYTHON), "-I", str(PROGRAM), fork]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Specification(process)
        finally:
            process.kill()


def ours(outcome: Outcome, state_root: bytes | None) -> Executed:
    """What our re-execution made of a block, in the form that is compared."""
    encoded = tuple(receipt.encode() for receipt in outcome.receipts)
    return Executed(
        receipts=encoded,
        receipts_root=ordered_root(encoded),
        logs_bloom=bloom_of([log for receipt in outcome.receipts for log in receipt.logs]),
        gas_used=outcome.receipts[-1].cumulative_gas if outcome.receipts else 0,
        blob_gas_used=outcome.blob_gas_used,
        requests_hash=outcome.requests_hash,
        accounts={address: _after(change) for address, change in outcome.changes.items()},
        state_root=state_root,
    )


def touched(outcome: Outcome) -> dict[bytes, set[int]]:
    """Whose values to ask the other engine for: all that ours wrote."""
    return {
        address: set() if change.after in (None, Entry()) else set(change.slots)
        for address, change in outcome.changes.items()
    }


def _after(change: Change) -> tuple[int, int, bytes, dict[int, int]] | None:
    # An empty account is none (EIP-161), whether it was written to or not.
    if change.after is None or change.after == Entry():
        return None
    return change.after.nonce, change.after.balance, change.after.code_hash, change.slots


def _read(answer: dict[str, Any]) -> Executed:
    accounts = {
        bytes.fromhex(name): None
        if account is None
        else (
            account["nonce"],
            account["balance"],
            bytes.fromhex(account["code_hash"]),
            {int(slot): value for slot, value in account["slots"].items()},
        )
        for name, account in answer["accounts"].items()
    }
    empty: tuple[int, int, bytes, dict[int, int]] = (0, 0, keccak256(b""), {})
    return Executed(
        receipts=tuple(bytes.fromhex(each) for each in answer["receipts"]),
        receipts_root=bytes.fromhex(answer["receipts_root"]),
        logs_bloom=bytes.fromhex(answer["logs_bloom"]),
        gas_used=answer["gas_used"],
        blob_gas_used=answer["blob_gas_used"],
        requests_hash=bytes.fromhex(answer["requests_hash"]),
        accounts={address: None if account == empty else account for address, account in accounts.items()},
        state_root=bytes.fromhex(answer["state_root"]),
        codes={keccak256(code): code for raw in answer["codes"] if (code := bytes.fromhex(raw))},
    )
