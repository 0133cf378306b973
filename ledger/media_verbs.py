"""`pledgetrail media …`: move a ledger's media into another store, and clear up what was left there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Where a ledger's media are kept.", no_args_is_help=True)

Data = Annotated[Path, typer.Argument(metavar="DIR", help="The ledger's data folder.")]


@app.command()
def copy(
    data: Data,
    to: Annotated[Path, typer.Option(metavar="FILE", help="As media.json, beside it: the store to copy into.")],
    switch: Annotated[
        bool, typer.Option("--switch", help="Make it the ledger's store once all is there; stop the ledger before.")
    ] = False,
) -> None:
    """Copy all media into another store and read each object there again; what was begun goes on.

    May run beside the ledger; then once more with --switch while the ledger stands still, which takes what came in
    meanwhile. Exit status 1 where something is not held by the present store: nothing is switched then.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    from ledger.store import media_copy  # noqa: PLC0415

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("objects", total=None)
        done = media_copy.copy_media(data, to, lambda at, total: bar.update(task, completed=at, total=total))
    for cid, code in done.lost:
        typer.echo(f"{code}: {cid}")
    typer.echo(
        f"{done.objects} objects: {done.copied} copied ({done.copied_bytes} bytes), {done.there} there, "
        f"{done.withdrawn} withdrawn, {len(done.lost)} not held here."
    )
    if done.lost:
        raise typer.Exit(1)
    if switch:
        media_copy.switch(data, to)
        typer.echo("The ledger keeps its media there from its next start on. What lies here may be removed then.")


@app.command()
def tidy(data: Data) -> None:
    """Take away uploads into the media store that were begun and never ended. Nothing may come in meanwhile."""
    from ledger.data_folder import open_book  # noqa: PLC0415
    from ledger.intake.folder_remote import FolderRemote  # noqa: PLC0415
    from ledger.intake.media_config import MEDIA_FOLDER, open_remote  # noqa: PLC0415

    open_book(data)  # which says so where this is no ledger's folder
    remote = open_remote(data) or FolderRemote(data / MEDIA_FOLDER)
    typer.echo(f"{remote.tidy()} taken away.")
