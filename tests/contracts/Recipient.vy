# pragma version 0.4.3
"""
@title Test only: an application that behaves as it is told
@license Apache-2.0
"""

HONEST: constant(uint256) = 0
REVERTS: constant(uint256) = 1
REVERTS_LONG: constant(uint256) = 2
ANSWERS_LONG: constant(uint256) = 3
ANSWERS_31_BYTES: constant(uint256) = 4
ANSWERS_OTHER_MAGIC: constant(uint256) = 5
BURNS_ALL_GAS: constant(uint256) = 6
CALLS_BACK: constant(uint256) = 7
ANSWERS_MAGIC_ONLY: constant(uint256) = 8
ANSWERS_NOTHING: constant(uint256) = 9

MAGIC: constant(bytes4) = method_id("receiveMessage(bytes32,bytes,bytes)", output_type=bytes4)
OUTCOME: constant(bytes32) = 0x74616b656e000000000000000000000000000000000000000000000000000000  # taken

owner: public(address)
GATEWAY: immutable(address)
mode: uint256
calls: Calls
answer: public(Bytes[132])
taken: public(HashMap[bytes32, uint256])
last: public(Taken)

struct Calls:
    target: address
    data: Bytes[4096]

struct Taken:
    sender: Bytes[58]
    payload_hash: bytes32
    gas: uint256


@deploy
def __init__(gateway: address):
    GATEWAY = gateway
    self.owner = msg.sender


@external
def behave(mode: uint256):
    """
    @notice Chooses what a delivery does from now on
    """
    self.mode = mode


@external
def call_back(target: address, data: Bytes[4096]):
    """
    @notice Calls somebody in the middle of a delivery from now on
    """
    self.mode = CALLS_BACK
    self.calls = Calls(target=target, data=data)


@external
@raw_return
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> Bytes[10304]:
    """
    @notice Takes a message, or does not
    """
    before: uint256 = msg.gas
    assert msg.sender == GATEWAY, "Recipient: not the gateway"
    assert self.mode != REVERTS, "Recipient: refused"
    magic: Bytes[32] = abi_encode(MAGIC)
    if self.mode == REVERTS_LONG:
        raw_revert(abi_encode(empty(uint256[320])))
    if self.mode == BURNS_ALL_GAS:
        raise UNREACHABLE
    if self.mode == CALLS_BACK:
        success: bool = False
        success, self.answer = raw_call(
            self.calls.target, self.calls.data, max_outsize=132, revert_on_failure=False
        )
    self.taken[id] += 1
    self.last = Taken(sender=sender, payload_hash=keccak256(payload), gas=before)
    if self.mode == ANSWERS_LONG:
        return concat(magic, OUTCOME, abi_encode(empty(uint256[320])))
    if self.mode == ANSWERS_31_BYTES:
        return slice(magic, 0, 31)
    if self.mode == ANSWERS_OTHER_MAGIC:
        return concat(b"\x01", slice(magic, 1, 31), OUTCOME)
    if self.mode == ANSWERS_MAGIC_ONLY:
        return magic
    if self.mode == ANSWERS_NOTHING:
        return b""
    return concat(magic, OUTCOME)
