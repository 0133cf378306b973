"""A light client of a QBFT chain: which sealed headers it believes, for how long, and what makes it stop.

Twin of `contracts/vyper/LightClient.vy`: the whole trust decision in one place, without I/O. The committee's order that
precedes a cure is the contract's business; here a cure is taken as ordered.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.qbft import QbftHeader, read_unsealed, validator_items
from ledger.headers.held import Became, HeldHeader, HeldHeaders
from ledger.headers.seals import check_seals


@dataclass(frozen=True, slots=True)
class Replaced:
    """A list of validators that another one replaced, by a header of this height and time."""

    height: int
    timestamp: int


@dataclass(slots=True)
class LightClient:
    """The client's state. `trust_period`: seconds for which validators are trusted after their last header.

    `validators`: the trusted list; `replaced`: what came before it, by list.
    """

    trust_period: int
    held: HeldHeaders
    validators: tuple[bytes, ...] = ()
    replaced: dict[tuple[bytes, ...], Replaced] = field(default_factory=dict)

    @classmethod
    def start(cls, unsealed: bytes, *, trust_period: int, max_drift: int, block_period: int, now: int) -> LightClient:
        """Trust a first header. Errors: `Refused` CONFIG_TRUST (periods), CLIENT_EXPIRED, and those of `read_unsealed`,
        `require_list`, `HeldHeaders.anchor`."""
        if not 0 <= max_drift < trust_period:
            raise Refused("CONFIG_TRUST", "the trust period is longer than the clock drift, which is not negative")
        client = cls(trust_period, HeldHeaders(max_drift, block_period))
        client._trust(read_unsealed(unsealed), now)
        return client

    def update(self, unsealed: bytes, seals: bytes, trusted: tuple[bytes, ...] = (), *, now: int) -> Became:
        """Hold a sealed header, or freeze. `seals` packed; `trusted`: the list that vouches, if not its own.

        Errors: `Refused` CLIENT_EXPIRED, SET_UNKNOWN (a list not trusted), SET_REPLACED (no longer, or not for this
        height), and those of `read_unsealed`, `require_list`, `check_seals`, `HeldHeaders.hold`.
        """
        header = read_unsealed(unsealed)
        self._require_unexpired(now)
        own = header.extra.validators
        if trusted == own:
            raise Refused("SET_UNKNOWN", "the vouching list is the header's own", cure="Leave it out.")
        if trusted:
            require_list(own)
        self._require_vouching(trusted or own, header, now)
        check_seals(header, seals, trusted)
        became = self.held.hold(summary(header), now=now)
        if became is Became.LATEST and trusted:
            self._replace(header)
        return became

    def require(self, header: HeldHeader, *, now: int) -> None:
        """Refuse unless exactly this header is held and the client live: CLIENT_EXPIRED, and those of `HeldHeaders`."""
        self._require_unexpired(now)
        self.held.require(header)

    def cure(self, unsealed: bytes, doubt_from: int, *, now: int) -> None:
        """Trust another header, as the quorum ordered. Errors: `Refused` NOTHING_TO_CURE, CURE and those of `start`."""
        header = read_unsealed(unsealed)
        if self.held.status.frozen:
            self.held.resume(doubt_from, header.number)
        elif not self._expired(now) or doubt_from:
            raise Refused("NOTHING_TO_CURE", "the client is neither frozen nor expired, or nothing is in doubt")
        self._trust(header, now)

    def _trust(self, header: QbftHeader, now: int) -> None:
        if now >= header.timestamp + self.trust_period:
            raise Refused("CLIENT_EXPIRED", "the header is older than the trust period")
        require_list(header.extra.validators)
        self.held.anchor(summary(header), now=now)
        self._replace(header)

    def _replace(self, header: QbftHeader) -> None:
        if self.validators:
            self.replaced[self.validators] = Replaced(header.number, header.timestamp)
        self.validators = header.extra.validators
        self.replaced.pop(self.validators, None)

    def _expired(self, now: int) -> bool:
        return now >= self.held.status.timestamp + self.trust_period

    def _require_unexpired(self, now: int) -> None:
        if self._expired(now):
            raise Refused(
                "CLIENT_EXPIRED", "the latest header is older than the trust period", cure="The quorum orders a cure."
            )

    def _require_vouching(self, validators: tuple[bytes, ...], header: QbftHeader, now: int) -> None:
        if validators == self.validators:
            return
        until = self.replaced.get(validators)
        if until is None:
            raise Refused(
                "SET_UNKNOWN", "these validators are not trusted", cure="Name the list that vouches for them."
            )
        if header.number > until.height or header.timestamp > until.timestamp:
            raise Refused("SET_REPLACED", "these validators were replaced before", where=f"height {header.number}")
        if now >= until.timestamp + self.trust_period:
            raise Refused("SET_REPLACED", "these validators were replaced longer ago than the trust period")


def require_list(validators: tuple[bytes, ...]) -> None:
    """Refuse (CONFIG_SET) validators that are not strictly ascending, as QBFT orders them, or hold the zero address."""
    if any(low >= high for low, high in zip((bytes(20), *validators), validators, strict=False)):
        raise Refused("CONFIG_SET", "validators are ascending, distinct and not zero")


def digest_of(validators: tuple[bytes, ...]) -> bytes:
    """What the contract keeps of a list: the Keccak-256 of its items as they stand in a header."""
    return keccak256(validator_items(validators))


def summary(header: QbftHeader) -> HeldHeader:
    """What is held of a header."""
    return HeldHeader(header.number, header.hash, header.state_root, header.receipts_root, header.timestamp)
