# pragma version 0.4.3
"""
@title Test only: an observer, and the headers it observes by, that believe whoever knows the word
@license Apache-2.0
@notice For tests of which proof a gateway asks for; what a proof is worth is tested with the real ones.
"""

word: Bytes[16]
chain_id: public(uint256)
genesis: public(bytes32)
sealed: public(bool)
is_honest: bool


@deploy
def __init__(word: Bytes[16], chain_id: uint256, genesis: bytes32, is_sealed: bool):
    self.word = word
    self.chain_id = chain_id
    self.genesis = genesis
    self.sealed = is_sealed


@external
@view
def HEADERS() -> address:
    """
    @notice Its headers
    """
    return self


@external
@view
def observed(origin_chain_id: uint256, origin_gateway: address, id: bytes32, observation: Bytes[16384]) -> bool:
    """
    @notice Whether the observation is the word, and the id
    """
    assert origin_chain_id == self.chain_id, "Lookout: another chain"
    assert keccak256(observation) == keccak256(concat(self.word, id)), "Lookout: not observed"
    return True
