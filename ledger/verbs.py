"""The ledger's verbs: `ledger`, `verify`, `video`, `doctor`, `fsck`, `erase`, `device`, `media`, `camera`, `sensor`.

What they do lives elsewhere and is imported late: an auditor's `verify` must start quickly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ledger import device_verbs, intake_verbs, media_verbs, panels, trust_verbs
from ledger.capture import verbs as capture
from ledger.erase_verb import erase


def register(app: typer.Typer) -> None:
    """Add the ledger's verbs to the command."""
    app.command(rich_help_panel=panels.CHECK)(verify)
    app.command(rich_help_panel=panels.TRY)(doctor)
    app.command(rich_help_panel=panels.KEEP)(fsck)
    app.command(rich_help_panel=panels.KEEP)(erase)
    video = typer.Typer(help="Video that carries its own signatures.", no_args_is_help=True)
    video.command("verify")(verify_video)
    video.callback()(_videos)
    app.add_typer(video, name="video", rich_help_panel=panels.CHECK)
    export = typer.Typer(help="Take things out of a ledger's folder.", no_args_is_help=True)
    export.command("segment")(export_segment)
    export.callback()(_group)
    app.add_typer(export, name="export", rich_help_panel=panels.KEEP)
    served = typer.Typer(help="Take evidence and events in, and serve pages and API.", no_args_is_help=True)
    served.command("run")(run_ledger)
    served.callback()(_served)
    app.add_typer(served, name="ledger", rich_help_panel=panels.KEEP)
    app.add_typer(device_verbs.app, name="device", rich_help_panel=panels.KEEP)
    app.add_typer(intake_verbs.app, name="intake", rich_help_panel=panels.KEEP)
    app.add_typer(media_verbs.app, name="media", rich_help_panel=panels.KEEP)
    app.add_typer(trust_verbs.app, name="trust", rich_help_panel=panels.CHECK)
    capture.register(app)


def _videos() -> None:
    """Video that carries its own signatures."""


def _group() -> None:
    """Take things out of a ledger's folder."""


def _served() -> None:
    """Take evidence and events in, and serve pages and API."""


def run_ledger(
    data: Annotated[Path, typer.Option(metavar="DIR", help="The data folder; made where it is missing.")],
    origin: Annotated[str, typer.Option(metavar="NAME", help="The log's name, such as ledger.example/tea; for good.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    trust_root: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Whose cosigners count; without it nothing is published.")
    ] = None,
    public_url: Annotated[str | None, typer.Option(metavar="URL", help="What printed codes point at.")] = None,
    rotation: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="An order that led to this trust root, oldest first; repeatable."),
    ] = None,
) -> None:
    """Serve one ledger until it is interrupted; prints its URL and its log's key as one line of JSON.

    It has no sign-in but the operator's key: keep it behind a proxy that has one, or on this machine.
    """
    from ledger.program import run_until_interrupted  # noqa: PLC0415
    from ledger.serving import start  # noqa: PLC0415

    run_until_interrupted(
        lambda: start(
            data,
            origin=origin,
            host=host,
            port=port,
            trust_root=trust_root,
            public_url=public_url,
            rotations=rotation or (),
        ),
        lambda running: {"url": running.server.url, "log": running.ledger.log.key.verifier_key},
    )


def verify(
    bundle: Annotated[Path, typer.Argument(help="The proof bundle of one unit.")],
    trust_root: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The trust root you trust; without it, the copy in the bundle is used."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    lang: Annotated[str, typer.Option(metavar="CODE", help="en or zh; without it, that of the terminal.")] = "",
) -> None:
    """Verify a proof bundle offline: what it proves, by whose word, and what it does not prove.

    Needs no service, no data folder and no network. Exit status 0 when everything holds, 1 when anything does not, 3
    when everything holds that is left, and something was erased.
    """
    from ledger.verify_report import report  # noqa: PLC0415

    raise typer.Exit(report(bundle, trust_root, as_json=as_json, language=lang))


def verify_video(
    video: Annotated[Path, typer.Argument(help="MP4, Matroska, a transport stream, or a bare H.264 or H.265 stream.")],
    trust: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The roots whose cameras you trust, as PEM certificates.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Verify the signatures that a camera put into its video (ONVIF Media Signing), group of pictures by group.

    Says for each group whether its pictures are the signed ones, and whose key signed them; then the same of the whole
    file where it carries a C2PA manifest. Needs no network.
    Exit status 0 when every picture is as signed by a trusted signer, 1 when anything is not.
    """
    from ledger.video_report import report  # noqa: PLC0415

    raise typer.Exit(report(video, trust, as_json=as_json))


def export_segment(
    entry: Annotated[int, typer.Argument(min=0, help="The log entry of the segment, as its page shows it.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the MP4.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="The ledger's data folder.")],
    c2pa: Annotated[bool, typer.Option("--c2pa", help="Put a C2PA manifest in; needs --key and --chain.")] = False,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A P-256 key (PKCS#8, PEM) that nobody else may read.")
    ] = None,
    chain: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its certificate, then the intermediates (PEM).")
    ] = None,
) -> None:
    """Write one segment of video as MP4; with --c2pa it carries a manifest that names its evidence."""
    from ledger.errors import WrongUse  # noqa: PLC0415
    from ledger.segment_export import export  # noqa: PLC0415

    if len({c2pa, key is not None, chain is not None}) > 1:
        raise WrongUse("EXPORT_C2PA", "--c2pa, --key and --chain belong together.", cure="Give all three, or none.")
    typer.echo(export(data, entry, out, key=key, chain=chain))


def doctor(
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="The data folder to look at.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, metavar="PORT", help="The port that shall be free.")
    ] = None,
    node: Annotated[
        list[str] | None, typer.Option(metavar="CHAIN=URL", help="A node to ask, as eip155:7101=URL; repeatable.")
    ] = None,
) -> None:
    """Say what is reachable, what is missing, and how to cure it. Exit status 1 when something needed is missing."""
    from ledger.doctor import report  # noqa: PLC0415

    report(data=data, port=port, nodes=node or [])


def fsck(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The ledger's data folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check everything in a ledger's folder: database pages and rows, the log, its tree, key and media.

    Writes nothing and may run beside the ledger. Exit status 0 when everything is what was written, 1 when anything is
    not; the table names each object and what can be done.
    """
    from ledger.fsck_report import report  # noqa: PLC0415

    report(folder, as_json=as_json)
