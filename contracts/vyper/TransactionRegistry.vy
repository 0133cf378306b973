# pragma version 0.4.3
"""
@title Transaction registry (transaction chain): the state of every cross-chain transaction, and its credential
@license Apache-2.0
@notice proposed -> attested -> committed -> closed, or expired, aborted, disputed. It records and never gates: a
        destination commits without asking here, and what is recorded may come in any order. A call or a transfer is
        acknowledged to its sender once, when its credential is final:

          closed    a quorum re-executed the commit and found the same; the outcome is the application's
          expired   a quorum found it past its expiry at a final block of the destination, and not executed
          aborted   a quorum found it voided at the destination

        From `disputed` nothing is acknowledged until an order of the quorum, after its delay, decides the verdict.
        A commit whose application call failed is `committed` until a retry succeeds or the message expires.
        It does not check the destination by itself: it trusts a quorum for what it cannot see.
"""

import application
import attestation
import interoperable_address
import merkle_root
import message
import order
import outcome
import ICommittee

initializes: application
initializes: order

exports: (application.owner, application.gateway, order.announce, order.order_due, order.order_delay)

PROPOSED: constant(uint8) = 1
ATTESTED: constant(uint8) = 2
COMMITTED: constant(uint8) = 3
CLOSED: constant(uint8) = 4
DISPUTED: constant(uint8) = 5
EXPIRED: constant(uint8) = 6
ABORTED: constant(uint8) = 7

# Policies under which the destination checks a certificate of the committee over the message.
NOTARY: constant(uint8) = 1
NOTARY_AND_RELAY: constant(uint8) = 4

MAX_PROPOSALS: constant(uint256) = 16
MAX_CHAINS: constant(uint256) = 255
# How long an acknowledgement can be committed, the gateway's default lifetime: another is sent only when it is over.
ACKNOWLEDGEMENT_LIFETIME: constant(uint256) = 7 * 24 * 3600  # seconds
RESOLVE: constant(bytes32) = keccak256("pledgetrail/order/TransactionRegistry.resolve")

event Proposed:
    id: indexed(bytes32)
    lane: indexed(bytes32)
    sequence: uint64

event RootAttested:
    root: indexed(bytes32)
    destination_chain: indexed(uint256)
    epoch: uint64
    certificate: bytes32
    signatures: Bytes[6600]

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
    verdict: uint8
    executed: bool
    outcome: bytes32
    policy: uint8
    origin_log: uint64
    commit_log: uint64
    credential: bytes32
    acknowledgement: bytes32
    signatures: Bytes[6600]

event AcknowledgedAgain:
    id: indexed(bytes32)
    acknowledgement: bytes32

struct Transaction:
    state: uint8
    kind: uint8
    origin_chain: uint256
    destination_chain: uint256
    sender: address
    certificate: bytes32
    credential: bytes32

COMMITTEE: public(immutable(address))

# id -> state 8 bits | kind 8 | number of the origin chain 8 | of the destination chain 8 | sender 160 | seconds since
# 1970 when it was last acknowledged 64, from the lowest
records: HashMap[bytes32, uint256]
# destination chain -> id -> the certificate, bound to its signatures, until a verdict is final; then the credential,
# which binds it. One slot: both are in the logs.
digests: HashMap[uint256, HashMap[bytes32, bytes32]]

chains: public(HashMap[uint256, message.Chain])
# Chains are numbered from 1 in the order in which they were registered, so that a record needs one word.
chain_count: uint256
chain_ids: HashMap[uint256, uint256]
# keccak256 of the whole chain -> its number
chain_numbers: HashMap[bytes32, uint256]
is_sealed: public(bool)


@deploy
def __init__(gateway: address, committee: address, delay: uint256):
    """
    @notice Binds the registry to its gateway, which carries acknowledgements, and to the committee
    @param gateway The transaction chain's gateway
    @param committee The committee contract on this chain
    @param delay Seconds between the announcement of an order and its effect
    """
    application.__init__(gateway)
    order.__init__(committee, delay)
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
    number: uint256 = self.chain_count + 1
    assert number <= MAX_CHAINS, "TransactionRegistry: too many chains"
    self.chain_count = number
    self.chain_ids[number] = named.chain_id
    self.chain_numbers[keccak256(abi_encode(named))] = number
    self.chains[named.chain_id] = named


