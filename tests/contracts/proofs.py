"""`Proofs.vy` on the fast engine: what the Vyper side says of a proof, or with which words it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ledger.ethereum.packed_nodes import pack_nodes
from ledger.ethereum.trie import Absent, Account, Present
from ledger.ethereum.tx_receipt import Log
from tests.contracts.evm import Deployed, Evm, Reverted

PADDING = bytes(32)  # a contract reads words: the vectors' smallest tries are shorter than one


@dataclass(frozen=True, slots=True)
class Proofs:
    """The proof modules of the contracts as plain functions. Errors: `Reverted`."""

    contract: Deployed

    def prove(self, root: bytes, key: bytes, nodes: list[bytes]) -> Present | Absent:
        """As `ledger.ethereum.trie.prove`, for keys of at most 32 bytes."""
        packed = pack_nodes(nodes)
        at, length, end = self.contract.call("walk", root, key.ljust(32, b"\x00"), 2 * len(key), packed + PADDING, 0)
        if end != len(packed):
            raise Reverted("nodes left over", where="walk")
        return Present(packed[at : at + length]) if length else Absent()

    def storage(
        self, root: bytes, address: bytes, slot: int, packed: bytes, *, keeps_zero_leaves: bool = False
    ) -> tuple[Account | Absent, int | Absent]:
        """As `ledger.ethereum.state_proof.prove_storage`."""
        found = self.contract.call("storage", root, address, slot.to_bytes(32, "big"), packed, keeps_zero_leaves)
        (exists, *account), (is_set, value) = found
        return (Account(*account) if exists else Absent()), (value if is_set else Absent())

    def log(self, root: bytes, tx_index: int, log_index: int, nodes: list[bytes]) -> Log:
        """As `ledger.ethereum.tx_receipt.prove_log`, without the log's data."""
        emitter, count, topics = self.contract.call("receipt_log", root, tx_index, log_index, pack_nodes(nodes))
        assert not any(any(topic) for topic in topics[count:])
        return Log(emitter, tuple(topics[:count]), b"")

    def head(self, raw: bytes) -> tuple[bool, int, int]:
        """Head of the item that begins `raw`: is it a list, bytes of its prefix, bytes of its payload."""
        is_list, prefix, length = self.contract.call("head", word(raw))
        return bool(is_list), int(prefix), int(length)


def word(raw: bytes) -> int:
    """The first 32 bytes, zeros beyond the end."""
    return int.from_bytes(raw[:32].ljust(32, b"\x00"), "big")


def deployed_proofs(*, exact: bool = False) -> Proofs:
    """Compile and deploy `Proofs.vy`."""
    return Proofs(Evm(exact=exact).deploy(Path(__file__).parent / "Proofs.vy"))
