"""What the tests of the browser's modules share: how bytes change on the way, and what Python says of a rule."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from ledger.errors import Problem
from ledger.merkle import leaf_hash

LEAVES = [leaf_hash(bytes([number])) for number in range(70)]
ONE_CALL = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
)


def code_of(rule: Callable[[], object]) -> str:
    """What Python says: "" where it holds, else the code."""
    try:
        rule()
    except Problem as problem:
        return problem.code
    return ""


# How bytes change on the way: what no reader may overlook.
_CHANGES: list[Callable[[bytes, int], bytes]] = [
    lambda raw, at: raw,
    lambda raw, at: raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :],
    lambda raw, at: raw[:at] + raw[at + 1 :],
    lambda raw, at: raw[:at] + b" " + raw[at:],
    lambda raw, at: raw[:at] + raw[at : at + 1] + raw[at:],
    lambda raw, at: raw[:at],
    lambda raw, at: raw + b"\n",
    lambda raw, at: raw[:at] + b"\xff" + raw[at:],
    lambda raw, at: b"\xef\xbb\xbf" + raw,
]
changes = st.tuples(st.sampled_from(range(len(_CHANGES))), st.integers(0, 2**16))


def changed(raw: bytes, change: tuple[int, int]) -> bytes:
    kind, at = change
    return _CHANGES[kind](raw, at % len(raw)) if raw else raw
