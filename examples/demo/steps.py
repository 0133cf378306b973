"""The steps of the journey, each a function of the house that answers one or more rows.

A step may be run again after a crash at any point: what it finds done, it reports. Nothing here decides whether
something is allowed; the rooms do, and a step holds only if they said so.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from contracts.manifest import Role
from contracts.transactor import wait_for
from examples.demo import story
from examples.demo.acts import Done, find
from examples.demo.brought import Goods
from examples.demo.house import TRUST_ROOT_FILE, House
from examples.demo.journal import Journal, Row
from examples.demo.pledge import Loan, Pledging
from examples.demo.proof_check import verify, verify_flipped
from ledger.bundle import TRUST_ROOT_DOMAIN, GoodsSubject
from ledger.bundling import Bundler, Publishing
from ledger.durable_file import write_whole
from ledger.errors import Unavailable
from ledger.store import LoanDocument, ReceiptDocument
from relay.journey import Journey, State
from relay.publisher import Act
from relay.relay import Progress
from relay.watcher import Place

CROSSING_SECONDS = 120.0
PAGE_SECONDS = 20.0
BUNDLE_FILE = "unit.bundle"
TAMPERED_AT = 3 / 5  # where the one byte is flipped, as a share of the file

VERDICTS = {
    State.CLOSED: "re-executed by the notaries: same",
    State.DISPUTED: "re-executed by the notaries: differs, disputed",
}
REFUSED_STATE, RELEASED_STATE = 3, 5  # of PledgeRegistry.vy


class Steps:
    """Runs the steps that the journal does not hold yet."""

    def __init__(self, house: House, journal: Journal, goods: Goods, say: Callable[[str], None]) -> None:
        self._house, self._journal, self._goods, self._say = house, journal, goods, say
        self._pledging = Pledging(
            house.chains, house.manifest, house.accounts, goods.goods_key, waiting=self._what_waits
        )

    # -- the log and its way to the lender chain ----------------------------------------------------------------------

    def log(self) -> None:
        """Everything recorded is an entry of the log, the deployment's trust root too."""
        with self._timed("logging") as took:
            ledger = self._house.ledger
            ledger.statements.enter(TRUST_ROOT_DOMAIN, self._house.trust_root.dump())
            size, root = ledger.log.size, ledger.log.root()
            self._record("log", held=size > 0, id_=f"0x{root.hex()}", ms=took(), note=f"{size} entries")

    def anchor(self) -> None:
        """Have the log published: checkpoint, cosignatures, anchor, and the message that carries it to its credential.

        The publisher does it; the rows are what stands in the log and on the chains afterwards.
        """
        with self._timed("publishing the log: cosigned, anchored, carried to the lender chain"):
            took, journey = self._publish()
        published = self._house.ledger.log.latest_cosigned()
        if published is None:
            raise self._still_waiting("no checkpoint is cosigned")
        checkpoint, words = published.checkpoint, f"size {published.checkpoint.size}"
        self._record("checkpoint", held=True, id_=f"0x{checkpoint.root.hex()}", ms=took.get(Act.PUBLISHED), note=words)
        names = sorted(found.cosigner.name.split(".")[0] for found in published.cosigned.cosignatures)
        held, notaries = (
            len(names) >= self._house.manifest.committee.quorum,
            len(self._house.manifest.cosigners),
        )
        note = f"{len(names)} of {notaries}"
        self._record("cosign", held=held, id_=", ".join(names), ms=took.get(Act.PUBLISHED), note=note)
        done = self._find(Role.ORIGIN, "AnchorRegistry", "Anchored", checkpoint.size.to_bytes(32, "big"))
        root = f"0x{checkpoint.root.hex()}"
        self._record_done("anchor", done, id_=root, ms=took.get(Act.ANCHORED), note=words)
        self._record_crossing(journey)

    def _publish(self) -> tuple[dict[Act, float], Journey]:
        """Step the publisher until the ledger holds what crossed; milliseconds by act, and the anchor's journey."""
        publisher, took = self._house.publisher, dict[Act, float]()
        publisher.ask()

        def look() -> Journey | None:
            started = time.monotonic()
            progress = publisher.step()
            standing = publisher.standing
            if standing.stopped and standing.problem is not None:
                raise standing.problem
            if progress is Progress.CONTINUE:
                if standing.act is not None:
                    took[standing.act] = (time.monotonic() - started) * 1000
                self._house.relay.nudge()
                return None
            is_there = 0 < standing.size == standing.published == standing.anchored == standing.crossed
            return self._closed_anchor() if is_there else None

        journey = wait_for(look, seconds=CROSSING_SECONDS)
        if journey is None:
            problem = publisher.standing.problem
            raise self._still_waiting(f"the log is not published ({problem or publisher.standing.doing})")
        return took, journey

    def _closed_anchor(self) -> Journey | None:
        """The message that brought the latest anchor over, once the relay has read it again."""
        anchored = self._house.anchors.anchored()
        carried = [] if anchored is None else self._house.anchors.carried(anchored)
        journeys = [self._house.relay.look(message_id) for message_id in carried]
        return next((found for found in journeys if found is not None and found.state is State.CLOSED), None)

    def _record_crossing(self, journey: Journey) -> None:
        took = journey.milliseconds
        message_id = f"0x{journey.id.hex()}"
        closed = journey.state is State.CLOSED
        note = "" if closed else journey.explain()
        for step, place, id_, ms in (
            ("propose", journey.proposed, message_id, took.get("propose")),
            ("attest", journey.attested, message_id, took.get("certify")),
            ("commit", journey.commit, message_id, took.get("commit")),
            ("credential", journey.judged, f"0x{journey.credential.hex()}", took.get("judge")),
        ):
            self._record_place(step, place, id_=id_, ms=ms, held=closed, note=note)
        commit = journey.commit
        self._journal.record(
            Row(
                "recheck",
                held=closed and commit is not None,
                id=f"0x{commit.block_hash.hex()}" if commit else "",
                chain=self._caip2(commit.chain_id) if commit else None,
                block=commit.block if commit else None,
                ms=took.get("recheck"),
                note=VERDICTS.get(journey.state, f"not judged: {journey.explain()}"),
            )
        )

    # -- the pledge ---------------------------------------------------------------------------------------------------

    def pledge(self) -> None:
        """A receipt, a loan secured by it, the second pledge refused, repayment and release."""
        first, second = story.LOAN_A, story.LOAN_B
        with self._timed("issuing the warehouse receipt") as took:
            self._enter_papers(first)
            done = self._pledging.issue(first.receipt)
            self._record_done("receipt_issued", done, id_=_hex(first.receipt.id), ms=took(), note=first.receipt.number)
        with self._timed("pledging it to lender A") as took:
            self._pledging.open(first)
            self._house.relay.nudge()
            reserved = self._pledging.reserved(first)
            self._record_done("goods_reserved", reserved, id_=_hex(self._goods.goods_key), ms=took())
            frozen = self._pledging.frozen(first)
            self._record_done("frozen", frozen, id_=_hex(first.receipt.id), ms=took(), note=first.receipt.number)
            active = self._pledging.active(first)
            self._record_done(
                "pledged", active, id_=_hex(self._pledging.id_of(first)), ms=took(), note=f"{first.number} active"
            )
        with self._timed("lender B tries the same goods under another receipt") as took:
            self._enter_papers(second)
            self._pledging.issue(second.receipt)
            self._pledging.open(second)
            self._house.relay.nudge()
            refused = self._pledging.refused(second)
            reason = _text(refused.fields["outcome"])
            held = reason == "goods already reserved" and self._pledging.state(second) == REFUSED_STATE
            self._record_done(
                "second_pledge_refused",
                refused,
                id_=_hex(self._pledging.id_of(second)),
                ms=took(),
                held=held,
                note=reason,
            )
            self._pledging.receipt_released(second)
        with self._timed("repaying loan A") as took:
            done = self._pledging.repay(first)
            self._house.relay.nudge()
            self._record_done("repaid", done, id_=_hex(self._pledging.id_of(first)), ms=took(), note=first.number)
        with self._timed("releasing the goods and the receipt") as took:
            self._pledging.receipt_released(first)
            done = self._pledging.released(first)
            held = self._pledging.state(first) == RELEASED_STATE
            self._record_done(
                "released", done, id_=_hex(self._pledging.id_of(first)), ms=took(), held=held, note=first.receipt.number
            )

    def _enter_papers(self, loan: Loan) -> None:
        papers, receipt = self._house.ledger.papers, loan.receipt
        papers.register_receipt_document(
            ReceiptDocument(
                receipt_id=receipt.id,
                number=receipt.number,
                keeper=story.KEEPER_NAMES[receipt.keeper],
                goods_key=self._goods.goods_key,
                quantity=receipt.kilograms,
                unit="KGM",
            )
        )
        papers.register_loan_document(
            LoanDocument(
                loan_id=self._pledging.id_of(loan),
                number=loan.number,
                lender=story.LENDER_NAMES[loan.lender],
                receipt_id=receipt.id,
                amount=story.AMOUNTS[loan.number],
                currency=story.CURRENCY,
            )
        )

    # -- what anybody can check ---------------------------------------------------------------------------------------

    def qr(self, url: str) -> None:
        """The unit's page answers under the address its QR code holds."""
        self._say("opening the unit's page")
        started = time.monotonic()
        try:
            status = httpx.get(url, timeout=PAGE_SECONDS, trust_env=False).status_code
        except httpx.HTTPError as error:
            raise Unavailable(
                "PAGE_UNREACHABLE", f"the page does not answer: {type(error).__name__}", where=url
            ) from error
        held = status == httpx.codes.OK
        self._record("qr", held=held, id_=url, ms=(time.monotonic() - started) * 1000, note=f"HTTP {status}")

    def bundle(self) -> Path:
        """Write the unit's bundle, have it verified by a program of its own, and refused with one byte flipped."""
        path = self._house.folder / BUNDLE_FILE
        with self._timed("writing and verifying the proof bundle") as took:
            raw = self._ready_bundle()
            write_whole(path, raw)
            verdict = verify(path, "--trust-root", str(self._house.folder / TRUST_ROOT_FILE))
            note = f"{len(raw)} bytes, verified offline" if verdict.accepted else f"{verdict.code}: {verdict.reason}"
            self._record("bundle_verified", held=verdict.accepted, id_=_digest(raw), ms=took(), note=note)
        with self._timed("flipping one byte of it") as took:
            verdict = verify_flipped(path, int(len(raw) * TAMPERED_AT))
            self._record(
                "tampered_bundle_refused", held=verdict.refused, id_=verdict.code, ms=took(), note=verdict.reason
            )
        return path

    def _ready_bundle(self) -> bytes:
        """The bundle, once the relay has read the crossing: after a restart it begins with reading the chains again."""

        def look() -> bytes | None:
            try:
                return self.bundler().bundle_of(GoodsSubject(self._goods.unit))
            except Unavailable:
                return None

        raw = wait_for(look, seconds=CROSSING_SECONDS)
        if raw is None:
            raise self._still_waiting("no bundle can be put together")
        return raw

    def bundler(self) -> Bundler:
        """Makes bundles of this house's units, of what the publisher handed to the ledger."""
        return Publishing(self._house.ledger).bundler

    # -- recording ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _timed(self, words: str) -> Iterator[Callable[[], float]]:
        self._say(words)
        started = time.monotonic()
        yield lambda: (time.monotonic() - started) * 1000

    def _record(self, step: str, *, held: bool, id_: str, ms: float | None, note: str = "") -> None:
        self._journal.record(Row(step, held, id_, ms=_round(ms), note=note))

    def _record_done(
        self, step: str, done: Done, *, id_: str, ms: float | None, held: bool = True, note: str = ""
    ) -> None:
        self._journal.record(
            Row(step, held, id_, done.chain.caip2, done.block, _hex(done.transaction), done.gas, _round(ms), note)
        )

    def _record_place(
        self, step: str, place: Place | None, *, id_: str, ms: float | None, held: bool, note: str
    ) -> None:
        if place is None:
            self._journal.record(Row(step, held=False, id=id_, note=note))
            return
        chain = self._caip2(place.chain_id)
        self._journal.record(
            Row(step, held, id_, chain, place.block, _hex(place.transaction), place.gas_used, _round(ms), note)
        )

    def _find(self, role: Role, contract: str, log_name: str, *topics: bytes) -> Done:
        found = find(self._house.chains.nodes[role], self._house.manifest.chain(role), contract, log_name, *topics)
        if found is None:
            raise self._still_waiting(f"{contract}.{log_name} is not on the chain")
        return found

    def _caip2(self, chain_id: int) -> str:
        return f"eip155:{chain_id}"

    def _what_waits(self) -> str:
        relay = self._house.relay
        waiting = [journey.explain() for journey in list(relay.journeys.values()) if not journey.is_over]
        return "; ".join(waiting) or (str(relay.trouble) if relay.trouble else "nothing is under way")

    def _still_waiting(self, what: str) -> Unavailable:
        return Unavailable(
            "STILL_WAITING",
            f"{what}: {self._what_waits()}",
            cure="Run the demo again with the same --data once the missing part is back.",
        )


def _digest(raw: bytes) -> str:
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"


def _text(word: object) -> str:
    return word.rstrip(b"\x00").decode("ascii", "replace") if isinstance(word, bytes) else str(word)


def _round(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 1)
