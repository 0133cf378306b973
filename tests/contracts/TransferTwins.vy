# pragma version 0.4.3
"""
@title Test only: what a gateway counts and limits, made callable
@license Apache-2.0
"""

import lane_word
import transfer_count

initializes: transfer_count

exports: (transfer_count.units_sent, transfer_count.units_received)


@external
def count_out(lane: bytes32, generation: uint32, payload: Bytes[1024]):
    """
    @notice See `transfer_count`
    @param lane The lane
    @param generation Its generation
    @param payload The transfer's payload
    """
    transfer_count._count_out(lane, generation, payload)


@external
def count_in(lane: bytes32, generation: uint32, payload: Bytes[1024]) -> uint256:
    """
    @notice See `transfer_count`
    @param lane The lane
    @param generation Its generation
    @param payload The transfer's payload
    @return Its quantity
    """
    return transfer_count._count_in(lane, convert(generation, uint256), payload)


@external
@view
def counted(passed: uint256, limit: uint256, quantity: uint256) -> uint256:
    """
    @notice See `lane_word`
    @param passed What the lane has let through before
    @param limit The lane's limits, as they were set
    @param quantity Units
    @return What it has let through then
    """
    return lane_word._counted(passed, lane_word._limited(0, limit), quantity)
