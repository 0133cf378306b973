"""`pledgetrail trust …`: look at a trust root, and renew it by a rotation that its own notaries ordered.

What is believed is decided in `ledger.bundle.succession`, and nothing here is asked of any chain or server. Imported
late, as the other verbs. May never happen here: a trust root written over another one.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ledger.bundle import TrustRoot

app = typer.Typer(help="Whom a verifier believes: look at a trust root, renew it.", no_args_is_help=True)

Root = Annotated[Path, typer.Argument(metavar="FILE", help="The trust root.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def show(file: Root, as_json: AsJson = False) -> None:
    """Print a trust root's fingerprint, to compare by eye or ear, and what it says."""
    from ledger.trust_report import as_data, print_root  # noqa: PLC0415

    root = _load(file)
    if as_json:
        typer.echo(json.dumps(as_data(root), indent=2))
    else:
        print_root(root)


@app.command()
def renew(
    file: Root,
    order: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="The rotation's order (JSON), as `pledgetrail contracts rotation` writes it."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write the next trust root; nothing may be there.")
    ],
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="A member's name as a cosigner, in the order's own order; repeatable. Not needed for old keys."
        ),
    ] = None,
    dated: Annotated[str, typer.Option(metavar="DAY", help="The day it is made on, as 2026-11-22; today (UTC).")] = "",
    as_json: AsJson = False,
) -> None:
    """Write the next trust root, once it is shown that a quorum of the present one's notaries ordered it.

    One rotation at a time. Compare the printed fingerprint with a notary's before anybody relies on the new file.
    """
    from ledger.bundle.succession import MAX_ORDER_BYTES, read_rotation_order, successor  # noqa: PLC0415
    from ledger.durable_file import write_new  # noqa: PLC0415
    from ledger.errors import Unavailable, WrongUse  # noqa: PLC0415
    from ledger.trust_report import as_data, print_root  # noqa: PLC0415
    from ledger.verify_report import read_file  # noqa: PLC0415

    ordered = read_rotation_order(read_file(order, MAX_ORDER_BYTES).removesuffix(b"\n"))
    made = successor(_load(file), ordered, name or (), _day(dated))
    try:
        is_written = write_new(out, made.dump(), mode=0o644)
    except OSError as error:
        what = f"The trust root cannot be written: {error.strerror}."
        raise Unavailable("FILE_UNWRITABLE", what, where=str(out), cure="Choose another place.") from error
    if not is_written:
        what = "Something has this name already, and a trust root is written over nothing."
        raise WrongUse("FILE_EXISTS", what, where=str(out), cure="Choose another name.")
    if as_json:
        typer.echo(json.dumps(as_data(made), indent=2))
    else:
        print_root(made)


def _load(file: Path) -> TrustRoot:
    from ledger.bundle import TrustRoot  # noqa: PLC0415
    from ledger.bundle.trust_root import MAX_TRUST_ROOT_BYTES  # noqa: PLC0415
    from ledger.verify_report import read_file  # noqa: PLC0415

    return TrustRoot.load(read_file(file, MAX_TRUST_ROOT_BYTES))


def _day(text: str) -> date:
    from ledger.errors import WrongUse  # noqa: PLC0415

    if not text:
        return datetime.now(UTC).date()
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        what = "This is no day."
        raise WrongUse("DAY_FORMAT", what, where=ascii(text)[:40], cure="Write it as 2026-11-22.") from None
