"""The process that touches a foreign manifest with native code: bounded, and without files or network.

What happens here: a file on standard input is validated with the settings given as the first argument, and a JSON
report is written to standard output; `null` where the file has no manifest.
"""

from __future__ import annotations

import json
import sys

import c2pa

from ledger.cage import Bounds, enter

MAX_MEMORY_BYTES = 1024 * 1024 * 1024
MAX_CPU_SECONDS = 60
MAX_WRITTEN_BYTES = 8 * 1024 * 1024  # a report; more than 4 MiB are not read
FAILED = 3


def main(settings: str) -> int:
    """Exit status 0, or `FAILED` with a reason on standard error."""
    enter(Bounds(MAX_MEMORY_BYTES, MAX_CPU_SECONDS, MAX_WRITTEN_BYTES))
    try:
        with open(0, "rb", closefd=False) as file:
            reader = c2pa.Reader.try_create(None, file, context=c2pa.Context.from_json(settings))
            json.dump(None if reader is None else _report(reader), sys.stdout)
    except (c2pa.C2paError, MemoryError, ValueError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}")
        return FAILED
    return 0


def _report(reader: c2pa.Reader) -> dict[str, object]:
    active = reader.get_active_manifest() or {}
    generators = active.get("claim_generator_info") or [{}]
    return {
        "results": reader.get_validation_results(),
        "signature": active.get("signature_info"),
        "generator": " ".join(str(generators[0].get(name, "")) for name in ("name", "version")).strip(),
    }
