"""One contract for every media store, and what a lying or failing remote side gets out of it: nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path

import httpx
import pytest

from ledger.cid import CHUNK_BYTES, cid_of, name_of, parse_cid
from ledger.errors import Problem, Refused
from ledger.exchange import Exchange
from ledger.intake import remote_media
from ledger.intake.kubo import MAX_ANSWER_BYTES, PEER, KuboRemote
from ledger.intake.media import FolderStore
from ledger.intake.remote_media import AWAY_SECONDS, MAX_CACHE_BYTES, RUN_CHUNKS, RemoteStore
from ledger.outline import outline_of
from ledger.store.check.found import Severity
from ledger.store.check.media import check_copies, check_media
from tests.ledger.intake.answering import Answering
from tests.ledger.intake.parts import part
from tests.ledger.intake.s3_fake import FakeS3
from tests.ledger.refusals import refused

DATA = bytes(range(256)) * 1024 + bytes(reversed(range(256))) * 1024  # two chunks
OTHER = b"another object"
ABSENT = cid_of(b"never put")


@dataclass
class Node:
    """A Kubo node's RPC as its documentation has it, in memory.

    `blocks`: nodes of DAGs. `lie`: what it does to an answer; None: nothing.
    """

    held: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    unpinned: set[str] = field(default_factory=set)
    blocks: dict[str, bytes] = field(default_factory=dict)
    lie: Callable[[httpx.Request, httpx.Response], httpx.Response] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path.removeprefix("/api/v0/"))
        assert request.method == "POST"  # the RPC knows no other
        answer = self._answer(request, self.asked[-1], dict(request.url.params))
        return answer if self.lie is None else self.lie(request, answer)

    def _answer(self, request: httpx.Request, command: str, arguments: dict[str, str]) -> httpx.Response:
        if command == "add":
            assert (arguments["chunker"], arguments["raw-leaves"], arguments["pin"]) == ("size-262144", "true", "true")
            body = request.read()
            data = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
            self.held[cid_of(data)] = data
            self.unpinned.discard(cid_of(data))
            return httpx.Response(200, json={"Name": "x", "Hash": cid_of(data), "Size": str(len(data))})
        if command == "pin/rm":
            return self._unpin(arguments["arg"])
        if command == "repo/gc":
            self.held = {cid: data for cid, data in self.held.items() if cid not in self.unpinned}
            return httpx.Response(200)
        if command == "pin/ls":
            assert (arguments["type"], arguments["stream"]) == ("recursive", "true")
            pinned = sorted(self.held.keys() - self.unpinned)
            return httpx.Response(200, content="".join(f'{{"Cid": "{cid}", "Type": "recursive"}}\n' for cid in pinned))
        assert arguments["offline"] == "true"
        if arguments["arg"] not in self.held:
            message = f"block was not found locally (offline): ipld: could not find {arguments['arg']}"
            return httpx.Response(500, json={"Message": message, "Code": 0, "Type": "error"})
        if command == "block/get":
            return httpx.Response(200, content=self.blocks.get(arguments["arg"], b"no node"))
        if command == "cat":
            start, length = int(arguments["offset"]), int(arguments["length"])
            return httpx.Response(200, content=self.held[arguments["arg"]][start : start + length])
        assert command == "block/stat"
        return httpx.Response(200, json={"Key": arguments["arg"], "Size": 1})

    def _unpin(self, cid: str) -> httpx.Response:
        if cid not in self.held:
            return httpx.Response(500, json={"Message": "not pinned or pinned indirectly", "Code": 0, "Type": "error"})
        self.unpinned.add(cid)
        return httpx.Response(200, json={"Pins": [cid]})

    def remote(self) -> KuboRemote:
        exchange = Exchange(PEER, seconds=60, max_bytes=MAX_ANSWER_BYTES, transport=Answering(self))
        return KuboRemote("http://node.test:5001/", exchange)

    def store(self, cache: Path, *, most_bytes: int = MAX_CACHE_BYTES) -> RemoteStore:
        # By this clock a minute passes between any two questions, so that each one reaches the node.
        return RemoteStore(self.remote(), cache, most_bytes=most_bytes, clock=count(0, 60).__next__)


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


@pytest.fixture(params=["folder", "ipfs", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, node: Node, s3: FakeS3) -> FolderStore | RemoteStore:
    stores: dict[str, Callable[[], FolderStore | RemoteStore]] = {
        "folder": lambda: FolderStore(tmp_path / "media"),
        "ipfs": lambda: node.store(tmp_path / "cache"),
        "s3": lambda: s3.store(tmp_path / "cache"),
    }
    return stores[str(request.param)]()


class TestContract:
    @pytest.mark.parametrize("data", [b"", b"x", DATA, DATA + b"x"], ids=["empty", "one byte", "two chunks", "three"])
    def test_what_was_put_is_got_under_its_own_hash(self, store: FolderStore | RemoteStore, data: bytes) -> None:
        cid = store.put(data)
        assert cid == store.put(data) == cid_of(data)
        assert (store.get(cid), store.size(cid), store.has(cid)) == (data, len(data), True)

    @pytest.mark.parametrize(
        ("start", "length"), [(0, 10), (262_140, 10), (len(DATA) - 5, 100), (len(DATA), 1), (7, 0)]
    )
    def test_ranges_are_those_of_the_whole(self, store: FolderStore | RemoteStore, start: int, length: int) -> None:
        cid = store.put(DATA)
        assert part(store, cid, start, length) == DATA[start : start + length]

    def test_an_object_that_is_not_held(self, store: FolderStore | RemoteStore) -> None:
        assert not store.has(ABSENT)
        for ask in (store.get, store.size, lambda cid: part(store, cid, 0, 1)):
            with refused("MEDIA_UNKNOWN"):
                ask(ABSENT)

    @pytest.mark.parametrize("name", ["../x", "", "bafy", ABSENT.upper(), ABSENT + "\n", "?arg=x&offline=false"])
    def test_os06_a_name_that_is_no_cid_goes_nowhere(
        self, store: FolderStore | RemoteStore, node: Node, s3: FakeS3, name: str
    ) -> None:
        for ask in (store.get, store.size, store.has, lambda cid: part(store, cid, 0, 1)):
            with refused("CID_SYNTAX"):
                ask(name)
        assert not node.asked and not s3.asked

    def test_what_came_in_is_held_once_it_is_kept_and_under_its_own_hash(
        self, store: FolderStore | RemoteStore
    ) -> None:
        with store.incoming(DATA, ABSENT) as keep:
            assert not store.has(cid_of(DATA))
            assert keep(outline_of([DATA])) == cid_of(DATA)
        assert (store.get(cid_of(DATA)), store.has(ABSENT)) == (DATA, False)

    def test_OV01_what_came_in_and_is_refused_was_sent_nowhere(
        self, store: FolderStore | RemoteStore, node: Node, s3: FakeS3
    ) -> None:
        with pytest.raises(Refused), store.incoming(DATA, cid_of(DATA)):
            raise Refused("MANIFEST", "Not as signed.")
        assert not node.asked and not s3.asked
        assert not store.has(cid_of(DATA))
        with refused("CID_SYNTAX"), store.incoming(DATA, "../x"):
            pass

    def test_what_is_removed_is_gone_and_can_come_again(self, store: FolderStore | RemoteStore) -> None:
        cid, other = store.put(DATA), store.put(OTHER)
        for _ in range(2):
            store.remove(cid)
            assert not store.has(cid) and store.get(other) == OTHER
            with refused("MEDIA_UNKNOWN"):
                store.get(cid)
        assert store.put(DATA) == cid and store.get(cid) == DATA

    def test_a_negative_range(self, store: FolderStore | RemoteStore) -> None:
        cid = store.put(DATA)
        with pytest.raises(Problem) as caught:
            part(store, cid, -1, 1)
        assert caught.value.code == "MEDIA_RANGE"


def answering(data: bytes, status: int = 200) -> Callable[[httpx.Request, httpx.Response], httpx.Response]:
    """The same to every question but that for a block, whose answer is never so long."""
    return lambda request, answer: answer if "block/get" in request.url.path else httpx.Response(status, content=data)


def breaking(error: type[httpx.TransportError]) -> Callable[[httpx.Request, httpx.Response], httpx.Response]:
    def tell(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        raise error("broken", request=request)

    return tell


LIES = {
    "other bytes": (answering(OTHER), "MEDIA_CORRUPT"),
    "a byte less": (answering(DATA[:-1]), "MEDIA_CORRUPT"),
    "a byte more": (answering(DATA + b"x"), "MEDIA_CORRUPT"),
    "one bit flipped": (answering(b"\x01" + DATA[1:]), "MEDIA_CORRUPT"),
    "nothing": (answering(b""), "MEDIA_CORRUPT"),
    "an error with the right bytes": (answering(DATA, 500), "MEDIA_UNAVAILABLE"),
    "another way to go": (
        lambda r, a: httpx.Response(302, headers={"Location": "http://evil.test"}),
        "MEDIA_UNAVAILABLE",
    ),
    "it must not be asked": (answering(b"", 403), "MEDIA_UNAVAILABLE"),
    "too slow": (breaking(httpx.ReadTimeout), "MEDIA_UNAVAILABLE"),
    "not there": (breaking(httpx.ConnectError), "MEDIA_UNAVAILABLE"),
    "cut off": (breaking(httpx.RemoteProtocolError), "MEDIA_UNAVAILABLE"),
}


@pytest.mark.parametrize(("lie", "code"), LIES.values(), ids=LIES.keys())
def test_a_remote_side_that_lies_or_fails_hands_nothing_out_and_leaves_nothing(
    node: Node, tmp_path: Path, lie: Callable[[httpx.Request, httpx.Response], httpx.Response], code: str
) -> None:
    cid = node.store(tmp_path / "writer").put(DATA)
    store = node.store(tmp_path / "cache")
    node.lie = lie
    for ask in (store.get, store.size, lambda name: part(store, name, 0, 5)):
        with pytest.raises(Problem) as caught:
            ask(cid)
        assert caught.value.code == code
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    node.lie = None
    assert store.get(cid) == DATA


def test_more_than_any_object_has_is_not_read(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cid = node.store(tmp_path / "writer").put(DATA)
    taken: list[int] = []

    def endless() -> object:
        for _ in range(10_000):
            taken.append(1000)
            yield bytes(1000)

    run = RUN_CHUNKS * CHUNK_BYTES
    monkeypatch.setattr(remote_media, "MAX_OBJECT_BYTES", run)
    node.lie = lambda request, answer: httpx.Response(200, content=endless())  # type: ignore[arg-type]
    with refused("MEDIA_UNAVAILABLE"):
        node.store(tmp_path / "cache").get(cid)
    assert sum(taken) <= run + 1000
    node.asked.clear()
    node.lie = lambda request, answer: httpx.Response(200, content=bytes(int(request.url.params["length"])))
    with refused("MEDIA_CORRUPT"):
        node.store(tmp_path / "cache").get(cid)
    assert node.asked == ["block/get", "cat", "cat"]
    node.lie = None
    assert node.store(tmp_path / "cache").get(cid) == DATA


@pytest.mark.parametrize(
    "told",
    [{"Hash": ABSENT}, {}, [], {"Hash": None}],
    ids=["another name", "no name", "no answer to this", "an empty name"],
)
def test_what_the_node_names_otherwise_is_not_called_kept(node: Node, tmp_path: Path, told: object) -> None:
    store = node.store(tmp_path / "cache")
    node.lie = answering(json.dumps(told).encode())
    with pytest.raises(Problem) as caught:
        store.put(DATA)
    assert caught.value.code == "MEDIA_UNAVAILABLE"
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    node.lie = None
    assert store.put(DATA) == cid_of(DATA)


def test_what_the_node_still_has_is_not_called_deleted(node: Node, tmp_path: Path) -> None:
    store = node.store(tmp_path / "cache")
    cid = store.put(DATA)
    for lie in (lambda r, a: a if "gc" not in r.url.path else httpx.Response(500), lambda r, a: httpx.Response(200)):
        node.lie = lie
        with pytest.raises(Problem) as caught:
            store.remove(cid)
        assert caught.value.code == "MEDIA_UNAVAILABLE"
    node.lie = None
    assert store.get(cid) == DATA
    store.remove(cid)
    assert cid not in node.held and not list((tmp_path / "cache").rglob(cid))


def test_an_object_that_may_still_be_pinned_is_not_called_deleted(node: Node, tmp_path: Path) -> None:
    """Even where the node says that it has it no more: what is pinned comes back from another node of its cluster."""
    store = node.store(tmp_path / "cache")
    cid = store.put(DATA)

    def keeps_the_pin(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.url.path.endswith("pin/rm"):
            return httpx.Response(500, json={"Message": "the datastore is closed", "Code": 0, "Type": "error"})
        if request.url.path.endswith("block/stat"):
            return httpx.Response(500, json={"Message": "block was not found locally", "Code": 0, "Type": "error"})
        return answer

    node.lie = keeps_the_pin
    with pytest.raises(Problem) as caught:
        store.remove(cid)
    assert caught.value.code == "MEDIA_UNAVAILABLE"
    node.lie = None
    store.remove(cid)
    assert cid not in node.held


class TestCache:
    def test_seeking_asks_the_node_once(self, node: Node, tmp_path: Path) -> None:
        cid = node.store(tmp_path / "writer").put(DATA)
        store = node.store(tmp_path / "cache")
        for at in range(0, len(DATA), 50_000):
            assert part(store, cid, at, 7) == DATA[at : at + 7]
        assert node.asked.count("cat") == 1

    def test_os08_a_copy_that_changed_in_the_folder_is_fetched_again(self, node: Node, tmp_path: Path) -> None:
        store = node.store(tmp_path / "cache")
        cid = store.put(DATA)
        (copies,) = (tmp_path / "cache").rglob(cid)
        for name in ("0", "1", "outline"):
            for damage in (b"\x01" + (copies / name).read_bytes()[1:], b"short", b""):
                (copies / name).write_bytes(damage)
                assert part(node.store(tmp_path / "cache"), cid, 262_140, 8) == DATA[262_140:262_148]
                assert store.get(cid) == DATA

    def test_it_holds_no_more_than_it_may(self, node: Node, tmp_path: Path) -> None:
        store = node.store(tmp_path / "cache", most_bytes=2500)
        cids = [store.put(bytes([value]) * 1000) for value in range(6)]
        kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in kept) <= 2500
        assert {path.parent.name for path in kept} <= set(cids)
        assert [store.get(cid)[:1] for cid in cids] == [bytes([value]) for value in range(6)]

    def test_a_range_costs_its_own_chunks(self, node: Node, tmp_path: Path) -> None:
        data = bytes(range(251)) * 25_000  # 24 chunks
        cid = node.store(tmp_path / "writer").put(data)
        store = node.store(tmp_path / "cache")
        assert part(store, cid, 5_000_000, 300_000) == data[5_000_000:5_300_000]
        (copies,) = (tmp_path / "cache").rglob(cid)
        assert sorted(path.name for path in copies.iterdir()) == ["19", "20", "outline"]

    def test_what_is_here_is_served_while_the_node_is_away(self, node: Node, tmp_path: Path) -> None:
        cid = node.store(tmp_path / "cache").put(DATA)
        node.lie = breaking(httpx.ConnectError)
        assert node.store(tmp_path / "cache").get(cid) == DATA

    def test_a_node_that_is_away_is_not_asked_by_every_reader(self, node: Node, tmp_path: Path) -> None:
        now = [0.0]
        store = RemoteStore(node.remote(), tmp_path / "cache", clock=lambda: now[0])
        node.lie = breaking(httpx.ConnectError)
        for _ in range(3):
            with refused("MEDIA_UNAVAILABLE"):
                store.has(ABSENT)
        assert len(node.asked) == 1
        node.lie, now[0] = None, AWAY_SECONDS
        assert not store.has(ABSENT) and len(node.asked) == 2

    def test_a_damaged_copy_is_named_and_harms_nothing(self, node: Node, tmp_path: Path) -> None:
        cid = node.store(tmp_path / "cache").put(DATA)
        (copies,) = (tmp_path / "cache").rglob(cid)
        assert list(check_copies(tmp_path / "cache", lambda *_: None)) == []
        (copies / "1").write_bytes(DATA[:5])
        (copies / "7").write_bytes(b"no chunk of it")
        (tmp_path / "cache" / "stray").write_bytes(b"")
        found = list(check_copies(tmp_path / "cache", lambda *_: None))
        assert {each.thing.rsplit("/", 1)[1] for each in found} == {"1", "7", "stray"}
        assert {(each.code, each.severity) for each in found} == {("COPY_DAMAGED", Severity.NOTE)}


class TestDag:
    """OS04: what a node says about the blocks of an object costs a few questions, however it goes on."""

    LEAF, NODE = parse_cid(cid_of(b"leaf")), parse_cid(cid_of(bytes(CHUNK_BYTES + 1)))

    def block(self, links: list[bytes], size: int) -> bytes:
        def field_of(number: int, raw: bytes) -> bytes:
            length = len(raw)
            return (
                bytes([number << 3 | 2])
                + (bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7]))
                + raw
            )

        told = bytes([0x18]) + bytes([size >> 7 * at & 127 | 128 for at in range(7)]) + bytes([size >> 49])
        return b"".join(field_of(2, field_of(1, link)) for link in links) + field_of(1, told)

    @pytest.mark.parametrize("kind", ["a link to itself", "2^40 bytes", "mixed", "wide", "a link to no CID", "garbage"])
    def test_os04_a_dag_bomb_is_asked_for_a_few_blocks(self, node: Node, tmp_path: Path, kind: str) -> None:
        cid = node.store(tmp_path / "writer").put(DATA)
        me = parse_cid(cid)
        node.blocks[cid] = {
            "a link to itself": self.block([me, me], 1000),
            "2^40 bytes": self.block([self.LEAF, self.LEAF], 1 << 40),
            "mixed": self.block([me, self.LEAF], 1000),
            "wide": self.block([me] * 174, 1 << 40),
            "a link to no CID": self.block([b"x" * 36, b"y" * 36], 1000),
            "garbage": b"\x12\xff\xff\xff",
        }[kind]
        node.asked.clear()
        assert part(node.store(tmp_path / "cache"), cid, 0, 9) == DATA[:9]
        assert len(node.asked) <= 4

    def test_os04_a_dag_deeper_than_any_of_ours_is_no_outline(self, node: Node, tmp_path: Path) -> None:
        """Its nodes' digests would stand in the place of chunks'."""
        store = node.store(tmp_path / "writer")
        root, below = store.put(DATA), store.put(DATA + DATA)
        node.blocks[root] = self.block([parse_cid(below)] * 2, 1000)
        node.blocks[below] = self.block([self.LEAF, parse_cid(root)], 500)
        assert node.remote().outline(root) is None
        node.blocks[below] = self.block([self.LEAF, self.LEAF], 500)
        claimed = node.remote().outline(root)
        assert claimed is not None and len(claimed.digests) == 4


class TestForeignNames:
    """A node finds blocks by their hash alone, so that anybody can turn the name of a chunk into one of no object."""

    def kubo(self, node: Node, name: str, block: bytes) -> Callable[[httpx.Request, httpx.Response], httpx.Response]:
        """As Kubo answers for a name of DAG-PB whose block is something else."""

        def answer(request: httpx.Request, honest: httpx.Response) -> httpx.Response:
            if request.url.params.get("arg") != name:
                return honest
            if request.url.path.endswith("block/get"):
                return httpx.Response(200, content=block)
            return httpx.Response(500, json={"Message": "protobuf: (PBNode) invalid wireType", "Code": 0})

        return answer

    @pytest.mark.parametrize(
        "block", [b"x" * CHUNK_BYTES, b"x", b"\x0a\x02\x08\x01"], ids=["a chunk", "a small object", "an empty folder"]
    )
    def test_OD12_such_a_name_does_not_make_the_store_count_as_away(
        self, node: Node, tmp_path: Path, block: bytes
    ) -> None:
        name = name_of(bytes([1, 0x70, 0x12, 0x20]) + sha256(block).digest())
        node.lie = self.kubo(node, name, block)
        store = RemoteStore(node.remote(), tmp_path / "cache", clock=lambda: 0.0)
        kept = store.put(DATA)
        for _ in range(2):
            for ask in (store.size, store.get):
                with refused("MEDIA_UNKNOWN"):
                    ask(name)
        assert store.has(kept) and store.put(OTHER)

    def test_a_node_that_fails_for_a_name_of_ours_counts_as_away(self, node: Node, tmp_path: Path) -> None:
        """The honest twin: what is there under the name does not hash to it, so that nothing is known of it."""
        store = RemoteStore(node.remote(), tmp_path / "cache", clock=lambda: 0.0)
        name = cid_of(DATA + b"y")
        node.lie = self.kubo(node, name, b"x")
        with refused("MEDIA_UNAVAILABLE"):
            store.size(name)
        with refused("MEDIA_UNAVAILABLE"):
            store.put(OTHER)


class TestCheck:
    """`pledgetrail fsck` asks the remote side for every object, and believes it in nothing."""

    def found(self, node: Node, tmp_path: Path) -> list[str]:
        database = sqlite3.connect(":memory:")
        database.execute("CREATE TABLE segment (init_cid TEXT, media_cid TEXT)")
        database.execute("CREATE TABLE signed_video (document BLOB)")
        database.execute("INSERT INTO segment VALUES (?, ?)", (cid_of(OTHER), cid_of(DATA)))
        remote = node.remote()
        folder = tmp_path / "media"
        return sorted(found.code for found in check_media(folder, database, lambda *_: None, elsewhere=remote))

    def test_it_tells_what_is_lost_changed_or_out_of_reach(self, node: Node, tmp_path: Path) -> None:
        store = node.store(tmp_path / "cache")
        store.put(OTHER)
        store.put(DATA)
        assert self.found(node, tmp_path) == []
        kept = node.held.pop(cid_of(DATA))
        assert self.found(node, tmp_path) == ["MEDIA_MISSING"]
        node.held[cid_of(DATA)] = kept[:-1]
        assert self.found(node, tmp_path) == ["MEDIA_DAMAGED"]
        node.lie = answering(b"", 503)
        assert self.found(node, tmp_path) == ["MEDIA_UNREADABLE"] * 3  # both objects, and the list
        node.lie = lambda request, answer: httpx.Response(200, content=b"[]") if "ls" in request.url.path else answer
        assert self.found(node, tmp_path) == ["MEDIA_DAMAGED", "MEDIA_UNREADABLE"]
        node.lie, node.held[cid_of(DATA)] = None, kept
        node.held[cid_of(b"pinned by somebody")] = b"pinned by somebody"
        assert self.found(node, tmp_path) == ["MEDIA_UNNAMED"]
