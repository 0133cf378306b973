"""The check of one block: fetch, bind, execute, compare. The order of the module is the order of the
check.
"""

from __future__ import annotations

from contracts.node import Node
from contracts.reexecution.ancestors import Ancestors
from contracts.reexecution.claims import BlockReader, ClaimedBlock
from contracts.reexecution.execution import Outcome, execute, system_slots
from contracts.reexecution.header_rules import check_header
from contracts.reexecution.post_state import PostState
from contracts.reexecution.rules import ChainRules
from contracts.reexecution.verdict import BlockCheck, Disagreement, Verdict
from contracts.reexecution.witness import KnownState, Witness
from ledger.errors import BadInput, Refused, Unavailable
from ledger.ethereum.header import Header
from ledger.ethereum.tx_receipt import TxReceipt, bloom_of

# A refusal that says nothing about the block: the node refuses a request, or the block needs what we lack.
_NO_ANSWER = ("NODE_ERROR", "REEXECUTION_UNSUPPORTED")


class BlockChecker:
    """Checks blocks of one chain against one node. Not for several threads at once.

    Consecutive blocks are cheap: trie nodes, code and ancestors that were proven once are known by their
    hash.
    """

    def __init__(self, node: Node, rules: ChainRules) -> None:
        self._node = node
        self._rules = rules
        self._reader = BlockReader(node)
        self._known = KnownState()
        self._ancestors = Ancestors(node)

    def check(self, parent: Header, number: int) -> BlockCheck:
        """Check block `number`, whose `parent` the caller has verified. Raises nothing but programming
        errors.
        """
        header: Header | None = None
        try:
            block = self._reader.read(number)
            header = block.header
            self._check(parent, block)
        except Unavailable as error:
            return _verdict(number, header, Verdict.UNKNOWN, str(error))
        except (Refused, BadInput) as error:
            verdict = Verdict.UNKNOWN if error.code in _NO_ANSWER else Verdict.DIFFERS
            return _verdict(number, header, verdict, str(error))
        self._ancestors.learn(header)
        return BlockCheck(number, header.hash, Verdict.SAME, "", header, len(block.transactions), header.gas_used)

    def _check(self, parent: Header, block: ClaimedBlock) -> None:
        self._known.make_room()
        header = block.header
        check_header(parent, header, self._rules)
        before = Witness(self._node, self._known, parent.state_root, parent.number)
        self._known.codes.update(block.hints.codes)
        before.prefetch(self._expected(block))
        outcome = execute(block, before, self._ancestors.of(parent), self._rules)
        _compare(block, outcome)
        self._compare_state(block, before, outcome)

    def _expected(self, block: ClaimedBlock) -> dict[bytes, set[int]]:
        """What the block will surely read, and what the node says it read."""
        wanted: dict[bytes, set[int]] = {block.header.beneficiary: set()}
        if self._rules.system_writes:
            wanted |= system_slots(block.header)
        for address, slots in block.hints.slots.items():
            wanted.setdefault(address, set()).update(slots)
        return wanted

    def _compare_state(self, block: ClaimedBlock, before: Witness, outcome: Outcome) -> None:
        header = block.header
        after = Witness(self._node, self._known, header.state_root, header.number)
        touched = self._expected(block)
        for address in before.accounts:
            touched.setdefault(address, set())
        for address, slot in before.slots:
            touched[address].add(slot)
        keeps = self._rules.trie == "keeps_zero_leaves"
        post_state = PostState(self._known, before, after, keeps_zero_leaves=keeps)
        root = post_state.root(outcome.changes, touched)
        if root != header.state_root:
            stated = f"the state root is 0x{header.state_root.hex()}, executing the transactions gives 0x{root.hex()}"
            raise Disagreement(f"{stated}: {post_state.first_difference()}", where=f"block {header.number}")


def _compare(block: ClaimedBlock, outcome: Outcome) -> None:
    """Hold the claimed receipts and the header's sums against what was executed."""
    header, where = block.header, f"block {block.header.number}"
    if len(block.receipts) != len(block.transactions):
        raise Disagreement("there are not as many tx_receipts as transactions", where=where)
    for index, (claimed, executed) in enumerate(zip(block.receipts, outcome.receipts, strict=True)):
        if claimed != executed:
            raise Disagreement(_difference(claimed, executed), where=f"transaction {index} of {where}")
    gas = outcome.receipts[-1].cumulative_gas if outcome.receipts else 0
    logs = [log for receipt in outcome.receipts for log in receipt.logs]
    sums = {
        "gas used": (header.gas_used, gas),
        "logs bloom": (header.logs_bloom, bloom_of(logs)),
        "blob gas used": (header.blob_gas_used, outcome.blob_gas_used),
        "requests hash": (header.requests_hash, outcome.requests_hash),
    }
    for name, (stated, computed) in sums.items():
        if stated != computed:
            raise Disagreement(f"the header's {name} is not what the transactions give", where=where)


def _difference(claimed: TxReceipt, executed: TxReceipt) -> str:
    for name in ("type", "status", "logs", "cumulative_gas", "bloom"):
        if getattr(claimed, name) != getattr(executed, name):
            shown = (getattr(claimed, name), getattr(executed, name))
            numbers = f": {shown[0]}, executed {shown[1]}" if isinstance(shown[0], int) else ""
            return f"the tx_receipt's {name.replace('_', ' ')} is not what executing it gives{numbers}"
    return "the tx_receipt is not what executing it gives"


def _verdict(number: int, header: Header | None, verdict: Verdict, reason: str) -> BlockCheck:
    return BlockCheck(number, None if header is None else header.hash, verdict, reason, header)
