"""What a relay handed to the ledger of messages that crossed, kept as files of their own in the data folder.

    crossings/anchor-<size>-<root>-<credential>.crossing
    crossings/loan-<id>-<counter>-<chain>-<sequence>-<credential>.crossing

A file's name says what it was verified to be, so that listing the folder tells what has crossed; `assemble` verifies
each again before a bundle leaves. What is lost can be handed over again: the chains keep it. May never happen here: a
file under a name that its content does not show.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from ledger.bundle.format import Crossing, dump_crossing, load_crossing
from ledger.bundle.handed import ClosedAnchor, ClosedInstruction
from ledger.errors import Problem, Unavailable
from ledger.store.crossing_files import names, read_sealed, write_sealed

_ANCHOR = re.compile(r"anchor-([0-9]{1,19})-([0-9a-f]{64})-([0-9a-f]{64})\.crossing")
_LOAN = re.compile(r"loan-([0-9a-f]{64})-([0-9]{1,78})-([0-9]{1,78})-([0-9]{1,20})-([0-9a-f]{64})\.crossing")


class KeptCrossings:
    """`Crossings` as they were handed over; several processes may share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep_anchor(self, anchor: ClosedAnchor, crossing: Crossing) -> None:
        """Keep an anchor's way that was verified to be this; a repeat changes nothing. `Unavailable` CROSSING_WRITE."""
        self._keep(f"anchor-{anchor.size}-{anchor.root.hex()}-{anchor.credential.hex()}.crossing", crossing)

    def keep_instruction(self, told: ClosedInstruction, crossing: Crossing) -> None:
        """As `keep_anchor`, of a loan's instruction."""
        counter, chain, sequence = told.order
        self._keep(f"loan-{told.loan.hex()}-{counter}-{chain}-{sequence}-{told.credential.hex()}.crossing", crossing)

    def missing(self, credentials: Collection[bytes]) -> list[bytes]:
        """Which of these nobody has handed over, in their order."""
        held = {name.rpartition("-")[2].removesuffix(".crossing") for name in names(self._folder)}
        return [credential for credential in credentials if credential.hex() not in held]

    def closed(self) -> Iterable[ClosedAnchor]:
        for name in names(self._folder):
            if found := _ANCHOR.fullmatch(name):
                yield ClosedAnchor(int(found[1]), bytes.fromhex(found[2]), bytes.fromhex(found[3]))

    def fetch(self, anchor: ClosedAnchor) -> Crossing:
        """Errors: `Unavailable` CROSSING_UNREADABLE."""
        return self._read(f"anchor-{anchor.size}-{anchor.root.hex()}-{anchor.credential.hex()}.crossing")

    def instructions(self, loan: bytes) -> Iterable[Crossing]:
        """Errors: `Unavailable` CROSSING_UNREADABLE."""
        asked = [found for name in names(self._folder) if (found := _LOAN.fullmatch(name)) and found[1] == loan.hex()]
        for found in sorted(asked, key=lambda each: (int(each[2]), int(each[3]), int(each[4]))):
            yield self._read(found[0])

    def credentials(self) -> Iterable[bytes]:
        return [bytes.fromhex(found[5]) for name in names(self._folder) if (found := _LOAN.fullmatch(name))]

    def _keep(self, name: str, crossing: Crossing) -> None:
        path = self._folder / name
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if not path.exists():
                write_sealed(path, dump_crossing(crossing))
        except OSError as error:
            what = f"what crossed cannot be kept: {error.strerror}"
            raise Unavailable(
                "CROSSING_WRITE", what, where=str(path), cure="Make room; it is handed over again."
            ) from error

    def _read(self, name: str) -> Crossing:
        path = self._folder / name
        try:
            return load_crossing(read_sealed(path))
        except (OSError, Problem) as error:
            raise Unavailable(
                "CROSSING_UNREADABLE",
                f"what crossed cannot be read: {error}",
                where=str(path),
                cure="Remove the file: a relay hands it over again.",
            ) from error
