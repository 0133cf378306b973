# pragma version 0.4.3
"""
@title What notaries sign (EIP-712): the root of a certificate, and the verdict over a commit
@license Apache-2.0
@notice The domain names the contract the signature is meant for, on its live chain: an attestation for one
        destination is worthless on another, also after a fork.
"""

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
ATTESTATION_TYPE: constant(bytes32) = keccak256("Attestation(bytes32 root,uint64 epoch)")
VERDICT_TYPE: constant(bytes32) = keccak256(
    "Verdict(bytes32 id,uint64 epoch,bytes32 originBlock,bytes32 commitBlock,bytes32 commitTransaction,uint64 checkedFrom,uint8 verdict,bool executed,bytes32 outcome,uint8 policy,uint64 originLog,uint64 commitLog)"
)
PAUSE_TYPE: constant(bytes32) = keccak256("Pause(bytes32 lane,bool isInbound,uint64 epoch)")
PREFIX: constant(bytes2) = 0x1901
NAME_HASH: constant(bytes32) = keccak256("Pledgetrail")
VERSION_HASH: constant(bytes32) = keccak256("1")

# What a notary finds about a commit; the last two, that there is none and never will be.
SAME: constant(uint8) = 1
DIFFERS: constant(uint8) = 2
EXPIRED: constant(uint8) = 3  # at `commit_block`, final, the message is past its expiry and was not executed
VOID: constant(uint8) = 4  # `commit_transaction` voided it at the destination


struct Verdict:
    id: bytes32
    epoch: uint64
    origin_block: bytes32
    commit_block: bytes32
    commit_transaction: bytes32
    checked_from: uint64
    verdict: uint8
    executed: bool
    outcome: bytes32
    policy: uint8  # of the lane's generation, at the destination
    origin_log: uint64  # where in its block the message left: transaction (32 bits) | log in the transaction (32)
    commit_log: uint64  # where in its block it was committed, likewise


@internal
@pure
def _digest(chain_id: uint256, verifying_contract: address, struct_hash: bytes32) -> bytes32:
    """
    @notice EIP-712 digest of a struct for a contract on a chain
    @param chain_id Where the verifying contract lives
    @param verifying_contract The contract that will check the signature
    @param struct_hash hashStruct of the struct
    @return The digest to sign
    """
    domain: bytes32 = keccak256(
        abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH, chain_id, verifying_contract)
    )
    return keccak256(concat(PREFIX, domain, struct_hash))


@internal
@pure
def _attestation(chain_id: uint256, gateway: address, root: bytes32, epoch: uint64) -> bytes32:
    """
    @notice Digest of an attestation over a root of messages
    @param chain_id The destination's chain id
    @param gateway The destination's gateway
    @param root RFC 9162 root over message ids
    @param epoch The signing epoch
    @return The digest to sign
    """
    return self._digest(chain_id, gateway, keccak256(abi_encode(ATTESTATION_TYPE, root, epoch)))


@internal
@pure
def _verdict(chain_id: uint256, registry: address, v: Verdict) -> bytes32:
    """
    @notice Digest of a verdict over a commit
    @param chain_id The transaction chain's id
    @param registry The transaction registry
    @param v The verdict
    @return The digest to sign
    """
    return self._digest(chain_id, registry, keccak256(abi_encode(VERDICT_TYPE, v)))


@internal
@pure
def _signed(digest: bytes32, signatures: Bytes[6600]) -> bytes32:
    """
    @notice A digest together with the very signatures that were given over it
    @param digest What was signed
    @param signatures The packed signatures
    @return keccak256(digest || keccak256(signatures))
    """
    return keccak256(concat(digest, keccak256(signatures)))


@internal
@pure
def _pause(chain_id: uint256, gateway: address, lane: bytes32, is_inbound: bool, epoch: uint64) -> bytes32:
    """
    @notice Digest of a member's pause of one direction of a lane
    @param chain_id The gateway's chain id
    @param gateway The gateway
    @param lane The lane
    @param is_inbound Whether what arrives there is paused, or what leaves
    @param epoch The signing epoch
    @return The digest to sign
    """
    return self._digest(chain_id, gateway, keccak256(abi_encode(PAUSE_TYPE, lane, is_inbound, epoch)))
