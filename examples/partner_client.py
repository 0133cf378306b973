"""A partner chain's client of a relay, written from relay/PARTNER.md alone: nothing of this project is imported.

It asks over HTTP, and checks what it is told: ids, inclusion, signatures of the committee it was given, credentials and
webhooks. A relay that lies is caught by `Lie`; which committee to believe is for whoever calls to know.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
from coincurve import PublicKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_hash.auto import keccak

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
HEAD_BYTES, PAIR_BYTES, SIGNER_BYTES = 26, 64, 13
WEBHOOK_SECONDS = 300
DIFFERS = 2
VERDICT = (
    "id",
    "epoch",
    "origin_block",
    "commit_block",
    "commit_transaction",
    "checked_from",
    "verdict",
    "executed",
    "outcome",
    "policy",
    "origin_log",
    "commit_log",
)

Answer = dict[str, Any]


class Lie(Exception):
    """What the relay said does not hold."""


class Problem(Exception):
    """What the relay refused: its stable code, and the whole problem."""

    def __init__(self, problem: Answer) -> None:
        super().__init__(f"{problem.get('code')}: {problem.get('title')}")
        self.code, self.problem = problem.get("code"), problem


class PartnerClient:
    """One partner at one relay. `members`: attesting addresses (20 bytes) of the committee, by index."""

    def __init__(self, url: str, key: str, members: Sequence[bytes]) -> None:
        self.members = tuple(members)
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/v1", headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # -- asking ------------------------------------------------------------------------------------------------------

    def send(self, chain: str, raw: bytes, *, key: str) -> Answer:
        """Have a signed transaction sent; the same `key` may be used again after a lost answer."""
        return self._post("/messages", {"signed_transaction": {"chain": chain, "raw": hexed(raw)}}, key)

    def submission(self, named: str) -> Answer:
        """What became of a submission."""
        return self._get(f"/submissions/{named}")

    def message(self, named: str) -> Answer:
        """A message as it stands."""
        return self._get(f"/messages/{named}")

    def explain(self, named: str) -> Answer:
        """Where it is, why it waits, who acts next, by when."""
        return self._get(f"/messages/{named}/explain")

    def messages(self, **query: str) -> Iterator[Answer]:
        """Every message, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            page = self._get("/messages", **query, **({"cursor": cursor} if cursor else {}))
            yield from page["messages"]
            cursor = page["next_cursor"]

    def proof(self, named: str, *, certified: bool = True) -> Answer:
        """What the destination takes, checked: id, inclusion and the committee's signatures. Errors: `Lie`.

        `certified`: False for a lane that you know to trust headers at its destination and no committee.
        """
        proof = self._get(f"/messages/{named}/proof")
        if message_id(proof["message"]) != plain(named):
            raise Lie("the message's fields give another id")
        if not certified:
            return proof
        if proof["certificate"] is None:
            raise Lie("there is no certificate, and this lane asks for one")
        check_certificate(proof["certificate"], plain(named), self.members)
        end = proof["message"]["destination"]["gateway"]
        if proof["certificate"]["for"] != end or (proof["call"] is not None and proof["call"]["to"] != end):
            raise Lie("the certificate or the call is for another gateway")
        return proof

    def credential(self, named: str) -> Answer:
        """The public record, checked: both signature sets, and the credential over them. Errors: `Lie`."""
        record = self._get(f"/messages/{named}/credential")
        if record["verdict"]["id"] != named:
            raise Lie("the verdict is about another message")
        check_credential(record, plain(named), self.members)
        return record

    def subscribe(self, url: str, types: Sequence[str], *, key: str) -> Answer:
        """Have events sent to a URL."""
        return self._post("/subscriptions", {"url": url, "types": list(types)}, key)

    def webhook_key(self) -> bytes:
        """The key that signs webhooks; ask once, over TLS, and keep it."""
        return bytes.fromhex(self._get("/about")["webhook_key"])

    def events(self, after: str | None = None) -> Iterator[Answer]:
        """Every event after the one named, or from now on. Ends when the relay does: ask again with the last `id`."""
        headers = {} if after is None else {"Last-Event-ID": after}
        with self._http.stream("GET", "/events", headers=headers, timeout=60) as stream:
            if stream.status_code != httpx.codes.OK:
                raise Problem(json.loads(stream.read()))
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def _get(self, path: str, **query: str) -> Answer:
        return _answer(self._http.get(path, params=query))

    def _post(self, path: str, body: Answer, key: str) -> Answer:
        return _answer(self._http.post(path, json=body, headers={"Idempotency-Key": key}))


# -- checking ----------------------------------------------------------------------------------------------------------


def message_id(message: Answer) -> bytes:
    """The id that a message's fields give."""
    ends = b"".join(
        word(chain_of(end["chain"])) + plain(end["genesis"]) + account_of(end["gateway"]).rjust(32, b"\x00")
        for end in (message["origin"], message["destination"])
    )
    parties = b"".join(account_of(message[name]).rjust(32, b"\x00") for name in ("sender", "recipient"))
    lane = keccak(keccak(b"pledgetrail/lane/v1") + ends + parties)
    numbers = [word(int(message[name])) for name in ("generation", "sequence", "expiry", "gas_limit")]
    head = keccak(b"pledgetrail/message/v1") + word(message["version"]) + word(message["kind"]) + lane
    return keccak(head + b"".join(numbers) + keccak(plain(message["payload"])))


