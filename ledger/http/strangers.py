"""Around the work on one body: whether its address may send it, and what its refusal says about the address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from ledger.errors import Problem
from ledger.http.lanes import claimed_device
from ledger.intake.strangers import Strangers, is_signed


@contextmanager
def limited(strangers: Strangers, request: Request, body: bytes | memoryview) -> Iterator[None]:
    """Raises `AddressQuota` before the block, and counts how the block ends. Whoever is in front is the address."""
    address, device = request.client.host if request.client else None, claimed_device(body)
    strangers.check(address, device)
    try:
        yield
    except Problem as problem:
        strangers.refused(address, device, problem)
        if is_signed(problem) and device:
            strangers.believed(address, device)
        raise
    if device:
        strangers.believed(address, device)
