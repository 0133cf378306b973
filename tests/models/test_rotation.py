"""Rotation with messages in flight, every schedule: nothing takes effect twice, nothing is stranded; then replayed."""

from __future__ import annotations

from collections import deque
from functools import cache

import pytest

from ledger.errors import Refused
from ledger.rotation import rotation
from ledger.secp256k1 import SigningKey
from tests.contracts.committees import DELAY, DIGEST, GRACE, Chamber, Said, key, members, signed
from tests.models.explore import Explored, InvariantBroken, explore
from tests.models.rotation import Chain, Model, State

MODELS = {
    "one message, three epochs": Model(),
    "two messages for two chains": Model(destinations=(0, 1), last=2),
    "two messages for one chain": Model(destinations=(0, 0), last=2),
}


@cache
def explored(model: Model) -> Explored[State]:
    return explore(model.start(), model.steps, model.wrong)


def stranded(model: Model) -> list[State]:
    """The states in which a message waits at a living chain and no schedule ever commits it."""
    found = explored(model)
    before: dict[State, list[State]] = {}
    for state in found.reached_by:
        for _, after in model.steps(state):
            before.setdefault(after, []).append(state)
    lost: set[State] = set()
    for message in range(len(model.destinations)):
        good = {state for state in found.reached_by if state.effects[message]}
        queue = deque(good)
        while queue:
            for state in before.get(queue.popleft(), ()):
                if state not in good:
                    good.add(state)
                    queue.append(state)
        lost |= {state for state in found.reached_by if model.waits(state, message) and state not in good}
    return list(lost)


@pytest.mark.parametrize("name", MODELS)
def test_B09_no_message_takes_effect_twice_and_none_is_stranded(name: str) -> None:
    found = explored(MODELS[name])
    assert len(found.reached_by) > 5_000
    assert stranded(MODELS[name]) == []


def test_a_message_is_committed_by_each_epoch_that_may() -> None:
    """The model is not empty: certificates of the previous epoch and of the current one both get through."""
    model, ways = Model(), set()
    for state in explored(model).reached_by:
        for name, _ in model.steps(state):
            if name.startswith("commit"):
                ways.add((state.chains[0].epoch, int(name[-1])))
    assert ways == {(1, 1), (2, 1), (2, 2), (3, 2), (3, 3)}


def test_without_the_replay_word_two_certificates_take_effect_twice() -> None:
    with pytest.raises(InvariantBroken, match="took effect twice"):
        explored(Model(has_replay_word=False))


def test_without_a_later_attestation_a_message_is_stranded() -> None:
    assert stranded(Model(attests_again=False))


def test_a_set_that_destroys_its_keys_too_early_strands_the_slower_chain() -> None:
    """Keys are kept until every living chain has gone past their epoch: else nobody can order its next committee."""
    assert stranded(Model(retires_late=False))


# -- the same transitions at the contract -----------------------------------------------------------------------------

LAST = 3
Walk = tuple[str, ...]


def walks() -> dict[Chain, Walk]:
    """Every state of one chain's contract in the model, and a shortest way to it."""
    reached: dict[Chain, Walk] = {Chain(): ()}
    queue = deque([Chain()])
    while queue:
        chain = queue.popleft()
        for name, after in chain.turns(LAST, retired=frozenset()):
            if after not in reached:
                reached[after] = (*reached[chain], name)
                queue.append(after)
    return reached


WALKS = walks()


def set_of(epoch: int) -> tuple[int, ...]:
    return tuple(range(5 * epoch, 5 * epoch + 4))


def by(epoch: int, digest: bytes) -> bytes:
    """A quorum of the set of an epoch."""
    return signed(digest, 0, 1, 2, by=set_of(epoch)[:3])


