"""A checkpoint's timestamp: asked for over HTTP, kept only where it verifies, and carried in bundles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ledger.bundle import GoodsSubject, verify
from ledger.bundle.format import load
from ledger.bundling import Publishing
from ledger.timestamp import MEDIA_TYPE_QUERY, MEDIA_TYPE_REPLY, ask_for_stamp
from relay.stamper import Stamper
from tests.ledger.authority import Authority, make_authority
from tests.ledger.bundle.estate import COSIGNERS, UNIT
from tests.ledger.bundling.test_bundler import House
from tests.ledger.refusals import refused


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority") / "one")


@contextmanager
def served(reply: Callable[[bytes], bytes], status: Sequence[int] = (200,)) -> Iterator[str]:
    """An authority's address on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == MEDIA_TYPE_QUERY
            body = reply(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status[0])  # asked anew each time: a test may change it
            self.send_header("Content-Type", MEDIA_TYPE_REPLY)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture
def house(tmp_path: Path, authority: Authority) -> Iterator[House]:
    house = House(tmp_path / "ledger", timestamping=(authority.root,))
    yield house
    house.ledger.close()


def stamp(house: House, note: bytes, url: str, authority: Authority) -> None:
    """As a publisher does it after a quorum cosigned."""
    stamper = Stamper(url, [authority.root])
    try:
        Publishing(house.ledger).keep_stamp(note, stamper.stamp(note))
    finally:
        stamper.close()


def test_a_stamped_checkpoints_bundle_tells_the_authoritys_time(house: House, authority: Authority) -> None:
    note = house.publish()
    with served(authority.reply) as url:
        stamp(house, note, url, authority)
    house.chains.cross(note)
    raw = house.bundler.bundle_of(GoodsSubject(UNIT))
    assert "stamped" in [each.step for each in verify(raw, trust_root=house.root).proven]


def test_without_a_stamp_the_bundle_is_made_all_the_same(house: House) -> None:
    house.chains.cross(house.publish())
    assert load(house.bundler.bundle_of(GoodsSubject(UNIT))).stamp is None


def test_a_stamp_over_another_note_is_not_kept(house: House, authority: Authority) -> None:
    note = house.publish()
    other = authority.reply(ask_for_stamp(b"another note"))
    with served(lambda _: other) as url, refused("STAMP_INVALID"):
        stamp(house, note, url, authority)
    assert house.ledger.log.stamp(house.ledger.log.size) is None


def test_a_stranger_who_answers_is_not_believed(house: House, authority: Authority, tmp_path: Path) -> None:
    stranger, note = make_authority(tmp_path / "stranger", name="Stranger"), house.publish()
    with served(stranger.reply) as url, refused("STAMP_UNTRUSTED"):
        stamp(house, note, url, authority)
    assert house.ledger.log.stamp(house.ledger.log.size) is None


@pytest.mark.parametrize(("body", "status", "code"), [(b"", 503, "STAMP_STATUS"), (b"nonsense", 200, "STAMP_FORMAT")])
def test_nonsense_is_refused(house: House, authority: Authority, body: bytes, status: int, code: str) -> None:
    note = house.publish()
    with served(lambda _: body, (status,)) as url, refused(code):
        stamp(house, note, url, authority)


def test_an_authority_that_is_away_is_said_to_be(house: House, authority: Authority) -> None:
    note = house.publish()
    with served(authority.reply) as url:
        pass
    with refused("STAMP_UNREACHABLE"):
        stamp(house, note, url, authority)


def test_more_cosignatures_make_another_note_and_the_old_stamp_is_dropped(house: House, authority: Authority) -> None:
    note = house.publish(COSIGNERS[:3])
    with served(authority.reply) as url:
        stamp(house, note, url, authority)
    size = house.ledger.log.size
    assert house.ledger.log.stamp(size)
    house.publish(COSIGNERS)
    assert house.ledger.log.stamp(size) is None
