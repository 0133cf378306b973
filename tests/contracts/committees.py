"""A committee contract and its Python twin side by side: every step is taken by both, and they must agree.

The test plays every part: it signs with whichever keys it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from ledger import merkle
from ledger.attestation import attestation_digest
from ledger.equivocation import Attested
from ledger.errors import Problem
from ledger.ethereum.keccak import keccak256
from ledger.membership import Member, Purpose, possession_digest
from ledger.proposal import Message
from ledger.quorum import pack, root_over
from ledger.rotation import Rotating, rotation
from ledger.secp256k1 import Signature, SigningKey
from tests.contracts.evm import CHAIN_ID, Deployed, Evm, Outcome, Reverted

DELAY, GRACE = 3_600, 86_400  # seconds
DIGEST = keccak256(b"a statement")
SALT = bytes(31) + b"\x01"
OUTSIDER = SigningKey.from_secret(b"\x77" * 32)


@cache
def key(index: int, purpose: Purpose = Purpose.ATTESTING) -> SigningKey:
    """The key of whoever the tests call number `index`."""
    return SigningKey.from_secret(keccak256(b"%s key %d" % (purpose.name.encode(), index)))


def member(index: int, **changed: bytes) -> Member:
    """A record without optional keys."""
    plain = Member(keccak256(b"operator %d" % index), key(index).address, keccak256(b"cosigning key %d" % index))
    return replace(plain, **changed)


def members(*indices: int) -> tuple[Member, ...]:
    """Records of several."""
    return tuple(member(index) for index in indices)


def proofs(records: Sequence[Member], keys: Mapping[bytes, SigningKey] | None = None) -> bytes:
    """Honest proofs of possession; `keys`: those the tests do not know by number, by address."""
    known = {key(index, purpose).address: key(index, purpose) for index in range(24) for purpose in Purpose}
    known |= {record.attesting: key(place) for place, record in enumerate(records) if record == member(place)}
    known |= dict(keys or {})
    made = []
    for record in records:
        made.append(
            known[record.attesting].sign(possession_digest(record.operator, Purpose.ATTESTING, record.attesting))
        )
        if record.validator != bytes(20):
            digest = possession_digest(record.operator, Purpose.VALIDATOR, record.validator)
            made.append(known[record.validator].sign(digest))
    return b"".join(signature.pack() for signature in made)


def constructor(keys: Sequence[SigningKey]) -> tuple[Any, ...]:
    """What the contract is deployed with for a plain committee of these attesting keys."""
    records = [replace(member(place), attesting=each.address) for place, each in enumerate(keys)]
    evidence = proofs(records, {each.address: each for each in keys})
    return [record.as_abi() for record in records], evidence, DELAY, GRACE, False


def signed(digest: bytes, *indices: int, by: Sequence[int] | None = None) -> bytes:
    """Packed signatures at these indices; `by`: who signs in each place, else the member of that number."""
    return pack({place: key(who).sign(digest) for place, who in zip(indices, by or indices, strict=True)})


def raw(signers: Mapping[int, tuple[int, int, int]]) -> bytes:
    """The packed form of anything: (r, s, parity) by index, valid or not."""
    bits = sum(1 << index for index in signers)
    parities = sum(parity << index for index, (_, _, parity) in signers.items())
    pairs = (signers[index] for index in sorted(signers))
    head = bits.to_bytes(13, "big") + parities.to_bytes(13, "big")
    return head + b"".join(r.to_bytes(32, "big") + s.to_bytes(32, "big") for r, s, _ in pairs)


def parts(signature: Signature) -> tuple[int, int, int]:
    """A signature as `raw` takes it."""
    return signature.r, signature.s, signature.v - 27


@dataclass(frozen=True, slots=True)
class Said:
    """Both refused: the contract's reason and the twin's code."""

    reason: str
    code: str


@dataclass(slots=True)
class Chamber:
    """The contract and the twin; `twin` is replaced by every step that both take."""

    evm: Evm
    contract: Deployed
    twin: Rotating
    log: list[Outcome] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        records: Sequence[Member],
        *,
        exact: bool = False,
        delay: int = DELAY,
        grace: int = GRACE,
        development: bool = False,
        evidence: bytes | None = None,
    ) -> Chamber:
        """Deploy a committee; `evidence` replaces the honest proofs of possession. Errors: `Reverted`."""
        evm = Evm(exact=exact)
        given = proofs(records) if evidence is None else evidence
        arguments = ([record.as_abi() for record in records], given, delay, grace, development)
        contract = evm.deploy("Committee", *arguments)
        twin = Rotating.start(
            records,
            given,
            chain_id=CHAIN_ID,
            contract=contract.address,
            delay=delay,
            grace=grace,
            development=development,
        )
        return cls(evm, contract, twin)

    def check(self, epoch: int, digest: bytes, packed: bytes, function: str = "check") -> bool | Said:
        """Ask both whether signatures are enough."""

        def ask_twin() -> object:
            if function == "check_current":
                return self.twin.check_current(epoch, digest, packed)
            blocking = function == "check_blocking"
            return self.twin.check(epoch, digest, packed, now=self.evm.time, blocking=blocking)

        said = self._agree(lambda: self.contract.call(function, epoch, digest, packed), ask_twin)
        return said if isinstance(said, Said) else True

    def announce(self, action: bytes, packed: bytes, *, epoch: int = 0, salt: bytes = SALT) -> Said | None:
        """Announce an order at both."""
        epoch = epoch or self.twin.epoch
        return self._step(
            lambda: self.twin.announce(action, salt, epoch, packed, now=self.evm.time),
            "announce",
            action,
            salt,
            epoch,
            packed,
        )

    def order(self, records: Sequence[Member], *by: int, salt: bytes = SALT, places: Sequence[int] = ()) -> Said | None:
        """Order a rotation with the signatures of the members at `places` (else of the same numbers)."""
        action = rotation(self.twin.epoch + 1, records)
        digest = self.twin.order_digest(action, salt, self.twin.epoch)
        return self.announce(action, signed(digest, *(places or by), by=by), salt=salt)

    def rotate(self, records: Sequence[Member], *, salt: bytes = SALT, evidence: bytes | None = None) -> Said | None:
        """Carry a rotation out at both."""
        given = proofs(records) if evidence is None else evidence
        return self._step(
            lambda: self.twin.rotate(records, given, salt, now=self.evm.time),
            "rotate",
            [record.as_abi() for record in records],
            given,
            salt,
        )

    def report(self, first: Attested, second: Attested) -> Said | None:
        """Hand evidence to both."""
        return self._step(lambda: self.twin.report(first, second), "report", first.as_abi(), second.as_abi())

    def succeed(self, records: Sequence[Member], *by: int, salt: bytes = SALT, places: Sequence[int] = ()) -> None:
        """An honest rotation from order to effect; the clock moves by the delay."""
        assert self.order(records, *by, salt=salt, places=places) is None
        self.evm.time += DELAY
        assert self.rotate(records, salt=salt) is None

    def same_state(self) -> None:
        """The contract holds what the twin holds."""
        assert self.contract.call("epoch") == self.twin.epoch
        seats = {seat.epoch: seat for seat in (self.twin.current, self.twin.previous) if seat is not None}
        for epoch in range(self.twin.epoch + 2):
            seat = seats.get(epoch)
            held = self.contract.call("members", epoch)
            until = self.contract.call("valid_until", epoch)
            if seat is None:
                assert (held, until) == ((), 0)
                continue
            assert until == (2**64 - 1 if seat.until is None else seat.until)
            assert len(held) == len(seat.signers)
            for number, signer in zip(held, seat.signers, strict=True):
                assert number >> 160 == (signer is None)
                assert signer is None or number == int.from_bytes(signer, "big")

    def _step(self, step: Callable[[], Rotating], function: str, *arguments: Any) -> Said | None:
        before = self.evm.fingerprint(self.contract)
        result = self._agree(lambda: self.contract.send(function, *arguments), step)
        if isinstance(result, Said):
            assert self.evm.fingerprint(self.contract) == before, "a refusal changes nothing"
            return result
        outcome, self.twin = result
        self.log.append(outcome)
        self.same_state()
        return None

    def _agree(self, ask_contract: Callable[[], Any], ask_twin: Callable[[], Any]) -> Any:
        try:
            theirs = ask_contract()
        except Reverted as reverted:
            assert reverted.reason, "every refusal gives its reason"
            try:
                ours = ask_twin()
            except Problem as problem:
                return Said(reverted.reason, problem.code)
            raise AssertionError(f"only the contract refuses: {reverted.reason}; the twin gives {ours}") from reverted
        return theirs, ask_twin()


def attested(
    message: Message, signer: SigningKey, *others: Message, epoch: int = 1, index: int = 0, **changed: Any
) -> Attested:
    """A signer's attestation of a root over a message (at `index`) and others."""
    listed = list(others)
    listed.insert(index, message)
    leaves = [merkle.leaf_hash(each.id) for each in listed]
    end = message.destination
    digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root_over(listed), epoch=epoch)
    place = tuple(merkle.inclusion_proof(leaves, index))
    return replace(Attested(message, index, len(listed), place, epoch, signer.sign(digest).pack()), **changed)
