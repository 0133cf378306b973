"""The publisher: each checkpoint cosigned, anchored and carried once, whatever died, came late or lied."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.bundle import GoodsSubject, verify
from ledger.bundle.sealed import CROSSING_DOMAIN
from ledger.bundling import Publishing
from ledger.checkpoint import LogKey, open_checkpoint
from ledger.errors import Unavailable
from ledger.store import Cosigners, Ledger
from ledger.store.ledger import KEY_FILE
from relay.anchor_chain import Anchored
from relay.journey import State
from relay.log_port import LogState
from relay.pace import Pace
from relay.publisher import LONGEST_WAIT_SECONDS, MAX_CARRIES, Publisher
from relay.relay import Progress
from relay.stamper import Stamper
from tests.ledger.authority import make_authority
from tests.ledger.bundle.estate import COSIGNERS, LOG, UNIT
from tests.ledger.refusals import refused
from tests.relay.publishing_desk import Desk, DirectLog, Mortal, Sender
from tests.relay.test_stamper import served
from tests.simulator.inline import Killed

HOUR = 3600.0
EVERY = Pace(seconds=HOUR, entries=5)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def problem(publisher: Publisher) -> str:
    """The code of what is in its way."""
    found = publisher.standing.problem
    return "" if found is None else found.code


def crossings(desk: Desk) -> int:
    return len(desk.ledger.statements.of_domain(CROSSING_DOMAIN))


def test_what_waits_is_cosigned_anchored_carried_and_handed_over_and_bundles_can_be_made(desk: Desk) -> None:
    publisher = desk.publisher()
    desk.settle(publisher)
    size = desk.ledger.log.size
    standing = publisher.standing
    assert (standing.size, standing.published, standing.anchored, standing.crossed) == (size,) * 4
    assert (len(desk.registry.anchors), len(desk.registry.messages)) == (1, 1)
    assert desk.registry.cosignatures == [4]
    raw = desk.publishing.bundler.bundle_of(GoodsSubject(UNIT))
    assert verify(raw, trust_root=desk.root).subject == UNIT.normal


def test_nothing_new_asks_for_nothing_however_long_it_runs(desk: Desk) -> None:
    publisher = desk.publisher(pace=EVERY)
    desk.settle(publisher)
    before = (desk.ledger.log.size, len(desk.registry.anchors), len(desk.registry.messages), crossings(desk))
    for _ in range(50):
        desk.clock.advance(HOUR)
        publisher.ask()
        assert publisher.step() is Progress.IDLE
    assert (desk.ledger.log.size, len(desk.registry.anchors), len(desk.registry.messages), crossings(desk)) == before
    assert publisher.standing.doing == "nothing is to do"


def test_what_crossed_is_recorded_with_the_next_checkpoint_and_not_before(desk: Desk) -> None:
    publisher = desk.publisher(pace=EVERY)
    desk.settle(publisher)
    assert crossings(desk) == 0
    desk.append(1)
    publisher.ask()
    desk.settle(publisher)
    assert crossings(desk) == 1
    assert desk.registry.anchors[-1].size == desk.ledger.log.size


def test_a_checkpoint_is_due_when_so_many_wait_or_one_has_waited_so_long(desk: Desk) -> None:
    publisher = desk.publisher(pace=EVERY)
    desk.settle(publisher)
    for number in range(4):
        desk.append(number)
    desk.settle(publisher)
    assert len(desk.registry.anchors) == 1, "four wait, and not for long"
    desk.append(4)
    desk.settle(publisher)
    assert len(desk.registry.anchors) == 2
    desk.append(5)
    desk.settle(publisher)
    assert len(desk.registry.anchors) == 2
    desk.clock.advance(HOUR)
    desk.settle(publisher)
    assert len(desk.registry.anchors) == 3


def test_a_word_that_comes_while_it_looks_is_not_lost(desk: Desk) -> None:
    publisher = desk.publisher(pace=EVERY)
    desk.settle(publisher)
    looking = DirectLog(desk.publishing)
    honest = looking.state

    def meanwhile() -> LogState:
        """What it reads is already old: something is logged, and it is asked, before it has gone on."""
        found = honest()
        desk.append(1)
        publisher.ask()
        looking.state = honest  # type: ignore[method-assign]
        return found

    looking.state = meanwhile  # type: ignore[method-assign]
    desk.log._port = looking
    desk.settle(publisher)
    assert desk.registry.anchors[-1].size == desk.ledger.log.size


def test_a_restarted_one_does_not_let_what_waits_wait_longer(desk: Desk) -> None:
    desk.settle(desk.publisher(pace=EVERY))
    desk.append(1)
    desk.settle(desk.publisher(pace=EVERY))
    assert desk.registry.anchors[-1].size == desk.ledger.log.size


def test_an_uncosigned_checkpoint_is_never_anchored(desk: Desk) -> None:
    for notary in desk.notaries[:2]:
        notary.silent = True
    publisher = desk.publisher()
    desk.settle(publisher)
    assert problem(publisher) == "WAITING"
    assert (desk.registry.anchors, desk.ledger.log.latest_cosigned()) == ([], None)
    desk.notaries[0].silent = False
    desk.clock.advance(LONGEST_WAIT_SECONDS)
    desk.settle(publisher)
    assert desk.registry.cosignatures == [3]


def test_a_ledger_that_says_that_something_was_cosigned_is_not_believed(desk: Desk) -> None:
    note = desk.ledger.log.make_checkpoint()
    lying = DirectLog(desk.publishing)
    honest = lying.state
    lying.state = lambda: replace(honest(), note=note)  # type: ignore[method-assign]
    desk.log = Mortal(lying, "log")
    publisher = desk.publisher()
    desk.settle(publisher)
    assert problem(publisher) == "QUORUM_MISSING"
    assert desk.registry.anchors == []
    lying.state = honest  # type: ignore[method-assign]
    desk.clock.advance(LONGEST_WAIT_SECONDS)
    desk.settle(publisher)
    assert len(desk.registry.anchors) == 1


def test_another_logs_ledger_is_refused(desk: Desk) -> None:
    other = DirectLog(desk.publishing)
    honest = other.state
    other.state = lambda: replace(honest(), origin="other.example/log")  # type: ignore[method-assign]
    desk.log = Mortal(other, "log")
    publisher = desk.publisher()
    desk.settle(publisher)
    assert problem(publisher) == "LOG_OTHER"
    assert desk.registry.anchors == []


def test_C07_a_notary_that_saw_another_size_is_asked_from_there(desk: Desk) -> None:
    publisher = desk.publisher(pace=EVERY)
    desk.notaries[0].silent = True
    desk.settle(publisher)
    desk.notaries[0].silent = False
    desk.append(1)
    publisher.ask()
    desk.settle(publisher)
    assert desk.registry.cosignatures == [3, 4]
    assert {notary.seen.size for notary in desk.notaries if notary.seen} == {desk.ledger.log.size}


def test_after_failures_it_waits_longer_and_never_longer_than_the_bound(desk: Desk) -> None:
    desk.sender.down = Unavailable("NODE_UNREACHABLE", "the node did not answer: ConnectError")
    publisher = desk.publisher()
    tries = []
    for second in range(600):
        before = len(desk.chain.points)
        publisher.step()
        if len(desk.chain.points) > before:
            tries.append(second)
        desk.clock.advance(1.0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert gaps == sorted(gaps)
    assert max(gaps) == LONGEST_WAIT_SECONDS
    assert problem(publisher) == "NODE_UNREACHABLE"
    desk.sender.down = None
    desk.clock.advance(LONGEST_WAIT_SECONDS)
    desk.settle(publisher)
    assert len(desk.registry.anchors) == 1


# -- dying ---------------------------------------------------------------------------------------------------------


def run_once(desk: Desk) -> list[str]:
    """Publish two checkpoints, and answer every point that was passed."""
    publisher = desk.publisher()
    desk.settle(publisher)
    desk.append(1)
    publisher.ask()
    desk.settle(publisher)
    return [*desk.log.points, *desk.chain.points]


def points(tmp_path: Path) -> list[tuple[str, int]]:
    """Every point where it may die: its name, and how often it was passed before."""
    desk = Desk(tmp_path / "counted")
    passed = Counter(run_once(desk))
    desk.close()
    writing = [name for name in passed if name.split(".")[1] not in ("state", "anchored", "settle", "carried")]
    assert {name.split(" ")[1] for name in writing} >= {
        "log.checkpoint",
        "log.consistency",
        "log.publish",
        "log.keep_anchor",
        "chain.anchor",
        "chain.carry",
    }
    return [(name, each) for name in sorted(writing) for each in range(min(passed[name], 2))] + [
        (name, each) for name in sorted(set(passed) - set(writing)) for each in (0, 2, 5, 9) if each < passed[name]
    ]


def test_J05_killed_at_any_point_it_does_everything_once(tmp_path: Path) -> None:
    expected = None
    for number, (point, passes) in enumerate(points(tmp_path)):
        desk = Desk(tmp_path / str(number))
        mortal = desk.log if ".".join(point.split(" ")[1].split(".")[:1]) == "log" else desk.chain
        mortal.dies_at, mortal.passes = point, passes
        with pytest.raises(Killed):
            run_once(desk)
        mortal.dies_at = ""
        desk.append(1)  # the same entry again, where it stands already
        desk.settle(desk.publisher())
        sizes = [anchor.size for anchor in desk.registry.anchors]
        told = (sizes[-1], desk.registry.anchors[-1].root == desk.ledger.log.root(), desk.registry.reverted)
        assert sizes == sorted(set(sizes)), point
        assert Counter(of.size for _, of in desk.registry.messages) == Counter(sizes), point
        assert all(given >= 3 for given in desk.registry.cosignatures), point
        assert verify(desk.publishing.bundler.bundle_of(GoodsSubject(UNIT)), trust_root=desk.root), point
        assert told[1:] == (True, 0), point
        expected = expected or len(sizes)
        desk.close()


@pytest.mark.parametrize("seed", range(6))
def test_several_publishers_disturb_nobody(desk: Desk, seed: int) -> None:
    picked = random.Random(seed)
    running = [desk.publisher(sender=Sender(desk.registry), name=str(number), pace=EVERY) for number in range(3)]
    for number in range(120):
        if picked.random() < 0.2:
            desk.append(number)
            picked.choice(running).ask()
        picked.choice(running).step()
        desk.clock.advance(picked.choice((0.0, 1.0, 70.0)))
    desk.clock.advance(2 * HOUR)
    desk.settle(*running)
    sizes = [anchor.size for anchor in desk.registry.anchors]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == desk.ledger.log.size
    assert all(not each.standing.stopped for each in running)
    assert verify(desk.publishing.bundler.bundle_of(GoodsSubject(UNIT)), trust_root=desk.root)
    assert max(Counter(of.size for _, of in desk.registry.messages).values()) <= len(running)


# -- a log that is not what it was ---------------------------------------------------------------------------------


def changed(desk: Desk, entries: int) -> Ledger:
    """The same log by its name and key, with a history of its own of so many entries."""
    folder = desk.folder / f"changed-{entries}"
    folder.mkdir()
    shutil.copy(desk.folder / "ledger" / KEY_FILE, folder / KEY_FILE)
    ledger = Ledger.open(folder, origin=LOG.name)
    ledger.log.cosigners = Cosigners(desk.root.pinned.cosigners, desk.root.pinned.quorum)
    for number in range(entries):
        ledger.statements.enter("pledgetrail/test/v1/json", b'{"n":%d}' % number)
    return ledger


@pytest.mark.parametrize(("more", "code"), [(-1, "LOG_SHRINKS"), (0, "SPLIT_VIEW"), (3, "PROOF_INVALID")])
@pytest.mark.parametrize("forgotten", [False, True], ids=["seen", "anchored"])
def test_C07_a_log_that_shrank_or_forked_stops_it_with_evidence(
    desk: Desk, more: int, code: str, *, forgotten: bool
) -> None:
    publisher = desk.publisher(pace=EVERY)
    desk.settle(publisher)
    size, before = desk.ledger.log.size, list(desk.registry.anchors)
    other = changed(desk, size + more)
    desk.log = Mortal(DirectLog(Publishing(other)), "log")
    if forgotten:  # the chain alone remembers
        shutil.rmtree(desk.folder / "one")
    for _restarts in range(2):
        publisher = desk.publisher(pace=EVERY)
        desk.settle(publisher)
        assert (publisher.standing.stopped, problem(publisher)) == (True, code)
        assert publisher.step() is Progress.STOP
    assert desk.registry.anchors == before
    assert other.log.latest_cosigned() is None
    found = publisher.standing.problem
    assert found is not None
    told = json.loads(Path(found.where).read_text())
    assert told["code"] == code
    assert open_checkpoint(told["offered"].encode(), log_key=desk.root.log).size == size + more
    if forgotten:
        assert told["anchored"]["size"] == size
    else:
        assert open_checkpoint(told["seen"].encode(), log_key=desk.root.log).size == size
    other.close()
    desk.log = Mortal(DirectLog(desk.publishing), "log")
    if not forgotten:  # the honest log goes on
        desk.append(1)
        desk.settle(desk.publisher())
        assert desk.registry.anchors[-1].size == desk.ledger.log.size


def test_C07_another_root_of_this_size_on_the_chain_stops_it(desk: Desk) -> None:
    desk.registry.anchors.append(Anchored(desk.ledger.log.size, bytes([7]) * 32, 0, is_final=False))
    publisher = desk.publisher()
    desk.settle(publisher)
    assert (publisher.standing.stopped, problem(publisher)) == (True, "SPLIT_VIEW")
    assert desk.ledger.log.latest_cosigned() is None


def test_C07_what_was_seen_under_another_key_is_refused_at_a_start(desk: Desk) -> None:
    desk.settle(desk.publisher())
    (desk.folder / "one" / "seen.note").write_bytes(b"nonsense\n")
    with refused("NOTE_FORMAT"):
        desk.publisher()
    shutil.rmtree(desk.folder / "one")
    assert desk.publisher().step() is Progress.IDLE


def test_a_ledger_whose_proof_comes_late_is_asked_again_and_not_accused(desk: Desk) -> None:
    publisher = desk.publisher(pace=EVERY)
    desk.settle(publisher)
    desk.append(1)
    away = DirectLog(desk.publishing)

    def late(old: int, new: int) -> list[bytes]:
        raise Unavailable("LEDGER_UNREACHABLE", "the ledger does not answer: ReadTimeout", where=f"{old}-{new}")

    away.consistency = late
    desk.log._port = away
    publisher.ask()
    desk.settle(publisher)
    assert (publisher.standing.stopped, problem(publisher)) == (False, "LEDGER_UNREACHABLE")
    desk.log._port = DirectLog(desk.publishing)
    desk.clock.advance(LONGEST_WAIT_SECONDS)
    desk.settle(publisher)
    assert desk.registry.anchors[-1].size == desk.ledger.log.size


# -- the anchor's way ----------------------------------------------------------------------------------------------


def test_an_anchor_is_carried_once_it_is_final(desk: Desk) -> None:
    desk.registry.final_after = 30
    publisher = desk.publisher()
    for _ in range(12):
        publisher.step()
    assert (len(desk.registry.anchors), desk.registry.messages) == (1, [])
    assert publisher.standing.doing == "waits until its anchor is final"
    desk.registry.final_after = 0
    desk.settle(publisher)
    assert len(desk.registry.messages) == 1


@pytest.mark.parametrize("state", [State.EXPIRED, State.DISPUTED])
def test_what_ended_otherwise_than_closed_is_carried_again(desk: Desk, state: State) -> None:
    desk.registry.ends = [state]
    publisher = desk.publisher()
    desk.settle(publisher)
    assert len(desk.registry.messages) == 2
    assert publisher.standing.crossed == desk.ledger.log.size


def test_what_never_arrives_is_paid_for_so_often_and_no_more(desk: Desk) -> None:
    desk.registry.ends = [State.EXPIRED] * 20
    publisher = desk.publisher()
    desk.settle(publisher)
    assert len(desk.registry.messages) == MAX_CARRIES
    assert problem(publisher) == "CARRY_FAILED"


def test_what_is_under_way_or_not_read_yet_is_waited_for_and_not_sent_again(desk: Desk) -> None:
    desk.registry.ends = [State.SENT]
    publisher = desk.publisher()
    desk.settle(publisher)
    assert len(desk.registry.messages) == 1
    assert publisher.standing.doing == "waits for its anchor's way to close"
    desk.registry.ends = []
    desk.settle(publisher)
    assert (len(desk.registry.messages), publisher.standing.crossed) == (1, desk.ledger.log.size)


def test_a_newer_checkpoint_does_not_wait_for_an_older_ones_way(desk: Desk) -> None:
    desk.registry.ends = [State.SENT]
    publisher = desk.publisher(pace=EVERY)
    desk.settle(publisher)
    desk.append(1)
    publisher.ask()
    desk.settle(publisher)
    assert [of.size for _, of in desk.registry.messages] == [anchor.size for anchor in desk.registry.anchors]
    assert publisher.standing.crossed == desk.ledger.log.size


# -- stamps --------------------------------------------------------------------------------------------------------


def test_a_stamp_is_asked_for_and_an_anchor_waits_for_none(tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "authority")
    desk = Desk(tmp_path / "desk", timestamping=(authority.root,))
    status = [503]
    with served(authority.reply, status) as url:
        stamper = Stamper(url, [authority.root])
        publisher = desk.publisher(stamper=stamper)
        desk.settle(publisher)
        size = desk.ledger.log.size
        assert (desk.registry.anchors[-1].size, desk.ledger.log.stamp(size)) == (size, None)
        status[0] = 200
        desk.clock.advance(HOUR)
        desk.settle(publisher)
        assert desk.ledger.log.stamp(size)
        stamper.close()
    raw = desk.publishing.bundler.bundle_of(GoodsSubject(UNIT))
    assert "stamped" in [each.step for each in verify(raw, trust_root=desk.root).proven]
    desk.close()


def test_a_state_reads_as_the_ledger_gives_it(desk: Desk) -> None:
    state = DirectLog(desk.publishing).state()
    assert state == LogState(LOG.name, desk.ledger.log.size, None, stamped=False, crossed=0)
    assert isinstance(desk.root.log, LogKey) and len(COSIGNERS) == 4