@external
def seal():
    """
    @notice Ends the set-up: from now on nobody can add a chain
    """
    assert msg.sender == application.owner and not self.is_sealed, "TransactionRegistry: chains are sealed"
    self.is_sealed = True


@external
def propose(messages: DynArray[message.Message, MAX_PROPOSALS]):
    """
    @notice Records that messages are under way. Anyone may: it proves nothing until they are attested. What stands
            already is passed over, so that nobody can hold up the others by proposing one of them first.
    @param messages The messages, at least one of them new
    """
    is_new: bool = False
    for m: message.Message in messages:
        if self._propose(m):
            is_new = True
    assert is_new, "TransactionRegistry: id exists"


@external
def attest(
    destination_chain: uint256,
    ids: DynArray[bytes32, merkle_root.MAX_ENTRIES],
    epoch: uint64,
    signatures: Bytes[6600],
):
    """
    @notice Records the certificate that the destination checks, having checked it here too: once for all its messages,
            also for those which are not proposed yet. A message keeps the first certificate recorded for it.
    @param destination_chain The chain the messages are for
    @param ids Every message id under the certificate's root, in its order; at least one not attested yet
    @param epoch The signing epoch
    @param signatures Packed signatures over the root, for the destination's gateway
    """
    gateway: address = self.chains[destination_chain].gateway
    assert gateway != empty(address), "TransactionRegistry: unknown chain"
    root: bytes32 = merkle_root._root_of(ids)
    digest: bytes32 = attestation._attestation(destination_chain, gateway, root, epoch)
    assert staticcall ICommittee(COMMITTEE).check(epoch, digest, signatures)
    certificate: bytes32 = attestation._signed(digest, signatures)
    is_new: bool = False
    for id: bytes32 in ids:
        # What stands is the first certificate, or the credential that rests on it or on none.
        if self.digests[destination_chain][id] == empty(bytes32):
            self.digests[destination_chain][id] = certificate
            is_new = True
            log Attested(id=id, root=root, epoch=epoch)
    assert is_new, "TransactionRegistry: attested before"
    log RootAttested(
        root=root,
        destination_chain=destination_chain,
        epoch=epoch,
        certificate=certificate,
        signatures=signatures,
    )


@external
def judge(v: attestation.Verdict, signatures: Bytes[6600]):
    """
    @notice Records the notaries' verdict over a message and, when it ends a call or a transfer, acknowledges it
    @param v The verdict: `same` closes, or marks committed where the application's call failed; `expired` and `void`
           end what was never executed; `differs` disputes
    @param signatures Packed signatures over the verdict: n - t + 1 for `differs`, a quorum for every other one
    """
    record: uint256 = self.records[v.id]
    before: uint8 = convert(record & 255, uint8)
    assert before in [PROPOSED, COMMITTED], "TransactionRegistry: nothing to judge"
    digest: bytes32 = attestation._verdict(chain.id, self, v)
    destination: uint256 = self.chain_ids[(record >> 24) & 255]
    certificate: bytes32 = self.digests[destination][v.id]
    state: uint8 = DISPUTED
    if v.verdict == attestation.DIFFERS:
        # As many as make a quorum of anything else impossible.
        assert staticcall ICommittee(COMMITTEE).check_blocking(v.epoch, digest, signatures)
    else:
        state = self._state_after(v, before, certificate)
        assert staticcall ICommittee(COMMITTEE).check(v.epoch, digest, signatures)
    signed: bytes32 = attestation._signed(digest, signatures)
    credential: bytes32 = keccak256(concat(certificate, signed))
    # A commit whose call failed may still be retried: its certificate stays for the verdict that is final.
    if state != COMMITTED:
        self.digests[destination][v.id] = credential
    self._conclude(v, record, state, credential, signatures)


