"""The seam to the notaries: ask each over HTTP, check what comes back, stop at a quorum.

A signature is recovered here before it is used, so that the relay never pays for a certificate that the contract would
refuse; a notary that answers nonsense counts as not having answered.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from ledger.attestation import Verdict, attestation_digest, verdict_digest
from ledger.canonical import parse_json
from ledger.errors import Problem, Refused, Unavailable
from ledger.interoperable import caip2
from ledger.proposal import Message
from ledger.quorum import Certificate, Committee, pack, root_over
from ledger.secp256k1 import Signature, recover
from relay.watcher import Place

TIMEOUT_SECONDS = 60.0  # a verdict may first have to re-execute blocks
MAX_REPLY_BYTES = 1024 * 1024


class Notary(Protocol):
    """One notary as the relay sees it."""

    @property
    def name(self) -> str: ...

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post JSON and return the JSON answer. Errors: whatever the notary refused, or `Unavailable`."""
        ...

    def add_checkpoint(self, body: bytes) -> tuple[int, bytes]:
        """C2SP tlog-witness `add-checkpoint`: HTTP status and body. Errors: `Unavailable`."""
        ...


class HttpNotary:
    """A notary behind a URL."""

    def __init__(self, name: str, url: str) -> None:
        self._name, self._url = name, url.rstrip("/")
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)

    @property
    def name(self) -> str:
        return self._name

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            response = self._http.post(f"{self._url}{path}", json=body)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        answer = parse_json(response.content, max_bytes=MAX_REPLY_BYTES)
        if not isinstance(answer, dict):
            raise Unavailable("NOTARY_GARBAGE", f"{self._name} answered no JSON object", where=self._url)
        if response.status_code != httpx.codes.OK:
            raise _problem(answer, self._name, response.status_code)
        return answer

    def add_checkpoint(self, body: bytes) -> tuple[int, bytes]:
        try:
            response = self._http.post(f"{self._url}/add-checkpoint", content=body)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return response.status_code, response.content

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _unreachable(self, error: httpx.HTTPError) -> Unavailable:
        return Unavailable(
            "NOTARY_UNREACHABLE",
            f"{self._name} does not answer: {type(error).__name__}",
            where=self._url,
            cure="Start it with `pledgetrail notary run`.",
        )


def _problem(answer: dict[str, Any], name: str, status: int) -> Problem:
    refused = answer.get("refused")
    first = refused[0] if isinstance(refused, list) and refused and isinstance(refused[0], dict) else answer
    code, what = str(first.get("code", "NOTARY_REFUSED")), str(first.get("what", "no reason given"))
    kind = Unavailable if status >= 500 else Refused
    return kind(code, f"{name}: {what}", where=str(first.get("where", "")), cure=str(answer.get("cure", "")))


@dataclass(frozen=True, slots=True)
class JudgedCommit:
    """A verdict with the packed signatures of a quorum."""

    verdict: Verdict
    signatures: bytes


