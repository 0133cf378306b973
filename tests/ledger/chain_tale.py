"""Chain facts as the indexer would fold them, told by hand: the same events and fields as the Vyper contracts log."""

from __future__ import annotations

import hashlib

from ledger.collateral import ChainFact, FactValue
from ledger.ethereum.keccak import keccak256
from ledger.interoperable import encode
from ledger.store import ChainBook

ESTATE, LENDER, NOTARIES = 7101, 7102, 7103
PLEDGES, GOODS, RECEIPTS, REGISTRY = bytes([2]) * 20, bytes([3]) * 20, bytes([1]) * 20, bytes([4]) * 20
STARTED = 1_790_000_000  # POSIX seconds of every chain's first block


def named(text: str) -> bytes:
    """A 32-byte id for a name."""
    return hashlib.sha256(text.encode()).digest()


def hexed(value: bytes) -> str:
    """Bytes as a fact carries them."""
    return f"0x{value.hex()}"


def outcome(text: str) -> str:
    """An outcome word."""
    return hexed(text.encode().ljust(32, b"\x00"))


class Tale:
    """Facts of three chains in one growing list; each call of `tell` is one block with one transaction."""

    def __init__(self) -> None:
        self.facts: list[ChainFact] = []
        self.heights = {ESTATE: 0, LENDER: 0, NOTARIES: 0}

    def tell(self, chain_id: int, *events: tuple[str, str, dict[str, FactValue]]) -> None:
        self.heights[chain_id] += 1
        number = self.heights[chain_id]
        for index, (contract, event, fields) in enumerate(events):
            self.facts.append(
                ChainFact(
                    chain_id,
                    number,
                    block_hash(chain_id, number),
                    named(f"tx {chain_id} {number}"),
                    index,
                    contract,
                    event,
                    fields,
                    STARTED + 12 * number,
                )
            )

    def fold_into(self, book: ChainBook) -> None:
        """Fold every block into a chain book."""
        for chain_id, height in self.heights.items():
            for number in range(height + 1):
                own = [fact for fact in self.facts if (fact.chain_id, fact.block) == (chain_id, number)]
                book.fold_block(
                    chain_id,
                    number,
                    block_hash(chain_id, number),
                    block_hash(chain_id, number - 1),
                    own,
                    time=STARTED + 12 * number,
                )

    def issue(self, receipt: str, goods_key: bytes, quantity: int = 120_000) -> None:
        self.tell(
            ESTATE,
            (
                "WarehouseReceipt",
                "ReceiptIssued",
                {
                    "receipt_id": hexed(named(receipt)),
                    "goods_key": hexed(goods_key),
                    "keeper": hexed(bytes([7]) * 20),
                    "holder": hexed(bytes([8]) * 20),
                    "quantity": quantity,
                },
            ),
        )

    def consent(self, receipt: str, loan: str) -> None:
        self.tell(ESTATE, ("WarehouseReceipt", "PledgeConsented", _both(receipt, loan)))

    def open_loan(self, loan: str, receipt: str, goods_key: bytes) -> None:
        self.tell(
            LENDER,
            _sent(loan, "goods", 1, receipt, goods_key),
            _sent(loan, "receipt", 1, receipt, goods_key),
            (
                "PledgeRegistry",
                "LoanOpening",
                {
                    "loan_id": hexed(named(loan)),
                    "lender": hexed(named(loan + " lender")[:20]),
                    "goods_key": hexed(goods_key),
                    "receipt_id": hexed(named(receipt)),
                    "terms_digest": hexed(named(loan + " terms")),
                    "due": STARTED + 7_776_000,
                    "goods_message": hexed(message_id(loan, "goods", 1)),
                    "receipt_message": hexed(message_id(loan, "receipt", 1)),
                },
            ),
        )

    def attest(self, message: bytes) -> None:
        lane = hexed(named("lane"))
        self.tell(NOTARIES, ("TransactionRegistry", "Proposed", {"id": hexed(message), "lane": lane, "sequence": 0}))
        self.tell(
            NOTARIES,
            ("TransactionRegistry", "Attested", {"id": hexed(message), "root": hexed(named("root")), "epoch": 1}),
        )

    def commit(self, chain_id: int, message: bytes, answer: str, *also: tuple[str, str, dict[str, FactValue]]) -> None:
        fields: dict[str, FactValue] = {
            "id": hexed(message),
            "executed": True,
            "outcome": outcome(answer),
        }
        self.tell(chain_id, *also, ("Gateway", "MessageCommitted", fields))

    def judge(self, message: bytes, answer: str, *, state: int = 4, call: bool = True) -> None:
        zero = hexed(bytes(32))
        fields: dict[str, FactValue] = {
            "id": hexed(message),
            "state": state,
            "epoch": 1,
            "origin_block": zero,
            "commit_block": zero,
            "commit_transaction": zero,
            "checked_from": 1,
            "verdict": 1,
            "executed": True,
            "outcome": outcome(answer),
            "policy": 1,
            "origin_log": 0,
            "commit_log": 0,
            "signatures": "0x",
            "credential": hexed(named(f"credential {message.hex()}")),
            "acknowledgement": hexed(named(f"ack {message.hex()}")) if call and state == 4 else zero,
        }
        self.tell(NOTARIES, ("TransactionRegistry", "CommitJudged", fields))

    def answer(self, loan: str, leg: str, text: str, *also: tuple[str, str, dict[str, FactValue]]) -> None:
        fields: dict[str, FactValue] = {
            "loan_id": hexed(named(loan)),
            "leg": 1 if leg == "goods" else 2,
            "outcome": outcome(text),
        }
        self.tell(LENDER, ("PledgeRegistry", "LegAnswered", fields), *also)

    def secure_goods(self, loan: str, goods_key: bytes, *, taken: bool = False) -> None:
        """The goods leg up to its closed credential."""
        message = message_id(loan, "goods", 1)
        self.attest(message)
        event = "ReservationRefused" if taken else "GoodsReserved"
        text = "goods already reserved" if taken else "reserved"
        fields: dict[str, FactValue] = {"goods_key": hexed(goods_key), "loan_id": hexed(named(loan))}
        self.commit(NOTARIES, message, text, ("GoodsRegistry", event, fields))
        self.judge(message, text)

    def secure_receipt(self, loan: str, receipt: str) -> None:
        """The receipt leg up to its closed credential."""
        message = message_id(loan, "receipt", 1)
        self.attest(message)
        self.commit(ESTATE, message, "frozen", ("WarehouseReceipt", "ReceiptFrozen", _both(receipt, loan)))
        self.judge(message, "frozen")

    def activate(self, loan: str) -> None:
        self.answer(loan, "goods", "reserved")
        self.answer(loan, "receipt", "frozen", ("PledgeRegistry", "LoanActive", {"loan_id": hexed(named(loan))}))

    def refuse(self, loan: str, receipt: str, goods_key: bytes) -> None:
        """Both legs answered, the goods leg denied; the receipt is released again."""
        self.answer(loan, "goods", "goods already reserved")
        refused: dict[str, FactValue] = {"loan_id": hexed(named(loan)), "outcome": outcome("goods already reserved")}
        self.answer(
            loan,
            "receipt",
            "frozen",
            ("PledgeRegistry", "LoanRefused", refused),
            _sent(loan, "receipt", 2, receipt, goods_key),
        )

    def repay(self, loan: str, receipt: str, goods_key: bytes) -> None:
        self.tell(
            LENDER,
            ("PledgeRegistry", "LoanRepaid", {"loan_id": hexed(named(loan))}),
            _sent(loan, "goods", 2, receipt, goods_key),
            _sent(loan, "receipt", 2, receipt, goods_key),
        )

    def release_receipt(self, loan: str, receipt: str) -> None:
        message = message_id(loan, "receipt", 2)
        self.attest(message)
        self.commit(ESTATE, message, "released", ("WarehouseReceipt", "ReceiptReleased", _both(receipt, loan)))
        self.judge(message, "released")

    def release_goods(self, loan: str, goods_key: bytes) -> None:
        message = message_id(loan, "goods", 2)
        self.attest(message)
        fields: dict[str, FactValue] = {"goods_key": hexed(goods_key), "loan_id": hexed(named(loan))}
        self.commit(NOTARIES, message, "released", ("GoodsRegistry", "GoodsReleased", fields))
        self.judge(message, "released")

    def anchor(self, size: int, root: bytes) -> None:
        self.tell(ESTATE, ("AnchorRegistry", "Anchored", {"size": size, "root": hexed(root)}))

    def mirror(self, origin: str, size: int, root: bytes) -> None:
        log = hexed(hashlib.sha256(origin.encode()).digest())
        self.tell(LENDER, ("AnchorMirror", "AnchorMirrored", {"log_origin": log, "size": size, "root": hexed(root)}))


