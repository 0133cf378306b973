"""One lie after another: each turns the page red at its step, with its code; the honest page stays as it was."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from ledger.checkpoint import Checkpoint, Cosigner, LogSigner, cosign, sign_checkpoint
from tests.ledger.tea import NOTARY_KEYS, ORIGIN
from tests.ledger.web.conftest import House, more, settle, states
from tests.ledger.web.forging import Change, relogged, rewrite
from tests.ledger.web.lying import Lie, about, about_records

Answer = dict[str, Any]
OTHER = "https://id.gs1.org/01/09520000009991/21/77"


@pytest.fixture(scope="module")
def reader(browser: Browser) -> Iterator[Page]:
    """A phone that remembers nothing from one visit to the next."""
    context = browser.new_context(locale="en-GB", viewport={"width": 360, "height": 740})
    context.add_init_script("localStorage.clear()")
    yield context.new_page()
    context.close()


@pytest.fixture
def newcomer(browser: Browser) -> Iterator[Page]:
    """A phone that has never been here: nothing is in its cache either."""
    context = browser.new_context(locale="en-GB")
    yield context.new_page()
    context.close()


def _of(answer: Answer, kind: str, number: int = 0) -> dict[str, Any]:
    found: list[dict[str, Any]] = [each for each in answer["records"] if f"/{kind}/" in each["domain"]]
    return found[number]


def _packing(answer: Answer) -> dict[str, Any]:
    found: list[dict[str, Any]] = [each for each in answer["records"] if '"AggregationEvent"' in each["canonical"]]
    return found[0]


def _note(change: Callable[[bytes, list[bytes]], bytes]) -> Lie:
    """A lie about the checkpoint: its text and its signature lines."""

    def changed(answer: Answer) -> None:
        head, _, lines = answer["checkpoint"].encode().rpartition(b"\n\n")
        answer["checkpoint"] = change(head + b"\n\n", lines.splitlines(keepends=True)).decode()

    return about_records(changed)


def _stranger(head: bytes, lines: list[bytes]) -> bytes:
    note = head + b"".join(lines[:4])
    log = LogSigner(ORIGIN, bytes([9]) * 32)
    line = cosign(_resigned(head, log), log_key=log.key, cosigner=STRANGER, time=5)
    return note + line


def _resigned(head: bytes, log: LogSigner) -> bytes:
    origin, size, root = head.decode().split("\n")[:3]
    return sign_checkpoint(Checkpoint(origin, int(size), base64.b64decode(root)), log)


STRANGER = Cosigner("notary-9.example", bytes([99]) * 32)


def _set(part: Callable[[Answer], dict[str, Any]], **values: Any) -> Lie:
    return about_records(lambda answer: part(answer).update(values))


def _drop(part: Callable[[Answer], dict[str, Any]]) -> Lie:
    return about_records(lambda answer: answer["records"].remove(part(answer)))


def _older_tree(house: House) -> Lie:
    def changed(answer: Answer) -> None:
        record = answer["records"][0]
        record["path"] = [node.hex() for node in house.ledger.log.inclusion(record["entry"], 5)]

    return about_records(changed)


def _trust_root(change: Callable[[str], str]) -> Lie:
    return about_records(lambda answer: answer.update(trust_root=change(answer["trust_root"])))


def _html(old: str, new: str, count: int = 1) -> Lie:
    def changed(body: bytes) -> bytes:
        assert re.search(old, body.decode(), re.DOTALL), old
        return re.sub(old, new, body.decode(), count=count, flags=re.DOTALL).encode()

    return about("/01/", lambda body: changed(body) if body.startswith(b"<!doctype html>") else body)


# What a server does that holds no keys: (the lie, the step that catches it, the code it gives).
LIES: dict[str, tuple[Lie, str, str]] = {
    "nothing that can be read": (about_records(lambda answer: answer.clear()), "trust", "RECORDS_FORMAT"),
    "a trust root in another spelling": (
        _trust_root(lambda text: text.replace(":", ": ", 1)),
        "trust",
        "NON_CANONICAL",
    ),
    "a trust root that names a key twice": (
        _trust_root(lambda text: text.replace("{", '{"quorum":1,', 1)),
        "trust",
        "NON_CANONICAL",
    ),
    "a smaller quorum": (_trust_root(lambda text: text.replace('"quorum":3', '"quorum":2')), "trust", "CONFIG_SET"),
    "the log's signature stripped": (
        _note(lambda head, lines: head + b"".join(lines[1:])),
        "checkpoint",
        "SIG_MISSING",
    ),
    "another size": (
        _note(lambda head, lines: head.replace(b"\n13\n", b"\n14\n") + b"".join(lines)),
        "checkpoint",
        "SIG_INVALID",
    ),
    "too few cosigners": (_note(lambda head, lines: head + b"".join(lines[:3])), "cosigned", "QUORUM_MISSING"),
    "a cosigner counted twice": (
        _note(lambda head, lines: head + b"".join([*lines[:3], lines[2]])),
        "cosigned",
        "SIG_DUPLICATE_SIGNER",
    ),
    "a cosigner nobody named": (_note(_stranger), "cosigned", "SIG_UNKNOWN"),
    "a salt": (_set(_packing, salt="00" * 32), "logged", "PROOF_INVALID"),
    "a place in the log": (_set(_packing, entry=2), "logged", "RECORD_REPEATED"),
    "C04 a proof one hash short": (about_records(lambda a: a["records"][2]["path"].pop()), "logged", "PROOF_INVALID"),
    "C04 a proof with garbage before it": (
        about_records(lambda a: a["records"][2]["path"].insert(0, "00" * 32)),
        "logged",
        "PROOF_INVALID",
    ),
    "C05 a valid proof with another payload": (
        _set(_packing, canonical='{"type":"ObjectEvent"}'),
        "logged",
        "PROOF_INVALID",
    ),
    "an enrolment left out": (_drop(lambda answer: _of(answer, "device")), "signed", "DEVICE_NOT_ENROLLED"),
    "evidence left out": (_drop(lambda answer: _of(answer, "evidence", 3)), "shown", "RECORD_MISSING"),
    "an event left out": (_drop(_packing), "shown", "RECORD_MISSING"),
    "a step under another name": (_html("<h3>Packing</h3>", "<h3>Sold</h3>"), "shown", "SHOWN_DIFFERS"),
    "a step at another time": (
        _html(r'datetime="2026-09-20T02:00:00', r'datetime="2025-09-20T02:00:00'),
        "shown",
        "SHOWN_DIFFERS",
    ),
    "a step taken off the page": (_html(r'<li class="event">.*?</article></li>', ""), "shown", "RECORD_HIDDEN"),
    "a video longer by a byte": (about("/media/", lambda body: body + b"\0"), "video", "VIDEO_DIFFERS"),
    "a video cut short": (about("/media/", lambda body: body[:-1]), "video", "VIDEO_DIFFERS"),
    "no video but an empty one": (about("/media/", lambda body: b""), "video", "VIDEO_DIFFERS"),
}


def _meets(reader: Page, house: House, lie: Lie, step: str, code: str) -> None:
    with house.liar.telling(lie):
        assert settle(reader, house.page) == "refused"
    assert states(reader)[step] == "refused"
    assert f"({code}" in more(reader, step)
    assert reader.locator("video").evaluate_all("all => all.filter(video => video.src).length") == 0


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_caught_at_its_step(reader: Page, house: House, lie: str) -> None:
    _meets(reader, house, *LIES[lie])


def test_c04_a_proof_of_an_older_tree_is_caught(reader: Page, house: House) -> None:
    _meets(reader, house, _older_tree(house), "logged", "PROOF_INVALID")


def _packed(change: Callable[[Any], None]) -> Change:
    return lambda records: rewrite(_packing({"records": records}), change)


def _said(change: Callable[[Any], None]) -> Change:
    return lambda records: rewrite(_of({"records": records}, "evidence", 1), change)


def _enrolled(**values: Any) -> Change:
    return lambda records: rewrite(_of({"records": records}, "device"), lambda value: value.update(values))


def _spaced(part: Callable[[Answer], dict[str, Any]]) -> Change:
    def change(records: list[dict[str, Any]]) -> None:
        record = part({"records": records})
        record["canonical"] = record["canonical"].replace(",", ", ", 1)

    return change


def _last(records: list[dict[str, Any]]) -> None:
    _of({"records": records}, "device")["entry"] = max(record["entry"] for record in records) + 1


# What a server does whose log and notaries all collude with it: only the devices' keys, the code and the page are left.
FORGERIES: dict[str, tuple[Change, str, str]] = {
    "a signature stripped": (_said(lambda value: value.update(signature="00" * 64)), "signed", "EVIDENCE_SIGNATURE"),
    "another place for the camera": (
        _said(lambda value: value["statement"].update(place="https://id.gs1.org/414/0")),
        "signed",
        "EVIDENCE_SIGNATURE",
    ),
    "another video under the signature": (
        _said(lambda value: value["statement"]["media"].update(sha256="00" * 32)),
        "signed",
        "EVIDENCE_SIGNATURE",
    ),
    "a device's key swapped": (
        _enrolled(key=NOTARY_KEYS[0].key.public_key.hex()),
        "signed",
        "EVIDENCE_SIGNATURE",
    ),
    "a weak key": (_enrolled(key="00" * 32), "signed", "KEY_WEAK"),
    "another algorithm": (_enrolled(algorithm="P-256"), "signed", "KEY_LENGTH"),
    "no algorithm": (_enrolled(algorithm=""), "signed", "KEY_ALGORITHM"),
    "another device's name": (_enrolled(device="urn:example:camera-4"), "signed", "DEVICE_NOT_ENROLLED"),
    "enrolled when it was over": (_enrolled(valid_until="2026-09-01T00:00:00.000Z"), "signed", "DEVICE_NOT_VALID"),
    "enrolled after it spoke": (_last, "signed", "DEVICE_NOT_ENROLLED"),
    "evidence in another spelling": (_spaced(lambda answer: _of(answer, "evidence")), "signed", "NON_CANONICAL"),
    "an event in another spelling": (_spaced(_packing), "subject", "NON_CANONICAL"),
    "an event about something else": (
        _packed(lambda value: value.update(parentID=OTHER, childEPCs=[OTHER + "8"])),
        "subject",
        "SUPERFLUOUS",
    ),
    "an event at another time": (
        _packed(lambda value: value.update(eventTime="2026-09-21T05:00:00.000Z")),
        "shown",
        "SHOWN_DIFFERS",
    ),
    "an event of another kind": (_packed(lambda value: value.update(bizStep="shipping")), "shown", "SHOWN_DIFFERS"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_colluding_log_is_caught_all_the_same(reader: Page, house: House, forgery: str) -> None:
    change, step, code = FORGERIES[forgery]
    _meets(reader, house, about_records(lambda answer: relogged(answer, house.log, change)), step, code)


def test_the_forgers_tools_alone_turn_nothing_red(newcomer: Page, house: House) -> None:
    with house.liar.telling(about_records(lambda answer: relogged(answer, house.log, lambda records: None))):
        assert settle(newcomer, house.page) == "holds"


@pytest.mark.parametrize(
    "denial",
    [
        about("/media/", lambda body: None),
        lambda path, body: None if path.endswith("/records") else body,
    ],
    ids=["video", "records"],
)
def test_what_is_withheld_is_neither_green_nor_red(newcomer: Page, house: House, denial: Lie) -> None:
    with house.liar.telling(denial):
        assert settle(newcomer, house.page) == "unchecked"
    assert "refused" not in states(newcomer).values()
    assert "unchecked" in {states(newcomer)[step] for step in ("trust", "video")}


def test_a_module_exchanged_behind_the_page_does_not_run(newcomer: Page, house: House) -> None:
    with house.liar.telling(about("/keys.mjs", lambda body: body.replace(b"SIG_INVALID", b"SIG_IGNORED"))):
        newcomer.goto(house.page)
        newcomer.wait_for_load_state("networkidle")
    assert newcomer.evaluate("document.body.dataset.verdict") is None
    assert newcomer.locator("#verdict").inner_text().startswith("Not checked in your browser")
    assert set(states(newcomer).values()) == {"unchecked"}
