"""From the trust root a reader holds to a later one: each committee was ordered by a quorum of the one before it.

    trust root held ── its pinned quorum ordered ──▶ members of the next epoch ── … ──▶ those the later one pins

A rotation changes who the notaries are, and nothing else: log, chains and contracts stay. What is signed is the order
of `ledger.rotation`, the very one that a chain's committee contract carried out; it binds attesting and cosigning keys.
May never happen here: a retired key's word. An order of an epoch before the pinned one leads nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from ledger.bundle.trust_root import MAX_EPOCH, MAX_PAST_EPOCHS, Notaries, TrustRoot
from ledger.canonical import JsonValue, canonical_json, parse_canonical
from ledger.checkpoint import CosignerKey
from ledger.errors import BadInput, Problem, Refused, WrongUse
from ledger.interoperable import caip2, parse_caip2
from ledger.membership import MAX_MEMBERS, Member
from ledger.orders import order_digest
from ledger.quorum import Committee
from ledger.quorum import quorum as quorum_of
from ledger.rotation import rotation

ROTATION_DOMAIN: Final = "pledgetrail/rotation/v1/json"
MAX_ORDER_BYTES: Final = 128 * 1024

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")
_KEYS = ("operator", "attesting", "cosigning", "oprf", "validator")


@dataclass(frozen=True, slots=True)
class RotationOrder:
    """What a quorum signed to be followed by others, as one chain's committee contract took it.

    `chain_id`, `contract` (20 bytes): whose order it is; `epoch`: of those who signed; `members`: the records of the
    next one; `salt`: 32 bytes; `signatures`: packed as `ledger.quorum.pack` does.
    """

    chain_id: int
    contract: bytes
    epoch: int
    members: tuple[Member, ...]
    salt: bytes
    signatures: bytes

    @property
    def digest(self) -> bytes:
        """What the quorum signed, 32 bytes."""
        action = rotation(self.epoch + 1, self.members)
        return order_digest(
            chain_id=self.chain_id, contract=self.contract, action=action, salt=self.salt, epoch=self.epoch
        )

    def as_json(self) -> dict[str, JsonValue]:
        """`{chain, contract, epoch, members, salt, signatures}`; bytes as 0x and lower-case hexadecimal digits."""
        return {
            "chain": caip2(self.chain_id),
            "contract": _hex(self.contract),
            "epoch": self.epoch,
            "members": [{name: _hex(getattr(member, name)) for name in _KEYS} for member in self.members],
            "salt": _hex(self.salt),
            "signatures": _hex(self.signatures),
        }

    def dump(self) -> bytes:
        """Its RFC 8785 bytes: what is logged."""
        return canonical_json(self.as_json())


def read_rotation_order(raw: bytes) -> RotationOrder:
    """The order that `raw` spells. Raises `BadInput` ROTATION_FORMAT, NON_CANONICAL, JSON_…."""
    value = parse_canonical(raw, max_bytes=MAX_ORDER_BYTES)
    fields = _exactly(value, ("chain", "contract", "epoch", "members", "salt", "signatures"))
    epoch, members, chain = fields["epoch"], fields["members"], fields["chain"]
    if type(epoch) is not int or not 0 <= epoch < MAX_EPOCH:
        raise _malformed("the epoch is out of range")
    if not isinstance(members, list) or len(members) > MAX_MEMBERS or not isinstance(chain, str):
        raise _malformed("chain or members are malformed")
    try:
        chain_id = parse_caip2(chain)
    except BadInput as problem:
        raise _malformed(problem.what) from problem
    return RotationOrder(
        chain_id,
        _bytes(fields["contract"], 20),
        epoch,
        tuple(_read_member(member) for member in members),
        _bytes(fields["salt"], 32),
        _bytes(fields["signatures"], None),
    )


def follow_rotations(held: TrustRoot, offered: TrustRoot, orders: Sequence[RotationOrder]) -> None:
    """Refuse unless `orders` lead from the trust root a reader holds to the one that is offered, one epoch at a time.

    Raises `Refused` SET_EPOCH (the offered one is not of a later epoch, or orders are missing, left over or out of
    turn), EPOCH_UNLINKED (ordered in an epoch before the pinned one), ROTATION_CHAIN (an order of a chain that the
    trust root does not name), QUORUM, SIG_… (no quorum of the epoch before signed), ROTATION_ROOT (the trust root
    differs in something else than its notaries, or names others than were ordered).
    """
    steps = offered.pinned.epoch - held.pinned.epoch
    if steps <= 0:
        what = f"The trust root offered is of epoch {offered.pinned.epoch}, the one held of epoch {held.pinned.epoch}."
        raise Refused("SET_EPOCH", what, cure="Keep the trust root that is held.")
    chains = _chains(held)
    committee = held.pinned.committee
    for order in orders:
        _require_turn(order, committee, held, chains)
        committee.check(order.epoch, order.digest, order.signatures)
        committee = Committee(order.epoch + 1, tuple(member.attesting for member in order.members))
    if committee.epoch != offered.pinned.epoch or not steps <= MAX_PAST_EPOCHS:
        what = f"The orders lead to epoch {committee.epoch}, the trust root offered is of epoch {offered.pinned.epoch}."
        raise Refused("SET_EPOCH", what, where=f"epoch {committee.epoch}")
    _require_renewed(held, offered, orders)


def successor(held: TrustRoot, order: RotationOrder, names: Sequence[str], dated: date) -> TrustRoot:
    """The trust root after one rotation, proven to follow the one held.

    `names`: under which the ordered members cosign, in their order; none where all keep a key, whose name stays.
    `dated`: the day (UTC). Raises what `follow_rotations` raises; `Refused` SET_EPOCH for an order of another epoch
    than the pinned one, CONFIG_SET; `WrongUse` COSIGNER_NAMES (another number of names than of members, or none for a
    key that is new); `BadInput` KEY_….
    """
    if order.epoch > held.pinned.epoch:
        what = f"The rotation was ordered in epoch {order.epoch}, the trust root pins {held.pinned.epoch}."
        raise Refused("SET_EPOCH", what, cure="Renew it by the rotations in between first, one after another.")
    members = tuple(member.attesting for member in order.members)
    keys = [CosignerKey(name, key) for name, key in zip(_names(held, order, names), _cosigning(order), strict=True)]
    following = Notaries(Committee(order.epoch + 1, members), tuple(keys), quorum_of(len(keys)))
    # What is ordered is checked before what it makes of the trust root: the reason given is then the first one.
    _require_turn(order, held.pinned.committee, held, _chains(held))
    held.pinned.committee.check(order.epoch, order.digest, order.signatures)
    offered = held.renewed(following, dated)
    follow_rotations(held, offered, [order])
    return offered


def _names(held: TrustRoot, order: RotationOrder, given: Sequence[str]) -> list[str]:
    if given:
        if len(given) != len(order.members):
            what = f"{len(given)} names were given for {len(order.members)} members."
            raise WrongUse("COSIGNER_NAMES", what, cure="Give one for each, in the order's own order.")
        return list(given)
    known = {key.public_key: key.name for key in held.pinned.cosigners}
    unknown = [index for index, key in enumerate(_cosigning(order)) if key not in known]
    if unknown:
        what = f"The names of members {', '.join(map(str, unknown))} are not known: their cosigning keys are new."
        raise WrongUse("COSIGNER_NAMES", what, cure="Give the names of all of them, in the order's own order.")
    return [known[key] for key in _cosigning(order)]


def _cosigning(order: RotationOrder) -> list[bytes]:
    return [member.cosigning for member in order.members]


def _chains(held: TrustRoot) -> set[int]:
    return {chain.chain_id for chain in (held.origin, held.destination, held.transaction)}


def _require_turn(order: RotationOrder, committee: Committee, held: TrustRoot, chains: set[int]) -> None:
    where = f"epoch {order.epoch}"
    if order.epoch < held.pinned.epoch:
        what = f"It was ordered in epoch {order.epoch}, whose keys were retired before epoch {held.pinned.epoch}."
        raise Refused("EPOCH_UNLINKED", what, where=where, cure="Do not take over this trust root.")
    if order.epoch != committee.epoch:
        raise Refused("SET_EPOCH", f"An order of epoch {order.epoch} in the turn of {committee.epoch}.", where=where)
    if order.chain_id not in chains:
        raise Refused("ROTATION_CHAIN", "The order is for a chain that the trust root does not name.", where=where)


def _require_renewed(held: TrustRoot, offered: TrustRoot, orders: Sequence[RotationOrder]) -> None:
    """That nothing but the notaries changed, and that they are those who were ordered, epoch by epoch."""
    known = len(held.past)
    if offered.past[:known] != held.past or offered.past[known : known + 1] != (held.pinned,):
        raise _other("its past epochs are not those of the trust root held")
    if offered.dated < held.dated:
        raise _other("it is older than the trust root held")
    if replace(offered, pinned=held.pinned, past=held.past, dated=held.dated) != held:
        raise _other("log, chains or contracts differ")
    followed = offered.epochs[known + 1 :]
    if [notaries.epoch for notaries in followed] != [order.epoch + 1 for order in orders]:
        raise _other("it leaves out an epoch")
    for notaries, order in zip(followed, orders, strict=True):
        _require_ordered(notaries, order)


def _require_ordered(notaries: Notaries, order: RotationOrder) -> None:
    attesting = tuple(member.attesting for member in order.members)
    cosigning = sorted(member.cosigning for member in order.members)
    if notaries.committee.members != attesting or sorted(key.public_key for key in notaries.cosigners) != cosigning:
        raise _other(f"the notaries of epoch {notaries.epoch} are not those who were ordered")


def _read_member(value: JsonValue) -> Member:
    fields = _exactly(value, _KEYS)
    lengths = {"attesting": 20, "validator": 20}
    return Member(*(_bytes(fields[name], lengths.get(name, 32)) for name in _KEYS))


def _exactly(value: JsonValue, names: Sequence[str]) -> dict[str, JsonValue]:
    if not isinstance(value, dict) or value.keys() != set(names):
        raise _malformed(f"it does not hold exactly {', '.join(names)}")
    return value


def _bytes(value: JsonValue, length: int | None) -> bytes:
    if not isinstance(value, str) or _HEX.fullmatch(value) is None or length not in (None, len(value) // 2 - 1):
        raise _malformed(f"a value is not 0x and {'' if length is None else f'{2 * length} '}lower-case digits")
    return bytes.fromhex(value[2:])


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"


def _malformed(why: str) -> BadInput:
    return BadInput("ROTATION_FORMAT", f"This is no order of a rotation: {why}.")


def _other(why: str) -> Problem:
    what = f"The trust root is not the one that was held, with the notaries who were ordered: {why}."
    return Refused("ROTATION_ROOT", what, cure="Do not take over this trust root; compare it with a notary's.")
