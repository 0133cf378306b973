"""`pledgetrail video verify` for people and programs: a row per group of pictures, and what the rows do not prove.

May never happen here: an exit status of 0 for anything but a yes, one word for two questions, or markup of the terminal
out of a file's text.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger.c2pa_manifest.read import read_manifest
from ledger.c2pa_manifest.verdict import ManifestVerdict
from ledger.capture.video_file import read_units
from ledger.errors import Problem
from ledger.media_signing import Authenticity, GroupVerdict, Provenance, TrustList, VideoVerdict, verify_video
from ledger.media_signing.archive import verdict_document
from ledger.media_signing.chain import MAX_CHAIN_BYTES
from ledger.verify_report import read_file

NOT_PROVEN = (
    "That the scene was real: a camera that films a screen signs what it sees. Low assurance, unless an independent "
    "sensor agrees.",
    "That the camera's clock was right: the times are the signer's own.",
    "Anything about the sound, and about parameter sets, which no signature of this kind covers.",
    "That nothing was recorded before the first group or after the last.",
)
_COLOURS = {Authenticity.AUTHENTIC: "green", Authenticity.TAMPERED: "red", Provenance.TRUSTED: "green"}


def report(video: Path, trust: Path | None, *, as_json: bool) -> int:
    """Verify the file, print what was found on standard output, and return the exit status: 0 for a yes, else 1.

    Raises what `read_units` raises, `BadInput` FILE_UNREADABLE and CERTIFICATES.
    """
    try:
        pem = b"" if trust is None else read_file(trust, 4 * MAX_CHAIN_BYTES)
        codec, units = read_units(video)
        verdict = verify_video(units, codec, TrustList.load(pem) if pem else TrustList())
        # Of the files that `read_units` reads, only MP4 can carry a manifest.
        manifest = read_manifest(video, pem) if read_file(video, 8)[4:8] == b"ftyp" else None
    except Problem as problem:
        if as_json:
            _print_json({"held": False, **{name: getattr(problem, name) for name in ("code", "what", "where", "cure")}})
        raise
    held = holds(verdict, manifest)
    if as_json:
        c2pa = None if manifest is None else asdict(manifest)
        _print_json(
            {
                "held": held,
                "codec": codec.value,
                **verdict_document(verdict),
                "c2pa": c2pa,
                "not_proven": list(NOT_PROVEN),
            }
        )
    else:
        show(verdict, manifest, Console(highlight=False), trusted=trust is not None)
    return 0 if held else 1


def holds(verdict: VideoVerdict, manifest: ManifestVerdict | None) -> bool:
    """A yes: the file is signed in one way or both, and everything in it is as signed by a trusted signer."""
    if manifest is not None and not manifest.holds:
        return False
    if not verdict.signed:
        return manifest is not None
    return all(
        group.authenticity is Authenticity.AUTHENTIC and group.provenance is Provenance.TRUSTED
        for group in verdict.groups
    )


def show(verdict: VideoVerdict, manifest: ManifestVerdict | None, console: Console, *, trusted: bool) -> None:
    """The verdict for a terminal."""
    table = Table(box=None, pad_edge=False)
    for heading in ("group", "pictures", "authenticity", "signer", "signed (UTC)", "where"):
        table.add_column(heading, overflow="fold")
    for group in verdict.groups:
        table.add_row(*(_cell(text) for text in _row(group)))
    console.print(table)
    for chain in verdict.chains:
        console.print(Text(f"signed by {chain.subject} (key {chain.key.hex()[:16]})", style="dim"))
    if verdict.vendor is not None:
        named = (verdict.vendor.manufacturer, verdict.vendor.serial, verdict.vendor.firmware)
        console.print(Text(f"the signer calls itself {', '.join(each for each in named if each)}", style="dim"))
    console.print(_manifest(manifest))
    if (verdict.signed or manifest) and not trusted:
        console.print(Text("No trust list was given (--trust): no signer can be called trusted."))
    console.print(Text("\nWhat this does not prove", style="bold"))
    for line in NOT_PROVEN:
        console.print(Text(f"· {line}"))


def _manifest(manifest: ManifestVerdict | None) -> Text:
    if manifest is None:
        return Text("C2PA: the file carries no manifest", style="dim")
    line = Text("C2PA: the whole file is ") + _cell(manifest.authenticity) + Text(", signer: ")
    line += _cell(manifest.provenance) + Text(f", {manifest.signer or '?'} ({manifest.issuer or '?'})")
    return line + Text(f"; {', '.join(manifest.failures[:5])}" if manifest.failures else "")


def _row(group: GroupVerdict) -> Iterable[object]:
    last = group.first_picture + group.pictures - 1
    yield "-" if group.number is None else str(group.number)
    yield f"{group.first_picture}-{last}" if group.pictures else "none"
    yield group.authenticity
    yield group.provenance
    yield _time(group.signed_until or group.signed_from)
    yield "; ".join(f"{trouble.kind} at picture {trouble.picture}" for trouble in group.troubles[:3])


def _cell(text: object) -> Text:
    return Text(str(text), style=_COLOURS.get(text, "") if isinstance(text, Authenticity | Provenance) else "")


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
