"""`pledgetrail intake …`: take evidence in by MQTT, and configure the broker that it comes through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ledger.data_folder import open_book

app = typer.Typer(help="Take evidence in by MQTT.", no_args_is_help=True)

BROKER_FILE = "broker.key"  # what the passwords of its accounts are derived from

Data = Annotated[Path, typer.Option(metavar="DIR", help="The ledger's data folder.")]


@app.command()
def mqtt(config: Annotated[Path, typer.Option(help="The intake's configuration file (JSON).")]) -> None:
    """Take in what devices publish until interrupted; prints one line of JSON once it listens."""
    from ledger.history.silence_watch import SilenceWatch  # noqa: PLC0415
    from ledger.intake.mqtt_service import IntakeConfig, start  # noqa: PLC0415
    from ledger.program import run_until_interrupted  # noqa: PLC0415
    from ledger.store import utc_now  # noqa: PLC0415

    loaded = IntakeConfig.load(config)
    book = open_book(loaded.data)
    secret = _secret(loaded.data)
    with SilenceWatch(book, clock=utc_now).running():
        run_until_interrupted(
            lambda: start(loaded, book, secret), lambda running: {"broker": running.broker, "topic": running.topic}
        )


@app.command(name="broker-config")
def broker_config(
    data: Data,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The broker's own folder; made where it is missing.")],
    host: Annotated[str, typer.Option(help="Address the broker listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port it listens on.")] = 1883,
) -> None:
    """Write Mosquitto's configuration and its accounts: one for each living device, one for the ledger."""
    from ledger.durable_file import write_whole  # noqa: PLC0415
    from ledger.intake import broker  # noqa: PLC0415

    book, secret = open_book(data), _secret(data)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / broker.ACCOUNTS_FILE, broker.broker_accounts(book.devices(), secret).encode(), mode=0o600)
    text = broker.broker_config(str(out.resolve()), host=host, port=port)
    write_whole(out / "mosquitto.conf", text.encode())
    typer.echo(text, nl=False)


@app.command(name="broker-password")
def broker_password(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="The device's name: its user name and client id.")],
    data: Data,
) -> None:
    """Print the password of a device's account at the broker, to be put into the device."""
    from ledger.intake.broker import password_of  # noqa: PLC0415

    found = open_book(data).device(device)
    typer.echo(
        json.dumps({"username": found.id, "client_id": found.id, "password": password_of(_secret(data), found.id)})
    )


def _secret(data: Path) -> bytes:
    import secrets  # noqa: PLC0415

    from ledger.durable_file import write_new  # noqa: PLC0415
    from ledger.intake.broker import SECRET_BYTES  # noqa: PLC0415

    write_new(data / BROKER_FILE, secrets.token_bytes(SECRET_BYTES), mode=0o600)
    return (data / BROKER_FILE).read_bytes()
