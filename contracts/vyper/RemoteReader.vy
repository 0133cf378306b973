# pragma version 0.4.3
"""
@title Remote reader: what stands in a foreign chain's state, proven, with nobody's word for it but the header's
@license Apache-2.0
@notice One reader for each holder of headers. It holds nothing and is asked by anyone. A reading is of one height: it
        does not say what stood there before or stands there now. What it is worth is what the headers are worth:
        `sealed` of the headers' contract says whether the chain's own validators vouch for them.
"""

import state_proof
import IHeaders
import IRemoteReader

implements: IRemoteReader

HEADERS: public(immutable(address))
KEEPS_ZERO_LEAVES: public(immutable(bool))


@deploy
def __init__(headers: address, keeps_zero_leaves: bool):
    """
    @notice Binds the reader to one foreign chain
    @param headers Who holds that chain's headers
    @param keeps_zero_leaves Whether the chain's manifest says that its tries keep leaves that hold zero
    """
    assert headers.is_contract, "RemoteReader: no headers"
    HEADERS = headers
    KEEPS_ZERO_LEAVES = keeps_zero_leaves


@external
@view
def read(
    header: IRemoteReader.Header, account: address, slot: bytes32, proof: Bytes[8192]
) -> (state_proof.Account, state_proof.Slot):
    """
    @notice An account and one of its slots, or that they are absent; absence is an answer of its own, never a zero
    @param header The header to read under; it must be held, and its holder live
    @param account The account
    @param slot The slot's number, not hashed
    @param proof The account's nodes, then the slot's, as `state_proof` takes them
    @return The account and the slot, each with whether it exists
    """
    return self._read(header, account, slot, proof)


@external
@view
def read_slot(
    header: IRemoteReader.Header, account: address, code_hash: bytes32, slot: bytes32, proof: Bytes[8192]
) -> (bool, uint256):
    """
    @notice Whether a slot of a known contract is set, and to what
    @param header The header to read under; it must be held, and its holder live
    @param account The contract
    @param code_hash Keccak-256 of the code it must have there
    @param slot The slot's number, not hashed
    @param proof The account's nodes, then the slot's, as `state_proof` takes them
    @return Whether it is set, and its value: 0 only where it is not
    """
    proven: state_proof.Account = empty(state_proof.Account)
    found: state_proof.Slot = empty(state_proof.Slot)
    proven, found = self._read(header, account, slot, proof)
    # An unset slot of an account that is not there, or is another contract, says nothing.
    assert proven.exists, "RemoteReader: account absent"
    assert proven.code_hash == code_hash, "RemoteReader: other code"
    return found.exists, found.value


@internal
@view
def _read(
    header: IRemoteReader.Header, account: address, slot: bytes32, proof: Bytes[8192]
) -> (state_proof.Account, state_proof.Slot):
    """
    @dev Reverts unless the header is held and the proof is exactly one under its state root
    """
    assert staticcall IHeaders(HEADERS).holds(
        header.height, header.block_hash, header.state_root, header.receipts_root, header.timestamp
    )
    return state_proof._storage(header.state_root, account, slot, proof, KEEPS_ZERO_LEAVES)
