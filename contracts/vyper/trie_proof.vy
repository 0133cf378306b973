# pragma version 0.4.3
"""
@title What a Merkle-Patricia proof proves: that a key has this value, or that it has none (Yellow Paper, appendix D)
@license Apache-2.0
@notice A proof has exactly one form: the nodes from the root downwards, each once, each behind its length (2 bytes,
        big endian); nodes shorter than 32 bytes stand inside their parent and are not listed. A node is believed only
        for its hash, and read only in its one canonical encoding. The walk moves by positions: nothing but the node
        that is being hashed is copied, and the value is answered as a place in the proof.
        It does not know what a value means, and not which root is true: both are the caller's.
        `ledger.ethereum.trie` is this module's Python twin.
"""

import rlp

MAX_PROOF: constant(uint256) = 16384  # bytes
# Every node but the last takes a nibble or more of 64, whether it is listed or stands inside its parent.
MAX_STEPS: constant(uint256) = 65
LENGTH_BYTES: constant(uint256) = 2  # before each node
WORD: constant(uint256) = 32  # bytes; also the shortest node that is named by its hash

# Keccak-256 of RLP's empty string.
EMPTY_ROOT: constant(bytes32) = 0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421

NO_CHILD: constant(uint256) = 128  # 0x80
HASH: constant(uint256) = 160  # 0xa0, the prefix of 32 bytes
HASH_ITEM: constant(uint256) = 33  # bytes, prefix included
LIST: constant(uint256) = 192  # 0xc0

# A branch of sixteen hashes and no value: f90211, sixteen times a0 and a hash, 80. It is what a proof mostly consists of.
FULL_BRANCH: constant(uint256) = 532  # bytes
FULL_BRANCH_WORDS: constant(uint256) = 17
FULL_BRANCH_BUFFER: constant(uint256) = WORD * FULL_BRANCH_WORDS
FULL_BRANCH_START: constant(uint256) = 8941797905  # 0x0214f90211: its length in the proof, and its list's prefix
FULL_BRANCH_PREFIXES: constant(bytes32) = 0xf90211a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a080000000000000000000000000


struct Found:
    at: uint256  # first byte of the value in the proof
    length: uint256  # bytes of the value; 0 where the trie holds nothing under the key
    end: uint256  # the first byte after the nodes that were needed


