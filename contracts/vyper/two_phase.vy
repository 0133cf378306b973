# pragma version 0.4.3
"""
@title What both sides of a two-phase commit share: the transaction's id, the payloads, the outcomes
@license Apache-2.0
@notice The id binds coordinator, initiator, deadline and every leg with its terms, in order; who consents to an id
        consents to the whole transaction. The action of a payload is also the subject's counter: a leg is prepared
        first and told the decision second, each once. `ledger.two_phase` is this module's Python twin.
        Outcomes are ASCII text in one word; `tests/contracts/test_coordinator.py` compares each with its text.
"""

ID_TAG: constant(bytes32) = keccak256("pledgetrail/two-phase/v1")

# What a payload asks or reports; apart from the actions of `instruction.vy`, so that neither passes for the other.
PREPARE: constant(uint256) = 17  # coordinator to leg: reserve, and wait
COMMIT: constant(uint256) = 18  # coordinator to leg: the decision
ABORT: constant(uint256) = 19  # coordinator to leg: the decision
PREPARED: constant(uint256) = 20  # leg to coordinator
REFUSED: constant(uint256) = 21  # leg to coordinator, final

MAX_LEGS: constant(uint256) = 8
MAX_TERMS: constant(uint256) = 512  # bytes
DECISION_BYTES: constant(uint256) = 128  # action, id, leg, digest of the terms
REPORT_BYTES: constant(uint256) = 160  # the same and an outcome
HEAD_BYTES: constant(uint256) = 96  # action, id, leg; a PREPARE's terms follow

WAITING: constant(bytes32) = 0x77616974696e6720666f72206f74686572206c65677300000000000000000000  # "waiting for other legs"
COMMITTED: constant(bytes32) = 0x636f6d6d69747465640000000000000000000000000000000000000000000000  # "committed"
ABORTED: constant(bytes32) = 0x61626f7274656400000000000000000000000000000000000000000000000000  # "aborted"
IS_PREPARED: constant(bytes32) = 0x7072657061726564000000000000000000000000000000000000000000000000  # "prepared"
NOT_PREPARED: constant(bytes32) = 0x6e6f742070726570617265640000000000000000000000000000000000000000  # "not prepared"
FORCED: constant(bytes32) = 0x666f726365640000000000000000000000000000000000000000000000000000  # "forced"
CONTRADICTED: constant(bytes32) = 0x6465636973696f6e20636f6e7472616469637465640000000000000000000000  # "decision contradicted"


@internal
@pure
def _id(
    chain_id: uint256, coordinator: address, initiator: address, salt: bytes32, prepare_by: uint64, legs: uint256
) -> bytes32:
    """
    @notice The part of a transaction's identity that names no leg
    @param chain_id The coordinator's chain
    @param coordinator The coordinator
    @param initiator Who begins the transaction
    @param salt What tells two transactions of the same terms apart
    @param prepare_by End of the prepare phase, seconds of the coordinator's time
    @param legs Number of legs, each of which `_with_leg` then adds in order
    @return A digest, the id of a transaction without legs
    """
    return keccak256(abi_encode(ID_TAG, chain_id, coordinator, initiator, salt, prepare_by, legs))


@internal
@pure
def _asks_a_leg(payload: Bytes[1024]) -> bool:
    """
    @notice Whether a payload is a coordinator's, for applications that take other messages as well
    @param payload What was delivered
    @return Whether its first word is PREPARE, COMMIT or ABORT; nothing else of it was looked at
    """
    return len(payload) >= 32 and convert(extract32(payload, 0), uint256) in [PREPARE, COMMIT, ABORT]


@internal
@pure
def _with_leg(id: bytes32, chain_id: uint256, participant: address, terms_digest: bytes32) -> bytes32:
    """
    @notice The identity with one more leg
    @param id The identity so far
    @param chain_id The leg's chain
    @param participant The leg's application
    @param terms_digest Keccak-256 of the leg's terms
    @return keccak256 of the four, one ABI word each; the number of legs stands in the first link of the chain
    """
    return keccak256(abi_encode(id, chain_id, participant, terms_digest))
