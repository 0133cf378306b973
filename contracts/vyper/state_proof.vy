# pragma version 0.4.3
"""
@title What a state root says about an account and one of its storage slots, presence and absence alike
@license Apache-2.0
@notice A proof is the nodes of the account's path, then those of the slot's, each behind its length (2 bytes), and
        nothing else. An absent account or slot is answered as `exists = False`, never as an empty value that somebody
        wrote: a chain removes a slot that becomes zero, so a leaf that holds zero is refused, unless the chain is known
        to keep such leaves; there it means what an absent one means.
        It does not know which state root is true, nor what stood in the slot at any other height.
        `ledger.ethereum.state_proof` is this module's Python twin.
"""

import rlp
import trie_proof

MAX_PROOF: constant(uint256) = 8192  # bytes: both paths, seven full branches each
MIN_ACCOUNT: constant(uint256) = 70  # bytes: two zeros and two hashes, behind a prefix of two bytes
ROOTS: constant(uint256) = 66  # bytes: two hashes with their prefixes
HASH: constant(uint256) = 160  # 0xa0, the prefix of 32 bytes


struct Account:
    exists: bool
    nonce: uint256
    balance: uint256  # wei
    storage_root: bytes32
    code_hash: bytes32


struct Slot:
    exists: bool  # False where nothing was ever written, or zero was written last
    value: uint256


@internal
@pure
def _storage(
    state_root: bytes32, account: address, slot: bytes32, proof: Bytes[MAX_PROOF], keeps_zero_leaves: bool
) -> (Account, Slot):
    """
    @notice Reads an account and one of its slots from a proof that holds exactly their nodes
    @dev Where the account is absent its slot is too, and the proof ends with the account's nodes. A caller that takes
         absence for a fact about a contract asks for `Account.exists` and for the code hash it knows.
    @param state_root The state root of a header the caller trusts
    @param account The account
    @param slot The slot's number as the contract's storage layout gives it, not hashed
    @param proof The account's nodes, then the slot's, each behind its length
    @param keeps_zero_leaves Whether the chain's manifest says that its tries keep leaves that hold zero
    @return The account and the slot
    """
    proven: Account = empty(Account)
    read: Slot = empty(Slot)
    is_list: bool = False
    prefix: uint256 = 0
    length: uint256 = 0
    found: trie_proof.Found = trie_proof._walk(
        state_root, keccak256(concat(convert(account, bytes20), b"")), 64, proof, 0
    )
    if found.length != 0:
        # -- one list of nonce, balance, storage root and code hash
        assert found.length >= MIN_ACCOUNT, "state_proof: account too short"
        at: uint256 = found.at
        roots: uint256 = at + found.length - ROOTS  # they end the list, whatever the widths of the numbers before them
        at += rlp._list_prefix(extract32(proof, at, output_type=uint256), found.length)
        is_list, prefix, length = rlp._head(extract32(proof, at, output_type=uint256))
        assert not is_list, "state_proof: nonce is a list"
        at += prefix
        proven.nonce = rlp._integer(extract32(proof, at, output_type=uint256), length, 8)
        at += length
        is_list, prefix, length = rlp._head(extract32(proof, at, output_type=uint256))
        assert not is_list, "state_proof: balance is a list"
        at += prefix
        proven.balance = rlp._integer(extract32(proof, at, output_type=uint256), length, 32)
        assert at + length == roots, "state_proof: account has not four items"
        assert (
            extract32(proof, roots, output_type=uint256) >> 248 == HASH
            and extract32(proof, roots + 33, output_type=uint256) >> 248 == HASH
        ), "state_proof: account's hashes"
        proven.storage_root = extract32(proof, roots + 1)
        proven.code_hash = extract32(proof, roots + 34)
        proven.exists = True

        found = trie_proof._walk(proven.storage_root, keccak256(slot), 64, proof, found.end)
        if found.length != 0:
            # -- one integer; it may end the proof, so that a word is read from before its end and shifted
            last: uint256 = len(proof) - 32
            base: uint256 = min(found.at, last)
            is_list, prefix, length = rlp._head(extract32(proof, base, output_type=uint256) << (8 * (found.at - base)))
            assert not is_list and prefix + length == found.length, "state_proof: slot is not one string"
            at = found.at + prefix
            base = min(at, last)
            read.value = rlp._integer(extract32(proof, base, output_type=uint256) << (8 * (at - base)), length, 32)
            read.exists = length != 0
            assert read.exists or keeps_zero_leaves, "state_proof: zero leaf"
    assert found.end == len(proof), "state_proof: nodes left over"
    return proven, read
