# pragma version 0.4.3
"""
@title Test only: who made a signature, as every contract here asks
@license Apache-2.0
"""

import strict_signature


@external
@view
def signer(digest: bytes32, signature: Bytes[65]) -> address:
    return strict_signature._signer(digest, signature)
