"""What an S3 store is told, and what one that lies, fails or is misused gets out of it: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

import httpx
import pytest

from ledger.cid import CHUNK_BYTES, cid_of
from ledger.errors import Problem, Unavailable, WrongUse
from ledger.exchange import Exchange
from ledger.intake.remote_media import RUN_CHUNKS
from ledger.intake.s3 import remote as s3_remote
from ledger.intake.s3.answers import error_code, read_answer
from ledger.intake.s3.bucket import PEER, TRIES, Bucket
from ledger.intake.s3.credentials import Credentials, from_environment, from_file
from ledger.intake.s3.place import Place
from ledger.intake.s3.remote import S3Remote
from ledger.intake.s3.signature import EMPTY_SHA256, query_string, signed_headers
from ledger.outline import outline_of
from tests.ledger.intake.parts import part
from tests.ledger.intake.s3_fake import SECRET, FakeS3, Lie, document, error
from tests.ledger.refusals import refused

DATA = bytes(range(256)) * 1024 + bytes(reversed(range(256))) * 1024  # two chunks
LARGE = bytes(range(251)) * 12_000  # twelve chunks
CID, KEY = cid_of(DATA), f"media/{cid_of(DATA)}"


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


class TestPutting:
    def test_the_outline_goes_first_and_the_object_only_where_nothing_has_its_name(self, s3: FakeS3) -> None:
        s3.remote().put(DATA, outline_of([DATA]))
        assert [each[:2] for each in s3.asked] == [("PUT", KEY + ".outline"), ("PUT", KEY)]
        assert s3.held == {KEY: DATA, KEY + ".outline": outline_of([DATA]).encode()}

    def test_the_same_again_is_read_and_not_written(self, s3: FakeS3) -> None:
        for _ in range(2):
            s3.remote().put(DATA, outline_of([DATA]))
        assert [each[:2] for each in s3.asked[2:]] == [("PUT", KEY + ".outline"), ("PUT", KEY), ("GET", KEY)]

    @pytest.mark.parametrize("damage", [b"", b"other", DATA[:-1], DATA + b"x", DATA[::-1]], ids=len)
    def test_os08_other_bytes_under_the_name_are_replaced(self, s3: FakeS3, damage: bytes) -> None:
        s3.held[KEY] = damage
        s3.remote().put(DATA, outline_of([DATA]))
        assert s3.held[KEY] == DATA

    @pytest.mark.parametrize("large", [False, True])
    def test_a_store_that_knows_no_conditions(self, s3: FakeS3, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3_remote, "MULTIPART_ABOVE", 0 if large else len(DATA))
        s3.conditions, remote = False, s3.remote()
        for data in (DATA, DATA[:-1]):
            remote.put(data, outline_of([data]))
            assert s3.held[f"media/{cid_of(data)}"] == data
        assert s3.begun == {}

    def test_a_conflict_is_tried_again(self, s3: FakeS3) -> None:
        turned_away: list[str] = []

        def conflict(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            if request.method == "PUT" and not turned_away:
                turned_away.append("once")
                return error(409, "ConditionalRequestConflict")
            return answer

        s3.lie = conflict
        s3.remote().put(b"small", outline_of([b"small"]))
        assert s3.held[f"media/{cid_of(b'small')}"] == b"small" and len(s3.waited) == 1

    @pytest.mark.parametrize("status", [400, 404, 501])
    def test_what_the_store_did_not_take_is_not_called_kept(self, s3: FakeS3, status: int) -> None:
        def refusing(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            if request.method != "PUT":
                return answer
            s3.held.pop(KEY, None)
            return error(status, "EntityTooLarge") if not request.url.path.endswith(".outline") else answer

        s3.lie = refusing
        with refused("MEDIA_UNAVAILABLE"):
            s3.remote().put(DATA, outline_of([DATA]))
        s3.lie = None
        s3.remote().put(DATA, outline_of([DATA]))
        assert s3.held[KEY] == DATA


class TestParts:
    """What is large goes in parts, and is there as a whole or not at all."""

    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3_remote, "MULTIPART_ABOVE", 1_000_000)
        monkeypatch.setattr(s3_remote, "PART_BYTES", 700_000)

    def test_a_large_object(self, s3: FakeS3, tmp_path: Path) -> None:
        store = s3.store(tmp_path)
        cid = store.put(LARGE)
        assert s3.held[f"media/{cid}"] == LARGE and s3.begun == {}
        assert [query for method, _, query in s3.asked if "partNumber" in query][-1].startswith("partNumber=5&")
        assert s3.store(tmp_path / "other").get(cid) == LARGE

    def test_the_same_large_object_again(self, s3: FakeS3) -> None:
        for _ in range(2):
            s3.remote().put(LARGE, outline_of([LARGE]))
        assert s3.held[f"media/{cid_of(LARGE)}"] == LARGE and s3.begun == {}

    BREAKS: ClassVar[dict[str, Callable[[httpx.Request], bool]]] = {
        "no beginning": lambda request: "uploads" in str(request.url),
        "a part is refused": lambda request: "partNumber=3" in str(request.url),
        "no end": lambda request: request.method == "POST" and "uploadId" in str(request.url),
    }

    @pytest.mark.parametrize("answer", ["500", "an error with status 200", "nothing"])
    @pytest.mark.parametrize("breaks", BREAKS.values(), ids=BREAKS.keys())
    def test_an_upload_that_breaks_leaves_no_object_and_no_parts(
        self, s3: FakeS3, breaks: Callable[[httpx.Request], bool], answer: str
    ) -> None:
        spoilt = {
            "500": error(500, "InternalError"),
            "an error with status 200": error(200, "InternalError"),
            "nothing": httpx.Response(200),
        }[answer]

        def breaking(request: httpx.Request, honest: httpx.Response) -> httpx.Response:
            if not breaks(request):
                return honest
            if request.method == "POST":  # it says so and did nothing
                s3.held.pop(f"media/{cid_of(LARGE)}", None)
            return httpx.Response(spoilt.status_code, content=spoilt.content)

        s3.lie = breaking
        with refused("MEDIA_UNAVAILABLE"):
            s3.remote().put(LARGE, outline_of([LARGE]))
        assert f"media/{cid_of(LARGE)}" not in s3.held
        s3.lie = None
        s3.remote().tidy()  # what began although the store denied it
        assert s3.begun == {}
        s3.remote().put(LARGE, outline_of([LARGE]))
        assert s3.held[f"media/{cid_of(LARGE)}"] == LARGE

    def test_an_end_whose_answer_is_lost_is_found_out(self, s3: FakeS3) -> None:
        lost: list[str] = []

        def losing(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            if request.method == "POST" and "uploadId" in str(request.url) and not lost:
                lost.append("the answer")
                raise httpx.ReadError("broken", request=request)
            return answer

        s3.lie = losing
        s3.remote().put(LARGE, outline_of([LARGE]))
        assert lost and s3.held[f"media/{cid_of(LARGE)}"] == LARGE and s3.begun == {}

    def test_an_upload_without_a_name_is_none(self, s3: FakeS3) -> None:
        s3.lie = lambda request, answer: answer if "uploads" not in str(request.url) else document("<Upload></Upload>")
        with refused("MEDIA_UNAVAILABLE"):
            s3.remote().put(LARGE, outline_of([LARGE]))
        assert [method for method, _, query in s3.asked if "uploadId=" in query] == []

    def test_abandoned_uploads_are_named_and_taken_away(self, s3: FakeS3) -> None:
        s3.begun = {"u1": ("media/one", {}), "u2": ("media/two", {1: b"x"}), "u3": ("elsewhere", {})}
        assert list(s3.remote().unfinished()) == ["one", "two"]
        assert s3.remote().tidy() == 2 and list(s3.begun) == ["u3"]


class TestReading:
    def test_a_range_costs_the_outline_and_its_own_chunks(self, s3: FakeS3, tmp_path: Path) -> None:
        cid = s3.store(tmp_path / "writer").put(LARGE)
        s3.asked.clear()
        sizes: list[int] = []

        def weigh(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            sizes.append(len(answer.content))
            return answer

        s3.lie = weigh
        assert part(s3.store(tmp_path / "reader"), cid, 5 * CHUNK_BYTES + 9, 10) == LARGE[5 * CHUNK_BYTES + 9 :][:10]
        assert sizes == [8 + 32 * 12, CHUNK_BYTES]

    @pytest.mark.parametrize("outline", [None, b"", b"garbage", outline_of([b"another"]).encode()], ids=str)
    def test_a_lost_or_spoilt_outline_costs_one_reading_and_nothing_else(
        self, s3: FakeS3, tmp_path: Path, outline: bytes | None
    ) -> None:
        cid = s3.store(tmp_path / "writer").put(LARGE)
        del s3.held[f"media/{cid}.outline"]
        if outline is not None:
            s3.held[f"media/{cid}.outline"] = outline
        store = s3.store(tmp_path / "reader")
        assert part(store, cid, 700_000, 50) == LARGE[700_000:700_050]
        assert store.size(cid) == len(LARGE)

    def test_os08_one_bit_in_one_chunk_spoils_that_chunk_alone(self, s3: FakeS3, tmp_path: Path) -> None:
        cid = s3.store(tmp_path / "writer").put(LARGE)
        changed = bytearray(LARGE)
        changed[3 * CHUNK_BYTES + 77] ^= 1
        s3.held[f"media/{cid}"] = bytes(changed)
        store = s3.store(tmp_path / "reader")
        with refused("MEDIA_CORRUPT"):
            part(store, cid, 3 * CHUNK_BYTES, 1)
        assert part(store, cid, 4 * CHUNK_BYTES, 9) == LARGE[4 * CHUNK_BYTES :][:9]
        with refused("MEDIA_CORRUPT"):
            store.get(cid)
        store.put(LARGE)
        assert s3.store(tmp_path / "third").get(cid) == LARGE

    @pytest.mark.parametrize("status", [200, 206])
    def test_more_or_other_than_the_range_is_no_answer(self, s3: FakeS3, tmp_path: Path, status: int) -> None:
        cid, remote = s3.store(tmp_path).put(LARGE), s3.remote()
        s3.lie = always(status, LARGE[300:310] if status == 200 else LARGE[300:311])
        with refused("MEDIA_UNAVAILABLE"):
            remote.read(cid, 300, 10)
        s3.lie = None
        assert remote.read(cid, 300, 10) == LARGE[300:310]

    def test_an_object_that_is_lost_once_its_outline_was_read(self, s3: FakeS3, tmp_path: Path) -> None:
        cid = s3.store(tmp_path / "writer").put(LARGE)
        store = s3.store(tmp_path / "reader")
        assert store.size(cid) == len(LARGE)
        kept = s3.held.pop(f"media/{cid}")
        with refused("MEDIA_UNKNOWN"):
            store.get(cid)
        s3.held[f"media/{cid}"] = kept
        assert store.get(cid) == LARGE

    def test_a_lost_bucket_is_no_lost_object(self, s3: FakeS3, tmp_path: Path) -> None:
        store = s3.store(tmp_path)
        s3.lie = lambda request, answer: error(404, "NoSuchBucket")
        for ask in (store.has, store.get, store.size, store.remove):
            with refused("MEDIA_UNAVAILABLE"):
                ask(CID)
        s3.lie = None
        assert not store.has(CID)


def shifted(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
    """Another range than was asked for, of the same length."""
    return httpx.Response(206, content=answer.content[1:] + b"x")


def always(status: int, content: bytes = b"") -> Lie:
    return lambda request, answer: httpx.Response(status, content=content)


LIES: dict[str, tuple[Lie, str]] = {
    "other bytes": (always(206, b"other"), "MEDIA_CORRUPT"),
    "a byte less": (lambda r, a: httpx.Response(206, content=a.content[:-1]), "MEDIA_CORRUPT"),
    "nothing": (always(206), "MEDIA_CORRUPT"),
    "wrong range": (shifted, "MEDIA_CORRUPT"),
    "too much": (always(206, bytes(RUN_CHUNKS * CHUNK_BYTES + 1)), "MEDIA_UNAVAILABLE"),
    "garbage instead of an error": (always(404, b"<html>"), "MEDIA_UNAVAILABLE"),
    "a document type": (always(404, b"<!DOCTYPE x><Error><Code>NoSuchKey</Code></Error>"), "MEDIA_UNAVAILABLE"),
    "an encoding": (
        lambda r, a: httpx.Response(206, content=b"x", headers={"Content-Encoding": "x-unknown"}),
        "MEDIA_UNAVAILABLE",
    ),
    "another way to go": (
        lambda r, a: httpx.Response(307, headers={"Location": "https://evil.test/"}),
        "MEDIA_UNAVAILABLE",
    ),
    "a storm of 503": (lambda r, a: error(503, "SlowDown"), "MEDIA_UNAVAILABLE"),
    "no right to it": (lambda r, a: error(403, "AccessDenied"), "MEDIA_UNAVAILABLE"),
}


@pytest.mark.parametrize(("lie", "code"), LIES.values(), ids=LIES.keys())
def test_a_store_that_lies_or_fails_hands_nothing_out_and_leaves_nothing(
    s3: FakeS3, tmp_path: Path, lie: Lie, code: str
) -> None:
    s3.store(tmp_path / "writer").put(DATA)
    store = s3.store(tmp_path / "copies")
    s3.lie = lie
    for ask in (store.get, store.size, lambda cid: part(store, cid, 0, 5)):
        with pytest.raises(Problem) as caught:
            ask(CID)
        assert caught.value.code == code and SECRET not in str(caught.value)
        assert caught.value.cure
    assert not [path for path in (tmp_path / "copies").rglob("*") if path.is_file()]
    s3.lie = None
    assert store.get(CID) == DATA


def test_what_was_turned_away_is_tried_again_a_few_times_and_no_more(s3: FakeS3) -> None:
    s3.lie = lambda request, answer: error(503, "SlowDown")
    with refused("MEDIA_UNAVAILABLE"):
        s3.remote().has(CID)
    assert len(s3.asked) == TRIES and len(s3.waited) == TRIES - 1 and sum(s3.waited) < 10
    s3.asked.clear()
    s3.lie = lambda request, answer: answer if len(s3.asked) > 1 else error(503, "SlowDown")
    assert not s3.remote().has(CID)
    s3.asked.clear()
    s3.lie = lambda request, answer: error(403, "SignatureDoesNotMatch")
    with refused("MEDIA_UNAVAILABLE"):
        s3.remote().has(CID)
    assert len(s3.asked) == 1  # the same request will not be signed better


class TestRemoving:
    def test_the_object_its_outline_and_what_was_begun_of_it(self, s3: FakeS3) -> None:
        remote = s3.remote()
        remote.put(DATA, outline_of([DATA]))
        remote.put(b"other", outline_of([b"other"]))
        s3.begun = {"u1": (KEY, {1: DATA[:9]}), "u2": (f"media/{cid_of(b'other')}", {})}
        for _ in range(2):
            remote.remove(CID)
            assert list(s3.held) == [f"media/{cid_of(b'other')}"] and list(s3.begun) == ["u2"]

    def test_every_version_goes(self, s3: FakeS3) -> None:
        s3.versioned, remote = True, s3.remote()
        s3.held[KEY] = b"damaged"
        remote.put(DATA, outline_of([DATA]))
        remote.put(b"other", outline_of([b"other"]))
        remote.remove(CID)
        assert list(s3.held) == [f"media/{cid_of(b'other')}"] and not any(s3.versions.values())

    @pytest.mark.parametrize("lie", ["it keeps the object", "it keeps the versions"])
    def test_what_the_store_still_has_is_not_called_deleted(self, s3: FakeS3, lie: str) -> None:
        s3.versioned, remote = lie == "it keeps the versions", s3.remote()
        remote.put(DATA, outline_of([DATA]))

        def keeping(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            if s3.versioned and "versionId" in str(request.url):
                return error(403, "AccessDenied")
            if request.method == "DELETE":
                s3.held[KEY] = DATA
            return answer

        s3.lie = keeping
        with refused("MEDIA_UNAVAILABLE"):
            remote.remove(CID)
        s3.lie = None
        remote.remove(CID)
        assert not s3.held and not any(s3.versions.values())


class TestListing:
    def test_names_come_page_by_page_without_the_outlines(self, s3: FakeS3) -> None:
        s3.page, remote = 3, s3.remote()
        every = [DATA, DATA[1:], LARGE, b"one", b"two"]
        for data in every:
            remote.put(data, outline_of([data]))
        s3.held |= {"media/stray": b"", "elsewhere": b"", f"media/{cid_of(b'gone')}.outline": b""}
        assert set(remote.names()) == {*map(cid_of, every)} | {"stray", f"{cid_of(b'gone')}.outline"}

    @pytest.mark.parametrize(
        "page",
        [
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
            "</ListBucketResult>",
            "<ListBucketResult><Contents><Key>not/ours</Key></Contents></ListBucketResult>",
            "<Error><Code>InternalError</Code></Error>",
            "no XML",
        ],
    )
    def test_a_listing_that_is_none(self, s3: FakeS3, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3_remote, "MAX_PAGES", 9)
        s3.lie = always(200, page.encode())
        with refused("MEDIA_UNAVAILABLE"):
            list(s3.remote().names())
        assert len(s3.asked) <= 3

    def test_a_listing_without_an_end(self, s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3_remote, "MAX_PAGES", 9)
        told = "<L><IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken></L>"
        s3.lie = lambda request, answer: httpx.Response(200, content=told.format(len(s3.asked)).encode())
        with refused("MEDIA_UNAVAILABLE"):
            list(s3.remote().names())
        assert len(s3.asked) == 9


class TestAnswers:
    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"<a>",
            b"<a></b>",
            b"\xff\xfe",
            b"<a/><b/>",
            b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            b"<a>" * 9 + b"</a>" * 9,
            b"<a>" + b"<b/>" * 20_001 + b"</a>",
            b"<a>" + b" " * (4 * 1024**2) + b"</a>",
        ],
        ids=["nothing", "open", "crossed", "bytes", "two", "entities", "deep", "many", "long"],
    )
    def test_os04_what_no_store_would_honestly_say(self, raw: bytes) -> None:
        with pytest.raises(ValueError, match=r"^it "):
            read_answer(raw)
        assert error_code(raw) == ""
        assert error_code(b"<Error><Code>NoSuchKey</Code></Error>") == "NoSuchKey"

    def test_a_code_is_a_word(self) -> None:
        assert error_code(b"<Error><Code>\nINJECTED: x</Code></Error>") == ""
        assert error_code(b"<Other><Code>NoSuchKey</Code></Other>") == ""


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server of its own socket, for what happens below HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def remote_at(url: str, *, seconds: float = 60.0) -> S3Remote:
    class Hasty(Exchange):
        def ask(self, method: str, url: str, **options: object) -> object:  # type: ignore[override]
            return super().ask(method, url, **(options | {"seconds": seconds}))  # type: ignore[arg-type]

    exchange = Hasty(PEER, seconds=seconds, max_bytes=4096)
    return S3Remote(Bucket(Place(url, "evidence"), lambda: Credentials("KEY", SECRET), exchange, wait=lambda _: None))


@pytest.mark.parametrize("where", ["in the head", "in the body"])
def test_os08_one_byte_a_second_ends_at_the_deadline(where: str) -> None:
    stopping = Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        if where == "in the body":
            handler.send_response(206)
            handler.send_header("Content-Length", "5000")
            handler.end_headers()
        while not stopping.wait(0.05):
            try:
                handler.wfile.write(b"H")
            except OSError:
                return

    with serving(drip) as url:
        with pytest.raises(Unavailable) as caught:
            remote_at(url, seconds=0.3).has(CID)
        stopping.set()
    assert "does not answer" in caught.value.what


def test_os02_another_host_is_never_asked() -> None:
    visited: list[str] = []

    def note(handler: BaseHTTPRequestHandler) -> None:
        visited.append(handler.path)
        handler.send_error(404)

    with serving(note) as other:

        def redirect(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(307)
            handler.send_header("Location", f"{other}{handler.path}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        with serving(redirect) as url, pytest.raises(Unavailable) as caught:
            remote_at(url).has(CID)
        assert "endpoint" in caught.value.cure and visited == []
        with refused("MEDIA_UNAVAILABLE"):
            remote_at(other).has(CID)
        assert visited != []


class TestSignature:
    """The examples of AWS, whose keys are no one's."""

    CREDENTIALS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    CASES: ClassVar = {
        "an object's first bytes": (
            ("GET", "/test.txt", {}, {"Range": "bytes=0-9"}, EMPTY_SHA256),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        "an object is put": (
            (
                "PUT",
                "/test%24file.text",
                {},
                {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
                "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        "an argument without a value": (
            ("GET", "/", {"lifecycle": ""}, {}, EMPTY_SHA256),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        "a listing": (
            ("GET", "/", {"max-keys": "2", "prefix": "J"}, {}, EMPTY_SHA256),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    }

    @pytest.mark.parametrize(("request_", "expected"), CASES.values(), ids=CASES.keys())
    def test_published_examples(
        self, request_: tuple[str, str, dict[str, str], dict[str, str], str], expected: str
    ) -> None:
        method, path, arguments, headers, payload = request_
        sent = signed_headers(
            method,
            "examplebucket.s3.amazonaws.com",
            path,
            query_string(arguments),
            headers,
            payload_sha256=payload,
            credentials=self.CREDENTIALS,
            region="us-east-1",
            at=datetime(2013, 5, 24, tzinfo=UTC),
        )
        assert sent["authorization"].endswith(f"Signature={expected}")
        assert self.CREDENTIALS.secret_key not in str(sent) + repr(self.CREDENTIALS)

    def test_a_temporary_key_sends_its_token_signed(self) -> None:
        sent = signed_headers(
            "GET",
            "s3.test",
            "/",
            "",
            {},
            payload_sha256=EMPTY_SHA256,
            credentials=Credentials("KEY", SECRET, "token"),
            region="r",
            at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        assert sent["x-amz-security-token"] == "token" and "x-amz-security-token" in sent["authorization"]


class TestCredentials:
    def test_from_a_file_and_from_the_environment(self, tmp_path: Path) -> None:
        file = tmp_path / "keys"
        file.write_text('{"access_key": "KEY", "secret_key": "s3cret"}')
        file.chmod(0o600)
        assert from_file(file) == Credentials("KEY", "s3cret")
        named = {"AWS_ACCESS_KEY_ID": "KEY", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "t"}
        assert from_environment(named) == Credentials("KEY", "s3cret", "t")

    @pytest.mark.parametrize(
        "raw",
        [
            "[]",
            "{}",
            '{"access_key": "KEY"}',
            '{"access_key": "KEY", "secret_key": ""}',
            '{"access_key": "KEY", "secret_key": 5}',
            '{"access_key": "KEY", "secret_key": "a b"}',
            '{"access_key": "KEY\\r\\nx: y", "secret_key": "abc"}',
            '{"access_key": "KEY", "secret_key": "abc", "more": "x"}',
        ],
    )
    def test_what_are_no_keys(self, tmp_path: Path, raw: str) -> None:
        file = tmp_path / "keys"
        file.write_text(raw)
        file.chmod(0o600)
        with refused("MEDIA_CREDENTIALS"):
            from_file(file)

    def test_a_file_that_others_may_read_or_that_is_not_there(self, tmp_path: Path) -> None:
        file = tmp_path / "keys"
        with refused("MEDIA_CREDENTIALS"):
            from_file(file)
        file.write_text('{"access_key": "KEY", "secret_key": "s3cret"}')
        file.chmod(0o640)
        with refused("MEDIA_CREDENTIALS"):
            from_file(file)

    def test_none_at_all(self) -> None:
        with pytest.raises(WrongUse, match=r"MEDIA_CREDENTIALS.*AWS_SECRET_ACCESS_KEY"):
            from_environment({"AWS_ACCESS_KEY_ID": "KEY", "AWS_SECRET_ACCESS_KEY": ""})

    def test_exchanged_keys_are_used_at_once_and_lost_ones_are_not_tried_again(self, s3: FakeS3) -> None:
        asked: list[int] = []

        def keys() -> Credentials:
            asked.append(1)
            if len(asked) > 1:
                raise Unavailable("MEDIA_CREDENTIALS", "gone")
            return Credentials("KEY", SECRET)

        bucket = s3.remote().bucket
        remote = S3Remote(Bucket(bucket.place, keys, bucket.exchange, wait=s3.waited.append))
        assert not remote.has(CID)
        with refused("MEDIA_CREDENTIALS"):
            remote.has(CID)
        assert s3.waited == [] and len(asked) == 2


class TestPlace:
    def test_the_bucket_stands_in_the_path_or_in_the_host(self) -> None:
        place = Place("https://s3.example:9000/", "goods", prefix="a/b/")
        assert (place.origin, place.path("x"), place.path(None)) == (
            "https://s3.example:9000", "/goods/a/b/x", "/goods",
        )  # fmt: skip
        place = Place("https://s3.example", "goods", in_host=True)
        assert (place.origin, place.path("x"), place.path(None)) == ("https://goods.s3.example", "/x", "/")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"endpoint": "ftp://s3.example"},
            {"endpoint": "https://"},
            {"endpoint": "https://s3.example/path"},
            {"endpoint": "https://user@s3.example"},
            {"endpoint": "https://s3.example?x=1"},
            {"bucket": "a"},
            {"bucket": "../x"},
            {"bucket": "UPPER"},
            {"region": "r/aws4"},
            {"prefix": "no-slash"},
            {"prefix": "../"},
            {"prefix": "a//"},
            {"prefix": "ä/"},
            {"prefix": "a/" * 101},
        ],
        ids=str,
    )
    def test_os06_what_cannot_be_addressed(self, wrong: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=r"endpoint|bucket|region|prefix"):
            Place(**({"endpoint": "https://s3.example", "bucket": "goods"} | wrong))  # type: ignore[arg-type]
