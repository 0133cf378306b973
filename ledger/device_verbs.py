"""`pledgetrail device …`: the operator's word about devices, given on the machine that holds the data folder.

Works beside a running ledger: what is written here counts for the next statement that comes in. What it needs is
imported once a verb was chosen.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.data_folder import open_book

if TYPE_CHECKING:
    from ledger.canonical import JsonValue
    from ledger.evidence.terms import Limits, Watch

app = typer.Typer(help="Enrol devices, revoke them, and see what is wrong with them.", no_args_is_help=True)

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{3})?Z)?", re.ASCII)
_COLUMNS = ("device", "label", "key", "attested by", "until (UTC)", "last", "findings")

Data = Annotated[Path, typer.Option(metavar="DIR", help="The ledger's data folder.")]
Named = Annotated[str, typer.Argument(metavar="DEVICE", help="The device's name.")]
Reason = Annotated[str, typer.Option(help="Why; it is logged.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def enrol(
    request: Annotated[
        Path, typer.Argument(help="The device's request, as `pledgetrail camera enrol-request` writes.")
    ],
    data: Data,
    valid_from: Annotated[
        str, typer.Option(metavar="TIME", help="From when it may speak: 2026-03-01T08:00:00Z, or a day.")
    ],
    valid_until: Annotated[str, typer.Option(metavar="TIME", help="Until when; a day means its beginning.")],
    makers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificates of makers (PEM); else makers.pem of the folder.")
    ] = None,
    must_be_attested: Annotated[
        bool, typer.Option("--attested", help="Refuse a device for whose key no maker vouches.")
    ] = False,
) -> None:
    """Enrol a device for a period, and log what it asked. A name stands for one key for ever."""
    from ledger.config_file import read_file  # noqa: PLC0415
    from ledger.evidence.maker import read_makers  # noqa: PLC0415
    from ledger.intake.enrolling import enrol_request  # noqa: PLC0415
    from ledger.store.ledger import MAKERS_FILE, utc_now  # noqa: PLC0415

    known = makers or (data / MAKERS_FILE if (data / MAKERS_FILE).exists() else None)
    enrolled = enrol_request(
        read_file(request).strip(),
        register=open_book(data),
        valid_from=_moment("--valid-from", valid_from),
        valid_until=_moment("--valid-until", valid_until),
        makers=() if known is None else read_makers(read_file(known)),
        must_be_attested=must_be_attested,
        at=utc_now(),
    )
    device, by = enrolled.device, enrolled.attested_by
    period = f"from {device.valid_from:%Y-%m-%dT%H:%M:%SZ} until {device.valid_until:%Y-%m-%dT%H:%M:%SZ}"
    vouched = f"attested by {by}" if by else f"self-stated ({enrolled.why_not})"
    typer.echo(f"{device.id}: enrolled {period}, {vouched}")


@app.command()
def terms(
    device: Named,
    data: Data,
    every: Annotated[int, typer.Option(metavar="SECONDS", help="It always speaks this often; 0: when it likes.")] = 0,
    grace: Annotated[int, typer.Option(metavar="SECONDS", help="How much later its word may come in.")] = 60,
    place: Annotated[str, typer.Option(help="The only place it speaks from.")] = "",
    step: Annotated[list[str] | None, typer.Option(help="A step it may speak of; repeatable.")] = None,
    limit: Annotated[
        list[str] | None, typer.Option(metavar="QUANTITY=LEAST:MOST", help="What it can measure; repeatable.")
    ] = None,
    watch: Annotated[
        list[str] | None,
        typer.Option(metavar="QUANTITY=TOLERANCE:SECONDS", help="Compare with other devices at its place; repeatable."),
    ] = None,
    speed: Annotated[int, typer.Option(metavar="KM/H", help="How fast it can travel.")] = 150,
) -> None:
    """Agree on what is expected of a device from now on. Whatever is not given counts no more: give all each time."""
    from ledger.evidence.findings import to_millisecond  # noqa: PLC0415
    from ledger.evidence.terms import Terms, check_measured  # noqa: PLC0415
    from ledger.store import utc_now  # noqa: PLC0415

    agreed = Terms(
        device,
        to_millisecond(utc_now()),
        every,
        grace,
        place,
        tuple(step or ()),
        _limits(limit or ()),
        speed,
        _watches(watch or ()),
    )
    check_measured(agreed)
    open_book(data).agree(agreed)
    typer.echo(agreed.canonical().decode())


@app.command()
def revoke(device: Named, data: Data, reason: Reason) -> None:
    """Believe nothing of a device from now on. There is no way back: enrol a new key under a new name."""
    from ledger.store import utc_now  # noqa: PLC0415

    open_book(data).revoke(device, utc_now(), reason)
    typer.echo(f"{device}: revoked")


@app.command()
def release(device: Named, data: Data, reason: Reason) -> None:
    """Let a device go on whose next number can never come; what it sends next is taken with a finding."""
    from ledger.store import utc_now  # noqa: PLC0415

    after = open_book(data).release(device, utc_now(), reason)
    typer.echo(f"{device}: released after number {after}")


@app.command(name="list")
def list_devices(data: Data, as_json: AsJson = False) -> None:
    """Every device, with its last number and how many findings of each kind there are."""
    from ledger.history.devices import account_as_json, account_of  # noqa: PLC0415

    book = open_book(data)
    found = [account_as_json(account_of(book, device.id)) for device in book.devices()]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from ledger.printable import printable  # noqa: PLC0415

    # Names, times and codes are typed or looked up next: folded where they are long, never cut off.
    table = Table(*(Column(title, overflow="fold") for title in _COLUMNS))
    for each in found:
        findings = each["findings"]
        kinds = ", ".join(f"{code} {count}" for code, count in findings.items()) if isinstance(findings, dict) else ""
        until = f"revoked {each['revokedAt']}"[:24] if each["revokedAt"] else str(each["validUntil"])[:16]
        row = (each["device"], each["label"], each["algorithm"], each["attestedBy"] or "itself", until)
        # As text: a label is the device's own word, and brackets in it are no orders to this table.
        table.add_row(*(Text(printable(str(cell))) for cell in (*row, each["lastNumber"], kinds or "none")))
    Console().print(table)


@app.command()
def show(device: Named, data: Data) -> None:
    """One device with its findings, the newest first, as JSON."""
    from ledger.history.devices import account_as_json, account_of, finding_as_json  # noqa: PLC0415

    book = open_book(data)
    findings = [finding_as_json(book, stored) for stored in book.findings(book.device(device).id)]
    typer.echo(json.dumps({**account_as_json(account_of(book, device)), "findings": findings}, indent=2))


@app.command()
def check(data: Data) -> None:
    """Find devices that should have spoken and did not, and log each silence once. Exit status 1 when there are new."""
    from ledger.history.silence import record_silences  # noqa: PLC0415
    from ledger.store import utc_now  # noqa: PLC0415

    book, now = open_book(data), utc_now()
    found = [finding for device in book.watched() for finding in record_silences(book, device, now=now)]
    for finding in found:
        typer.echo(f"{finding.device}: silent from {finding.facts['since']} to {finding.facts['until']}")
    if found:
        raise typer.Exit(1)
    typer.echo("no new silence")


@app.command(name="operator-key")
def operator_key(data: Data) -> None:
    """Make the key that operators' requests to the API bring, and print where it is. An older one ends with that."""
    import secrets  # noqa: PLC0415

    from ledger.durable_file import write_whole  # noqa: PLC0415
    from ledger.store.ledger import OPERATOR_KEY_FILE  # noqa: PLC0415

    open_book(data)
    path = data / OPERATOR_KEY_FILE
    write_whole(path, f"{secrets.token_urlsafe(32)}\n".encode(), mode=0o600)
    typer.echo(str(path))


