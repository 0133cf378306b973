"""`pledgetrail demo`: check what the user brought, open the house, run the steps, show what was proven."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from contracts.manifest import Role, Trie
from examples.demo import story
from examples.demo.accounts import read_accounts
from examples.demo.brought import Beginning, Goods, begin, check_document, check_videos, now
from examples.demo.film import film_step
from examples.demo.folder import DataFolder
from examples.demo.house import TRUST_ROOT_FILE, House, Outside, open_house
from examples.demo.journal import CROSSING, PLEDGING, PROVING, Journal, Row
from examples.demo.maker import make_maker
from examples.demo.measure import measure
from examples.demo.show import Screen
from examples.demo.steps import BUNDLE_FILE, Steps
from examples.demo.table import Table, check_writable
from ledger.capture.uplink import Uplink
from ledger.errors import WrongUse
from ledger.http.addresses import page_path
from ledger.serve import take_port

JOURNAL_FILE = "journey.json"


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; see `pledgetrail demo --help`."""

    data: Path
    port: int
    leave: bool
    json: Path | None
    videos: tuple[Path, ...]
    epcis: Path | None
    nodes: tuple[str, ...]
    accounts: Path | None
    trie: str


def run(options: Options) -> bool:
    """Run the journey; True if every step held. Everything the user brought is checked before anything is written."""
    nodes, trie = _nodes(options.nodes), _trie(options.trie)
    accounts = None if options.accounts is None else read_accounts(options.accounts)
    document, videos = check_document(options.epcis), check_videos(options.videos)
    if options.json is not None:
        check_writable(options.json)
    screen = Screen()
    with ExitStack() as opened:
        # Taken, not only looked at: nobody else has the port while the chains start.
        listener = opened.enter_context(closing(take_port("127.0.0.1", options.port)))
        folder = opened.enter_context(DataFolder(options.data))
        make_maker(folder)  # before the ledger opens: it then knows whose cameras to trust
        journal = Journal(folder / JOURNAL_FILE)
        beginning = begin(folder, document, videos, filmed=journal.holds("film"))
        table = Table(options.json, journal, folder / BUNDLE_FILE)
        with screen, table.written_also_on_failure():
            outside = Outside(nodes, accounts, trie)
            house = open_house(opened, folder, listener=listener, outside=outside, say=screen.say)
            table.urls = _journey(house, journal, options.videos, beginning, screen)
        screen.table(journal)
        trust_root = house.trust_root.fingerprint
        bundle, written = folder / BUNDLE_FILE, folder / TRUST_ROOT_FILE
        screen.addresses(table.urls["unit"], table.urls["portal"], bundle, written, trust_root)
        if not options.leave:
            opened.callback(house.publish_on())
            screen.waiting()
            _until_interrupted()
    return journal.complete


def _journey(
    house: House, journal: Journal, videos: tuple[Path, ...], beginning: Beginning, screen: Screen
) -> dict[str, str]:
    """Every group of steps that does not hold in all its rows, in their order; the pages' addresses."""
    goods = beginning.goods
    steps = Steps(house, journal, goods, screen.say)
    urls = {"unit": house.pages.url + page_path(goods.unit), "portal": f"{house.pages.url}/portal"}
    house.ledger.bundle_of = steps.bundler().bundle_of
    if not journal.holds("film"):
        _film(house, journal, goods, beginning.start, videos, screen)
    if not journal.holds("capture"):
        _capture(house, journal, goods, beginning.events, screen)
    if not journal.holds("log"):
        steps.log()
    if not journal.holds(*CROSSING):
        steps.anchor()
    if not journal.holds(*PLEDGING):
        steps.pledge()
    steps.qr(urls["unit"])  # the address may be another one each time
    if not journal.holds(*PROVING) or not (house.folder / BUNDLE_FILE).exists():
        steps.bundle()
    return urls


def _film(
    house: House, journal: Journal, goods: Goods, start: datetime, videos: tuple[Path, ...], screen: Screen
) -> None:
    began = now()
    digests: list[bytes] = []
    with Uplink(house.pages.url) as uplink:
        for number, step in enumerate(story.STEPS):
            screen.say(f"filming {step.name}")
            video = videos[number] if number < len(videos) else None
            digests += film_step(number, house.folder, house.ledger, uplink, goods.lot, start, video)
        for sensor in story.SENSORS:
            screen.say(f"measuring {sensor.quantity}")
            measure(sensor, house.folder, house.ledger, uplink, goods.lot, start)
    ms = (now() - began).total_seconds() * 1000
    note = f"{len(story.STEPS)} cameras, {len(digests)} segments"
    held = len(digests) >= len(story.STEPS)
    journal.record(Row("film", held, f"0x{digests[-1].hex()}" if digests else "", ms=round(ms, 1), note=note))


def _capture(house: House, journal: Journal, goods: Goods, raw: bytes, screen: Screen) -> None:
    screen.say("capturing the events")
    began = now()
    for place, name in story.PLACES.items():
        house.ledger.papers.register_place(place, name=name)
    if goods.lot == story.TEA:
        house.ledger.papers.register_lot(story.TEA, name=story.TEA_NAME, steps=[step.name for step in story.STEPS])
    captured = house.ledger.events.capture_document(raw, received_at=now())
    ms = (now() - began).total_seconds() * 1000
    note = f"{len(captured)} EPCIS events"
    journal.record(Row("capture", bool(captured), f"0x{captured[0].digest.hex()}", ms=round(ms, 1), note=note))


def _nodes(given: tuple[str, ...]) -> dict[Role, str]:
    found: dict[Role, str] = {}
    for item in given:
        role, separator, url = item.partition("=")
        if not separator or role not in set(Role) or not url.startswith(("http://", "https://")):
            raise WrongUse("NODE_OPTION", "--node takes ROLE=URL, for example origin=http://127.0.0.1:8545", where=item)
        found[Role(role)] = url
    if found and set(found) != set(Role):
        raise WrongUse("NODES_INCOMPLETE", "name a node for each of origin, destination and transaction, or none")
    return found


def _trie(given: str) -> Trie:
    known: dict[str, Trie] = {"standard": "standard", "keeps_zero_leaves": "keeps_zero_leaves"}
    if given in known:
        return known[given]
    raise WrongUse("TRIE_OPTION", "--trie is standard or keeps_zero_leaves", where=given)


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
