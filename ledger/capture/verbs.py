"""`pledgetrail camera …` and `pledgetrail sensor …`: make a key, ask for enrolment, run, ask how it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ledger import panels

Config = Annotated[Path, typer.Option(help="The device's configuration file (JSON).")]


def register(app: typer.Typer) -> None:
    """Add the verbs of cameras and sensors to the command."""
    camera = typer.Typer(name="camera", help="Sign what a camera films, and hand it over.", no_args_is_help=True)
    camera.command()(run)
    sensor = typer.Typer(name="sensor", help="Sign what a sensor measures, and hand it over.", no_args_is_help=True)
    sensor.command("run")(run_sensor)
    for device in (camera, sensor):
        device.command()(status)
        device.command()(keygen)
        device.command()(enrol_request)
        app.add_typer(device, rich_help_panel=panels.CAPTURE)


def run(config: Config) -> None:
    """Film until interrupted, or until a file was filmed and handed over; prints one line of JSON once it runs."""
    # Late, here and below: `pledgetrail verify` loads this module too, and has a second in all.
    from ledger.capture.agent import Running  # noqa: PLC0415
    from ledger.capture.config import load_camera  # noqa: PLC0415
    from ledger.capture.verbs_run import run_agent  # noqa: PLC0415

    read = load_camera(config)
    run_agent(lambda: Running(read.agent), lambda running: running.film(read))


def run_sensor(config: Config) -> None:
    """Take readings until interrupted, or until the lines end; prints one line of JSON once it runs."""
    from ledger.capture.agent import Running  # noqa: PLC0415
    from ledger.capture.config import load_sensor  # noqa: PLC0415
    from ledger.capture.verbs_run import run_agent  # noqa: PLC0415

    read = load_sensor(config)
    run_agent(lambda: Running(read.agent, has_video=False), lambda running: running.read(read))


def status(config: Config) -> None:
    """Print what the device's agent said last about itself, as JSON, and how many seconds ago."""
    from ledger.capture.config import load_agent  # noqa: PLC0415
    from ledger.capture.status import read_status  # noqa: PLC0415

    typer.echo(json.dumps(read_status(load_agent(config).folder), indent=2))


def keygen(config: Config) -> None:
    """Make the device's key where there is none, and print its public part as JSON. A key in a token is only shown."""
    from ledger.capture.config import load_agent  # noqa: PLC0415
    from ledger.capture.keys import make_key, open_key  # noqa: PLC0415

    agent = load_agent(config)
    key = open_key(agent.key) if agent.key.file is None else make_key(agent.key.file, agent.key.algorithm)
    shown = {"device": agent.device, "algorithm": key.algorithm, "key": key.public_key.hex()}
    typer.echo(json.dumps(shown, indent=2))


def enrol_request(
    config: Config,
    certificate: Annotated[
        list[Path] | None,
        typer.Option(help="DER certificates of the maker for this key, the device's first; repeatable."),
    ] = None,
) -> None:
    """Print a request to enrol this device, signed with its key, for whoever keeps the ledger."""
    from ledger.capture.agent import utc_now  # noqa: PLC0415
    from ledger.capture.chain import whole_milliseconds  # noqa: PLC0415
    from ledger.capture.config import load_agent  # noqa: PLC0415
    from ledger.capture.keys import open_key  # noqa: PLC0415
    from ledger.config_file import read_file  # noqa: PLC0415
    from ledger.evidence.request import EnrolmentRequest, write_request  # noqa: PLC0415

    agent = load_agent(config)
    key = open_key(agent.key)
    certificates = tuple(read_file(path) for path in certificate or [])
    now = whole_milliseconds(utc_now())
    request = EnrolmentRequest(agent.device, key.algorithm, key.public_key, agent.label, now, certificates)
    typer.echo(write_request(request, key).decode())
