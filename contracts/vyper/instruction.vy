# pragma version 0.4.3
"""
@title Instruction of a loan to the registries that hold its security: act on one subject, in order
@license Apache-2.0
@notice The subject is the loan. Its counter makes a late retry harmless: an instruction acts only if its counter is
        the last one plus one, so that what belongs to an ended pledge never touches a newer one.
"""

SECURE: constant(uint256) = 1  # reserve the goods key, freeze the warehouse receipt
RELEASE: constant(uint256) = 2
ENFORCE: constant(uint256) = 3  # hand the frozen receipt to whom the lender names; goods are not handed over here

struct Instruction:
    action: uint256
    loan_id: bytes32
    counter: uint256
    receipt_id: bytes32
    goods_key: bytes32
    recipient: address  # of an enforced receipt; zero with every other action

counters: public(HashMap[bytes32, uint256])


@internal
def _take(sender: Bytes[58], payload: Bytes[1024]) -> Instruction:
    """
    @notice Decodes an instruction and takes its turn; reverts when it is malformed or out of turn
    @param sender Interoperable address of the pledge registry that sent it
    @param payload The instruction, six words
    @return The instruction
    """
    assert len(payload) == 192, "instruction: length"
    instruction: Instruction = abi_decode(payload, Instruction)
    assert instruction.action in [SECURE, RELEASE, ENFORCE], "instruction: unknown action"
    is_enforcing: bool = instruction.action == ENFORCE
    assert (instruction.recipient != empty(address)) == is_enforcing, "instruction: recipient"
    # Counters are kept per sender: one pledge registry can never take another's turn.
    subject: bytes32 = keccak256(concat(keccak256(sender), instruction.loan_id))
    assert instruction.counter == self.counters[subject] + 1, "instruction: out of turn"
    self.counters[subject] = instruction.counter
    return instruction
