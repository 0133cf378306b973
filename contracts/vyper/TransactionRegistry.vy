# pragma version 0.4.3
"""
@title Transaction registry (transaction chain): the state of every cross-chain transaction, and its credential
@license Apache-2.0
@notice proposed -> attested -> committed -> closed, or disputed. It records and never gates: a destination commits
        without asking here. A call is acknowledged to its sender only when its credential is closed, which takes a
        quorum of notaries who re-executed the commit and found the same. A commit whose application call failed is
        `committed` until a retry succeeds, and is not acknowledged before.
        It does not check the destination by itself: it trusts a quorum for what it cannot see.
"""

import application
import attestation
import interoperable_address
import merkle
import message
import ICommittee

initializes: application

exports: (application.owner, application.gateway)

PROPOSED: constant(uint8) = 1
ATTESTED: constant(uint8) = 2
COMMITTED: constant(uint8) = 3
CLOSED: constant(uint8) = 4
DISPUTED: constant(uint8) = 5

event Proposed:
    id: indexed(bytes32)
    lane: indexed(bytes32)
    sequence: uint64

event Attested:
    id: indexed(bytes32)
    root: bytes32
    epoch: uint64

event CommitJudged:
    id: indexed(bytes32)
    state: uint8
    epoch: uint64
    origin_block: bytes32
    commit_block: bytes32
    commit_transaction: bytes32
    checked_from: uint64
    outcome: bytes32
    credential: bytes32
    acknowledgement: bytes32

struct Transaction:
    state: uint8
    kind: uint8
    origin_chain: uint256
    destination_chain: uint256
    destination_gateway: address
    sender: address
    credential: bytes32

COMMITTEE: public(immutable(address))

transactions: public(HashMap[bytes32, Transaction])
chains: public(HashMap[uint256, message.Chain])
is_sealed: public(bool)


@deploy
def __init__(gateway: address, committee: address):
    """
    @notice Binds the registry to its gateway, which carries acknowledgements, and to the committee
    @param gateway The transaction chain's gateway
    @param committee The committee contract on this chain
    """
    application.__init__(gateway)
    assert committee.is_contract, "TransactionRegistry: no committee"
    COMMITTEE = committee


@external
def register_chain(named: message.Chain):
    """
    @notice Names a chain whose transactions are recorded; possible only while the deployment is being set up
    @param named The chain: id, genesis hash and gateway
    """
    assert msg.sender == application.owner and not self.is_sealed, "TransactionRegistry: chains are sealed"
    assert self.chains[named.chain_id].chain_id == 0, "TransactionRegistry: chain exists"
    assert named.chain_id != 0 and named.gateway != empty(address), "TransactionRegistry: incomplete chain"
    self.chains[named.chain_id] = named


@external
def seal():
    """
    @notice Ends the set-up: from now on nobody can add a chain
    """
    assert msg.sender == application.owner and not self.is_sealed, "TransactionRegistry: chains are sealed"
    self.is_sealed = True


@external
def propose(m: message.Message):
    """
    @notice Records that a message is under way. Anyone may: it proves nothing until it is attested
    @param m The message
    """
    id: bytes32 = message._id(m)
    assert self.transactions[id].state == 0, "TransactionRegistry: id exists"
    assert m.version == message.VERSION, "TransactionRegistry: version"
    assert self._known(m.origin) and self._known(m.destination), "TransactionRegistry: unknown chain"
    assert m.origin.chain_id != m.destination.chain_id, "TransactionRegistry: one chain only"
    assert m.kind >= message.NOTICE and m.kind <= message.ACKNOWLEDGEMENT, "TransactionRegistry: kind"
    # No check of the expiry: it is time of the destination, where a message may have been committed before it. Refusing
    # the record here would leave such a commit without its credential for ever.
    # A call that leaves this chain could not be acknowledged to it: the acknowledgement is itself a message from here.
    assert m.kind != message.CALL or m.origin.chain_id != chain.id, "TransactionRegistry: a call from this chain"
    self.transactions[id] = Transaction(
        state=PROPOSED,
        kind=m.kind,
        origin_chain=m.origin.chain_id,
        destination_chain=m.destination.chain_id,
        destination_gateway=m.destination.gateway,
        sender=m.sender,
        credential=empty(bytes32),
    )
    log Proposed(id=id, lane=message._lane(m), sequence=m.sequence)