class Replay:
    """A committee contract that takes the model's steps."""

    def __init__(self) -> None:
        self.chamber, self.orders = Chamber.open(members(*set_of(1))), 0

    def take(self, step: str) -> None:
        epoch = self.chamber.twin.epoch
        if step == "order":
            self.orders += 1
            assert self.order(epoch) is None
        elif step == "rotate":
            self.chamber.evm.time += DELAY
            assert self.chamber.rotate(members(*set_of(epoch + 1)), salt=self.salt) is None
        else:
            self.chamber.evm.time += GRACE if step == "end grace" else 8 * GRACE

    @property
    def salt(self) -> bytes:
        return self.orders.to_bytes(32, "big")

    def order(self, signing: int, salt: bytes | None = None) -> Said | None:
        """The set of an epoch orders the contract's next committee, in its own name."""
        epoch = self.chamber.twin.epoch
        action, chosen = rotation(epoch + 1, members(*set_of(epoch + 1))), salt or self.salt
        digest = self.chamber.twin.order_digest(action, chosen, signing)
        return self.chamber.announce(action, by(signing, digest), epoch=signing, salt=chosen)

    def agrees(self, chain: Chain) -> None:
        """The contract accepts, and lets order, exactly what the model says."""
        assert self.chamber.twin.epoch == chain.epoch
        accepted = {
            epoch for epoch in range(1, LAST + 2) if self.chamber.check(epoch, DIGEST, by(epoch, DIGEST)) is True
        }
        assert accepted == chain.accepted()
        with self.chamber.evm.rolled_back():
            twin = self.chamber.twin
            ordering = {epoch for epoch in range(1, LAST + 2) if self.order(epoch, bytes([200 + epoch]) * 32) is None}
            self.chamber.twin = twin
        assert ordering == {chain.epoch}, "never two sets that order"
        if not chain.ordered:
            said = self.chamber.rotate(members(*set_of(chain.epoch + 1)), salt=self.salt)
            assert isinstance(said, Said)


@pytest.mark.parametrize("chain", WALKS, ids=lambda chain: " ".join(WALKS[chain]) or "start")
def test_the_contract_takes_the_models_steps(chain: Chain) -> None:
    """From each state every step of the model; after it both accept the same epochs and orders."""
    for step, after in (("", chain), *chain.turns(LAST, retired=frozenset())):
        replay = Replay()
        for each in (*WALKS[chain], *([step] if step else [])):
            replay.take(each)
        replay.agrees(after)


def test_B09_one_message_and_two_epochs_have_one_effect_at_the_gateway() -> None:
    """A certificate is lost, the next committee attests again; the found one and the new one commit once together."""
    from dataclasses import replace

    from contracts.manifest import Role, members_of
    from ledger.attestation import attestation_digest
    from ledger.membership import prove_possession
    from ledger.orders import order_digest
    from ledger.proposal import Proposal
    from ledger.quorum import Certificate, pack
    from tests.contracts.inprocess import EvmNode
    from tests.contracts.world import CHAIN_IDS, NOTARIES, World, in_process_world

    there = Role.DESTINATION
    world: World = in_process_world()
    node = world.nodes[there]
    assert isinstance(node, EvmNode)
    records = tuple(
        replace(record, attesting=key(index).address)
        for index, record in enumerate(members_of(world.manifest.committee, world.manifest.cosigners))
    )
    contract, salt = world.contract(there, "Committee").address, b"\x01" * 32
    action = rotation(2, records)
    ordered = order_digest(chain_id=CHAIN_IDS[there], contract=contract, action=action, salt=salt, epoch=1)

    def certified(proposal: Proposal, keys: tuple[SigningKey, ...], epoch: int) -> Certificate:
        end, plain = proposal.message.destination, world.certify(proposal.message)
        digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=plain.root, epoch=epoch)
        packed = pack({index: keys[index].sign(digest) for index in (0, 1, 2)})
        return replace(plain, epoch=epoch, signatures=packed)

    fresh = tuple(key(index) for index in range(4))
    mirror = world.address(there, "AnchorMirror")
    sent = []
    for size in (7, 8, 9):
        world.send(Role.ORIGIN, "AnchorRegistry", "anchor", size, bytes([size]) * 32)
        mined = world.send(Role.ORIGIN, "AnchorRegistry", "carry", mirror, size, bytes([size]) * 32)
        sent.append(world.sent(Role.ORIGIN, mined)[0])
    world.send(there, "Committee", "announce", action, salt, 1, pack({k: NOTARIES[k].sign(ordered) for k in (0, 1, 3)}))
    node.evm.time += world.manifest.rotation.delay
    evidence = b"".join(prove_possession(key(k), record.operator) for k, record in enumerate(records))
    world.send(there, "Committee", "rotate", [record.as_abi() for record in records], evidence, salt)

    world.commit(sent[0], certified(sent[0], fresh, 2))
    with pytest.raises(Refused, match="already committed"):
        world.commit(sent[0], certified(sent[0], NOTARIES, 1))
    world.commit(sent[1], certified(sent[1], NOTARIES, 1))
    with pytest.raises(Refused, match="already committed"):
        world.commit(sent[1], certified(sent[1], fresh, 2))
    node.evm.time += world.manifest.rotation.grace
    with pytest.raises(Refused, match="grace is over"):
        world.commit(sent[2], certified(sent[2], NOTARIES, 1))
    world.commit(sent[2], certified(sent[2], fresh, 2))
