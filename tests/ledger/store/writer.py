"""Run by `test_crash`: enters statements one after another and says each on standard output once it is acknowledged."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.ledger.tea import open_ledger

DOMAIN = "pledgetrail/test/v1/json"

if __name__ == "__main__":
    ledger = open_ledger(Path(sys.argv[1]))
    for number in range(ledger.log.size, 1_000_000):
        entered = ledger.statements.enter(DOMAIN, f"statement {number}".encode())
        if number % 10 == 0:
            ledger.log.make_checkpoint()
        sys.stdout.write(f"{entered.entry}\n")
        sys.stdout.flush()
