"""Replaying a file, and making one where a block differs."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.reexecution.answers import AnsweringNode, RecordingNode
from contracts.reexecution.checker import BlockChecker
from contracts.reexecution.examination import Comparison
from contracts.reexecution.recording import Rehearsal, unused
from contracts.reexecution.replay_file import AnswersFile, WitnessFile, decode_replay
from contracts.reexecution.rules import ChainRules
from contracts.reexecution.verdict import Disagreement, Verdict
from ledger.errors import BadInput, Problem
from ledger.ethereum.header import Header


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found. `proves_itself`: the parts hang by hashes on the header, so that only whoever made the block
    can have made it differ; else the file shows what its writer says a node answered. `reason`: empty for *same*.
    """

    rules: ChainRules
    number: int
    block_hash: bytes | None
    verdict: Verdict
    reason: str
    comparisons: tuple[Comparison, ...]
    proves_itself: bool


def replay(raw: bytes, *, rules: ChainRules | None = None, block_hash: bytes | None = None) -> Replayed:
    """Execute a file's block again, with no node. `rules`: what the manifest says of the chain, `block_hash`: the one
    that the reader knows; the file's must be those.

    Errors: those of `decode_replay`; `BadInput` REPLAY_RULES, REPLAY_BLOCK, REPLAY_INCOMPLETE, REPLAY_UNUSED;
    `Inexecutable`.
    """
    file = decode_replay(raw)
    if rules is not None and file.rules != rules:
        raise BadInput("REPLAY_RULES", "the file's rules are not those of the manifest", where=f"{file.rules}")
    found = _replay_witness(file) if isinstance(file, WitnessFile) else _replay_answers(file)
    if block_hash is not None and found.block_hash != block_hash:
        held = "none" if found.block_hash is None else f"0x{found.block_hash.hex()}"
        raise BadInput("REPLAY_BLOCK", "the file is about another block", where=held)
    return found


def evidence(checker: BlockChecker, parent: Header, number: int) -> bytes | None:
    """A file that lets a third party find again that block `number`, checked last, differs.

    A witness where the block disagrees with itself. Where only the node's answers do not prove what they say, those
    answers, asked for again. None where neither shows it any more.
    """
    if checker.shows_itself():
        return checker.witness()
    recording = RecordingNode(checker.node)
    BlockChecker(recording, checker.rules).check(parent, number)
    try:
        found = AnswersFile(checker.rules, parent, number, recording.answers()).encode()
    except BadInput:  # too large for a file
        return None
    return found if _differs(found) else None


def _differs(raw: bytes) -> bool:
    try:
        return replay(raw).verdict is Verdict.DIFFERS
    except Problem:
        return False


def _replay_witness(file: WitnessFile) -> Replayed:
    rehearsal = Rehearsal(file)
    comparisons: list[Comparison] = []
    reason = ""
    try:
        comparisons = rehearsal.run()
    except Disagreement as disagreement:
        reason = str(disagreement)
    superfluous = unused(file, rehearsal.taken())
    if superfluous:
        cure = "Ask whoever gave you the file for it again."
        raise BadInput("REPLAY_UNUSED", f"parts are not needed: {', '.join(superfluous)}", where="the file", cure=cure)
    first = next((each for each in comparisons if each.reason), None)
    if first is not None:
        reason = str(Disagreement(first.reason, where=first.where))
    header = file.block.header
    verdict = Verdict.DIFFERS if reason else Verdict.SAME
    return Replayed(file.rules, header.number, header.hash, verdict, reason, tuple(comparisons), proves_itself=True)


def _replay_answers(file: AnswersFile) -> Replayed:
    check = BlockChecker(AnsweringNode(file.answers), file.rules).check(file.parent, file.number)
    if check.verdict is Verdict.UNKNOWN:
        raise BadInput("REPLAY_INCOMPLETE", check.reason, where="the file")
    return Replayed(file.rules, file.number, check.block_hash, check.verdict, check.reason, (), proves_itself=False)
