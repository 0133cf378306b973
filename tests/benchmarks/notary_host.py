"""Several notaries in one process, each with its own folder, keys, journal and HTTP server: a process for each core.

    python -m tests.benchmarks.notary_host notary0.json notary1.json

Prints their URLs as one line of JSON, and ends with its standard input. Nothing is re-executed in the background.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from ledger.serve import serve
from notary.api import create_app
from notary.config import NotaryConfig
from notary.notary import Notary


def main(paths: list[str]) -> None:
    """Serve the notaries of these configurations."""
    with ExitStack() as opened:
        urls = []
        for path in paths:
            notary = Notary(NotaryConfig.load(Path(path)))
            opened.callback(notary.close)
            server = serve(create_app(notary), host="127.0.0.1", port=0)
            opened.callback(server.stop)
            urls.append(server.url)
        sys.stdout.write(json.dumps(urls) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
