# pragma version 0.4.3
"""
@title Test only: the reader of QBFT headers, made callable
@license Apache-2.0
"""

import qbft_header


@external
@pure
def read(raw: Bytes[qbft_header.MAX_HEADER_BYTES]) -> qbft_header.Header:
    return qbft_header._read(raw)


@external
@pure
def check_set(items: Bytes[qbft_header.MAX_SET_BYTES]) -> bool:
    qbft_header._check_set(items)
    return True
