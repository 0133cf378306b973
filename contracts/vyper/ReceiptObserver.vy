# pragma version 0.4.3
"""
@title Receipt observer: a message left its origin, because a held header of the origin proves its log
@license Apache-2.0
@notice One observer serves one origin chain and asks one source of headers. The observation names the header, the
        transaction, the log and the nodes of the receipts trie; all of it may come from anyone.
        It is worth what its headers are worth: a light client's are the origin validators' word, certified ones are
        the committee's. It says nothing of finality beyond what the headers' source asks before it holds one.
"""

import tx_receipt_proof
import IHeaders
import IObserver

implements: IObserver

MESSAGE_SENT: constant(bytes32) = keccak256("MessageSent(bytes32,bytes,bytes,bytes,uint256,bytes[])")
# height (8) | block hash (32) | state root (32) | receipts root (32) | timestamp (8) | transaction (4) | log (4)
NODES: constant(uint256) = 120

HEADERS: public(immutable(address))
CHAIN_ID: public(immutable(uint256))


@deploy
def __init__(headers: address):
    """
    @notice Binds the observer to a source of headers, and so to one origin chain
    @param headers The contract that holds the origin chain's headers
    """
    assert headers.is_contract, "ReceiptObserver: no headers"
    HEADERS = headers
    CHAIN_ID = staticcall IHeaders(headers).chain_id()
    assert CHAIN_ID != 0 and CHAIN_ID != chain.id, "ReceiptObserver: origin chain id"


@external
@view
def observed(
    origin_chain_id: uint256, origin_gateway: address, id: bytes32, observation: Bytes[16384]
) -> bool:
    """
    @notice Reverts unless the origin gateway sent the message, in a transaction that succeeded under a held header
    @param origin_chain_id EIP-155 chain id of the origin
    @param origin_gateway The only emitter that counts
    @param id The message's id
    @param observation Header fields, position of the log and receipt proof; layout in contracts/README.md
    @return True; it never answers False
    """
    assert origin_chain_id == CHAIN_ID, "ReceiptObserver: another chain"
    assert len(observation) > NODES, "ReceiptObserver: observation too short"
    receipts_root: bytes32 = extract32(observation, 72)
    positions: uint256 = extract32(observation, 88, output_type=uint256)
    # The words that end with what is read: their upper bytes belong to the field before and fall away.
    assert staticcall IHeaders(HEADERS).holds(
        convert(extract32(observation, 0, output_type=uint256) >> 192, uint64),
        extract32(observation, 8),
        extract32(observation, 40),
        receipts_root,
        convert((positions >> 64) & convert(max_value(uint64), uint256), uint64),
    )
    entry: tx_receipt_proof.Log = tx_receipt_proof._log(
        receipts_root,
        convert((positions >> 32) & convert(max_value(uint32), uint256), uint32),
        convert(positions & convert(max_value(uint32), uint256), uint32),
        observation,
        NODES,
    )
    assert entry.emitter == origin_gateway, "ReceiptObserver: another emitter"
    assert entry.topic_count == 2 and entry.topics[0] == MESSAGE_SENT, "ReceiptObserver: not a message sent"
    assert entry.topics[1] == id, "ReceiptObserver: another message"
    return True
