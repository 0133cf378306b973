"""`pledgetrail erase`: take what is personal out of a ledger's folder; the log goes on showing that it stood there.

What is to go is listed first, and goes only with `--yes`. Works beside a running ledger.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ledger.store.erasure_book import Erasable, ErasureBook


def erase(
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="A digest (64 hexadecimal digits), or the identifier of a unit or lot."),
    ],
    data: Annotated[Path, typer.Option(metavar="DIR", help="The ledger's data folder.")],
    reason: Annotated[str, typer.Option(metavar="WORD", help="request, retention, order or mistake; it is logged.")],
    yes: Annotated[bool, typer.Option("--yes", help="Erase what is listed. There is no way back.")] = False,
) -> None:
    """Erase one event, one statement of a device with its media, or everything about a unit or lot.

    Without --yes it only lists what would go. The digests stay in the log, with a record of when and why; copies that
    left this folder (backups, bundles) are not reached.
    """
    from ledger.erasure import read_reason  # noqa: PLC0415
    from ledger.store import utc_now  # noqa: PLC0415

    why, book = read_reason(reason), _open(data)
    things, spellings = _named(book, what)
    for thing in things:
        typer.echo(f"entry {thing.entry}: {thing.kind} {thing.digest.hex()}")
    if not yes:
        typer.echo(f"{len(things)} to erase. Nothing was erased: give --yes to do it.")
        return
    for thing in things:
        book.erase(thing, why, utc_now())
    book.forget_scans(*spellings)
    book.finish()
    typer.echo(f"{len(things)} erased.")


def _open(data: Path) -> ErasureBook:
    from ledger.errors import WrongUse  # noqa: PLC0415
    from ledger.intake.media_config import open_media  # noqa: PLC0415
    from ledger.store.database import Database  # noqa: PLC0415
    from ledger.store.erasure_book import ErasureBook  # noqa: PLC0415
    from ledger.store.ledger import DATABASE_FILE, UPLOADS_FOLDER  # noqa: PLC0415

    if not (data / DATABASE_FILE).is_file():
        raise WrongUse("STORE_FOLDER", "This is no ledger's data folder.", where=str(data), cure="Name it with --data.")
    database = Database.open(data / DATABASE_FILE)
    book = ErasureBook(database, open_media(data), data / UPLOADS_FOLDER)
    book.finish()  # what a process that died left undone
    return book


def _named(book: ErasureBook, what: str) -> tuple[tuple[Erasable, ...], tuple[str, ...]]:
    """What is to go, and the spellings of the identifier that was given."""
    from ledger.errors import Refused  # noqa: PLC0415
    from ledger.gs1 import parse  # noqa: PLC0415

    if len(what) == 64 and set(what) <= set("0123456789abcdef"):
        return (book.of_digest(bytes.fromhex(what)),), ()
    spellings = (parse(what).normal, what)
    found = book.about(*spellings)
    if not found:
        raise Refused(
            "ERASE_UNKNOWN",
            "Nothing in this ledger is about it, or all of it was erased before.",
            where=ascii(what)[:200],
            cure="Check the identifier. What was erased before stays so.",
        )
    return found, spellings
