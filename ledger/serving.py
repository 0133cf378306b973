"""`pledgetrail ledger run`: the ledger's API and pages over one data folder, until interrupted.

What happens here: the folder is opened, cosigners are taken from the trust root where one is given, and the application
is served. May never happen here: a trust root of another log, or a page that links to an address nobody named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ledger.api.app import create_app
from ledger.bundle import TRUST_ROOT_DOMAIN, TrustRoot
from ledger.bundle.succession import (
    MAX_ORDER_BYTES,
    ROTATION_DOMAIN,
    RotationOrder,
    follow_rotations,
    read_rotation_order,
)
from ledger.bundle.trust_root import MAX_TRUST_ROOT_BYTES
from ledger.bundling import Publishing
from ledger.errors import WrongUse
from ledger.history.silence_watch import SilenceWatch
from ledger.serve import RunningServer, serve
from ledger.store import Cosigners, Ledger
from ledger.verify_report import read_file


@dataclass(frozen=True, slots=True)
class Serving:
    """A ledger that is served. `stop` ends the server first, then closes the folder."""

    ledger: Ledger
    server: RunningServer
    watch: SilenceWatch

    def stop(self) -> None:
        """Stop listening and watching, let open requests end, close the folder."""
        self.server.stop()
        self.watch.stop()
        self.ledger.close()


def start(
    data: Path,
    *,
    origin: str,
    host: str,
    port: int,
    trust_root: Path | None,
    public_url: str | None,
    rotations: Sequence[Path] = (),
) -> Serving:
    """Open the folder (made where it is missing) and serve it.

    `origin`: the log's name, for good. `trust_root`: whose cosigners count; logged once, so that the log itself holds
    it. `public_url`: what printed codes point at; the server's own address where None. `rotations`: the orders that led
    from the trust root before to this one, oldest first; logged, so that readers can follow. Errors: those of
    `Ledger.open`, `TrustRoot.load`, `follow_rotations` and `serve`; `WrongUse` PUBLIC_URL (nothing is made then),
    TRUST_ROOT_LOG, ROTATION_LOOSE.
    """
    address = None if public_url is None else _address(public_url)
    ledger = Ledger.open(data, origin=origin)
    try:
        if trust_root is not None:
            orders = [read_rotation_order(read_file(path, MAX_ORDER_BYTES).removesuffix(b"\n")) for path in rotations]
            _believe(ledger, TrustRoot.load(read_file(trust_root, MAX_TRUST_ROOT_BYTES)), orders)
        ledger.bundle_of = Publishing(ledger).bundler.bundle_of
        ledger.public_url = address
        server = serve(create_app(ledger), host=host, port=port)
        ledger.public_url = ledger.public_url or server.url
        watch = SilenceWatch(ledger.evidence, clock=ledger.clock)
    except BaseException:
        ledger.close()
        raise
    watch.start()
    return Serving(ledger, server, watch)


def _address(url: str) -> str:
    """What printed codes begin with. A code that was printed cannot be mended: `WrongUse` PUBLIC_URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        what = "This is no address that printed codes can point at."
        raise WrongUse("PUBLIC_URL", what, where=url, cure="Give one such as https://tea.example.")
    return url.rstrip("/")


def _believe(ledger: Ledger, root: TrustRoot, orders: Sequence[RotationOrder]) -> None:
    if root.log != ledger.log.key:
        raise WrongUse(
            "TRUST_ROOT_LOG",
            "The trust root names another log, or another key of it.",
            where=root.log.name,
            cure="Give the trust root that was made for this folder.",
        )
    if orders:
        _follow(ledger, root, orders)
    ledger.statements.enter(TRUST_ROOT_DOMAIN, root.dump())
    ledger.log.cosigners = Cosigners(root.pinned.cosigners, root.pinned.quorum)


def _follow(ledger: Ledger, root: TrustRoot, orders: Sequence[RotationOrder]) -> None:
    """Log the orders, once they lead from a trust root that the log holds to this one."""
    logged = [TrustRoot.load(found.canonical) for found in ledger.statements.of_domain(TRUST_ROOT_DOMAIN)]
    held = next((each for each in logged if each.pinned.epoch == orders[0].epoch), None)
    if held is None:
        raise WrongUse(
            "ROTATION_LOOSE",
            "The log holds no trust root of the epoch that ordered the first of these rotations.",
            where=f"epoch {orders[0].epoch}",
            cure="Give the orders from the trust root that this ledger was served with last, oldest first.",
        )
    follow_rotations(held, root, orders)
    for order in orders:
        ledger.statements.enter(ROTATION_DOMAIN, order.dump())