def _watches(texts: list[str] | tuple[()]) -> dict[str, Watch]:
    from ledger.errors import WrongUse  # noqa: PLC0415
    from ledger.evidence.terms import read_watches  # noqa: PLC0415

    found: dict[str, JsonValue] = {}
    for text in texts:
        quantity, _, bounds = text.partition("=")
        tolerance, colon, seconds = bounds.partition(":")
        if not colon or not (seconds.isascii() and seconds.isdecimal() and len(seconds) < 9):
            what = "What is compared is QUANTITY=TOLERANCE:SECONDS, such as temperature=0.5:60."
            raise WrongUse("DEVICE_WATCH", what, where=text)
        found[quantity] = {"tolerance": tolerance, "within_seconds": int(seconds)}
    return read_watches(found)


def _limits(texts: list[str] | tuple[()]) -> dict[str, Limits]:
    from ledger.errors import WrongUse  # noqa: PLC0415
    from ledger.evidence.terms import read_limits  # noqa: PLC0415

    found: dict[str, JsonValue] = {}
    for text in texts:
        quantity, _, bounds = text.partition("=")
        least, colon, most = bounds.partition(":")
        if not colon:
            raise WrongUse("DEVICE_LIMIT", "A limit is QUANTITY=LEAST:MOST, such as weight=0:1200.", where=text)
        found[quantity] = {"least": least, "most": most}
    return read_limits(found)


def _moment(option: str, text: str) -> datetime:
    """A UTC time at the command line: a day, meaning its beginning, or a time with `Z`. `WrongUse` DEVICE_PERIOD."""
    from ledger.errors import WrongUse  # noqa: PLC0415

    try:
        if _MOMENT.fullmatch(text) is None:
            raise ValueError(text)
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        what = "This is no day, such as 2026-03-01, and no UTC time, such as 2026-03-01T08:00:00Z."
        raise WrongUse("DEVICE_PERIOD", what, where=f"{option} {text[:40]}") from None
