"""An IPFS node of another make on a free port of this machine (`.ci/setup-ipfs`)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parent / "ipfs"


@contextmanager
def ipfs_node() -> Iterator[str]:
    """The URL of its RPC; it ends with the block, and with this process."""
    command = ["node", "node.mjs"]
    with subprocess.Popen(command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        port = process.stdout.readline().decode().strip()
        if not port:
            raise AssertionError("no IPFS node: has .ci/setup-ipfs run?")
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()
            process.wait(60)
