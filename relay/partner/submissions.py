"""What partners hand in: a signed transaction to send and follow, or the place of a log that is already there.

A signed transaction is kept before it is sent, and sent again until it stands in a final block, also where a
reorganisation takes it out of one: whoever got an answer need not send it a second time, also when this process dies.
Handing in the same one twice is one submission.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from contracts.manifest import ChainManifest
from contracts.node import Node, NodeError, data, quantity
from ledger.errors import BadInput, Problem, Refused, Unavailable
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from relay.partner.book import Book
from relay.relay import Relay
from relay.watcher import last_final

MAX_TRANSACTION_BYTES = 32 * 1024
MAX_WAITING = 1_000  # of one partner
LOST_SECONDS = 24 * 3600
TENDED_AT_ONCE = 100
WAITING, MINED, FAILED, LOST = "waiting", "mined", "failed", "lost"

_TYPES = (1, 2)  # EIP-2930, EIP-1559; a legacy one begins with its RLP list
_LIST = 0xC0
_PROTECTED_V = 35  # EIP-155


@dataclass(frozen=True, slots=True)
class Submission:
    """`id`: the transaction's hash; `messages`: ids of what it sent, once it is mined; `at`: POSIX seconds; `is_final`:
    whether its state can change no more.
    """

    id: bytes
    chain_id: int
    state: str
    messages: tuple[str, ...]
    at: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a mined transaction came to, in a block that may be final."""

    state: str
    messages: tuple[str, ...]
    is_final: bool


class Submissions:
    """What was handed in, and what became of it. Safe to share between threads."""

    def __init__(self, book: Book, relay: Relay) -> None:
        self._book, self._relay = book, relay
        self._tended = (0, b"")  # the last that was looked after: `at` and `id`

    def submit_log(self, chain_id: int, transaction: bytes, *, partner: str) -> Submission:
        """Take note of a transaction (32 bytes) that stands on a chain, for the messages it sent.

        Errors: `Refused` CHAIN_UNKNOWN, TRANSACTION_UNKNOWN, TRANSACTION_FAILED, NO_MESSAGE; `Unavailable` NODE_*.
        """
        chain, node = self._chain(chain_id)
        where = f"0x{transaction.hex()}"
        outcome = _outcome(chain, node, transaction)
        if outcome is None:
            cure = "Ask again once it is mined, or hand in the signed transaction itself."
            raise Refused(
                "TRANSACTION_UNKNOWN", f"no such transaction is mined on {chain.caip2}", where=where, cure=cure
            )
        if outcome.state == FAILED:
            raise Refused("TRANSACTION_FAILED", "the transaction failed, and sent nothing", where=where)
        if not outcome.messages:
            raise Refused("NO_MESSAGE", "the deployment's gateway sent no message in this transaction", where=where)
        return self._keep(chain_id, transaction, b"", outcome, partner)

    def submit_signed(self, chain_id: int, raw: bytes, *, partner: str) -> Submission:
        """Send a signed transaction to its chain, and follow what it sends.

        A node out of reach is no error: it is kept, and sent again. Errors: `Refused` CHAIN_UNKNOWN, CHAIN_OTHER,
        TRANSACTION_REFUSED (the node's no), SUBMISSIONS_FULL; `BadInput` TRANSACTION_FORM.
        """
        _chain, node = self._chain(chain_id)
        signed_for = chain_of(raw)
        if signed_for != chain_id:
            raise Refused("CHAIN_OTHER", f"it is signed for chain {signed_for}, not {chain_id}")
        transaction = keccak256(raw)
        known = self.find(transaction)
        if known is not None and known.state != LOST:
            return known
        query = "SELECT count(*) FROM submission WHERE is_final = 0 AND state = ? AND partner = ?"
        waiting = self._book.row(query, WAITING, partner)
        if waiting and waiting[0] >= MAX_WAITING:
            cure = "Wait until some are mined, or fill the gap of nonces below them."
            raise Unavailable("SUBMISSIONS_FULL", f"{MAX_WAITING} of your transactions wait to be mined", cure=cure)
        kept = self._keep(chain_id, transaction, raw, _Outcome(WAITING, (), is_final=False), partner)
        try:
            _send(node, raw)
        except NodeError as error:
            with self._book.transaction() as db:
                db.execute("DELETE FROM submission WHERE id = ?", (transaction,))
            raise Refused("TRANSACTION_REFUSED", error.what, where=f"0x{transaction.hex()}") from error
        except Unavailable:
            return kept  # `tend` sends it as soon as the node is there
        return self._look(transaction) or kept

    def find(self, transaction: bytes) -> Submission | None:
        """What is known of a submission."""
        query = "SELECT id, chain, state, messages, at, is_final FROM submission WHERE id = ?"
        if (row := self._book.row(query, transaction)) is None:
            return None
        return Submission(row[0], row[1], row[2], tuple(json.loads(row[3])), row[4], bool(row[5]))

    def tend(self) -> None:
        """Look after the next of those that are not final, in turn: see whether each is mined, and send again what the
        node does not know. What never will be mined must not keep the others from their turn.
        """
        query = "SELECT at, id, chain FROM submission WHERE is_final = 0 AND (at, id) > (?, ?) ORDER BY at, id LIMIT ?"
        found = self._book.rows(query, *self._tended, TENDED_AT_ONCE)
        self._tended = (found[-1][0], found[-1][1]) if len(found) == TENDED_AT_ONCE else (0, b"")
        away: set[int] = set()
        for _at, transaction, chain_id in found:
            if chain_id in away:
                continue  # one wait for a node that hangs is enough
            try:
                self._look(transaction)
            except NodeError:
                continue
            except Problem:  # it is away, or answers nonsense; another chain's may be there
                away.add(chain_id)

    def _look(self, transaction: bytes) -> Submission | None:
        query = "SELECT chain, raw, at, state FROM submission WHERE id = ? AND is_final = 0"
        row = self._book.row(query, transaction)
        if row is None:
            return self.find(transaction)
        chain_id, raw, at, state = row
        chain, node = self._chain(chain_id)
        outcome = _outcome(chain, node, transaction)
        if outcome is not None:
            self._note(transaction, outcome)
            return self.find(transaction)
        if state != WAITING:  # a reorganisation has taken its block away
            self._note(transaction, _Outcome(WAITING, (), is_final=False))
        if node.request("eth_getTransactionByHash", f"0x{transaction.hex()}") is None:
            self._send_again(node, transaction, raw, at)
        return self.find(transaction)

    def _send_again(self, node: Node, transaction: bytes, raw: bytes, at: int) -> None:
        """`raw` is empty where a partner only named a transaction: that is for its sender to send again."""
        if raw and _is_taken(node, raw):
            return
        # Its nonce may have been used by another one; until the day is over, a reorganisation may free it again.
        if time.time() - at > LOST_SECONDS:
            self._note(transaction, _Outcome(LOST, (), is_final=True))

    def _note(self, transaction: bytes, found: _Outcome) -> None:
        with self._book.transaction() as db:
            db.execute(
                "UPDATE submission SET state = ?, messages = ?, is_final = ? WHERE id = ?",
                (found.state, json.dumps(found.messages), found.is_final, transaction),
            )

    def _keep(self, chain_id: int, transaction: bytes, raw: bytes, found: _Outcome, partner: str) -> Submission:
        row = (transaction, chain_id, raw, found.state, json.dumps(found.messages), int(time.time()), partner)
        with self._book.transaction() as db:
            db.execute(
                "INSERT INTO submission VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET state = excluded.state, messages = excluded.messages,"
                " is_final = excluded.is_final, raw = CASE WHEN excluded.raw = x'' THEN raw ELSE excluded.raw END,"
                " at = CASE WHEN state = 'lost' THEN excluded.at ELSE at END",  # its day begins anew
                (*row, found.is_final),
            )
        kept = self.find(transaction)
        assert kept is not None
        return kept

    def _chain(self, chain_id: int) -> tuple[ChainManifest, Node]:
        chain = self._relay.manifest.by_id(chain_id)
        if chain is None:
            known = ", ".join(each.caip2 for each in self._relay.manifest.chains)
            raise Refused("CHAIN_UNKNOWN", "this chain is not part of the deployment", cure=f"One of {known}.")
        return chain, self._relay.nodes[chain_id]