@external
def resolve(v: attestation.Verdict, salt: bytes32):
    """
    @notice Carries out the quorum's order to decide a disputed message by this verdict, which ends it
    @param v The verdict: `same`, `expired` or `void`
    @param salt The order's salt
    """
    digest: bytes32 = attestation._verdict(chain.id, self, v)
    order._take(keccak256(abi_encode(RESOLVE, digest)), salt)
    record: uint256 = self.records[v.id]
    assert convert(record & 255, uint8) == DISPUTED, "TransactionRegistry: not disputed"
    destination: uint256 = self.chain_ids[(record >> 24) & 255]
    disputed: bytes32 = self.digests[destination][v.id]
    state: uint8 = self._state_after(v, DISPUTED, disputed)
    assert state != COMMITTED, "TransactionRegistry: decides nothing"
    # Bound to the disputed credential, which stays part of the history.
    credential: bytes32 = keccak256(concat(disputed, digest))
    self.digests[destination][v.id] = credential
    self._conclude(v, record, state, credential, b"")


@external
def acknowledge(v: attestation.Verdict, before: bytes32, signatures_digest: bytes32):
    """
    @notice Sends the acknowledgement of a message that is over again, once the last one has expired: anyone may, and
            a sender that took the first takes no second
    @param v The verdict that ended it, as `CommitJudged` says
    @param before The certificate that stood when it was judged (zero without one), or the disputed credential
    @param signatures_digest keccak256 of the signatures over the verdict; zero where an order decided
    """
    record: uint256 = self.records[v.id]
    state: uint8 = convert(record & 255, uint8)
    assert state in [CLOSED, EXPIRED, ABORTED], "TransactionRegistry: not over"
    assert self._is_acknowledged(convert((record >> 8) & 255, uint8)), "TransactionRegistry: not acknowledged"
    judged: bytes32 = attestation._verdict(chain.id, self, v)
    if signatures_digest != empty(bytes32):
        judged = keccak256(concat(judged, signatures_digest))
    credential: bytes32 = self.digests[self.chain_ids[(record >> 24) & 255]][v.id]
    assert keccak256(concat(before, judged)) == credential, "TransactionRegistry: not this verdict"
    assert block.timestamp >= (record >> 192) + ACKNOWLEDGEMENT_LIFETIME, "TransactionRegistry: acknowledged already"
    log AcknowledgedAgain(id=v.id, acknowledgement=self._acknowledge(v, record, state))


@external
@view
def transactions(id: bytes32) -> Transaction:
    """
    @notice What is recorded of a message. With the logs, from which everything can be fetched:
            certificate = keccak256(attestation digest || keccak256(signatures)) with `RootAttested`, and
            credential = keccak256(certificate || keccak256(verdict digest || keccak256(signatures))) with `CommitJudged`
    @param id The message's id
    @return Its state (0 unknown, 1 proposed, 2 attested, 3 committed, 4 closed, 5 disputed, 6 expired, 7 aborted),
            kind, chains, sender, certificate (zero when none is recorded, or once the credential binds it) and
            credential (zero until a verdict is final)
    """
    record: uint256 = self.records[id]
    destination: uint256 = self.chain_ids[(record >> 24) & 255]
    certificate: bytes32 = self.digests[destination][id]
    credential: bytes32 = empty(bytes32)
    state: uint8 = convert(record & 255, uint8)
    if state == PROPOSED and certificate != empty(bytes32):
        state = ATTESTED
    elif state > COMMITTED:
        credential = certificate
        certificate = empty(bytes32)
    return Transaction(
        state=state,
        kind=convert((record >> 8) & 255, uint8),
        origin_chain=self.chain_ids[(record >> 16) & 255],
        destination_chain=destination,
        sender=self._sender(record),
        certificate=certificate,
        credential=credential,
    )


@external
@view
def digest_of(destination_chain: uint256, id: bytes32) -> bytes32:
    """
    @notice The certificate recorded for a message, also where it is not proposed yet; once a verdict is final, the
            credential
    @param destination_chain The chain it is for
    @param id The message's id
    @return The digest, zero when nothing is recorded
    """
    return self.digests[destination_chain][id]


