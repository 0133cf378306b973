"""`pledgetrail demo`: check what the user brought, open the house, run the steps, show what was proven."""

from __future__ import annotations

import json
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from contracts.manifest import Role
from examples.demo import story
from examples.demo.film import film_step
from examples.demo.folder import DataFolder
from examples.demo.house import TRUST_ROOT_FILE, House, Outside, open_house
from examples.demo.journal import Journal, Row
from examples.demo.show import Screen
from examples.demo.steps import BUNDLE_FILE, Goods, Steps, now
from ledger.capture.segments import read_recording
from ledger.capture.uplink import Uplink
from ledger.epcis import keep_last_of_repeated_names, read_document
from ledger.errors import BadInput, Problem, Unavailable, WrongUse
from ledger.gs1 import Identifier, Level, goods_key
from ledger.http.addresses import page_path
from ledger.serve import check_port
from relay.bundling import trust_root_of

START_FILE = "started"
JOURNAL_FILE = "journey.json"
MAX_EPCIS_BYTES = 16 * 1024 * 1024


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
    outside = Outside(_nodes(options.nodes), options.accounts, _trie(options.trie))
    document = _own_document(options.epcis)
    _check_videos(options.videos)
    _check_writable(options.json)
    check_port("127.0.0.1", options.port)
    screen = Screen()
    with DataFolder(options.data) as folder, ExitStack() as opened:
        with screen:
            house = open_house(opened, folder, port=options.port, outside=outside, say=screen.say)
            journal = Journal(folder / JOURNAL_FILE)
            urls = _journey(house, journal, options.videos, document, screen)
        if options.json is not None:
            _write_json(options.json, journal, urls, folder / BUNDLE_FILE)
        screen.table(journal)
        trust_root = trust_root_of(house.manifest).fingerprint
        bundle, written = folder / BUNDLE_FILE, folder / TRUST_ROOT_FILE
        screen.addresses(urls["unit"], urls["portal"], bundle, written, trust_root)
        if not options.leave:
            screen.waiting()
            _until_interrupted()
    return journal.complete


def _journey(
    house: House, journal: Journal, videos: tuple[Path, ...], document: bytes | None, screen: Screen
) -> dict[str, str]:
    start = _start(house.folder / START_FILE)
    raw = document or story.events(start)
    goods = _goods(raw if document else None)
    steps = Steps(house, journal, goods, screen.say)
    urls = {"unit": house.pages.url + page_path(goods.unit), "portal": f"{house.pages.url}/portal"}
    if not journal.holds("film"):
        _film(house, journal, goods, start, videos, screen)
    if not journal.holds("capture"):
        _capture(house, journal, goods, raw, screen)
    if not journal.holds("log"):
        steps.log()
    if not journal.holds("credential"):
        steps.anchor()
    house.ledger.bundle_of = steps.bundler().bundle_of
    if not journal.holds("released"):
        steps.pledge()
    steps.qr(urls["unit"])
    if not journal.holds("tampered_bundle_refused"):
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


def _goods(own: bytes | None) -> Goods:
    """The story's unit and lot, or the first unit, lot or thing that the user's document is about."""
    if own is None:
        return Goods(story.UNITS[0], story.TEA, goods_key(story.TEA))
    events = read_document(own).events
    subjects: list[Identifier] = [subject for event in events for subject in event.subjects()]
    if not subjects:
        raise BadInput("EPCIS_NO_SUBJECT", "the document's events are about no identified thing")
    unit = next((found for found in subjects if found.level is Level.INSTANCE), subjects[0])
    lots = [lot for event in events for _thing, lot in event.lots()]
    lot = unit.lot() or next(iter(lots), unit)
    try:
        return Goods(unit, lot, goods_key(lot))
    except BadInput:
        # What is no lot of a GTIN cannot be pledged; the story's receipt and loan are over its own lot then.
        return Goods(unit, lot, goods_key(story.TEA))


def _own_document(path: Path | None) -> bytes | None:
    if path is None:
        return None
    raw = _read(path, MAX_EPCIS_BYTES)
    try:
        raw, _repeated = keep_last_of_repeated_names(raw)
        read_document(raw)
    except Problem as problem:
        problem.where = f"{path}: {problem.where}" if problem.where else str(path)
        raise
    return raw


def _check_videos(videos: tuple[Path, ...]) -> None:
    if len(videos) > len(story.STEPS):
        raise WrongUse("TOO_MANY_VIDEOS", f"the story has {len(story.STEPS)} steps", where=f"{len(videos)} videos")
    for video in videos:
        with read_recording(video, target_seconds=story.SECONDS_PER_SEGMENT):
            pass


def _read(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise BadInput("FILE_TOO_LARGE", f"the file has more than {most} bytes", where=str(path))
        return path.read_bytes()
    except OSError as error:
        raise BadInput("FILE_UNREADABLE", f"the file cannot be read: {error.strerror}", where=str(path)) from error


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


def _trie(given: str) -> str:
    if given not in ("standard", "keeps_zero_leaves"):
        raise WrongUse("TRIE_OPTION", "--trie is standard or keeps_zero_leaves", where=given)
    return given


def _check_writable(path: Path | None) -> None:
    if path is not None and not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise WrongUse("FILE_UNWRITABLE", "the table cannot be written there", where=str(path))


def _start(path: Path) -> datetime:
    """When the story began in this folder: the same on every run, so that nothing is signed or captured twice."""
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(now().isoformat())
        unfinished.replace(path)
    return datetime.fromisoformat(path.read_text())


def _write_json(path: Path, journal: Journal, urls: dict[str, str], bundle: Path) -> None:
    value = {
        "held": journal.complete,
        "urls": urls,
        "bundle": str(bundle),
        "steps": [row.as_json() for row in journal],
    }
    try:
        path.write_text(json.dumps(value, indent=2) + "\n")
    except OSError as error:
        raise Unavailable(
            "FILE_UNWRITABLE", f"the table cannot be written: {error.strerror}", where=str(path)
        ) from error


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
