"""The main job with files it has never seen: videos of every usual kind, EPCIS documents of other people's tools."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from examples.demo.journal import STEPS
from ledger.api.app import create_app
from ledger.capture.scene import Coding, encode_scene
from ledger.epcis import keep_last_of_repeated_names
from ledger.http.addresses import page_path
from ledger.store import Ledger, utc_now
from tests.acceptance.program import read_json, run

EXAMPLES = Path(__file__).parents[3] / "shared" / "vectors" / "gs1-epcis" / "examples"
DOCUMENTS = (
    "WithFullCombinationOfFields/association_event_all_possible_fields.jsonld",
    "WithDigitalLinkID/Example_9.6.4-TransformationEventWithDigitalLink.jsonld",
)
VIDEOS = {
    "b_frames_and_sound": Coding(b_frames=2, sound=True),
    "odd_size": Coding(width=351, height=287, pixels="yuv444p"),
    "varying_frame_rate_and_open_groups": Coding(varying=True, b_frames=2, open_groups=True),
    "portrait": Coding(width=240, height=426, fps=25),
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_whole_journey_with_a_users_own_files(tmp_path: Path, document: str) -> None:
    if not EXAMPLES.exists():
        pytest.skip("../shared/vectors/gs1-epcis is not beside the project")
    arguments = ["--epcis", str(EXAMPLES / document)]
    for name, coding in VIDEOS.items():
        encode_scene(tmp_path / f"{name}.mp4", caption=name.upper(), started_at=utc_now(), seconds=5, coding=coding)
        arguments += ["--video", str(tmp_path / f"{name}.mp4")]
    table = tmp_path / "out.json"
    data = str(tmp_path / "data")
    ran = run(["demo", "--exit", "--json", str(table), "--data", data, "--port", "0", *arguments], home=tmp_path)
    assert ran.status == 0, ran.out + ran.err
    written = read_json(table)
    assert [step["step"] for step in written["steps"] if step["held"]] == list(STEPS)
    # The page and the bundle are of what the document is about, and no longer of the made-up tea.
    assert "/01/09520000001018/" not in written["urls"]["unit"]
    accepted = run(["verify", written["bundle"]], home=tmp_path)
    assert accepted.status == 0, accepted.err


def test_every_public_example_document_is_captured_and_has_a_page(tmp_path: Path) -> None:
    if not EXAMPLES.exists():
        pytest.skip("../shared/vectors/gs1-epcis is not beside the project")
    documents = sorted(EXAMPLES.rglob("*.jsonld"))
    assert len(documents) == 23
    for number, path in enumerate(documents):
        raw, _repeated = keep_last_of_repeated_names(path.read_bytes())
        ledger = Ledger.open(tmp_path / str(number), origin="log.test/examples")
        try:
            captured = ledger.events.capture_document(raw, received_at=utc_now())
            subject = next(iter(captured[0].event.subjects()))
            page = TestClient(create_app(ledger), base_url="http://127.0.0.1").get(page_path(subject))
            assert page.status_code == 200, path.name
            assert ledger.log.size == len(captured) >= 1
        finally:
            ledger.close()
