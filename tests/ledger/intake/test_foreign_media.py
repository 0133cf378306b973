"""OV10 and OV12 at the door: what a device honestly signed and no reader may choke on, and what it did not sign."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.evidence import SegmentStatement
from ledger.mp4 import fragments
from ledger.mp4.effort import MAX_SEGMENT_STEPS, Effort
from ledger.mp4.fragments import MAX_SEGMENT_BYTES, segment_facts
from ledger.segment_body import read_segment_body, write_segment_body
from tests.ledger.capture.estate import bodies
from tests.ledger.capture.films import box, patched
from tests.ledger.intake.test_receive import Yard, signed_again, stating, yard
from tests.ledger.mp4.test_fragments import second, sps
from tests.ledger.refusals import refused

__all__ = ["yard"]

Part = Callable[[bytes], bytes]
MEMORY, SECONDS = 512 * 1024**2, 2.0

_CHILD = """
import json, resource, sys, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
from ledger.errors import BadInput
from ledger.mp4.fragments import segment_facts
found = {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    init, media = ((folder / part).read_bytes() for part in ("init", "media"))
    begun = time.process_time()
    try:
        segment_facts(init, media)
        code = "taken"
    except BadInput as error:
        code = error.code
    except Exception as error:
        code = type(error).__name__
    found[folder.name] = [code, time.process_time() - begun]
json.dump(found, sys.stdout)
"""


def be(value: int, width: int = 4) -> bytes:
    return value.to_bytes(width, "big")


def put(at: int, width: int, value: int) -> Callable[[bytearray, int], None]:
    def change(data: bytearray, start: int) -> None:
        data[start + at : start + at + width] = be(value, width)

    return change


def fragment(data: bytes, *runs: bytes, beside: bytes = b"") -> bytes:
    """A moof whose video runs (rows after the flags, which say: offset, and `sizes` if any) are in its mdat."""

    def moof(offset: int) -> bytes:
        truns = b"".join(
            box(b"trun", be(0x201 if sizes[4:] else 0x001), sizes[:4], be(offset), sizes[4:]) for sizes in runs
        )
        head = box(b"tfhd", be(0x20000), be(1)) + box(b"tfdt", be(1 << 24), be(0, 8))
        return box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", head, truns), beside)

    return moof(len(moof(0)) + 8) + box(b"mdat", data)


def small_units(count: int) -> bytes:
    unit = be(1) + b"A"
    return fragment(unit * count, be(1) + be(len(unit) * count))


def one_unit_many_times(size: int, times: int) -> bytes:
    return fragment(be(size - 4) + b"A" * (size - 4), *[be(1) + be(size)] * times)


def many_tracks(init: bytes) -> bytes:
    return init[: init.index(b"moov") - 4] + box(b"moov", box(b"trak") * 100_000)


def nested(kind: bytes, depth: int) -> bytes:
    return b"".join(be(8 * left) + kind for left in range(depth, 0, -1))


def of_size(width: int, height: int) -> Part:
    def change(init: bytes) -> bytes:
        length = init.index(b"avcC") + 10
        made = sps(widths=width // 16, rows=height // 16)
        room = int.from_bytes(init[length : length + 2], "big")
        assert len(made) <= room
        return init[: length + 2] + made.ljust(room, b"\x80") + init[length + 2 + room :]

    return change


def same(part: bytes) -> bytes:
    return part


BOMBS: dict[str, tuple[Part, Part, str]] = {
    "honest": (same, same, "taken"),
    "OV10 truncated moov": (lambda i: i[:-10], same, "VIDEO_TRUNCATED"),
    "OV10 box of 2^32-1": (same, lambda m: m + be(2**32 - 1) + b"moof", "VIDEO_TRUNCATED"),
    "OV10 box of 2^64-1": (same, lambda m: m + be(1) + b"moof" + be(2**64 - 1, 8), "VIDEO_TRUNCATED"),
    "OV10 a hundred thousand tracks": (many_tracks, same, "MEDIA_LIMIT"),
    "OV10 a description nested 130000 deep": (lambda i: i[:28] + nested(b"moov", 130_000), same, "VIDEO_CODEC"),
    "OV10 fragments nested a million deep": (same, lambda m: m + nested(b"moof", 1_000_000), "VIDEO_NOT_VIDEO"),
    "OV10 16k x 16k": (of_size(16_384, 16_384), same, "MEDIA_LIMIT"),
    "OV10 a million frames a second": (lambda i: patched(i, b"mdhd", put(12, 4, 30_000_000)), same, "MEDIA_LIMIT"),
    "OV10 one frame for a year": (same, second(b"tfdt", 4, 8, 2**40), "MEDIA_LIMIT"),
    "OV10 fifty million frames of nothing": (
        same,
        lambda m: m + fragment(b"", *[be(1_000_000)] * 50),
        "MEDIA_LIMIT",
    ),
    "OV10 three million units": (same, lambda m: m + small_units(3_000_000), "MEDIA_LIMIT"),
    "OV10 the same bytes ten thousand times": (same, lambda m: m + one_unit_many_times(2**23, 10_000), "MEDIA_LIMIT"),
    "OV10 boxes beside boxes": (
        same,
        lambda m: m + fragment(b"", beside=box(b"free") * 99_000) * 40,
        "MEDIA_LIMIT",
    ),
}


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return bodies(tmp_path_factory.mktemp("camera"))


@pytest.fixture(scope="module")
def judged(sent: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, float]]:
    """What a process of at most `MEMORY` bytes says of each, and the CPU seconds it took."""
    folder = tmp_path_factory.mktemp("bombs")
    body = read_segment_body(sent[0])
    for name, (init, media, _) in BOMBS.items():
        (folder / name).mkdir()
        (folder / name / "init").write_bytes(init(body.init))
        (folder / name / "media").write_bytes(media(body.media))
        assert len(media(body.media)) <= MAX_SEGMENT_BYTES
    command = [sys.executable, "-c", _CHILD, str(folder), str(MEMORY)]
    child = subprocess.run(command, capture_output=True, check=True, timeout=300, cwd=Path(__file__).parents[3])
    return {name: tuple(found) for name, found in json.loads(child.stdout).items()}


@pytest.mark.parametrize("name", BOMBS)
def test_ov10_a_bomb_ends_typed_within_two_seconds_and_512_mebibytes(
    judged: dict[str, tuple[str, float]], name: str
) -> None:
    code, seconds = judged[name]
    assert code == BOMBS[name][2]
    assert seconds < SECONDS


def test_ov10_a_signed_bomb_leaves_nothing_behind(yard: Yard) -> None:
    body = read_segment_body(yard.sent[0])
    yard.refuses(stating(yard.sent[0], body.init, body.media + one_unit_many_times(4096, 100)), "MEDIA_LIMIT")
    yard.refuses(stating(yard.sent[1], many_tracks(body.init), body.media), "MEDIA_LIMIT")


def test_ov10_a_segment_in_memory_is_not_copied_to_be_looked_at(sent: list[bytes]) -> None:
    init, picture = read_segment_body(sent[0]).init, be(2**24) + b"\x65" * 2**24
    media = fragment(picture, be(1) + be(len(picture)))
    tracemalloc.start()
    try:
        assert segment_facts(init, media).frames == 1
        assert tracemalloc.get_traced_memory()[1] < len(picture) // 4
    finally:
        tracemalloc.stop()


def test_ov10_work_is_counted_and_an_honest_segment_needs_little_of_it(
    sent: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = read_segment_body(sent[0])
    monkeypatch.setattr(fragments, "MAX_SEGMENT_STEPS", MAX_SEGMENT_STEPS // 1000)
    assert segment_facts(body.init, body.media).frames
    monkeypatch.setattr(fragments, "MAX_SEGMENT_STEPS", 20)
    with refused("MEDIA_LIMIT"):
        segment_facts(body.init, body.media)


def test_ov10_the_last_step_is_allowed_and_none_after_it() -> None:
    effort = Effort(3)
    effort.spend(2)
    effort.spend()
    with refused("MEDIA_LIMIT"):
        effort.spend()


@pytest.mark.parametrize(
    "change",
    [lambda groups: groups[:-1], lambda groups: (*groups, groups[-1]), lambda groups: (*groups[1:], groups[0])],
    ids=["one less", "one more", "another order"],
)
def test_ov12_a_list_of_groups_that_is_not_the_video_s(
    yard: Yard, change: Callable[[tuple[bytes, ...]], object]
) -> None:
    def state(statement: SegmentStatement) -> SegmentStatement:
        media = replace(statement.media, groups=change(statement.media.groups))  # type: ignore[arg-type]
        return replace(statement, media=media)

    yard.refuses(signed_again(yard.sent[0], state), "MANIFEST")


def test_ov12_a_list_of_groups_changed_after_it_was_signed(yard: Yard) -> None:
    body = read_segment_body(yard.sent[0])
    own = body.evidence.statement_bytes
    group = json.loads(own)["media"]["groups"][-1].encode()
    less = own.replace(b',"' + group + b'"', b"")
    assert less != own
    yard.refuses(
        write_segment_body(replace(body, evidence=replace(body.evidence, statement_bytes=less))), "EVIDENCE_SIGNATURE"
    )
