"""Flip random bits of a ledger's folder, one at a time, and see whether `pledgetrail fsck` names each.

`make fsck-flips`. The folder is the filled one of the ledger's tests. Files are drawn first, then a bit of one, so that
the small ones (keys, sums, the tree) are hit as often as the large; every fourth bit is drawn over all bytes alike.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.bundle import crossing_of
from ledger.bundle.handed import ClosedAnchor
from ledger.bundling import KeptCrossings
from ledger.checkpoint import open_checkpoint
from ledger.store.check import Found, Severity, check_folder
from ledger.store.crossing_files import CROSSINGS_FOLDER
from ledger.store.ledger import DATABASE_FILE
from tests.ledger.bundle.estate import TRUST_ROOT, Estate
from tests.ledger.tea import whole_story

PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Flip:
    """One bit: of which file, where, and what fsck said."""

    file: str
    bit: int
    found: tuple[Found, ...]

    @property
    def named(self) -> bool:
        """Whether a finding of damage names this file, and of the database this page."""
        expected = self.file
        if expected == DATABASE_FILE:
            expected = f"{DATABASE_FILE} page {self.bit // 8 // PAGE_BYTES + 1} "
        return any(each.severity is Severity.DAMAGE and expected in f"{each.thing} " for each in self.found)


def filled(folder: Path) -> Path:
    """A closed ledger with video, events, papers, a cosigned log, folded chains and what crossed; its folder."""
    ledger = whole_story(folder)
    checkpoint = open_checkpoint(ledger.log.make_checkpoint(), log_key=ledger.log.key)
    crossing = crossing_of(TRUST_ROOT, **Estate().cross(checkpoint))
    ledger.close()
    anchor = ClosedAnchor(checkpoint.size, checkpoint.root, crossing.judged.credential)
    KeptCrossings(folder / "ledger" / CROSSINGS_FOLDER).keep_anchor(anchor, crossing)
    return folder / "ledger"


def checked(folder: Path) -> tuple[Found, ...]:
    """What fsck finds."""
    return tuple(check_folder(folder, lambda _what, _done, _total: None))


def flips(folder: Path, count: int, seed: int) -> Iterator[Flip]:
    """Flip, check, and flip back, `count` times."""
    draw = random.Random(seed)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    sizes = [path.stat().st_size for path in files]
    for number in range(count):
        path = draw.choices(files, sizes)[0] if number % 4 == 0 else draw.choice(files)
        bit = draw.randrange(path.stat().st_size * 8)
        _flip(path, bit)
        yield Flip(str(path.relative_to(folder)), bit, checked(folder))
        _flip(path, bit)


def _flip(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def main() -> int:
    """Print how many of the flips were found and named; exit status 1 unless it is all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, begun, named = filled(Path(place)), time.monotonic(), 0
        for flip in flips(folder, asked.count, asked.seed):
            named += flip.named
            if not flip.named:
                sys.stdout.write(f"missed: {flip.file} bit {flip.bit}: {flip.found}\n")
        whole = not checked(folder)
        seconds = time.monotonic() - begun
    sys.stdout.write(
        f"fsck found and named {named} of {asked.count} flipped bits (seed {asked.seed}, {seconds:.0f} s); "
    )
    sys.stdout.write("the undamaged folder gives none\n" if whole else "the undamaged folder gives findings\n")
    return 0 if whole and named == asked.count else 1


if __name__ == "__main__":
    sys.exit(main())
