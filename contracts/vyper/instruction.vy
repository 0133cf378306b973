# pragma version 0.4.3
"""
@title Instruction of a loan to the registries that hold its security: act on one subject, in order
@license Apache-2.0
@notice The subject is the loan. Its counter makes a late retry harmless: an instruction acts only if its counter is
        the last one plus one, so that what belongs to an ended pledge never touches a newer one.
"""

SECURE: constant(uint256) = 1  # reserve the goods key, freeze the warehouse receipt
RELEASE: constant(uint256) = 2

struct Instruction:
    action: uint256
    loan_id: bytes32
    counter: uint256
    receipt_id: bytes32
    goods_key: bytes32

counters: public(HashMap[bytes32, uint256])


@internal
def _take(sender: Bytes[58], payload: Bytes[4096]) -> Instruction:
    """
    @dev Decodes an instruction and takes its turn; reverts when it is malformed or out of turn
    """
    assert len(payload) == 160, "instruction: length"
    instruction: Instruction = abi_decode(payload, Instruction)
    assert instruction.action in [SECURE, RELEASE], "instruction: unknown action"
    # Counters are kept per sender: one pledge registry can never take another's turn.
    subject: bytes32 = keccak256(concat(keccak256(sender), instruction.loan_id))
    assert instruction.counter == self.counters[subject] + 1, "instruction: out of turn"
    self.counters[subject] = instruction.counter
    return instruction