def message_id(loan: str, leg: str, action: int) -> bytes:
    """The id of a loan's instruction."""
    return named(f"message {loan} {leg} {action}")


def block_hash(chain_id: int, number: int) -> bytes:
    """The hash of a block of the tale."""
    return named(f"block {chain_id} {number}")


def _both(receipt: str, loan: str) -> dict[str, FactValue]:
    return {"receipt_id": hexed(named(receipt)), "loan_id": hexed(named(loan))}


def _sent(loan: str, leg: str, action: int, receipt: str, goods_key: bytes) -> tuple[str, str, dict[str, FactValue]]:
    recipient = encode(NOTARIES, GOODS) if leg == "goods" else encode(ESTATE, RECEIPTS)
    word = action.to_bytes(32, "big")
    payload = word + named(loan) + word + named(receipt) + goods_key + bytes(32)
    attributes = [
        keccak256(name)[:4] + value.to_bytes(32, "big")
        for name, value in ((b"kind(uint8)", 2), (b"expiry(uint64)", STARTED + 604_800))
    ]
    return (
        "Gateway",
        "MessageSent",
        {
            "sendId": hexed(message_id(loan, leg, action)),
            "sender": hexed(encode(LENDER, PLEDGES)),
            "recipient": hexed(recipient),
            "payload": hexed(payload),
            "value": 0,
            "attributes": [hexed(attribute) for attribute in attributes],
        },
    )
