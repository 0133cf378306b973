"""What one address sends that no enrolled key signed: bounded, so that a flood of it costs no signature checks.

Counted are refusals of what nobody here signed, by address; beyond the limit the address is told to come again later,
before its next body is looked at. A device that was believed from that address lately goes on past the limit: it need
not share the lot of whoever floods from behind the same router, until what comes in its name is refused as often.
May never happen here: a limit on what is signed (that is `ledger.intake.quota`), or memory that grows with addresses.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from ledger.errors import BadInput, Problem, Refused
from ledger.intake.buckets import Buckets

REFUSED_PER_SECOND = 2.0
REFUSED_BURST = 200
MAX_ADDRESSES = 20_000
BELIEVED_SECONDS = 900.0
"""For how long a device that was believed from an address may go on from there, whatever else comes from it."""
_V6_PREFIX = 64  # what one subscriber of a network gets

_NOT_SIGNED = frozenset({"DEVICE_MISMATCH", "DEVICE_UNKNOWN", "EVIDENCE_SIGNATURE", "MANIFEST", "UPLOAD_UNKNOWN"})


class AddressQuota(Problem):
    """429 ADDRESS_QUOTA: this address may send again after `retry_after` whole seconds."""

    http_status = 429

    def __init__(self, address: str, seconds: float) -> None:
        self.retry_after = max(1, math.ceil(seconds))
        super().__init__(
            "ADDRESS_QUOTA",
            "Too much comes from this address that no enrolled device signed.",
            where=ascii(address)[:80],
            cure=f"Wait {self.retry_after} s. Check that the device's key is the one that was enrolled.",
        )


class Strangers:
    """The limit, over all addresses. `clock`: monotonic seconds. For one event loop.

    `device` is whom a body claims to be from (`b""` where it names nobody): a hint, never believed by itself.
    """

    def __init__(
        self,
        per_second: float = REFUSED_PER_SECOND,
        burst: int = REFUSED_BURST,
        *,
        clock: Callable[[], float] = time.monotonic,
        most: int = MAX_ADDRESSES,
    ) -> None:
        self._clock, self._most = clock, most
        self._addresses: Buckets[str] = Buckets(per_second, burst, most, clock)
        self._devices: Buckets[tuple[str, bytes]] = Buckets(per_second, burst, most, clock)
        self._believed: OrderedDict[tuple[str, bytes], float] = OrderedDict()

    def check(self, address: str | None, device: bytes) -> None:
        """Return, or raise `AddressQuota`."""
        network = network_of(address)
        wait = self._addresses.wait(network)
        if wait and self._is_believed(network, device):
            wait = self._devices.wait((network, device))
        if wait:
            raise AddressQuota(network, wait)

    def refused(self, address: str | None, device: bytes, problem: Problem) -> None:
        """Count a refusal where it is of something that nobody here signed."""
        if problem.code in _NOT_SIGNED or isinstance(problem, BadInput):
            network = network_of(address)
            self._addresses.take(network)
            if self._is_believed(network, device):
                self._devices.take((network, device))

    def believed(self, address: str | None, device: bytes) -> None:
        """This device's signature held, from this address."""
        key = (network_of(address), device)
        self._believed[key] = self._clock()
        self._believed.move_to_end(key)
        if len(self._believed) > self._most:
            self._believed.popitem(last=False)

    def _is_believed(self, network: str, device: bytes) -> bool:
        at = self._believed.get((network, device))
        return at is not None and self._clock() - at < BELIEVED_SECONDS


def network_of(address: str | None) -> str:
    """The network that one sender can speak from: an IPv4 address, or the 64 bits that an IPv6 subscriber gets."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _V6_PREFIX), strict=False).network_address)


def is_signed(problem: Problem) -> bool:
    """Whether a refusal came after the signature held, so that its device has spoken."""
    return isinstance(problem, Refused) and problem.code not in _NOT_SIGNED