@external
def attest(
    id: bytes32,
    index: uint256,
    size: uint256,
    inclusion: DynArray[bytes32, 32],
    epoch: uint64,
    signatures: Bytes[6600],
):
    """
    @notice Records the certificate that the destination will check, having checked it here too
    @param id A proposed message
    @param index Position of the id among the certificate's leaves
    @param size Number of leaves
    @param inclusion RFC 9162 inclusion proof
    @param epoch The signing epoch
    @param signatures Packed signatures
    """
    recorded: Transaction = self.transactions[id]
    assert recorded.state == PROPOSED, "TransactionRegistry: not proposed"
    root: bytes32 = merkle._root(merkle._leaf_hash(id), index, size, inclusion)
    digest: bytes32 = attestation._attestation(
        recorded.destination_chain, recorded.destination_gateway, root, epoch
    )
    assert staticcall ICommittee(COMMITTEE).check(epoch, digest, signatures)
    self.transactions[id].state = ATTESTED
    log Attested(id=id, root=root, epoch=epoch)


@external
def judge(v: attestation.Verdict, signatures: Bytes[6600]):
    """
    @notice Records the notaries' verdict over a commit and, when it closes a call, acknowledges it to its sender
    @param v The verdict: `same` closes, or marks committed where the application's call failed; `differs` disputes
    @param signatures Packed signatures over the verdict: a quorum for `same`, n - t + 1 for `differs`
    """
    recorded: Transaction = self.transactions[v.id]
    assert recorded.state in [ATTESTED, COMMITTED], "TransactionRegistry: not attested"
    digest: bytes32 = attestation._verdict(chain.id, self, v)
    state: uint8 = CLOSED
    if v.verdict == attestation.DIFFERS:
        # As many as make a quorum of `same` impossible.
        assert staticcall ICommittee(COMMITTEE).check_blocking(v.epoch, digest, signatures)
        state = DISPUTED
    else:
        assert v.verdict == attestation.SAME, "TransactionRegistry: verdict"
        assert staticcall ICommittee(COMMITTEE).check(v.epoch, digest, signatures)
        if not v.executed:
            assert recorded.state == ATTESTED, "TransactionRegistry: committed before"
            state = COMMITTED
    # The credential is what the quorum signed, bound to the very signatures: anyone can fetch both and compare.
    credential: bytes32 = keccak256(concat(digest, keccak256(signatures)))
    self.transactions[v.id].state = state
    self.transactions[v.id].credential = credential
    acknowledgement: bytes32 = empty(bytes32)
    if state == CLOSED and recorded.kind == message.CALL:
        acknowledgement = application._send(
            interoperable_address._encode(recorded.origin_chain, recorded.sender),
            message.ACKNOWLEDGEMENT,
            abi_encode(v.id, v.outcome),
        )
    log CommitJudged(
        id=v.id,
        state=state,
        epoch=v.epoch,
        origin_block=v.origin_block,
        commit_block=v.commit_block,
        commit_transaction=v.commit_transaction,
        checked_from=v.checked_from,
        outcome=v.outcome,
        credential=credential,
        acknowledgement=acknowledgement,
    )


@internal
@view
def _known(named: message.Chain) -> bool:
    """
    @dev Whether a chain is recorded here with exactly this genesis and gateway
    """
    held: message.Chain = self.chains[named.chain_id]
    return (
        held.chain_id != 0
        and held.chain_id == named.chain_id
        and held.genesis == named.genesis
        and held.gateway == named.gateway
    )
