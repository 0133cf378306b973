"""Reading a part of an object as a player does."""

from __future__ import annotations

from ledger.intake.media import MediaStore


def part(store: MediaStore, cid: str, start: int, length: int) -> bytes:
    return b"".join(store.chunks(cid, start, length))
