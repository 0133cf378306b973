"""The collateral part of the journey: a receipt, a loan that is secured by it, a second one that is refused, repayment.

Identities on the chains are digests of the papers' numbers, so that a second run finds what the first one did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from contracts.manifest import ChainManifest, Manifest, Role
from contracts.transactor import Mined
from examples.demo.acts import Done, await_log, ensure, find
from examples.demo.chains import Chains
from ledger.collateral.identity import loan_id
from ledger.ethereum.keccak import keccak256
from ledger.secp256k1 import SigningKey

WAIT_SECONDS = 120.0


def paper_id(number: str) -> bytes:
    """A paper's number as the chains know it: SHA-256 under a domain."""
    return hashlib.sha256(f"pledgetrail/paper/v1\0{number}".encode()).digest()


@dataclass(frozen=True, slots=True)
class WarehouseReceipt:
    """A warehouse receipt of the story: number, the keeper who issues it, quantity in grams."""

    number: str
    keeper: str
    grams: int

    @property
    def id(self) -> bytes:
        """Its id on the origin chain."""
        return paper_id(self.number)

    @property
    def kilograms(self) -> Decimal:
        """The quantity as the paper writes it."""
        return Decimal(self.grams) / 1000


@dataclass(frozen=True, slots=True)
class Loan:
    """A loan of the story: number, lender (a role of `accounts`), the receipt that secures it, terms in words.

    `due`: from when the lender may enforce, POSIX seconds.
    """

    number: str
    lender: str
    receipt: WarehouseReceipt
    terms: str
    due: int


def _digest_of(terms: str) -> bytes:
    return keccak256(terms.encode())


class Pledging:
    """Acts of keepers, holder and lenders over one lot's goods key; each may be repeated."""

    def __init__(
        self,
        chains: Chains,
        manifest: Manifest,
        accounts: dict[str, SigningKey],
        goods_key: bytes,
        waiting: Callable[[], str],
    ) -> None:
        self._chains, self._manifest, self._accounts = chains, manifest, accounts
        self._goods_key, self._waiting = goods_key, waiting

    def issue(self, receipt: WarehouseReceipt) -> Done:
        """The keeper issues the receipt to the holder (and is enrolled before, where needed)."""
        keeper, holder = self._accounts[receipt.keeper].address, self._accounts["holder"].address
        self._ensure(Role.ORIGIN, "WarehouseReceipt", "KeeperEnrolled", (keeper,), "deployer", "enrol_keeper", keeper)
        return self._ensure(
            Role.ORIGIN,
            "WarehouseReceipt",
            "ReceiptIssued",
            (receipt.id, self._goods_key),
            receipt.keeper,
            "issue",
            receipt.id,
            self._goods_key,
            holder,
            receipt.grams,
        )

    def id_of(self, loan: Loan) -> bytes:
        """The loan's id on the destination chain: it binds lender and terms, and the holder consents to it."""
        registry = self._chain(Role.DESTINATION).contract("PledgeRegistry")
        return loan_id(
            chain_id=self._chain(Role.DESTINATION).chain_id,
            registry=registry.address,
            lender=self._accounts[loan.lender].address,
            number=paper_id(loan.number),
            receipt_id=loan.receipt.id,
            goods_key=self._goods_key,
            terms_digest=_digest_of(loan.terms),
            due=loan.due,
        )

    def open(self, loan: Loan) -> Done:
        """The holder consents to the loan, the lender (enrolled before, where needed) opens it; returns the opening."""
        lender = self._accounts[loan.lender].address
        enrolled = ("PledgeRegistry", "LenderEnrolled", (lender,))
        self._ensure(Role.DESTINATION, *enrolled, "deployer", "enrol_lender", lender)
        topics = (loan.receipt.id, self.id_of(loan))
        self._ensure(Role.ORIGIN, "WarehouseReceipt", "PledgeConsented", topics, "holder", "consent", *topics)
        return self._ensure(
            Role.DESTINATION,
            "PledgeRegistry",
            "LoanOpening",
            (self.id_of(loan),),
            loan.lender,
            "open_loan",
            paper_id(loan.number),
            loan.receipt.id,
            self._goods_key,
            _digest_of(loan.terms),
            loan.due,
        )

    def repay(self, loan: Loan) -> Done:
        """The lender confirms repayment."""
        loan_id_ = self.id_of(loan)
        return self._ensure(
            Role.DESTINATION, "PledgeRegistry", "LoanRepaid", (loan_id_,), loan.lender, "repay", loan_id_
        )

    def reserved(self, loan: Loan) -> Done:
        """Wait until the goods key is reserved for the loan on the transaction chain."""
        return self._await(Role.TRANSACTION, "GoodsRegistry", "GoodsReserved", self._goods_key, self.id_of(loan))

    def frozen(self, loan: Loan) -> Done:
        """Wait until the receipt is frozen on the origin chain."""
        return self._await(Role.ORIGIN, "WarehouseReceipt", "ReceiptFrozen", loan.receipt.id, self.id_of(loan))

    def active(self, loan: Loan) -> Done:
        """Wait until the loan leaves `opening` with both securities closed."""
        return self._await(Role.DESTINATION, "PledgeRegistry", "LoanActive", self.id_of(loan))

    def refused(self, loan: Loan) -> Done:
        """Wait until the loan is refused."""
        return self._await(Role.DESTINATION, "PledgeRegistry", "LoanRefused", self.id_of(loan))

    def released(self, loan: Loan) -> Done:
        """Wait until the repaid loan's securities are released and acknowledged."""
        return self._await(Role.DESTINATION, "PledgeRegistry", "LoanReleased", self.id_of(loan))

    def receipt_released(self, loan: Loan) -> Done:
        """Wait until the receipt is free again on the origin chain."""
        return self._await(Role.ORIGIN, "WarehouseReceipt", "ReceiptReleased", loan.receipt.id, self.id_of(loan))

    def closing(self, message_id: bytes) -> Done | None:
        """Where the credential of a message was closed on the transaction chain, if it was."""
        role, chain = Role.TRANSACTION, self._manifest.chain(Role.TRANSACTION)
        return find(self._chains.nodes[role], chain, "TransactionRegistry", "CommitJudged", message_id)

    def state(self, loan: Loan) -> int:
        """The loan's state on the destination chain, as `PledgeRegistry.vy` numbers it."""
        contract = self._chain(Role.DESTINATION).contract("PledgeRegistry")
        return int(contract.read(self._chains.nodes[Role.DESTINATION], "loans", self.id_of(loan))[4])

    def _chain(self, role: Role) -> ChainManifest:
        return self._manifest.chain(role)

    def _ensure(
        self,
        role: Role,
        contract: str,
        event: str,
        topics: tuple[bytes, ...],
        account: str,
        function: str,
        *arguments: object,
    ) -> Done:
        chain = self._chain(role)
        bound = chain.contract(contract)

        def act() -> Mined:
            sender = self._chains.transactor(role, self._accounts[account])
            return sender.send(bound.address, bound.encode_call(function, *arguments))

        return ensure(self._chains.nodes[role], chain, contract, event, topics, act)

    def _await(self, role: Role, contract: str, event: str, *topics: bytes) -> Done:
        node, chain = self._chains.nodes[role], self._chain(role)
        return await_log(node, chain, contract, event, *topics, seconds=WAIT_SECONDS, waiting=self._waiting)