@internal
@pure
def _walk(root: bytes32, key: bytes32, nibbles: uint256, proof: Bytes[MAX_PROOF], start: uint256) -> Found:
    """
    @notice Walks from the root towards a key; reverts unless the nodes prove what stands there, or that nothing does
    @dev One long function, because an internal call would copy the proof. The caller compares `end` with where its
         proof must end: a node too many is as wrong as a node too few.
    @param root The trie's root
    @param key The path itself, left aligned; tries that hash their keys take the hash
    @param nibbles How many nibbles the key has, at most 64
    @param proof Length-prefixed nodes, perhaps behind and before others
    @param start Where the first node's length stands
    @return Where the value stands, its length (0 for absence), and where the nodes end
    """
    found: Found = Found(at=0, length=0, end=start)
    if root == EMPTY_ROOT:
        return found
    size: uint256 = len(proof)
    assert size >= WORD, "trie_proof: too short"
    # A word that begins in the last 31 bytes is read from `last` and shifted: zeros stand beyond the end.
    last: uint256 = unsafe_sub(size, WORD)
    path: uint256 = convert(key, uint256)  # what is left of it, left aligned
    left: uint256 = nibbles
    name: bytes32 = root  # Keccak-256 of the next node listed
    is_inline: bool = False
    at: uint256 = 0  # what is being read: a node, then its items
    end: uint256 = 0  # the first byte after the node
    base: uint256 = 0
    word: uint256 = 0  # the 32 bytes at `at`
    is_list: bool = False
    prefix: uint256 = 0
    length: uint256 = 0
    for step: uint256 in range(MAX_STEPS):
        # -- the node: the next one listed, which must be the one named, or a part of its parent
        if not is_inline:
            base = min(found.end, last)
            word = extract32(proof, base, output_type=uint256) << unsafe_mul(8, unsafe_sub(found.end, base))
            at = unsafe_add(found.end, LENGTH_BYTES)
            end = unsafe_add(at, word >> 240)
            assert end <= size, "trie_proof: ends before the path does"
            found.end = end
            if word >> 216 == FULL_BRANCH_START and left != 0 and unsafe_add(at, FULL_BRANCH_BUFFER) <= size:
                assert keccak256(slice(proof, at, FULL_BRANCH)) == name, "trie_proof: not the node its parent names"
                if self._is_full_branch(slice(proof, at, FULL_BRANCH_BUFFER)):
                    name = extract32(proof, unsafe_add(unsafe_add(at, 4), unsafe_mul(HASH_ITEM, path >> 252)))
                    path = path << 4
                    left = unsafe_sub(left, 1)
                    continue
            else:
                assert (
                    keccak256(slice(proof, at, unsafe_sub(end, at))) == name
                ), "trie_proof: not the node its parent names"
            assert step == 0 or unsafe_sub(end, at) >= WORD, "trie_proof: inline node named by its hash"
            word = word << 8 * LENGTH_BYTES
        prefix = rlp._list_prefix(word, unsafe_sub(end, at))
        at = unsafe_add(at, prefix)
        word = word << unsafe_mul(8, prefix)

        # -- a pair? Its first item is a path, a string that is not empty, and its second ends the node.
        is_pair: bool = False
        own: uint256 = 0  # where the node's own path stands
        flags: uint256 = 0  # its first byte: two bits for the kind and an odd length, then a nibble or four zeros
        count: uint256 = 0  # twice its bytes
        second: uint256 = 0
        if word >> 248 < LIST and word >> 248 != NO_CHILD:
            is_list, prefix, length = rlp._head(word)
            own = unsafe_add(at, prefix)
            flags = (word << unsafe_mul(8, prefix)) >> 248
            count = unsafe_mul(2, length)
            second = unsafe_add(own, length)
            if second < end:
                base = min(second, last)
                second_word: uint256 = extract32(proof, base, output_type=uint256) << unsafe_mul(
                    8, unsafe_sub(second, base)
                )
                is_list, prefix, length = rlp._head(second_word)
                is_pair = unsafe_add(second, unsafe_add(prefix, length)) == end
                if is_pair:
                    word = second_word

        if is_pair:
            # -- a leaf, whose path must be all that is left, or an extension, whose path is taken off
            assert flags < 64, "trie_proof: path without hex prefix"
            is_leaf: bool = flags & 32 != 0
            if flags & 16 == 0:
                assert flags & 15 == 0, "trie_proof: path padded with something else than zero"
                own = unsafe_add(own, 1)
            count = unsafe_sub(count, 2 - ((flags >> 4) & 1))
            base = min(own, last)
            own_path: uint256 = extract32(proof, base, output_type=uint256) << unsafe_add(
                unsafe_mul(8, unsafe_sub(own, base)), (flags >> 2) & 4
            )
            matches: bool = count <= left and (own_path ^ path) >> unsafe_sub(256, unsafe_mul(4, count)) == 0
            if is_leaf:
                assert not is_list and length != 0, "trie_proof: leaf without a value"
                if matches and count == left:
                    found.at = unsafe_add(second, prefix)
                    found.length = length
                return found
            assert count != 0, "trie_proof: extension without a path"
            if is_list:
                rlp._inline_list(word)
            else:
                assert word >> 248 == HASH, "trie_proof: extension leads nowhere"
            if not matches:
                return found
            path = path << unsafe_mul(4, count)
            left = unsafe_sub(left, count)
            at = second
        else:
            # -- a branch: sixteen children, of which one is ours, and a value
            ours: uint256 = path >> 252
            child: uint256 = 0
            for nibble: uint256 in range(16):
                if nibble == ours:
                    child = at
                if word >> 248 == NO_CHILD:
                    at = unsafe_add(at, 1)
                    word = word << 8
                    continue
                if word >> 248 == HASH:
                    at = unsafe_add(at, HASH_ITEM)
                    if at <= last:
                        word = extract32(proof, at, output_type=uint256)
                        continue
                else:
                    base = min(at, last)
                    word = extract32(proof, base, output_type=uint256) << unsafe_mul(8, unsafe_sub(at, base))
                    at = unsafe_add(at, rlp._inline_list(word))
                base = min(at, last)
                word = extract32(proof, base, output_type=uint256) << unsafe_mul(8, unsafe_sub(at, base))
            is_list, prefix, length = rlp._head(word)
            assert not is_list, "trie_proof: list as a branch's value"
            at = unsafe_add(at, prefix)
            assert unsafe_add(at, length) == end, "trie_proof: neither a branch nor a pair"
            if left == 0:
                found.at = at
                found.length = length
                return found
            base = min(child, last)
            word = extract32(proof, base, output_type=uint256) << unsafe_mul(8, unsafe_sub(child, base))
            if word >> 248 == NO_CHILD:
                return found
            path = path << 4
            left = unsafe_sub(left, 1)
            at = child

        # -- the child at `at`: named by its hash, or a node inside this one
        is_inline = word >> 248 != HASH
        if is_inline:
            end = unsafe_add(at, unsafe_sub(word >> 248, LIST - 1))
        else:
            name = extract32(proof, unsafe_add(at, 1))
    raise "trie_proof: path longer than the key"


@internal
@pure
def _is_full_branch(node: Bytes[FULL_BRANCH_BUFFER]) -> bool:
    """
    @notice Whether a node of 532 bytes is a branch of sixteen hashes without a value, in canonical form
    @dev Its prefixes stand 33 bytes apart, hence in word i at byte 3 + i: masked and joined they make one known word.
    @param node The node, filled up to whole words with what follows it
    @return True for exactly that form; another form is read item by item
    """
    w: uint256[FULL_BRANCH_WORDS] = abi_decode(node, uint256[FULL_BRANCH_WORDS])
    prefixes: uint256 = (
        (w[0] & 115792089210356248756420345214020892766250353992003419616917011526809519390720)
        | (w[1] & 26854634375482082607969097059335960241318249327140023369849299271680)
        | (w[2] & 104900915529226885187379285388031094692649411434140716288473825280)
        | (w[3] & 409769201286042520263200333546996463643161763414612173001850880)
        | (w[4] & 1600660942523603594778126302917954936106100638338328800788480)
        | (w[5] & 6252581806732826542102055870773261469164455618509096878080)
        | (w[6] & 24424147682550103680086155745208052613923654759801159680)
        | (w[7] & 95406826884961342500336545879718955523139276405473280)
        | (w[8] & 372682917519380244141939632342652170012262798458880)
        | (w[9] & 1455792646560079078679451688838485039110401556480)
        | (w[10] & 5686690025625308901091608159525332184025006080)
        | (w[11] & 22213632912598862894889094373145828843847680)
        | (w[12] & 86772003564839308183160524895100893921280)
        | (w[13] & 338953138925153547590470800371487866880)
        | (w[14] & 1324035698926381045275276563951124480)
        | (w[15] & 5172014448931175958106549077934080)
        | (w[16] & 20203181441137406086353707335680)
    )
    return convert(prefixes, bytes32) == FULL_BRANCH_PREFIXES
