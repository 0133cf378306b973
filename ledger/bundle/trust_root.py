"""The trust root: whom a verifier believes before it has looked at anything else, as one canonical JSON document.

It names the log and its key, the notaries of the epoch it pins, those of epochs before, and the three chains with the
contracts whose logs count. A past epoch's word counts only as far as the pinned epoch's notaries have sealed it: keys
that leak years later forge nothing. The trust root is a log entry too, so that a bundle proves every byte of the copy
it carries; that the copy is the right one, only somebody outside the bundle can say: compare the fingerprint.
May never happen here: a default for something missing, or a second spelling of one trust root.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from ledger.canonical import JsonValue, canonical_json, digest, parse_canonical
from ledger.checkpoint import CosignerKey, LogKey
from ledger.errors import BadInput, Problem, Refused
from ledger.ethereum.qbft import MAX_VALIDATORS, MIN_VALIDATORS
from ledger.headers.light_client import require_list
from ledger.interoperable import caip2, parse_caip2
from ledger.proposal import Chain
from ledger.quorum import Committee
from ledger.quorum import quorum as quorum_of
from ledger.timestamp import read_authority

TRUST_ROOT_DOMAIN: Final = "pledgetrail/trust-root/v1/json"
FORMAT: Final = "pledgetrail/trust-root/v1"
MAX_TRUST_ROOT_BYTES = 64 * 1024
MAX_COSIGNERS = 60  # their lines, the log's own included, fit into one note
MAX_EPOCH = 2**53 - 1
MAX_HEIGHT = 2**53 - 1
MAX_PAST_EPOCHS = 128  # ten years of rotations a month, and some

_FINGERPRINT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Notaries:
    """The notaries of one epoch: those who attest, those who cosign, and how many cosigners are needed (`quorum`).

    Creating one checks it: `Refused` CONFIG_SET for fewer than a quorum of cosigners or a repeated name or key.
    """

    committee: Committee
    cosigners: tuple[CosignerKey, ...]
    quorum: int

    def __post_init__(self) -> None:
        count = len(self.cosigners)
        if count > MAX_COSIGNERS or not quorum_of(count) <= self.quorum <= count:
            raise Refused("CONFIG_SET", f"{self.quorum} of {count} cosigners is less than a quorum, or more than all")
        if len({key.public_key for key in self.cosigners}) != count or len({k.name for k in self.cosigners}) != count:
            raise Refused("CONFIG_SET", "two cosigners share a name or a key")
        if not 0 <= self.epoch <= MAX_EPOCH:
            raise _malformed("the epoch is out of range")

    @property
    def epoch(self) -> int:
        """The epoch's number."""
        return self.committee.epoch