def check_certificate(certificate: Answer, leaf: bytes, members: Sequence[bytes]) -> bytes:
    """Refuse a certificate that does not hold for a message id; what was signed, as `signed` gives it. `Lie`."""
    root = plain(certificate["root"])
    path = [plain(each) for each in certificate["proof"]]
    if root_of(leaf, certificate["index"], certificate["size"], path) != root:
        raise Lie("the inclusion proof leads to another root")
    kind = keccak(b"Attestation(bytes32 root,uint64 epoch)")
    digest = typed(certificate["for"], kind + root + word(certificate["epoch"]))
    check_signatures(digest, plain(certificate["signatures"]), members, len(members) * 2 // 3 + 1)
    return signed(digest, plain(certificate["signatures"]))


def check_credential(record: Answer, named: bytes, members: Sequence[bytes]) -> None:
    """Refuse a record whose signatures do not hold, or whose credential is not over them. `Lie`."""
    certificate = bytes(32)
    if record["certificate"] is not None:
        certificate = check_certificate(record["certificate"], named, members)
    verdict = record["verdict"]
    values = [verdict[name] for name in VERDICT]
    words = b"".join(plain(value) if isinstance(value, str) else word(value) for value in values)
    kind = keccak(
        b"Verdict(bytes32 id,uint64 epoch,bytes32 originBlock,bytes32 commitBlock,bytes32 commitTransaction,"
        b"uint64 checkedFrom,uint8 verdict,bool executed,bytes32 outcome,"
        b"uint8 policy,uint64 originLog,uint64 commitLog)"
    )
    digest, packed = typed(record["registry"], kind + words), plain(record["signatures"])
    quorum = len(members) * 2 // 3 + 1
    check_signatures(digest, packed, members, len(members) - quorum + 1 if verdict["verdict"] == DIFFERS else quorum)
    if keccak(certificate + signed(digest, packed)) != plain(record["credential"]):
        raise Lie("the credential is over something else")


def check_signatures(digest: bytes, packed: bytes, members: Sequence[bytes], needed: int) -> None:
    """Refuse fewer than `needed` signatures of different members, or one that is not its member's. `Lie`."""
    signers = int.from_bytes(packed[:SIGNER_BYTES], "big")
    parities = int.from_bytes(packed[SIGNER_BYTES:HEAD_BYTES], "big")
    indices = [index for index in range(SIGNER_BYTES * 8) if signers >> index & 1]
    if len(packed) != HEAD_BYTES + PAIR_BYTES * len(indices) or parities & ~signers or signers >> len(members):
        raise Lie("the signatures are not packed as they should be")
    if len(indices) < needed:
        raise Lie(f"{len(indices)} of {needed} signatures")
    for place, index in enumerate(indices):
        start = HEAD_BYTES + PAIR_BYTES * place
        pair = packed[start : start + PAIR_BYTES]
        if (
            int.from_bytes(pair[32:], "big") > HALF_ORDER
            or _signer(digest, pair, parities >> index & 1) != members[index]
        ):
            raise Lie(f"not member {index}'s signature")


def check_webhook(headers: dict[str, str], body: bytes, key: bytes, *, now: float | None = None) -> Answer:
    """The event of a webhook, once its signature holds and its time is near. `headers`: names in lower case. `Lie`."""
    sent = headers["webhook-timestamp"]
    if abs((time.time() if now is None else now) - int(sent)) > WEBHOOK_SECONDS:
        raise Lie("the webhook is of another time")
    scheme, _, signature = headers["webhook-signature"].partition(",")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(
            base64.b64decode(signature), f"{headers['webhook-id']}.{sent}.".encode() + body
        )
    except InvalidSignature:
        raise Lie("the webhook is not the relay's") from None
    if scheme != "v1a":
        raise Lie("the webhook is signed in another way")
    event: Answer = json.loads(body)
    return event


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2). `Lie`."""
    if not 0 <= index < size:
        raise Lie("the index is outside the tree")
    node, last, left = hashlib.sha256(b"\x00" + leaf).digest(), size - 1, list(path)
    while last:
        if index & 1 or index < last:  # a node without a sibling moves up alone
            if not left:
                raise Lie("the inclusion proof is too short")
            pair = left.pop(0) + node if index & 1 else node + left.pop(0)
            node = hashlib.sha256(b"\x01" + pair).digest()
        index, last = index >> 1, last >> 1
    if left:
        raise Lie("the inclusion proof is too long")
    return node


def typed(contract: str, words: bytes) -> bytes:
    """The EIP-712 digest for a contract named in CAIP-10."""
    kind = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    named = keccak(b"Pledgetrail") + keccak(b"1")
    chain = word(chain_of(contract.rpartition(":")[0]))
    domain = keccak(kind + named + chain + account_of(contract).rjust(32, b"\x00"))
    return keccak(b"\x19\x01" + domain + keccak(words))


def signed(digest: bytes, signatures: bytes) -> bytes:
    """A digest together with the signatures over it."""
    return keccak(digest + keccak(signatures))


def word(number: int) -> bytes:
    """32 bytes, big-endian."""
    return int(number).to_bytes(32, "big")


def plain(text: str) -> bytes:
    """Bytes of 0x-hex."""
    return bytes.fromhex(text.removeprefix("0x"))


def hexed(raw: bytes) -> str:
    """0x-hex of bytes."""
    return f"0x{raw.hex()}"


def chain_of(named: str) -> int:
    """The chain id of a CAIP-2 name."""
    return int(named.removeprefix("eip155:"))


def account_of(named: str) -> bytes:
    """The 20 bytes of a CAIP-10 account."""
    return plain(named.rpartition(":")[2])


def _signer(digest: bytes, pair: bytes, parity: int) -> bytes:
    try:
        key = PublicKey.from_signature_and_message(pair + bytes([parity]), digest, hasher=None)
    except Exception as error:
        raise Lie("a signature recovers to nobody") from error
    return keccak(key.format(compressed=False)[1:])[12:]


def _answer(response: httpx.Response) -> Answer:
    answer: Answer = response.json()
    if not response.is_success:
        raise Problem(answer)
    return answer
