"""`pledgetrail relay …`: run a relay, ask one how it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger import panels
from ledger.canonical import JsonValue
from ledger.errors import WrongUse
from ledger.program import ask_running, run_until_interrupted

if TYPE_CHECKING:
    from ledger.exchange import Peer

DEFAULT_URL = "http://127.0.0.1:9100"
UNDER_WAY = ("sent", "proposed", "attested", "committed")


def register(app: typer.Typer) -> None:
    """Add the relay's verbs to the command."""
    relay = typer.Typer(name="relay", help="Carry messages between chains until they are closed.", no_args_is_help=True)
    relay.command()(run)
    relay.command()(status)
    relay.command()(retry)
    relay.command()(skip)
    relay.command()(publish)
    relay.command()(watchtower)
    relay.command(name="partner-key")(partner_key)
    app.command(rich_help_panel=panels.JUDGE)(explain)
    app.command(rich_help_panel=panels.JUDGE)(reindex)
    app.add_typer(relay, rich_help_panel=panels.JUDGE)


def run(
    config: Annotated[Path, typer.Option(help="The relay's configuration file (JSON).")],
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Run one relay until it is interrupted; prints its paying account and URL as one line of JSON once it listens."""
    # Late, here and below: `pledgetrail verify` loads this module too, and has a second in all.
    from relay.config import RelayConfig  # noqa: PLC0415
    from relay.service import start  # noqa: PLC0415

    loaded = RelayConfig.load(config)
    run_until_interrupted(
        lambda: start(loaded, host=host, port=port),
        lambda running: {"account": f"0x{loaded.key.address.hex()}", "url": running.url},
    )


def status(
    url: Annotated[str, typer.Argument(help="The relay's URL.")],
    as_table: Annotated[bool, typer.Option("--table", help="Print tables for people instead of JSON.")] = False,
) -> None:
    """Print how far a running relay has read each chain, and which messages are under way, why, and who acts next."""
    peer = _peer()
    shown = ask_running(url, "/status", peer)
    under_way = {state: ask_running(url, f"/messages?state={state}", peer).get("messages") for state in UNDER_WAY}
    if not as_table:
        typer.echo(json.dumps({**shown, "under_way": under_way}, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415

    from relay.table import print_status  # noqa: PLC0415

    rows = [row for found in under_way.values() if isinstance(found, list) for row in found if isinstance(row, dict)]
    print_status(shown, rows, Console())


def retry(
    url: Annotated[str, typer.Argument(help="The relay's URL.")],
    named: Annotated[str, typer.Argument(metavar="ID", help="The message's id.")],
) -> None:
    """Take a message up again: what was set aside or skipped is tried, and a failed call is delivered once more."""
    _tell(url, named, "retry", {})


def skip(
    url: Annotated[str, typer.Argument(help="The relay's URL.")],
    named: Annotated[str, typer.Argument(metavar="ID", help="The message's id.")],
    why: Annotated[str, typer.Option(help="The reason, for whoever asks why it waits.")],
) -> None:
    """Leave a message alone until a person takes it up again with `retry`, also after a restart of the relay."""
    _tell(url, named, "skip", {"why": why})


def publish(
    url: Annotated[str, typer.Argument(help="The relay's URL.")],
) -> None:
    """Have a relay that publishes a log take a checkpoint now, and not when one is due; prints how far it is."""
    typer.echo(json.dumps(ask_running(url, "/publish", _peer(), body={}), indent=2))


def _tell(url: str, named: str, verb: str, body: dict[str, JsonValue]) -> None:
    from relay.ask import hex_id  # noqa: PLC0415

    hex_id(named)
    answer = ask_running(url, f"/messages/{named}/{verb}", _peer(), body=body)
    typer.echo(json.dumps({name: answer.get(name) for name in ("id", "state", "explain")}))


def watchtower(
    config: Annotated[Path, typer.Option(help="The relay's configuration file (JSON).")],
    account: Annotated[
        list[str] | None, typer.Option(metavar="CAIP-10", help="Guard this account only; repeatable.")
    ] = None,
    offer: Annotated[
        list[Path] | None, typer.Option(help="A swap offer (JSON) whose second leg to fund; repeatable; wants --float.")
    ] = None,
    limits: Annotated[
        Path | None, typer.Option("--float", help="What the account may have at stake (JSON); wants --offer.")
    ] = None,
) -> None:
    """Claim and refund the swaps of the manifest's hash locks in time, for parties that are offline, until interrupted.

    With offers it also funds their second legs, as the responder. Prints one line of JSON once it looks, and one for
    each try. The account of the configuration pays the gas.
    """
    from ledger.interoperable import parse_caip10  # noqa: PLC0415
    from relay.config import RelayConfig  # noqa: PLC0415
    from relay.responder import load_float  # noqa: PLC0415
    from relay.towers import Business, line, start_tower  # noqa: PLC0415

    loaded, guarded = RelayConfig.load(config), [parse_caip10(each) for each in account or ()]
    if bool(offer) != (limits is not None):
        what = "offers are funded within a float, and a float is for offers: --offer and --float go together"
        raise WrongUse("FLOAT_MISSING", what, cure="Give both or neither; see relay/README.md, section Watchtower.")
    business = Business(offer, load_float(limits)) if offer and limits is not None else None
    run_until_interrupted(
        lambda: start_tower(loaded, guarded, lambda done: typer.echo(line(done)), business),
        lambda _running: {
            "account": f"0x{loaded.key.address.hex()}",
            "lanes": [f"0x{lane.id.hex()}" for lane in loaded.manifest.value_lanes],
        },
    )


def partner_key(
    name: Annotated[str, typer.Argument(help="The partner's name: lower-case letters, digits, hyphens.")],
) -> None:
    """Make an API key: print it, for the partner alone, and the row for the partners' file, which holds its digest."""
    from relay.partner.config import check_name, make_key  # noqa: PLC0415

    check_name(name)
    key, digest = make_key()
    typer.echo(json.dumps({"key": key, "row": {"name": name, "key_sha256": digest}}, indent=2))


def explain(
    named: Annotated[
        str, typer.Argument(metavar="ID", help="A message, a transaction of any chain, a two-phase one, or a freeze.")
    ],
    url: Annotated[str, typer.Option(help="The relay's URL.")] = DEFAULT_URL,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say where a message or transaction is, why it waits, who acts next, by when, what was tried and what it cost."""
    from relay.ask import hex_id  # noqa: PLC0415

    hex_id(named)
    answer = ask_running(url, f"/explain/{named}", _peer())
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415

    from relay.table import print_explanation  # noqa: PLC0415

    print_explanation(answer, Console())


def reindex(
    config: Annotated[Path, typer.Option(help="The relay's configuration file (JSON), which names the database.")],
) -> None:
    """Throw the chain book away, fold it again from the chains alone, and print both digests of its ordered rows.

    Exit status 0 when they are equal, 1 when they differ; the book holds what the chains say in either case.
    """
    from relay.config import RelayConfig  # noqa: PLC0415
    from relay.reindexing import run_reindex  # noqa: PLC0415

    loaded = RelayConfig.load(config)
    found = run_reindex(loaded)
    typer.echo(json.dumps(found, indent=2))
    if not found["equal"]:
        raise typer.Exit(1)


def _peer() -> Peer:
    from ledger.exchange import Peer  # noqa: PLC0415

    cure = "Check the URL, or start it with `pledgetrail relay run`."
    return Peer("the relay", "RELAY_UNREACHABLE", "RELAY_GARBAGE", cure)
