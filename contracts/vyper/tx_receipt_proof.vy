# pragma version 0.4.3
"""
@title A contract's log, proven by the receipt of a transaction that succeeded
@license Apache-2.0
@notice A receipt is read under its index in the receipts trie, whole and in its one canonical form: the types of
        EIP-2718 that exist (legacy, 1 to 4), status 1, gas, bloom, and every log. A log is named by its position in
        its transaction. It does not check the bloom, which adds nothing to a proof, and does not know which receipts
        root is true. `ledger.ethereum.tx_receipt` is this module's Python twin.
"""

import rlp
import trie_proof

MAX_PROOF: constant(uint256) = 16384  # bytes
MAX_TOPICS: constant(uint256) = 4
MAX_LOGS: constant(uint256) = 700  # more than fit: a log without topics and data has 24 bytes

STRING: constant(uint256) = 128  # 0x80
ADDRESS: constant(uint256) = 148  # 0x94, the prefix of 20 bytes
HASH: constant(uint256) = 160  # 0xa0, the prefix of 32 bytes
LIST: constant(uint256) = 192  # 0xc0
BLOOM: constant(uint256) = 12124416  # 0xb90100, the prefix of 256 bytes
BLOOM_ITEM: constant(uint256) = 259  # bytes, prefix included
SET_CODE: constant(uint256) = 4  # the last of the receipt types: 2930, 1559, 4844, 7702


struct Log:
    emitter: address
    topic_count: uint256
    topics: bytes32[MAX_TOPICS]  # zero beyond the count


@internal
@pure
def _index_key(index: uint32) -> (bytes32, uint256):
    """
    @notice The path of a transaction's receipt: the RLP of its index
    @param index The transaction's position in its block, from 0
    @return The path, left aligned, and its nibbles
    """
    number: uint256 = convert(index, uint256)
    if number == 0:
        return convert(STRING << 248, bytes32), 2
    if number < STRING:
        return convert(number << 248, bytes32), 2
    size: uint256 = 1
    if number >= 2**24:
        size = 4
    elif number >= 2**16:
        size = 3
    elif number >= 2**8:
        size = 2
    return convert(((STRING + size) << 248) | (number << (248 - 8 * size)), bytes32), 2 + 2 * size


@internal
@pure
def _log(
    receipts_root: bytes32, tx_index: uint32, log_index: uint32, proof: Bytes[MAX_PROOF], start: uint256
) -> Log:
    """
    @notice Proves one log of a transaction that succeeded; reverts for everything else
    @param receipts_root The receipts root of a header the caller trusts
    @param tx_index The transaction's position in its block, from 0
    @param log_index The log's position in its transaction, from 0 (not its position in the block)
    @param proof Perhaps something else, then exactly the length-prefixed nodes of the receipts trie
    @param start Where the first node begins
    @return The log's emitter and topics; its data is read for its form only
    """
    key: bytes32 = empty(bytes32)
    nibbles: uint256 = 0
    key, nibbles = self._index_key(tx_index)
    found: trie_proof.Found = trie_proof._walk(receipts_root, key, nibbles, proof, start)
    assert found.end == len(proof), "tx_receipt_proof: nodes left over"
    assert found.length != 0, "tx_receipt_proof: no such transaction"
    at: uint256 = found.at
    end: uint256 = found.at + found.length
    # A word that begins in the last 31 bytes is read at `last` and shifted: zeros stand beyond the end.
    last: uint256 = len(proof) - 32
    base: uint256 = min(at, last)
    word: uint256 = extract32(proof, base, output_type=uint256) << (8 * (at - base))
    is_list: bool = False
    prefix: uint256 = 0
    length: uint256 = 0

    # -- type, then one list of status, gas, bloom and logs
    kind: uint256 = word >> 248
    if kind < LIST:
        assert kind >= 1 and kind <= SET_CODE, "tx_receipt_proof: unknown receipt type"
        at += 1
        word = word << 8
    is_list, prefix, length = rlp._head(word)
    assert is_list and at + prefix + length == end, "tx_receipt_proof: receipt is not one list"
    at += prefix
    base = min(at, last)
    word = extract32(proof, base, output_type=uint256) << (8 * (at - base))
    assert word >> 248 != STRING, "tx_receipt_proof: transaction failed"
    assert word >> 248 == 1, "tx_receipt_proof: status"
    at += 1
    word = word << 8
    is_list, prefix, length = rlp._head(word)
    assert not is_list, "tx_receipt_proof: gas"
    at += prefix + length
    rlp._integer(word << (8 * prefix), length, 8)
    base = min(at, last)
    word = extract32(proof, base, output_type=uint256) << (8 * (at - base))
    assert word >> 232 == BLOOM, "tx_receipt_proof: bloom"
    at += BLOOM_ITEM
    base = min(at, last)
    word = extract32(proof, base, output_type=uint256) << (8 * (at - base))
    is_list, prefix, length = rlp._head(word)
    assert is_list and at + prefix + length == end, "tx_receipt_proof: logs"
    at += prefix

    # -- the logs: each a list of address, topics and data
    entry: Log = empty(Log)
    count: uint256 = 0
    for i: uint256 in range(MAX_LOGS):
        if at == end:
            break
        base = min(at, last)
        word = extract32(proof, base, output_type=uint256) << (8 * (at - base))
        is_list, prefix, length = rlp._head(word)
        at += prefix
        log_end: uint256 = at + length
        assert is_list and log_end <= end, "tx_receipt_proof: log is not a list"
        base = min(at, last)
        word = extract32(proof, base, output_type=uint256) << (8 * (at - base))
        assert word >> 248 == ADDRESS, "tx_receipt_proof: emitter"
        emitter: address = convert((word >> 88) & convert(max_value(uint160), uint256), address)
        at += 21
        base = min(at, last)
        word = extract32(proof, base, output_type=uint256) << (8 * (at - base))
        is_list, prefix, length = rlp._head(word)
        topic_count: uint256 = length // 33
        assert is_list and length == 33 * topic_count and topic_count <= MAX_TOPICS, "tx_receipt_proof: topics"
        at += prefix
        assert at + length <= log_end, "tx_receipt_proof: topics"
        topics: bytes32[MAX_TOPICS] = empty(bytes32[MAX_TOPICS])
        for t: uint256 in range(topic_count, bound=MAX_TOPICS):
            assert extract32(proof, at, output_type=uint256) >> 248 == HASH, "tx_receipt_proof: topic"
            topics[t] = extract32(proof, at + 1)
            at += 33
        base = min(at, last)
        word = extract32(proof, base, output_type=uint256) << (8 * (at - base))
        is_list, prefix, length = rlp._head(word)
        assert not is_list and at + prefix + length == log_end, "tx_receipt_proof: data"
        at = log_end
        if i == convert(log_index, uint256):
            entry = Log(emitter=emitter, topic_count=topic_count, topics=topics)
        count += 1
    assert convert(log_index, uint256) < count, "tx_receipt_proof: no such log"
    return entry
