"""Where video differs from what its device signed: which group of pictures was changed, removed, added or moved.

A digest of the whole says only that something differs. May never happen here: an opinion on which of two is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

What = Literal["changed", "missing", "added", "moved"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One group that differs. `at`: its index as signed, from 0; for an added one, its index among those found."""

    what: What
    at: int


def differences(signed: Sequence[bytes], found: Sequence[bytes]) -> tuple[Difference, ...]:
    """What became of the groups (SHA-256 each) that were signed; empty where both are the same."""
    told: list[Difference] = []
    for kind, begin, end, found_begin, found_end in SequenceMatcher(None, signed, found, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        changed = min(end - begin, found_end - found_begin)
        told += [Difference("changed", begin + at) for at in range(changed)]
        told += [Difference("missing", at) for at in range(begin + changed, end)]
        told += [Difference("added", at) for at in range(found_begin + changed, found_end)]
    return tuple(_as_moved(told, signed, found))


def tell(found: Sequence[Difference]) -> str:
    """The differences in words, such as `media.groups[2] changed, media.groups[3] missing`."""
    return ", ".join(f"media.groups[{each.at}] {each.what}" for each in found)


def _as_moved(told: list[Difference], signed: Sequence[bytes], found: Sequence[bytes]) -> list[Difference]:
    """A group that is gone from one place and stands in another was moved: told once, where it was signed."""
    gone = {signed[each.at] for each in told if each.what != "added"}
    there = frozenset(found)
    moved = []
    for each in told:
        if each.what != "added":
            moved.append(Difference("moved", each.at) if signed[each.at] in there else each)
        elif found[each.at] not in gone:
            moved.append(each)
    return moved
