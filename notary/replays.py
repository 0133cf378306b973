"""Where the files stand that let a third party check again that a block differs: one each, named by chain and block.

They are evidence and no secret. May never happen here: a name that leads out of the folder; a verdict recorded whose
file could still have been written.
"""

from __future__ import annotations

import re
from pathlib import Path

from ledger.durable_file import write_whole
from ledger.errors import BadInput, Refused, Unavailable

FOLDER = "replays"
MAX_LISTED = 1_000
_NAME = re.compile(r"eip155-[1-9][0-9]{0,19}-[0-9]{1,20}\.replay")


class Replays:
    """The replay files of one notary."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the notary's own."""
        self._folder = folder / FOLDER

    def keep(self, chain_id: int, number: int, content: bytes) -> str:
        """Write the file of a block, durably; its name. Errors: `Unavailable` REPLAY_WRITE."""
        name = f"eip155-{chain_id}-{number}.replay"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self._folder / name, content)
        except OSError as error:
            cure = "Make room on the disk of the notary's folder; the block is checked again by itself."
            raise Unavailable("REPLAY_WRITE", f"a replay file cannot be written: {error}", cure=cure) from error
        return name

    def names(self) -> list[str]:
        """The files there are, at most `MAX_LISTED`."""
        found = self._folder.iterdir() if self._folder.is_dir() else iter(())
        return sorted(path.name for path in found if _NAME.fullmatch(path.name))[:MAX_LISTED]

    def read(self, name: str) -> bytes:
        """A file by its name. Errors: `BadInput` REPLAY_NAME; `Refused` REPLAY_UNKNOWN."""
        if _NAME.fullmatch(name) is None:
            raise BadInput("REPLAY_NAME", "a replay file is named eip155-CHAIN-BLOCK.replay", where=name[:80])
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise Refused("REPLAY_UNKNOWN", "there is no replay file of that name", where=name) from error
