"""Anchors: one word on the chain, the rest in the log, and nobody carries anything but the latest."""

from __future__ import annotations

import pytest

from contracts.manifest import Role
from ledger.attestation import word
from ledger.ethereum.keccak import keccak256
from tests.contracts.collateral_world import refused
from tests.contracts.world import STRANGER, World, in_process_world

REGISTRY = "AnchorRegistry"


def latest(world: World) -> int:
    return int(world.read(Role.ORIGIN, REGISTRY, "latest_size"))


def anchored(world: World) -> tuple[int, bytes]:
    """One more anchor."""
    size = latest(world) + 5
    root = keccak256(size.to_bytes(8, "big"))
    logged = world.logs(Role.ORIGIN, world.send(Role.ORIGIN, REGISTRY, "anchor", size, root))["Anchored"].fields
    assert (logged["size"], logged["root"]) == (size, root)
    return size, root


def test_the_latest_anchor_is_known_by_size_and_root(world: World) -> None:
    size, root = anchored(world)
    assert latest(world) == size
    assert world.read(Role.ORIGIN, REGISTRY, "is_latest", size, root)
    for other in ((size - 1, root), (size + 1, root), (size, keccak256(root)), (0, root)):
        assert not world.read(Role.ORIGIN, REGISTRY, "is_latest", *other)


def test_an_anchor_is_refused(world: World) -> None:
    size, root = anchored(world)
    for smaller in (size, size - 1, 0):
        with refused(world, "AnchorRegistry: size not larger"):
            world.send(Role.ORIGIN, REGISTRY, "anchor", smaller, keccak256(root))
    with refused(world, "AnchorRegistry: no root"):
        world.send(Role.ORIGIN, REGISTRY, "anchor", size + 1, bytes(32))
    with refused(world, "AnchorRegistry: not the anchorer"):
        world.send(Role.ORIGIN, REGISTRY, "anchor", size + 1, root, by=STRANGER)
    world.send(Role.ORIGIN, REGISTRY, "anchor", size + 1, root)


def test_the_largest_size_fits_and_nothing_follows_it() -> None:
    world = in_process_world()
    world.send(Role.ORIGIN, REGISTRY, "anchor", 2**64 - 1, b"\x01" * 32)
    assert latest(world) == 2**64 - 1
    with refused(world, "AnchorRegistry: size not larger"):
        world.send(Role.ORIGIN, REGISTRY, "anchor", 2**64 - 1, b"\x02" * 32)


@pytest.mark.parametrize("bit", [0, 63, 64, 255])
def test_what_is_carried_is_the_latest_anchor_to_the_last_bit(world: World, bit: int) -> None:
    older = anchored(world)
    size, root = anchored(world)
    mirror = world.address(Role.DESTINATION, "AnchorMirror")
    other_root = (int.from_bytes(root, "big") ^ 1 << bit).to_bytes(32, "big")
    for claimed in (older, (size, other_root), (size + 1, root), (older[0], root), (0, bytes(32))):
        with refused(world, "AnchorRegistry: not the latest anchor"):
            world.send(Role.ORIGIN, REGISTRY, "carry", mirror, *claimed)
    (sent,) = world.sent(Role.ORIGIN, world.send(Role.ORIGIN, REGISTRY, "carry", mirror, size, root, by=STRANGER))
    assert sent.payload[32:] == word(size) + root


def test_nothing_is_carried_before_the_first_anchor() -> None:
    world = in_process_world()
    mirror = world.address(Role.DESTINATION, "AnchorMirror")
    with refused(world, "AnchorRegistry: not the latest anchor"):
        world.send(Role.ORIGIN, REGISTRY, "carry", mirror, 0, bytes(32))
