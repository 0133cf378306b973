# pragma version 0.4.3
"""
@title Headers of a foreign chain that the notaries certify, for chains whose validators seal nothing
@license Apache-2.0
@notice The same interface as a light client, and less trust: a header counts because a quorum of the committee signed
        it, so it is never worth more than the committee's word (policy *certified*), and never a second opinion beside
        that committee: `sealed` answers False. There is no trust period, for each header is signed anew by a committee
        that is current, or was within its grace.

        Two certified headers at one height freeze it, whoever submits them; that is cured by an order of the quorum,
        with its delay, and by nothing else.

        It does not protect against a quorum of notaries that certifies what is false.
"""

import attestation
import held_headers
import order
import ICommittee
import IHeaders

implements: IHeaders

initializes: held_headers
initializes: order

exports: (
    held_headers.chain_id,
    held_headers.genesis,
    held_headers.held,
    held_headers.status,
    held_headers.MAX_DRIFT,
    held_headers.BLOCK_PERIOD,
    order.announce,
    order.order_due,
    order.order_delay,
)

CURE: constant(bytes32) = keccak256("pledgetrail/order/CertifiedHeaders.cure")
HEADER_TYPE: constant(bytes32) = keccak256(
    "CertifiedHeader(uint256 chainId,uint64 height,bytes32 blockHash,bytes32 stateRoot,bytes32 receiptsRoot,uint64 timestamp,uint64 epoch)"
)

COMMITTEE: public(immutable(address))


@deploy
def __init__(
    chain_id: uint256, genesis: bytes32, max_drift: uint64, block_period: uint64, committee: address, delay: uint256
):
    """
    @notice Names the foreign chain and who certifies its headers
    @param chain_id The foreign chain's EIP-155 chain id
    @param genesis The foreign chain's genesis block hash
    @param max_drift How far ahead of this chain's time a header may be, in seconds
    @param block_period Least number of seconds between two blocks; 0 where the chain makes several within one second
    @param committee The notaries' committee
    @param delay Seconds between the announcement of a cure and its effect
    """
    held_headers.__init__(chain_id, genesis, max_drift, block_period)
    order.__init__(committee, delay)
    COMMITTEE = committee


@external
def certify(
    height: uint64,
    block_hash: bytes32,
    state_root: bytes32,
    receipts_root: bytes32,
    timestamp: uint64,
    epoch: uint64,
    signatures: Bytes[6600],
):
    """
    @notice Holds a header that a quorum certified; anyone may. A second header at a height freezes the contract. A
            header that is held already changes nothing.
    @param height The block's number
    @param block_hash Its hash
    @param state_root Root of the state after it
    @param receipts_root Root of its transaction receipts
    @param timestamp Its time in seconds
    @param epoch The signing epoch
    @param signatures Packed signatures of the committee over `CertifiedHeader`
    """
    struct_hash: bytes32 = keccak256(
        abi_encode(
            HEADER_TYPE,
            held_headers.CHAIN_ID,
            height,
            block_hash,
            state_root,
            receipts_root,
            timestamp,
            epoch,
        )
    )
    digest: bytes32 = attestation._digest(chain.id, self, struct_hash)
    assert staticcall ICommittee(COMMITTEE).check(epoch, digest, signatures)
    held_headers._hold(
        held_headers._status(),
        convert(height, uint256),
        block_hash,
        state_root,
        receipts_root,
        convert(timestamp, uint256),
    )


@external
def cure(doubt_from: uint64, resume: uint64, salt: bytes32):
    """
    @notice Ends a freeze by order of the notaries' quorum: heights in between stay in doubt
    @param doubt_from First height that stays in doubt, at most the contradicted one
    @param resume First height that is held anew, above every header held so far
    @param salt The order's salt; its action is keccak256(abi_encode(CURE, doubt_from, resume))
    """
    order._take(keccak256(abi_encode(CURE, doubt_from, resume)), salt)
    held_headers._resume(held_headers._status(), convert(doubt_from, uint256), convert(resume, uint256))


@external
@view
def holds(
    height: uint64, block_hash: bytes32, state_root: bytes32, receipts_root: bytes32, timestamp: uint64
) -> bool:
    """
    @notice Whether exactly this header is held; reverts unless it is and nothing is frozen
    @param height The block's number
    @param block_hash Its hash
    @param state_root Root of the state after it
    @param receipts_root Root of its transaction receipts
    @param timestamp Its time in seconds
    @return True; it never answers False
    """
    held_headers._require_held(
        held_headers._status(), height, block_hash, state_root, receipts_root, timestamp
    )
    return True


@external
@view
def sealed() -> bool:
    """
    @notice Whether the chain's own validators vouch for the headers
    @return False: the notaries do, and their word is not worth more for standing here
    """
    return False
