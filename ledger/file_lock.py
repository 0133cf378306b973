"""One process at a time: a file that is held until whoever holds it closes it or dies, however it dies.

The kernel keeps the hold (`flock`), so a crash leaves nothing behind that somebody would have to remove. The file
itself stays and says nothing. May never happen here: two holders of one file on one machine.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ledger.errors import Problem


def hold_file(path: Path, *, busy: Problem) -> int:
    """The handle of the held file, which is made where it is not there: `os.close` gives it up, and so does the end.

    Errors: `busy`, where somebody else holds it; OSError where it cannot be opened, or its disk knows no holds.
    """
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise busy from None
    except OSError:
        os.close(handle)
        raise
    return handle
