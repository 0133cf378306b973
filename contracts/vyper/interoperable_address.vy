# pragma version 0.4.3
"""
@title Interoperable addresses of EVM accounts (ERC-7930), in minimal form
@license Apache-2.0
@notice version (2 bytes, 0x0001) | chain type (2, 0x0000 = eip155) | length and chain id (minimal, big endian) |
        0x14 | address (20). One chain and account have exactly one encoding, so encodings may be compared as bytes.
"""

VERSION_AND_TYPE: constant(Bytes[4]) = b"\x00\x01\x00\x00"


@internal
@pure
def _encode(chain_id: uint256, account: address) -> Bytes[58]:
    """
    @notice Encodes an account of an eip155 chain
    @param chain_id The EIP-155 chain id, not zero
    @param account The account
    @return The minimal encoding, 26 to 58 bytes
    """
    assert chain_id != 0, "interoperable_address: chain id is zero"
    if chain_id < 1 << 48:
        # It fits into one word: the same bytes as below, joined by shifts.
        size: uint256 = 1
        width: uint256 = 8
        for i: uint256 in range(5):
            if chain_id >> width == 0:
                break
            size = unsafe_add(size, 1)
            width = unsafe_add(width, 8)
        low: uint256 = convert(account, uint256) | (20 << 160) | (chain_id << 168)
        word: uint256 = (((65536 << 8) | size) << unsafe_add(width, 168)) | low
        return slice(convert(word << unsafe_sub(48, width), bytes32), 0, unsafe_add(26, size))
    size: uint256 = 7
    rest: uint256 = chain_id >> 56
    for i: uint256 in range(25):
        if rest == 0:
            break
        size += 1
        rest = rest >> 8
    reference: Bytes[32] = slice(convert(chain_id, bytes32), 32 - size, size)
    return concat(
        VERSION_AND_TYPE,
        convert(convert(size, uint8), bytes1),
        reference,
        b"\x14",
        convert(account, bytes20),
    )


@internal
@pure
def _decode(encoded: Bytes[58]) -> (uint256, address):
    """
    @notice Decodes an account of an eip155 chain; refuses every form but the minimal one
    @param encoded The interoperable address
    @return Chain id and account
    """
    length: uint256 = len(encoded)
    assert length >= 27, "interoperable_address: too short"
    size: uint256 = convert(slice(encoded, 4, 1), uint256)
    assert size <= 32 and length == 26 + size, "interoperable_address: length"
    # The reference ends inside the encoding; padding lets one word be read from it whatever its length.
    word: bytes32 = extract32(concat(encoded, empty(bytes32)), 5)
    chain_id: uint256 = convert(word, uint256) >> (8 * (32 - size))
    account: address = convert(convert(slice(encoded, 6 + size, 20), bytes20), address)
    # Encoding again refuses another version, chain type, address length and leading zeros in one comparison.
    assert keccak256(self._encode(chain_id, account)) == keccak256(encoded), "interoperable_address: not minimal"
    return chain_id, account