def chain_of(raw: bytes) -> int:
    """The chain that a signed transaction is for (EIP-155, EIP-2930, EIP-1559). `BadInput` TRANSACTION_FORM."""
    try:
        if raw[:1] and raw[0] in _TYPES:
            return rlp_strict.decode_int(_fields(raw[1:])[0])
        if raw[:1] and raw[0] >= _LIST:
            v = rlp_strict.decode_int(_fields(raw)[6])
            if v >= _PROTECTED_V:
                return (v - _PROTECTED_V) // 2
    except (Problem, IndexError):
        pass  # one answer for whatever is wrong with it
    raise BadInput("TRANSACTION_FORM", "not a signed transaction of type 0 (with its chain's id), 1 or 2", where="raw")


def show(submission: Submission) -> dict[str, Any]:
    """A submission as its partner sees it."""
    return {
        "id": f"0x{submission.id.hex()}",
        "chain": f"eip155:{submission.chain_id}",
        "state": submission.state,
        "messages": list(submission.messages),
        "at": submission.at,
        "final": submission.is_final,
    }


def _fields(raw: bytes) -> tuple[rlp_strict.Rlp, ...]:
    fields = rlp_strict.decode(raw, max_bytes=MAX_TRANSACTION_BYTES)
    if not isinstance(fields, tuple):
        raise BadInput("TRANSACTION_FORM", "not a list")
    return fields


def _send(node: Node, raw: bytes) -> None:
    """Hand it to a node; one that knows it already is content as well."""
    try:
        node.request("eth_sendRawTransaction", f"0x{raw.hex()}")
    except NodeError:
        if node.request("eth_getTransactionByHash", f"0x{keccak256(raw).hex()}") is None:
            raise


def _is_taken(node: Node, raw: bytes) -> bool:
    try:
        _send(node, raw)
    except NodeError:
        return False
    return True


def _outcome(chain: ChainManifest, node: Node, transaction: bytes) -> _Outcome | None:
    """What a mined transaction came to, None while it is not. `Unavailable` NODE_*."""
    receipt = node.request("eth_getTransactionReceipt", f"0x{transaction.hex()}")
    if receipt is None:
        return None
    try:
        is_final = quantity(receipt["blockNumber"]) <= last_final(node, chain)
        if receipt["status"] != "0x1":
            return _Outcome(FAILED, (), is_final)
        gateway, messages = chain.contract("Gateway"), []
        for reported in receipt["logs"]:
            topics = tuple(data(topic) for topic in reported["topics"])
            found = gateway.decode_log(Log(data(reported["address"]), topics, data(reported["data"])))
            if found is not None and found.name == "MessageSent":
                messages.append(f"0x{found.fields['sendId'].hex()}")
    except (KeyError, TypeError, AttributeError) as error:
        raise Unavailable("NODE_GARBAGE", f"the receipt is malformed: {error!r}", where=node.url) from error
    return _Outcome(MINED, tuple(messages), is_final)
