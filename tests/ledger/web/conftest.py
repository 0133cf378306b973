"""One filled ledger for all page tests, and a server in front of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.serve import RunningServer, serve
from ledger.store import Ledger
from tests.ledger.tea import whole_story


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = whole_story(tmp_path_factory.mktemp("story"))
    ledger.bundle_of = lambda subject, loan: f"bundle of {subject.text}{loan.hex() if loan else ''}".encode()
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def client(story: Ledger) -> TestClient:
    return TestClient(create_app(story), follow_redirects=False)


@pytest.fixture(scope="module")
def server(story: Ledger) -> Iterator[RunningServer]:
    running = serve(create_app(story), port=0)
    yield running
    running.stop()
