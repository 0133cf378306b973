"""What a publisher has seen of a log, for good: a log that shrinks or forks is noticed, and what shows it is kept.

    <folder>/seen.note                                    the last checkpoint whose growth was proven
    <folder>/log-evidence-<code>-<size>-<size>.json       two checkpoints that the log signed and that do not agree

Both notes bear the log's own signature. Two roots for one size convict it by themselves, and so does a smaller log
after a larger one; where only the proof between two sizes does not hold, the log can still clear itself by one that
does. May never happen here: a checkpoint that is taken for the next one without a proof.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from ledger.checkpoint import Checkpoint, LogKey, open_checkpoint
from ledger.durable_file import write_whole
from ledger.errors import Problem, Refused, Unavailable
from ledger.merkle import verify_consistency
from relay.anchor_chain import Anchored
from relay.log_port import LogPort

SEEN_FILE: Final = "seen.note"


class LogChanged(Refused):
    """The log is not what it was. `where`: the file that shows it; nothing is published until a person has looked."""


class LogMemory:
    """The last checkpoint seen of one log."""

    def __init__(self, folder: Path | None, key: LogKey) -> None:
        """`folder` None keeps it in memory only. Errors: what `open_checkpoint` raises for a damaged file;
        `Unavailable` SEEN_UNREADABLE.
        """
        self._folder, self._key = folder, key
        note = None if folder is None else _read(folder)
        self._seen = None if note is None else (note, open_checkpoint(note, log_key=key))
        self._confirmed: tuple[bytes, Anchored | None] | None = None

    @property
    def size(self) -> int:
        """How many entries it had; 0 before the first checkpoint."""
        return 0 if self._seen is None else self._seen[1].size

    def require_size(self, size: int, log: LogPort) -> None:
        """Refuse (`LogChanged` LOG_SHRINKS) a log that says it has fewer entries than were seen.

        Its checkpoint is asked for first: its word alone shows nothing to others.
        """
        if size < self.size:
            self.follow(log.checkpoint(), log, None)

    def follow(self, note: bytes, log: LogPort, anchored: Anchored | None) -> Checkpoint:
        """The checkpoint of `note`, proven to continue what was seen and what is anchored; then it is the seen one.

        Errors: those of `open_checkpoint` and `LogPort.consistency`; `LogChanged` LOG_SHRINKS, SPLIT_VIEW,
        PROOF_INVALID; `Unavailable` SEEN_WRITE.
        """
        offered = open_checkpoint(note, log_key=self._key)
        if self._seen is not None:
            seen_note, seen = self._seen
            self._require_growth(seen.size, seen.root, offered, log, {"seen": seen_note.decode()}, note)
        if anchored is not None:
            self._require_growth(anchored.size, anchored.root, offered, log, _stated(anchored), note)
        if self._seen is None or self._seen[1] != offered:
            self._write(SEEN_FILE, note)
            self._seen = (note, offered)
        return offered

    def confirm(self, note: bytes, log: LogPort, anchored: Anchored | None) -> None:
        """That a published checkpoint is of the log that was seen, be it older or newer. Errors: as `follow`."""
        if self._confirmed == (note, anchored):
            return
        published = open_checkpoint(note, log_key=self._key)
        if self._seen is None or published.size >= self._seen[1].size:
            self.follow(note, log, anchored)
        else:
            seen_note, seen = self._seen
            self._require_growth(published.size, published.root, seen, log, {"published": note.decode()}, seen_note)
            if anchored is not None:
                stated = _stated(anchored)
                self._require_growth(anchored.size, anchored.root, published, log, stated, note)
        self._confirmed = (note, anchored)

    def _require_growth(
        self, size: int, root: bytes, offered: Checkpoint, log: LogPort, known: dict[str, object], note: bytes
    ) -> None:
        if (size, root) == (offered.size, offered.root):
            return
        if size > offered.size:
            raise self._changed("LOG_SHRINKS", f"the log had {size} entries and has {offered.size}", size, known, note)
        if size == offered.size:
            raise self._changed("SPLIT_VIEW", f"the log has two roots for size {size}", size, known, note)
        proof = log.consistency(size, offered.size)
        try:
            verify_consistency(old_size=size, old_root=root, new_size=offered.size, new_root=offered.root, proof=proof)
        except Refused as refused:
            known = known | {"proof": [node.hex() for node in proof]}
            what = f"the log of {offered.size} entries is not shown to continue that of {size}"
            raise self._changed("PROOF_INVALID", what, size, known, note) from refused

    def _changed(self, code: str, what: str, size: int, known: dict[str, object], note: bytes) -> Problem:
        offered = open_checkpoint(note, log_key=self._key).size
        name = f"log-evidence-{code.lower()}-{size}-{offered}.json"
        told = {"code": code, "what": what, "log": self._key.verifier_key, **known, "offered": note.decode()}
        self._write(name, json.dumps(told, indent=2).encode())
        cure = "Nothing more is published. Look at the file, run pledgetrail fsck on the ledger, tell the notaries."
        return LogChanged(code, what, where=name if self._folder is None else str(self._folder / name), cure=cure)

    def _write(self, name: str, content: bytes) -> None:
        if self._folder is None:
            return
        try:
            write_whole(self._folder / name, content, mode=0o600)
        except OSError as error:
            what = f"what was seen of the log cannot be written: {error.strerror}"
            raise Unavailable("SEEN_WRITE", what, where=str(self._folder / name), cure="Make room.") from error


def _read(folder: Path) -> bytes | None:
    path = folder / SEEN_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return path.read_bytes() if path.exists() else None
    except OSError as error:
        what = f"what was seen of the log cannot be read: {error.strerror}"
        raise Unavailable("SEEN_UNREADABLE", what, where=str(path)) from error


def _stated(anchored: Anchored) -> dict[str, object]:
    return {"anchored": {"size": anchored.size, "root": anchored.root.hex(), "block": anchored.block}}