@dataclass(frozen=True, slots=True)
class Validators:
    """Who seals the blocks of one chain (`chain_id`) from a height on, as its committee pinned them: addresses of 20
    bytes, ascending. Later ones are believed as far as these and their followers sealed the change.
    """

    chain_id: int
    height: int
    members: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Refuse (CONFIG_SET) a list that a QBFT header could not hold; `BadInput` TRUST_ROOT_FORMAT."""
        if not MIN_VALIDATORS <= len(self.members) <= MAX_VALIDATORS:
            raise Refused("CONFIG_SET", f"{len(self.members)} validators are too few, or too many")
        if any(len(member) != 20 for member in self.members) or not 0 <= self.height <= MAX_HEIGHT:
            raise _malformed("a validator or the height is out of range")
        require_list(self.members)


@dataclass(frozen=True, slots=True)
class Lending:
    """The contracts of 20 bytes by which loans are secured: `loans` (PledgeRegistry) on the destination, `receipts`
    (WarehouseReceipt) on the origin, `goods` (GoodsRegistry) on the transaction chain.
    """

    loans: bytes
    receipts: bytes
    goods: bytes


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Whom to believe. `dated`: the day (UTC) on which it was made. `pinned`: the notaries of the epoch that is current
    then; `past`: those of earlier epochs, oldest first, whose word counts where the pinned ones have sealed it.

    Addresses have 20 bytes: `anchor_registry` stands on the origin, `anchor_mirror` on the destination,
    `transaction_registry` on the transaction chain; `lending`: None where nobody lends;
    `sealed`: the validators of those of the chains whose headers prove themselves, by rising chain id;
    `timestamping`: root certificates (DER) of authorities whose RFC 3161 timestamps count. Creating one checks it:
    `Refused` CONFIG_SET for a repeated chain, a log that cosigns itself, epochs that do not rise; `BadInput`
    TRUST_ROOT_FORMAT for a field out of range.
    """

    dated: date
    log: LogKey
    pinned: Notaries
    past: tuple[Notaries, ...]
    origin: Chain
    destination: Chain
    transaction: Chain
    anchor_registry: bytes
    anchor_mirror: bytes
    transaction_registry: bytes
    lending: Lending | None = None
    timestamping: tuple[bytes, ...] = ()
    sealed: tuple[Validators, ...] = ()

    def __post_init__(self) -> None:
        epochs = [notaries.epoch for notaries in self.epochs]
        if len(self.past) > MAX_PAST_EPOCHS or epochs != sorted(set(epochs)):
            raise Refused("CONFIG_SET", "the epochs do not rise up to the pinned one, or are too many")
        if any(key.public_key == self.log.public_key for notaries in self.epochs for key in notaries.cosigners):
            raise Refused("CONFIG_SET", "a cosigner has the log's key")
        chains = (self.origin, self.destination, self.transaction)
        if len({chain.chain_id for chain in chains}) != len(chains):
            raise Refused("CONFIG_SET", "two of the three chains have one chain id")
        lending = () if self.lending is None else (self.lending.loans, self.lending.receipts, self.lending.goods)
        for certificate in self.timestamping:
            read_authority(certificate)
        sealed = [each.chain_id for each in self.sealed]
        if sealed != sorted(set(sealed)) or not {*sealed} <= {chain.chain_id for chain in chains}:
            raise Refused("CONFIG_SET", "validators are of no chain here, or named twice")
        contracts = (self.anchor_registry, self.anchor_mirror, self.transaction_registry, *lending)
        if any(len(address) != 20 for address in contracts):
            raise _malformed("a contract's address does not have 20 bytes")

    @property
    def epochs(self) -> tuple[Notaries, ...]:
        """All epochs it knows, oldest first; the last is the pinned one."""
        return (*self.past, self.pinned)

    def validators_of(self, chain_id: int) -> Validators | None:
        """Those pinned of a chain; None where none are."""
        return next((each for each in self.sealed if each.chain_id == chain_id), None)

    def renewed(self, notaries: Notaries, dated: date) -> TrustRoot:
        """The trust root once these notaries have taken over; `dated`: the day (UTC). Raises `Refused` CONFIG_SET."""
        return replace(self, dated=dated, pinned=notaries, past=self.epochs)

    def dump(self) -> bytes:
        """Its RFC 8785 bytes: what is logged, carried and compared."""
        lending = self.lending
        timestamping = {"timestamping": [each.hex() for each in self.timestamping]} if self.timestamping else {}
        loans, receipts, goods = dict[str, JsonValue](), dict[str, JsonValue](), dict[str, JsonValue]()
        if lending is not None:
            loans, receipts = {"loans": _hex(lending.loans)}, {"receipts": _hex(lending.receipts)}
            goods = {"goods": _hex(lending.goods)}
        return canonical_json(
            {
                "format": FORMAT,
                "dated": self.dated.isoformat(),
                "log": {"origin": self.log.name, "key": self.log.public_key.hex()},
                **_dump_notaries(self.pinned),
                "past": [_dump_notaries(notaries) for notaries in self.past],
                **timestamping,
                "origin": self._chain(self.origin, "anchor_registry", self.anchor_registry) | receipts,
                "destination": self._chain(self.destination, "anchor_mirror", self.anchor_mirror) | loans,
                "transaction": self._chain(self.transaction, "registry", self.transaction_registry) | goods,
            }
        )

    def _chain(self, chain: Chain, role: str, contract: bytes) -> dict[str, JsonValue]:
        known = self.validators_of(chain.chain_id)
        ends: dict[str, JsonValue] = {**_dump_chain(chain, role, contract)}
        if known is not None:
            ends["sealed"] = {"height": known.height, "validators": [_hex(each) for each in known.members]}
        return ends

    @classmethod
    def load(cls, raw: bytes) -> TrustRoot:
        """Read what `dump` wrote; one newline may follow, as editors leave it.

        Raises `BadInput` TRUST_ROOT_FORMAT (missing, unknown or malformed field), NON_CANONICAL, KEY_…; `Refused`
        CONFIG_SET.
        """
        try:
            value = parse_canonical(raw.removesuffix(b"\n"), max_bytes=MAX_TRUST_ROOT_BYTES)
            loaded = _load(value)
        except Problem as problem:
            if not problem.code.startswith(("JSON_", "CHAIN_")):
                raise
            raise _malformed(problem.what) from problem
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _malformed(f"a field is missing or malformed ({ascii(error)[:80]})") from error
        if loaded.dump() != raw.removesuffix(b"\n"):
            raise _malformed("it holds an unknown field, or a value in another spelling")
        return loaded

    @property
    def fingerprint(self) -> str:
        """The first 128 bits of its digest as eight groups of four hexadecimal digits, to compare by eye or ear."""
        text = digest(TRUST_ROOT_DOMAIN, self.dump())[:_FINGERPRINT_BYTES].hex()
        return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _dump_notaries(notaries: Notaries) -> dict[str, JsonValue]:
    committee = notaries.committee
    return {
        "cosigners": [{"name": key.name, "key": key.public_key.hex()} for key in notaries.cosigners],
        "quorum": notaries.quorum,
        "committee": {"epoch": committee.epoch, "members": [_hex(member) for member in committee.members]},
    }


