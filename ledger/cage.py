"""The cage: what a process gives up for good before native code of others touches a foreign file.

What happens here: memory, processor time and the size of what is written are bounded, no further descriptor can be
opened, so neither a file nor a socket, no program that is started could gain rights, and where the system lets
an ordinary user do so, the process moves into a network of its own that holds nothing.
What may never happen here: a limit above the one that the process was started with, or a way back.
"""

from __future__ import annotations

import ctypes
import resource
from dataclasses import dataclass

_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x1000_0000, 0x4000_0000
_STANDARD_DESCRIPTORS = 3


@dataclass(frozen=True, slots=True)
class Bounds:
    """`memory_bytes`: address space. `cpu_seconds`: of processor time. `file_bytes`: of any file that grows."""

    memory_bytes: int
    cpu_seconds: int
    file_bytes: int


def enter(bounds: Bounds) -> bool:
    """Lock this process in, for good; True where it also has a network of its own.

    Libraries that are loaded late have to be loaded before. Whoever starts the process keeps its deadline.
    """
    alone = _own_network()
    for kind, value in (
        (resource.RLIMIT_AS, bounds.memory_bytes),
        (resource.RLIMIT_CPU, bounds.cpu_seconds),
        (resource.RLIMIT_FSIZE, bounds.file_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _STANDARD_DESCRIPTORS),
    ):
        _, hard = resource.getrlimit(kind)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (most, most))
    return alone


def _own_network() -> bool:
    """Best effort: without descriptors there is no socket either, so that a system that forbids this loses nothing."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return bool(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0)
    except (OSError, AttributeError):  # another system than Linux
        return False
