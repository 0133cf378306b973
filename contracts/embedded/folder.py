"""The data folder of one embedded chain: who may open it, and whether it is the chain that was asked for.

A folder belongs to one process at a time, one chain and one format version for its whole life; anything else is one
typed error and leaves the folder as it was. A creation cut short leaves nothing that a next start would trip over:
the genesis and the folder's description are one SQLite transaction.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.embedded.database import ChainDatabase
from contracts.embedded.genesis import Genesis
from ledger.errors import BadInput, Problem, Unavailable, WrongUse
from ledger.file_lock import hold_file

FORMAT: Final = "pledgetrail-chain/1"
DATABASE_NAME: Final = "chain.sqlite3"
LOCK_NAME: Final = "lock"


@dataclass(slots=True)
class ChainFolder:
    """An opened folder. `genesis` is the one it was created with; `is_new` until its first commit."""

    path: Path
    database: ChainDatabase
    genesis: Genesis
    is_new: bool
    lock: int

    def description(self) -> dict[str, str]:
        """What a new folder must record, in the same transaction as its genesis block."""
        return {"format": FORMAT, "genesis": self.genesis.to_json()}

    def close(self) -> None:
        """Close the database, then let others in. May be called twice."""
        self.database.close()
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1  # the number may already be somebody else's file


def open_folder(path: Path, genesis: Genesis | None) -> ChainFolder:
    """Open or create the folder of a chain; `genesis` None means: whatever chain is there.

    Errors: `Unavailable` CHAIN_FOLDER_BUSY, CHAIN_FOLDER_UNUSABLE; `BadInput` CHAIN_FOLDER_VERSION, CHAIN_FOLDER_OTHER;
    `WrongUse` CHAIN_GENESIS_MISSING.
    """
    lock = _take_lock(path)
    database: ChainDatabase | None = None
    try:
        try:
            database = ChainDatabase(path / DATABASE_NAME)
            stored = _stored_genesis(path, database)
        except sqlite3.DatabaseError as error:
            raise _version(path, f"its database cannot be read: {error}") from error
        chosen = _agree(path, stored, genesis)
        return ChainFolder(path, database, chosen, is_new=stored is None, lock=lock)
    except Problem:
        if database is not None:
            database.close()
        os.close(lock)
        raise


def stored_genesis(path: Path) -> Genesis | None:
    """The genesis that a folder was created with; None where there is no chain yet. Errors: as `open_folder`."""
    if not (path / DATABASE_NAME).is_file():
        return None
    try:
        folder = open_folder(path, None)
    except WrongUse:
        return None  # a creation that was cut short
    folder.close()
    return folder.genesis


def _take_lock(path: Path) -> int:
    busy = Unavailable(
        "CHAIN_FOLDER_BUSY",
        "another process runs the chain in this folder",
        where=str(path),
        cure="Stop it first, or choose another folder.",
    )
    try:
        path.mkdir(parents=True, exist_ok=True)
        return hold_file(path / LOCK_NAME, busy=busy)
    except OSError as error:
        raise Unavailable(
            "CHAIN_FOLDER_UNUSABLE",
            f"the chain's folder cannot be used: {error.strerror}",
            where=str(path),
            cure="Choose a folder that you may write to.",
        ) from error


def _stored_genesis(path: Path, database: ChainDatabase) -> Genesis | None:
    meta = database.meta()
    if not meta:
        return None
    if meta.get("format") != FORMAT:
        raise _version(path, f"it holds format {meta.get('format')!r}, this program reads {FORMAT!r}")
    try:
        return Genesis.from_json(meta["genesis"])
    except (ValueError, KeyError, TypeError, AttributeError, WrongUse) as error:
        raise _version(path, "its description of the genesis cannot be read") from error


def _agree(path: Path, stored: Genesis | None, asked: Genesis | None) -> Genesis:
    if stored is None:
        if asked is None:
            raise WrongUse("CHAIN_GENESIS_MISSING", "a new chain needs a genesis", where=str(path))
        return asked
    if asked is None or asked.to_json() == stored.to_json():
        return stored
    differs = "chain id" if asked.chain_id != stored.chain_id else "genesis"
    raise BadInput(
        "CHAIN_FOLDER_OTHER",
        f"the folder holds chain {stored.chain_id}, whose {differs} is not the one asked for ({asked.chain_id})",
        where=str(path),
        cure="Choose another folder, or start the chain with the parameters it was created with.",
    )


def _version(path: Path, why: str) -> BadInput:
    return BadInput(
        "CHAIN_FOLDER_VERSION",
        f"the folder is not a chain folder of this version: {why}",
        where=str(path),
        cure="Choose another folder, or run the program version that wrote it.",
    )
