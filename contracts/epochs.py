"""Who the notaries of a chain are now: its committee contract's epochs, proven, and followed from the manifest's.

Two proofs, because each alone can be cheated. The words of the contract's storage hang on the state root of a header
that the caller trusts; and each committee after the manifest's was ordered by a quorum of the one before it, in
signatures that anybody can check again, whatever chain a node invents. `ledger.rotation` is the twin of the contract's
rules, `ledger.orders` says what was signed.

    epochs = Epochs(chain, manifest.committee, node)
    epochs.at(header).current.members

May never happen here: a committee that nobody of the last one ordered; a barred member that counts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from contracts.binding import Contract, DecodedLog, log_topic
from contracts.chain_manifest import ChainManifest
from contracts.node import Node, data
from contracts.proven_storage import ProvenStorage, slot_of
from ledger.bundle.succession import RotationOrder
from ledger.errors import BadInput, Problem, Refused, Unavailable
from ledger.ethereum.header import Header
from ledger.ethereum.tx_receipt import Log
from ledger.membership import Member, records_digest
from ledger.orders import order_digest
from ledger.quorum import Committee, check_signatures, quorum
from ledger.rotation import Seat, rotation

BLOCKS_PER_FILTER = 5_000  # what nodes answer at least in one `eth_getLogs`
MAX_ANNOUNCEMENTS = 16  # of one rotation that are looked at; a quorum signs one, or few with other salts

_LOADER = bytes.fromhex("600b380380600b5f395ff3")
_BARRED = 1 << 160
_UNTIL, _COUNT = 168, 160
_FOR_EVER = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Epoch:
    """A committee as its contract holds it. `members`: attesting addresses by index, barred ones among them; `barred`:
    indices whose signatures count no more. `until`: from this second of the chain's time on nothing of it counts, None
    for the current epoch. `records`: the digest of the members' records.
    """

    number: int
    members: tuple[bytes, ...]
    barred: frozenset[int]
    until: int | None
    records: bytes

    @property
    def seat(self) -> Seat:
        """It as certificates are checked against it."""
        signers = (None if index in self.barred else member for index, member in enumerate(self.members))
        return Seat(self.number, tuple(signers), self.until)

    @property
    def quorum(self) -> int:
        """How many signatures a certificate needs; barred members count in n."""
        return quorum(len(self.members))

    def index_of(self, address: bytes) -> int | None:
        """The place of an attesting address (20 bytes), None where it has none."""
        return self.members.index(address) if address in self.members else None


@dataclass(frozen=True, slots=True)
class Succession:
    """The two epochs whose certificates a chain takes: the current one, and the one before while its grace lasts."""

    current: Epoch
    previous: Epoch | None

    def epoch(self, number: int, *, now: int) -> Epoch | None:
        """The epoch with a number, while it counts at `now` (seconds of the chain's time)."""
        for each in (self.current, self.previous):
            if each is not None and each.number == number and (each.until is None or now < each.until):
                return each
        return None


class Epochs:
    """The epochs of one chain through one node. Safe to share between threads; remembers what it has followed."""

    def __init__(
        self, chain: ChainManifest, trusted: Committee, node: Node, *, storage: ProvenStorage | None = None
    ) -> None:
        """`trusted`: the committee the manifest names, where trust begins. `storage`: shares what it has fetched."""
        self._chain, self._trusted, self._node = chain, trusted, node
        self._contract = chain.contract("Committee")
        self._storage = storage or ProvenStorage(node)
        self._followed: dict[int, tuple[bytes, ...]] = {trusted.epoch: trusted.members}
        self._records: dict[int, tuple[Member, ...]] = {}
        self._last: tuple[bytes, Succession] | None = None
        self._lock = threading.Lock()

    def at(self, header: Header) -> Succession:
        """The epochs after the block of a header that the caller trusts.

        Errors: `Unavailable` STATE_UNPROVEN, EPOCH_BEHIND (the chain has not come to the manifest's epoch),
        EPOCH_UNFOLLOWED (the node does not show who ordered a rotation), NODE_*; `Refused` SET_AUTH (another committee
        than the manifest's, or one that no quorum of the last one ordered).
        """
        account = self._storage.account(header, self._contract.address)
        if account is None:
            raise Unavailable("STATE_UNPROVEN", "no committee stands on the chain yet", where=self._chain.caip2)
        with self._lock:
            # The tables are code that nobody can change: the same storage is the same committee.
            if self._last is None or self._last[0] != account.storage_root:
                found = self._read(header)
                self._follow(found, header.number)
                self._last = account.storage_root, found
            return self._last[1]

    def members_at(self, number: int) -> tuple[bytes, ...] | None:
        """The attesting addresses of an epoch that was followed, also of one long past; None for any other."""
        return self._followed.get(number)

    def records_at(self, number: int) -> tuple[Member, ...] | None:
        """The members' records of an epoch after the manifest's that was followed, as a quorum ordered them; None for
        any other."""
        return self._records.get(number)

    def _read(self, header: Header) -> Succession:
        place = slot_of("Committee", "epoch")
        number = self._words(header, place)[place]
        seats = [slot_of("Committee", "seats", each) for each in (number, number - 1) if each >= 0]
        digests = [slot_of("Committee", "records", each) for each in (number, number - 1) if each >= 0]
        held = self._words(header, *seats, *digests)
        epochs = [
            self._epoch(header, number - back, held[seat], held[digest])
            for back, (seat, digest) in enumerate(zip(seats, digests, strict=True))
        ]
        if epochs[0] is None:
            raise Unavailable("STATE_UNPROVEN", f"epoch {number} has no seat", where=self._chain.caip2)
        return Succession(epochs[0], epochs[1] if len(epochs) > 1 else None)

    def _epoch(self, header: Header, number: int, seat: int, records: int) -> Epoch | None:
        if seat == 0:
            return None
        table = (seat & (_BARRED - 1)).to_bytes(20, "big")
        words = read_table(self._storage.code(header, table))
        if len(words) != seat >> _COUNT & 255:
            raise Unavailable("STATE_UNPROVEN", f"the table of epoch {number} has another length", where=table.hex())
        until = seat >> _UNTIL
        return Epoch(
            number,
            tuple((each & (_BARRED - 1)).to_bytes(20, "big") for each in words),
            frozenset(index for index, each in enumerate(words) if each & _BARRED),
            None if until == _FOR_EVER else until,
            records.to_bytes(32, "big"),
        )

    def _words(self, header: Header, *slots: int) -> dict[int, int]:
        return self._storage.words(header, {self._contract.address: slots})[self._contract.address]

    def _follow(self, found: Succession, height: int) -> None:
        """From the committee that is trusted to the present one, each ordered by the one before."""
        number, where = found.current.number, self._chain.caip2
        if number < self._trusted.epoch:
            what = f"the chain is in epoch {number}, before the manifest's {self._trusted.epoch}"
            raise Unavailable("EPOCH_BEHIND", what, where=where, cure="Check the node.")
        latest = max(self._followed)
        if latest < number:
            steps = _Steps(self._chain, self._node, height)
            for beginning in range(latest + 1, number + 1):
                records = steps.records(beginning, before=self._followed[beginning - 1])
                self._records[beginning] = records
                self._followed[beginning] = tuple(record.attesting for record in records)
        for epoch in (found.current, found.previous):
            wanted = None if epoch is None else self._followed.get(epoch.number)
            if epoch is not None and wanted is not None and wanted != epoch.members:
                what = f"epoch {epoch.number} is held by others than were ordered"
                raise Refused("SET_AUTH", what, where=where, cure="Compare the manifest with the chain.")


class _Steps:
    """The logs of one chain's rotations, up to a block."""

    def __init__(self, chain: ChainManifest, node: Node, height: int) -> None:
        self._chain, self._node, self._height = chain, node, height
        self._contract = chain.contract("Committee")

    def records(self, epoch: int, *, before: Sequence[bytes]) -> tuple[Member, ...]:
        """The records of an epoch that a quorum of `before` ordered. Errors: EPOCH_UNFOLLOWED, SET_AUTH."""
        return self.ordered(epoch, before=before)[0]

    def ordered(self, epoch: int, *, before: Sequence[bytes]) -> tuple[tuple[Member, ...], bytes, bytes]:
        """As `records`, with the order's salt and packed signatures."""
        started = next(self._logs("EpochStarted", epoch.to_bytes(32, "big")), None)
        if started is None:
            raise self._unfollowed(f"the node shows no beginning of epoch {epoch}")
        records = tuple(Member(*fields) for fields in started[0].fields["members"])
        action = rotation(epoch, records)
        problem: Problem = self._unfollowed(f"the node shows no order that begins epoch {epoch}")
        for place, (announced, transaction) in enumerate(self._logs("OrderAnnounced", action)):
            if place == MAX_ANNOUNCEMENTS:
                break
            try:
                order = self._order(transaction, action, announced.fields["salt"])
                require_ordered(self._chain, epoch, records, order=order, before=before)
            except Problem as error:
                problem = error
                continue
            return records, *order
        raise problem

    def _order(self, transaction: bytes, action: bytes, salt: bytes) -> tuple[bytes, bytes]:
        """Salt and packed signatures of an announcement, from the call data that carried it."""
        reply = self._node.request("eth_getTransactionByHash", f"0x{transaction.hex()}")
        raw = data(reply.get("input") if isinstance(reply, dict) else None, what="call data")
        head = self._contract.interface.functions["announce"][0] + action + salt
        # Anybody may announce, also through a contract: the call then stands inside another call.
        at = raw.find(head)
        if at >= 0:
            try:
                _, _, _, signatures = decode(self._contract.interface.functions["announce"][1], raw[at + 4 :])
            except DecodingError as error:
                raise self._unfollowed("an announcement does not decode") from error
            return salt, signatures
        raise self._unfollowed("the announcement's transaction does not show its signatures")

    def _logs(self, event: str, topic: bytes) -> Iterator[tuple[DecodedLog, bytes]]:
        """Logs of the committee with this first field, each with its transaction, the newest blocks first."""
        wanted = [f"0x{log_topic('Committee', event).hex()}", f"0x{topic.hex()}"]
        for last in range(self._height, self._chain.first_block - 1, -BLOCKS_PER_FILTER):
            first = max(self._chain.first_block, last - BLOCKS_PER_FILTER + 1)
            replies = self._node.request(
                "eth_getLogs",
                {
                    "address": f"0x{self._contract.address.hex()}",
                    "topics": wanted,
                    "fromBlock": hex(first),
                    "toBlock": hex(last),
                },
            )
            for reply in replies if isinstance(replies, list) else []:
                decoded = _read_log(self._contract, reply)
                if decoded is not None and decoded[0].name == event:
                    yield decoded

    def _unfollowed(self, what: str) -> Unavailable:
        return Unavailable("EPOCH_UNFOLLOWED", what, where=self._chain.caip2, cure="Ask a node that keeps all logs.")


def order_of(chain: ChainManifest, node: Node, epoch: int, *, before: Sequence[bytes], height: int) -> RotationOrder:
    """The order that began an epoch, as one chain's node shows it up to a block: for whoever does not ask chains.

    `before`: the attesting addresses of the epoch before it. Errors: `Unavailable` EPOCH_UNFOLLOWED, NODE_*; `Refused`
    SET_AUTH.
    """
    records, salt, signatures = _Steps(chain, node, height).ordered(epoch, before=before)
    return RotationOrder(chain.chain_id, chain.contracts["Committee"], epoch - 1, records, salt, signatures)


def require_ordered(
    chain: ChainManifest, epoch: int, records: Sequence[Member], *, order: tuple[bytes, bytes], before: Sequence[bytes]
) -> None:
    """Refuse (SET_AUTH) an epoch that no quorum of the members `before` it ordered; `order`: salt, packed signatures.

    Who was barred since is the contract's to say: here the question is who was asked, not who may still be.
    """
    salt, signatures = order
    contract = chain.contracts["Committee"]
    digest = order_digest(
        chain_id=chain.chain_id, contract=contract, action=rotation(epoch, records), salt=salt, epoch=epoch - 1
    )
    try:
        check_signatures(before, digest, signatures, needed=quorum(len(before)))
    except Refused as error:
        what = f"no quorum of epoch {epoch - 1} ordered epoch {epoch}: {error.what}"
        raise Refused("SET_AUTH", what, where=f"{chain.caip2}, {records_digest(records).hex()}") from error


def read_table(code: bytes) -> tuple[int, ...]:
    """A committee's words from the code of its table. Errors: `Unavailable` STATE_UNPROVEN for any other code."""
    try:
        if not code.startswith(_LOADER):
            raise ValueError
        (words,) = decode(["uint256[]"], code[len(_LOADER) :])
    except (DecodingError, ValueError) as error:
        what = "what stands in the committee's place is no table of members"
        raise Unavailable("STATE_UNPROVEN", what, where=code[:16].hex(), cure="Check the node.") from error
    return tuple(words)


def _read_log(contract: Contract, reply: Any) -> tuple[DecodedLog, bytes] | None:
    """A node's log of the contract and the hash of its transaction; None for what is none, or malformed."""
    try:
        log = Log(data(reply["address"]), tuple(data(topic) for topic in reply["topics"]), data(reply["data"]))
        decoded = contract.decode_log(log)
        transaction = data(reply["transactionHash"], length=32)
    except (KeyError, TypeError, BadInput, Unavailable):
        return None
    return None if decoded is None else (decoded, transaction)