@internal
def _propose(m: message.Message) -> bool:
    """
    @dev Records one message; False when it stands already
    """
    id: bytes32 = message._id(m)
    if self.records[id] != 0:
        return False
    assert m.version == message.VERSION, "TransactionRegistry: version"
    origin: uint256 = self.chain_numbers[keccak256(abi_encode(m.origin))]
    destination: uint256 = self.chain_numbers[keccak256(abi_encode(m.destination))]
    assert origin != 0 and destination != 0, "TransactionRegistry: unknown chain"
    assert origin != destination, "TransactionRegistry: one chain only"
    assert m.kind >= message.NOTICE and m.kind <= message.TRANSFER, "TransactionRegistry: kind"
    # No check of the expiry: it is time of the destination, where a message may have been committed before it. Refusing
    # the record here would leave such a commit without its credential for ever.
    # A call that leaves this chain could not be acknowledged to it: the acknowledgement is itself a message from here.
    is_from_here: bool = m.origin.chain_id == chain.id
    assert not (is_from_here and self._is_acknowledged(m.kind)), "TransactionRegistry: a call from this chain"
    record: uint256 = convert(m.sender, uint256) << 32 | destination << 24 | origin << 16
    self.records[id] = record | convert(m.kind, uint256) << 8 | convert(PROPOSED, uint256)
    log Proposed(id=id, lane=message._lane_of(m), sequence=m.sequence)
    return True


@internal
@pure
def _state_after(v: attestation.Verdict, before: uint8, certificate: bytes32) -> uint8:
    """
    @dev The state that a verdict other than `differs` leads to; reverts where it contradicts itself or the record
    """
    if v.verdict == attestation.SAME:
        # A lane whose destination asks for no certificate has none to show.
        if v.policy in [NOTARY, NOTARY_AND_RELAY]:
            assert certificate != empty(bytes32), "TransactionRegistry: not attested"
        if v.executed:
            return CLOSED
        assert before != COMMITTED, "TransactionRegistry: committed before"
        return COMMITTED
    assert not v.executed, "TransactionRegistry: executed"
    if v.verdict == attestation.EXPIRED:
        assert v.outcome == outcome.EXPIRED, "TransactionRegistry: outcome"
        return EXPIRED
    assert v.verdict == attestation.VOID, "TransactionRegistry: verdict"
    assert v.outcome == outcome.VOID, "TransactionRegistry: outcome"
    return ABORTED


@internal
def _conclude(v: attestation.Verdict, record: uint256, state: uint8, credential: bytes32, signatures: Bytes[6600]):
    """
    @dev Writes the state, and acknowledges what is over and asked for it
    """
    acknowledgement: bytes32 = empty(bytes32)
    if state in [CLOSED, EXPIRED, ABORTED] and self._is_acknowledged(convert((record >> 8) & 255, uint8)):
        acknowledgement = self._acknowledge(v, record, state)
    else:
        self.records[v.id] = record & ~convert(255, uint256) | convert(state, uint256)
    log CommitJudged(
        id=v.id,
        state=state,
        epoch=v.epoch,
        origin_block=v.origin_block,
        commit_block=v.commit_block,
        commit_transaction=v.commit_transaction,
        checked_from=v.checked_from,
        verdict=v.verdict,
        executed=v.executed,
        outcome=v.outcome,
        policy=v.policy,
        origin_log=v.origin_log,
        commit_log=v.commit_log,
        credential=credential,
        acknowledgement=acknowledgement,
        signatures=signatures,
    )


@internal
def _acknowledge(v: attestation.Verdict, record: uint256, state: uint8) -> bytes32:
    """
    @dev Writes the final state and when it was acknowledged, and sends the outcome to the message's sender
    """
    kept: uint256 = record & (convert(max_value(uint192), uint256) - 255)
    self.records[v.id] = block.timestamp << 192 | kept | convert(state, uint256)
    answered: bytes32 = v.outcome
    # A sender gives back what was secured, or refunds, on these words: an application that was called cannot say them.
    if state == CLOSED and answered in [outcome.EXPIRED, outcome.VOID]:
        answered = outcome.WITHHELD
    return application._send(
        interoperable_address._encode(self.chain_ids[(record >> 16) & 255], self._sender(record)),
        message.ACKNOWLEDGEMENT,
        abi_encode(v.id, answered),
    )


@internal
@pure
def _sender(record: uint256) -> address:
    """
    @dev The sender in a record
    """
    return convert((record >> 32) & convert(max_value(uint160), uint256), address)


@internal
@pure
def _is_acknowledged(kind: uint8) -> bool:
    """
    @dev Whether messages of a kind are answered to their sender
    """
    return kind in [message.CALL, message.TRANSFER]