class NotaryPanel:
    """All notaries of the epoch, asked together."""

    def __init__(self, notaries: Sequence[Notary], committee: Committee) -> None:
        self.notaries, self._committee = tuple(notaries), committee
        self._pool = ThreadPoolExecutor(max_workers=4 * len(self.notaries), thread_name_prefix="panel")

    def certify(self, message: Message, place: Place) -> Certificate:
        """Collect a certificate for one message. Errors: `Unavailable` WAITING, or what a quorum refused."""
        body = {"leaves": [locator(place)]}
        root = root_over([message])
        digest = attestation_digest(
            chain_id=message.destination.chain_id,
            gateway=message.destination.gateway,
            root=root,
            epoch=self._committee.epoch,
        )
        signatures: dict[int, Signature] = {}

        def take(answer: dict[str, Any]) -> None:
            index, signature = _signature(answer)
            if recover(digest, signature) != self._committee.members[index]:
                raise Refused("SIG_UNKNOWN", "the signature is not this member's")
            signatures[index] = signature

        self._collect("attestation", "/attestations", body, take, lambda: len(signatures))
        return Certificate(root, 0, 1, (), self._committee.epoch, pack(_first(signatures, self._committee.quorum)))

    def judge(self, message: Message, origin: Place, commit: Place, *, chain_id: int, registry: bytes) -> JudgedCommit:
        """Collect a quorum of equal verdicts over a commit. Errors: `Unavailable` WAITING, or what a quorum refused."""
        body = {"origin": locator(origin), "commit": locator(commit, chain="chain")}
        by_verdict: dict[Verdict, dict[int, Signature]] = {}

        def take(answer: dict[str, Any]) -> None:
            verdict = _read_verdict(answer["verdict"])
            if verdict.id != message.id:
                raise Refused("VERDICT_ID", "the verdict is about another message")
            index, signature = _signature(answer)
            digest = verdict_digest(chain_id=chain_id, registry=registry, verdict=verdict)
            if recover(digest, signature) != self._committee.members[index]:
                raise Refused("SIG_UNKNOWN", "the signature is not this member's")
            by_verdict.setdefault(verdict, {})[index] = signature

        def agreed() -> int:
            return max((len(signed) for signed in by_verdict.values()), default=0)

        self._collect("verdict", "/verdicts", body, take, agreed)
        verdict, signed = max(by_verdict.items(), key=lambda item: len(item[1]))
        return JudgedCommit(verdict, pack(_first(signed, self._committee.quorum)))

    def _collect(
        self,
        wanted: str,
        path: str,
        body: dict[str, Any],
        take: Callable[[dict[str, Any]], None],
        count: Callable[[], int],
    ) -> None:
        """Ask all, take each answer, return as soon as `count` reaches the quorum."""
        asked = {self._pool.submit(notary.ask, path, body): notary for notary in self.notaries}
        problems: list[Problem] = []
        for done in as_completed(asked):
            try:
                take(done.result())
            except Problem as problem:
                problems.append(problem)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                problems.append(Unavailable("NOTARY_GARBAGE", f"{asked[done].name} answered nonsense: {error!r}"))
            if count() >= self._committee.quorum:
                return
        raise self._short(wanted, count(), problems)

    def _short(self, wanted: str, have: int, problems: list[Problem]) -> Problem:
        refusals = [problem for problem in problems if isinstance(problem, Refused)]
        if len(refusals) > len(self._committee.members) - self._committee.quorum:
            return refusals[0]  # a quorum can no longer be reached, whoever returns
        missing = self._committee.quorum - have
        return Unavailable(
            "WAITING",
            f"waiting for {missing} more {wanted}{'s' if missing > 1 else ''} "
            f"({have} of {self._committee.quorum} given)",
            where="; ".join(str(problem) for problem in problems)[:500],
            cure="It goes on by itself as soon as another notary answers.",
        )

    def cosign(self, note: bytes, old_size: int, proof_from: Callable[[int], Iterable[bytes]]) -> list[bytes]:
        """Ask every notary to cosign a checkpoint; return the signature lines of those that did.

        `old_size`: what we think they saw last; `proof_from(size)`: consistency proof from a size to this checkpoint.
        A notary that saw another size says so (409) and is asked once more from there (C2SP tlog-witness).
        """
        return [
            line for line in self._pool.map(lambda n: _cosign(n, note, old_size, proof_from), self.notaries) if line
        ]

    def close(self) -> None:
        """Stop asking."""
        self._pool.shutdown(cancel_futures=True)


def _cosign(notary: Notary, note: bytes, old_size: int, proof_from: Callable[[int], Iterable[bytes]]) -> bytes | None:
    size = old_size
    for _attempt in range(2):
        proof = b"".join(base64.b64encode(node) + b"\n" for node in proof_from(size))
        try:
            status, answer = notary.add_checkpoint(b"old %d\n" % size + proof + b"\n" + note)
        except Unavailable:
            return None  # too few cosignatures are noticed, and named, where they are counted
        if status == httpx.codes.OK:
            return answer
        if status != httpx.codes.CONFLICT or not answer.strip().isdigit():
            return None
        size = int(answer)
    return None


def locator(place: Place, *, chain: str = "origin") -> dict[str, Any]:
    """Where a log stands, as the notaries' API takes it; `chain` is the name of the field that says on which one."""
    return {
        chain: caip2(place.chain_id),
        "block": place.block,
        "transaction_index": place.transaction_index,
        "log_index": place.log_index,
    }


def _signature(answer: dict[str, Any]) -> tuple[int, Signature]:
    return int(answer["member"]), Signature.parse(_hex(answer["signature"]))


def _first(signatures: dict[int, Signature], count: int) -> dict[int, Signature]:
    """Exactly `count` of them: more would only cost gas."""
    return {index: signatures[index] for index in sorted(signatures)[:count]}


def _read_verdict(fields: dict[str, Any]) -> Verdict:
    return Verdict(
        id=_hex(fields["id"]),
        epoch=int(fields["epoch"]),
        origin_block=_hex(fields["origin_block"]),
        commit_block=_hex(fields["commit_block"]),
        commit_transaction=_hex(fields["commit_transaction"]),
        checked_from=int(fields["checked_from"]),
        verdict=int(fields["verdict"]),
        executed=bool(fields["executed"]),
        outcome=_hex(fields["outcome"]),
    )


def _hex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
