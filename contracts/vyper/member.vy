# pragma version 0.4.3
"""
@title Members of a committee: their records, what each key is for, and who may never come back with it
@license Apache-2.0
@notice A member is one operator with up to four keys. A key serves one purpose of one operator, for ever: this module
        remembers every key it has seen. Attesting and validator keys prove here that somebody holds them, by a
        signature over `Possession`; a cosigning key (Ed25519) proves it off chain, because no contract can check it.
        Suspending an operator takes all its keys: it may come back, but only with keys never seen before.
        It does not protect against one party that poses as several operators.
        `ledger.membership` is the Python twin.
"""

import strict_signature

ATTESTING: constant(uint256) = 1  # secp256k1: certificates, verdicts, orders
COSIGNING: constant(uint256) = 2  # Ed25519: checkpoints
OPRF: constant(uint256) = 3  # a share of the oblivious function's key
VALIDATOR: constant(uint256) = 4  # secp256k1: seals of the transaction chain

# The domain names no chain and no contract: the statement is about a key, and is true wherever it is repeated.
DOMAIN_TYPE: constant(bytes32) = keccak256("EIP712Domain(string name,string version)")
NAME_HASH: constant(bytes32) = keccak256("Pledgetrail")
VERSION_HASH: constant(bytes32) = keccak256("1")
POSSESSION_TYPE: constant(bytes32) = keccak256("Possession(bytes32 operator,string purpose,address key)")
ATTESTING_NAME: constant(bytes32) = keccak256("attesting")
VALIDATOR_NAME: constant(bytes32) = keccak256("validator")

EPOCH_MASK: constant(uint256) = 2**40 - 1


struct Member:
    operator: bytes32
    attesting: address
    cosigning: bytes32
    oprf: bytes32
    validator: address


# key -> operator's first 160 bits | first epoch (40 bits) | latest epoch (40) | purpose (16). Never cleared.
keys: HashMap[bytes32, uint256]
# operator's first 160 bits -> epoch it was suspended in (40 bits) | latest epoch (40)
operators: HashMap[uint256, uint256]


@internal
def _admit(m: Member, epoch: uint64, development: bool):
    """
    @notice Takes a member into an epoch's committee; reverts unless its keys are its own and serve one purpose each.
            The caller asks for the proofs of possession.
    @param m The record
    @param epoch The epoch that begins
    @param development Whether one operator may be several members
    """
    assert m.operator != empty(bytes32), "member: no operator"
    assert m.attesting != empty(address), "member: no attesting key"
    assert m.cosigning != empty(bytes32), "member: no cosigning key"
    now: uint256 = convert(epoch, uint256)
    operator: uint256 = convert(m.operator, uint256) >> 96
    held: uint256 = self.operators[operator]
    assert development or held & EPOCH_MASK != now, "member: two members of one operator"
    suspended: uint256 = held >> 40
    self.operators[operator] = suspended << 40 | now
    self._use(convert(m.attesting, bytes32), operator, ATTESTING, now, suspended)
    self._use(m.cosigning, operator, COSIGNING, now, suspended)
    if m.oprf != empty(bytes32):
        self._use(m.oprf, operator, OPRF, now, suspended)
    if m.validator != empty(address):
        self._use(convert(m.validator, bytes32), operator, VALIDATOR, now, suspended)


@internal
def _use(key: bytes32, operator: uint256, purpose: uint256, now: uint256, suspended: uint256):
    """
    @dev Records a key in its purpose; a key known before must be this operator's, for this purpose, not yet in this
         epoch, and seen first after the operator's last suspension
    """
    held: uint256 = self.keys[key]
    first: uint256 = now
    if held != 0:
        assert held >> 96 == operator, "member: another operator's key"
        assert held & 65535 == purpose, "member: key has another purpose"
        assert (held >> 16) & EPOCH_MASK != now, "member: duplicate key"
        first = (held >> 56) & EPOCH_MASK
    assert first > suspended, "member: suspended key"
    self.keys[key] = operator << 96 | first << 56 | now << 16 | purpose


@internal
def _suspend(attesting: address) -> bool:
    """
    @notice Takes all keys of an operator that served beside an attesting key; reverts if the key was no member's.
            Keys that came after this one was retired stay: whoever finds a retired key shall not undo its successor.
    @param attesting The key
    @return Whether the key was not suspended before
    """
    held: uint256 = self.keys[convert(attesting, bytes32)]
    assert held & 65535 == ATTESTING, "member: not an attesting key"
    operator: uint256 = held >> 96
    state: uint256 = self.operators[operator]
    if (held >> 56) & EPOCH_MASK <= state >> 40:
        return False
    self.operators[operator] = max(state >> 40, (held >> 16) & EPOCH_MASK) << 40 | state & EPOCH_MASK
    return True


@internal
@view
def _require_possession(operator: bytes32, purpose: bytes32, key: address, proof: Bytes[65]):
    """
    @notice Reverts unless a key signed that it is this operator's, for this purpose
    @param operator Digest of the operator's name
    @param purpose Keccak-256 of the purpose's name
    @param key The key's address
    @param proof Its signature over `Possession`
    """
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH))
    statement: bytes32 = keccak256(abi_encode(POSSESSION_TYPE, operator, purpose, key))
    digest: bytes32 = keccak256(concat(b"\x19\x01", domain, statement))
    assert strict_signature._signer(digest, proof) == key, "member: key not possessed"
