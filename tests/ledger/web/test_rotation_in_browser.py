"""In a real Chromium: the notaries are replaced, and the reader's browser follows what the former ones ordered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from ledger.api.app import create_app
from ledger.bundle import TRUST_ROOT_DOMAIN, Notaries, TrustRoot
from ledger.bundle.succession import ROTATION_DOMAIN
from ledger.checkpoint import Cosigner, add_cosignatures, cosign
from ledger.http.addresses import page_path
from ledger.quorum import Committee
from ledger.serve import serve
from ledger.store import Cosigners, Ledger
from tests.browser import page
from tests.ledger.bundle.succeeding import KEYS, members_of, order_of
from tests.ledger.tea import COSIGNERS, NOW, UNITS, cosign_log, document, open_ledger
from tests.ledger.web.conftest import more, settle, states
from tests.ledger.web.lying import Liar, about_records, trust_root_of

LATER = tuple(Cosigner(f"bank-{number}.example", bytes([0x70 + number]) * 32) for number in range(4))
RECORDS = tuple(
    replace(member, cosigning=cosigner.key.public_key) for member, cosigner in zip(members_of(2), LATER, strict=True)
)
ORDER = order_of(1, members=RECORDS)


def _addresses(epoch: int) -> tuple[bytes, ...]:
    return tuple(key.address for key in KEYS[epoch])


@dataclass(frozen=True)
class Rotated:
    """A ledger whose notaries can be replaced. `first`, `second`: its trust roots."""

    ledger: Ledger
    liar: Liar
    page: str
    first: TrustRoot
    second: TrustRoot

    def rotate(self) -> None:
        """The order and the new trust root are logged; nobody has cosigned yet."""
        self.ledger.statements.enter(ROTATION_DOMAIN, ORDER.dump())
        self.ledger.statements.enter(TRUST_ROOT_DOMAIN, self.second.dump())

    def cosign(self) -> None:
        """The new notaries cosign the log as it is."""
        log = self.ledger.log
        log.cosigners = Cosigners(tuple(key.key for key in LATER), 3)
        note = log.make_checkpoint()
        lines = [cosign(note, log_key=log.key, cosigner=key, time=int(NOW.timestamp())) for key in LATER]
        log.store_cosigned(add_cosignatures(note, lines))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Rotated]:
    ledger = open_ledger(tmp_path / "ledger")
    made = trust_root_of(ledger)
    past = Notaries(Committee(0, _addresses(0)), COSIGNERS.keys, COSIGNERS.quorum)
    pinned = Notaries(Committee(1, _addresses(1)), COSIGNERS.keys, COSIGNERS.quorum)
    first = replace(made, pinned=pinned, past=(past,))
    following = Notaries(Committee(2, _addresses(2)), tuple(key.key for key in LATER), 3)
    second = first.renewed(following, first.dated + timedelta(days=200))
    ledger.statements.enter(TRUST_ROOT_DOMAIN, first.dump())
    ledger.events.capture_document(document(), NOW)
    cosign_log(ledger)
    liar = Liar(create_app(ledger))
    running = serve(liar, port=0)
    yield Rotated(ledger, liar, running.url + page_path(UNITS[0]), first, second)
    running.stop()
    ledger.close()


def _address(house: Rotated, root: TrustRoot) -> str:
    return f"{house.page}#root={root.fingerprint.replace(' ', '')}"


def test_a_rotation_that_was_ordered_is_shown_proven_and_offered(browser: Browser, house: Rotated) -> None:
    with page(browser, locale="en-GB") as (shown, complaints):
        assert settle(shown, house.page) == "holds", shown.locator("#verdict").inner_text()
        house.rotate()
        assert settle(shown, house.page) == "holds", "until the new notaries have cosigned, the former ones count"
        house.cosign()
        assert settle(shown, house.page) == "unchecked"
        assert "The notaries were replaced" in shown.locator("#verdict").inner_text()
        assert "epoch 1; this is epoch 2" in more(shown, "trust")
        assert set(states(shown).values()) == {"unchecked"}
        assert shown.locator(".fingerprint").inner_text() == house.second.fingerprint
        assert settle(shown, house.page) == "unchecked", "nothing is taken over by itself"
        shown.get_by_role("button", name="Trust the notaries of epoch 2 from now on").click()
        shown.wait_for_selector("body[data-verdict=holds]", timeout=60_000)
        assert settle(shown, house.page) == "holds"
        assert complaints == []


def test_an_address_printed_before_the_rotation_leads_to_the_new_notaries(browser: Browser, house: Rotated) -> None:
    house.rotate()
    house.cosign()
    with page(browser, locale="zh-CN") as (shown, _):
        assert settle(shown, _address(house, house.first)) == "unchecked"
        shown.get_by_role("button", name="从现在起信任第 2 届公证方").click()
        shown.wait_for_selector("body[data-verdict=holds]", timeout=60_000)
        assert settle(shown, _address(house, house.first)) == "holds"
        assert settle(shown, _address(house, house.second)) == "holds"
    with page(browser, locale="en-GB") as (shown, _):
        assert settle(shown, house.page) == "holds", "who never was here trusts whom the page names, as before"


def _orders(*orders: Any) -> Any:
    return lambda answer: answer["rotations"][0].update(orders=[order.as_json() for order in orders])


FORGERIES: dict[str, tuple[Any, str]] = {
    "retired keys order it": (_orders(order_of(1, by=0, members=RECORDS)), "SIG_UNKNOWN"),
    "retired keys order it in their own epoch": (_orders(order_of(0), ORDER), "EPOCH_UNLINKED"),
    "too few order it": (_orders(order_of(1, members=RECORDS, signers=(0, 1))), "QUORUM"),
    "they ordered others": (_orders(order_of(1)), "ROTATION_ROOT"),
    "no order": (_orders(), "SET_EPOCH"),
    "nothing leads there": (lambda answer: answer.update(rotations=[]), "TRUST_ROOT_CHANGED"),
}


def test_a_rotation_that_nobody_ordered_is_red(browser: Browser, house: Rotated) -> None:
    with page(browser, locale="en-GB") as (shown, _):
        assert settle(shown, house.page) == "holds"
        house.rotate()
        house.cosign()
        for name, (lie, code) in FORGERIES.items():
            with house.liar.telling(about_records(lie)):
                assert settle(shown, house.page) == "refused", name
            assert f"({code}" in more(shown, "trust"), name
            offered = shown.locator("#checks button").is_visible()
            assert offered == (code == "TRUST_ROOT_CHANGED"), "what is false is not offered"
        assert settle(shown, house.page) == "unchecked"


def test_what_retired_keys_cosign_after_the_rotation_is_red(browser: Browser, house: Rotated) -> None:
    old = house.ledger.log.latest_cosigned()
    assert old is not None
    house.rotate()
    house.cosign()
    with page(browser, locale="en-GB") as (shown, _):
        assert settle(shown, house.page) == "holds"
    lie = about_records(lambda answer: answer.update(checkpoint=old.note.decode(), records=[]))
    with page(browser, locale="en-GB") as (shown, _), house.liar.telling(lie):
        assert settle(shown, house.page) == "refused"
        assert "(EPOCH_UNLINKED" in more(shown, "cosigned")
