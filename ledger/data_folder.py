"""The data folder as verbs of the command line open it: beside a running ledger, and never made by mistake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.store import SqlEvidenceBook


def open_book(data: Path) -> SqlEvidenceBook:
    """The evidence book in a ledger's data folder, which must be one. `WrongUse` STORE_FOLDER and the database's."""
    from ledger.errors import WrongUse  # noqa: PLC0415
    from ledger.store import Database, SqlEvidenceBook  # noqa: PLC0415
    from ledger.store.ledger import DATABASE_FILE  # noqa: PLC0415

    if not (data / DATABASE_FILE).is_file():
        raise WrongUse("STORE_FOLDER", "This is no ledger's data folder.", where=str(data), cure="Name it with --data.")
    return SqlEvidenceBook(Database.open(data / DATABASE_FILE))
