"""An observation: what a destination needs to see itself that a message left its origin; twin of `ReceiptObserver.vy`.

It names a header, a transaction and a log in it, and carries the receipt's proof. Anyone may make one: nothing in it
is believed that the header does not commit to, and whether the header is the chain's is asked of a light client.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import BadInput, Refused
from ledger.ethereum.header import Header
from ledger.ethereum.packed_nodes import pack_nodes, unpack_nodes
from ledger.ethereum.trie import ordered_proof
from ledger.ethereum.tx_receipt import Log, TxReceipt, prove_log
from ledger.proposal import MESSAGE_SENT

MAX_BYTES = 16384  # what a contract takes
NODES_AT = 120
_WIDTHS = (8, 32, 32, 32, 8, 4, 4)  # bytes


@dataclass(frozen=True, slots=True)
class Observation:
    """The header's fields that a light client keeps (timestamp in seconds), the log's place, the trie's nodes."""

    height: int
    block_hash: bytes
    state_root: bytes
    receipts_root: bytes
    timestamp: int
    tx_index: int
    log_index_in_tx: int
    nodes: tuple[bytes, ...]

    def pack(self) -> bytes:
        """The bytes that contracts take. `BadInput` OBSERVATION_SIZE when they are too many, or a number too wide."""
        numbers = (self.height, self.timestamp, self.tx_index, self.log_index_in_tx)
        if any(not 0 <= number < 256**width for number, width in zip(numbers, (8, 8, 4, 4), strict=True)):
            raise BadInput("OBSERVATION_SIZE", "a number of the observation is too wide")
        fields = (
            self.height.to_bytes(8, "big"),
            *(self.block_hash, self.state_root, self.receipts_root),
            self.timestamp.to_bytes(8, "big"),
            self.tx_index.to_bytes(4, "big"),
            self.log_index_in_tx.to_bytes(4, "big"),
        )
        packed = b"".join(fields) + pack_nodes(self.nodes)
        if tuple(map(len, fields)) != _WIDTHS or len(packed) > MAX_BYTES:
            raise BadInput("OBSERVATION_SIZE", f"an observation of {len(packed)} bytes, at most {MAX_BYTES} fit")
        return packed


def read_observation(packed: bytes) -> Observation:
    """Take an observation apart. Errors: `BadInput` OBSERVATION_SIZE, PROOF_TRUNCATED."""
    if not NODES_AT < len(packed) <= MAX_BYTES:
        raise BadInput("OBSERVATION_SIZE", f"{len(packed)} bytes are not more than {NODES_AT}, at most {MAX_BYTES}")
    fields, at = [], 0
    for width in _WIDTHS:
        fields.append(packed[at : at + width])
        at += width
    height, timestamp, tx_index, log_index = (int.from_bytes(fields[place], "big") for place in (0, 4, 5, 6))
    nodes = tuple(unpack_nodes(packed[NODES_AT:]))
    return Observation(height, fields[1], fields[2], fields[3], timestamp, tx_index, log_index, nodes)


def observe(header: Header, receipts: Sequence[TxReceipt], tx_index: int, log_index_in_tx: int) -> Observation:
    """Make the observation of a log from its block's header and all of the block's receipts."""
    return Observation(
        header.number,
        header.hash,
        header.state_root,
        header.receipts_root,
        header.timestamp,
        tx_index,
        log_index_in_tx,
        tuple(ordered_proof([receipt.encode() for receipt in receipts], tx_index)),
    )


def check_observation(observation: Observation, *, gateway: bytes, message_id: bytes) -> Log:
    """The log that shows the message leaving `gateway` (20 bytes); that its header is the chain's is the caller's.

    Errors: those of `prove_log`; `Refused` EMITTER, OBSERVED_LOG (not `MessageSent`), OBSERVED_ID (another message).
    """
    place = (observation.tx_index, observation.log_index_in_tx)
    log = prove_log(observation.receipts_root, observation.nodes, *place, where=f"block {observation.height}")
    if log.address != gateway:
        raise Refused("EMITTER", "the log is not the origin gateway's", where=f"0x{log.address.hex()}")
    if len(log.topics) != 2 or log.topics[0] != MESSAGE_SENT:
        raise Refused("OBSERVED_LOG", "not a MessageSent log")
    if log.topics[1] != message_id:
        raise Refused("OBSERVED_ID", "the log is of another message", where=log.topics[1].hex())
    return log
