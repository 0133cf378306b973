"""The trust root: whom a verifier believes before it has looked at anything else, as one canonical JSON document.

It names the log and its key, the cosigners and how many of them are needed, the committee of the epoch, and the three
chains with the contracts whose logs count. It is a log entry too, so that a bundle proves every byte of the copy it
carries; that the copy is the right one, only somebody outside the bundle can say: compare the fingerprint.
May never happen here: a default for something missing, or a second spelling of one trust root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.canonical import JsonValue, canonical_json, digest, parse_canonical
from ledger.checkpoint import CosignerKey, LogKey
from ledger.errors import BadInput, Problem, Refused
from ledger.interoperable import caip2, parse_caip2
from ledger.proposal import Chain
from ledger.quorum import Committee
from ledger.quorum import quorum as quorum_of

TRUST_ROOT_DOMAIN: Final = "pledgetrail/trust-root/v1/json"
FORMAT: Final = "pledgetrail/trust-root/v1"
MAX_TRUST_ROOT_BYTES = 64 * 1024
MAX_COSIGNERS = 60  # their lines, the log's own included, fit into one note
MAX_EPOCH = 2**53 - 1

_FINGERPRINT_BYTES = 16


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Whom to believe. `quorum`: how many of `cosigners` must have cosigned a checkpoint.

    Addresses have 20 bytes: `anchor_registry` stands on the origin, `anchor_mirror` on the destination,
    `transaction_registry` on the transaction chain. Creating one checks it: `Refused` CONFIG_SET for fewer than a
    quorum of cosigners, a repeated name, key or chain; `BadInput` TRUST_ROOT_FORMAT for a field out of range.
    """

    log: LogKey
    cosigners: tuple[CosignerKey, ...]
    quorum: int
    committee: Committee
    origin: Chain
    destination: Chain
    transaction: Chain
    anchor_registry: bytes
    anchor_mirror: bytes
    transaction_registry: bytes

    def __post_init__(self) -> None:
        count = len(self.cosigners)
        if count > MAX_COSIGNERS or not quorum_of(count) <= self.quorum <= count:
            raise Refused("CONFIG_SET", f"{self.quorum} of {count} cosigners is less than a quorum, or more than all")
        keys = {self.log.public_key, *(key.public_key for key in self.cosigners)}
        if len(keys) != count + 1 or len({key.name for key in self.cosigners}) != count:
            raise Refused("CONFIG_SET", "two cosigners share a name or a key, or one has the log's key")
        chains = (self.origin, self.destination, self.transaction)
        if len({chain.chain_id for chain in chains}) != len(chains):
            raise Refused("CONFIG_SET", "two of the three chains have one chain id")
        if not 0 <= self.committee.epoch <= MAX_EPOCH:
            raise _malformed("the epoch is out of range")
        contracts = (self.anchor_registry, self.anchor_mirror, self.transaction_registry)
        if any(len(address) != 20 for address in contracts):
            raise _malformed("a contract's address does not have 20 bytes")

    def dump(self) -> bytes:
        """Its RFC 8785 bytes: what is logged, carried and compared."""
        return canonical_json(
            {
                "format": FORMAT,
                "log": {"origin": self.log.name, "key": self.log.public_key.hex()},
                "cosigners": [{"name": key.name, "key": key.public_key.hex()} for key in self.cosigners],
                "quorum": self.quorum,
                "committee": {"epoch": self.committee.epoch, "members": [_hex(m) for m in self.committee.members]},
                "origin": _dump_chain(self.origin, "anchor_registry", self.anchor_registry),
                "destination": _dump_chain(self.destination, "anchor_mirror", self.anchor_mirror),
                "transaction": _dump_chain(self.transaction, "registry", self.transaction_registry),
            }
        )

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
    log, committee = _object(top["log"]), _object(top["committee"])
    origin, destination, transaction = (_object(top[role]) for role in ("origin", "destination", "transaction"))
    return TrustRoot(
        log=LogKey(_text(log["origin"]), bytes.fromhex(_text(log["key"]))),
        cosigners=tuple(
            CosignerKey(_text(c["name"]), bytes.fromhex(_text(c["key"]))) for c in map(_object, _list(top["cosigners"]))
        ),
        quorum=_integer(top["quorum"]),
        committee=Committee(_integer(committee["epoch"]), tuple(_bytes(m) for m in _list(committee["members"]))),
        origin=_load_chain(origin),
        destination=_load_chain(destination),
        transaction=_load_chain(transaction),
        anchor_registry=_bytes(origin["anchor_registry"]),
        anchor_mirror=_bytes(destination["anchor_mirror"]),
        transaction_registry=_bytes(transaction["registry"]),
    )


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