def _dump_chain(chain: Chain, role: str, contract: bytes) -> dict[str, str]:
    return {
        "chain": caip2(chain.chain_id),
        "genesis": _hex(chain.genesis),
        "gateway": _hex(chain.gateway),
        role: _hex(contract),
    }


# `Any` in all but name: a member that is missing or of another type raises, and `load` turns that into a refusal.
def _load(value: JsonValue) -> TrustRoot:
    top = _object(value)
    if top["format"] != FORMAT:
        raise _malformed(f"its format is not {FORMAT}")
    log = _object(top["log"])
    origin, destination, transaction = (_object(top[role]) for role in ("origin", "destination", "transaction"))
    return TrustRoot(
        dated=date.fromisoformat(_text(top["dated"])),
        log=LogKey(_text(log["origin"]), bytes.fromhex(_text(log["key"]))),
        pinned=_load_notaries(top),
        past=tuple(_load_notaries(_object(each)) for each in _list(top["past"])),
        origin=_load_chain(origin),
        destination=_load_chain(destination),
        transaction=_load_chain(transaction),
        anchor_registry=_bytes(origin["anchor_registry"]),
        anchor_mirror=_bytes(destination["anchor_mirror"]),
        transaction_registry=_bytes(transaction["registry"]),
        lending=_load_lending(origin, destination, transaction),
        timestamping=tuple(bytes.fromhex(_text(each)) for each in _list(top.get("timestamping", []))),
        sealed=_load_sealed(origin, destination, transaction),
    )


def _load_notaries(fields: dict[str, JsonValue]) -> Notaries:
    committee = _object(fields["committee"])
    return Notaries(
        committee=Committee(_integer(committee["epoch"]), tuple(_bytes(m) for m in _list(committee["members"]))),
        cosigners=tuple(
            CosignerKey(_text(c["name"]), bytes.fromhex(_text(c["key"])))
            for c in map(_object, _list(fields["cosigners"]))
        ),
        quorum=_integer(fields["quorum"]),
    )


def _load_sealed(*chains: dict[str, JsonValue]) -> tuple[Validators, ...]:
    found = []
    for fields in chains:
        if "sealed" in fields:
            sealed = _object(fields["sealed"])
            members = tuple(_bytes(each) for each in _list(sealed["validators"]))
            found.append(Validators(parse_caip2(_text(fields["chain"])), _integer(sealed["height"]), members))
    return tuple(sorted(found, key=lambda each: each.chain_id))


def _load_lending(
    origin: dict[str, JsonValue], destination: dict[str, JsonValue], transaction: dict[str, JsonValue]
) -> Lending | None:
    if "loans" not in destination:  # one that names the others alone does not dump to the same bytes again
        return None
    return Lending(_bytes(destination["loans"]), _bytes(origin["receipts"]), _bytes(transaction["goods"]))


def _load_chain(fields: dict[str, JsonValue]) -> Chain:
    return Chain(parse_caip2(_text(fields["chain"])), _bytes(fields["genesis"]), _bytes(fields["gateway"]))


def _object(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise TypeError("an object is expected")
    return value


def _list(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise TypeError("a list is expected")
    return value


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value


def _integer(value: JsonValue) -> int:
    if type(value) is not int:  # a bool is an int to isinstance
        raise TypeError("a whole number is expected")
    return value


def _bytes(value: JsonValue) -> bytes:
    return bytes.fromhex(_text(value).removeprefix("0x"))


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"


def _malformed(why: str) -> BadInput:
    return BadInput(
        "TRUST_ROOT_FORMAT",
        f"This is not a trust root: {why}.",
        cure="Take the file that the log's operator or a notary published, byte for byte.",
    )
