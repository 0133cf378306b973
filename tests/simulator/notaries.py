"""Notaries in this process, each with keys of its own: honest ones read the chains, the others do what a test says."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from contracts.manifest import ChainManifest, Manifest, Policy, Role
from contracts.node import Node, data, quantity
from ledger.attestation import EXPIRED, SAME, VOID, Verdict, attestation_digest, log_place, verdict_digest
from ledger.checkpoint import Checkpoint, LogKey, cosign, open_checkpoint
from ledger.checkpoint import Cosigner as CosigningKey
from ledger.errors import Problem, Refused, Unavailable
from ledger.ethereum.header import header_from_rpc
from ledger.ethereum.tx_receipt import Log
from ledger.headers.certified import HeaderDomain
from ledger.headers.held import HeldHeader
from ledger.interoperable import parse_caip2
from ledger.proposal import Message, read_proposal
from ledger.quorum import root_over
from ledger.secp256k1 import SigningKey
from ledger.witness import consider

Answer = dict[str, Any]
COSIGNING_TIME = 1_800_000_000


class HonestNotary:
    """Signs what its own node shows it. `silent`, `refuses` and `twist` turn it into another kind.

    `silent`: it does not answer. `refuses`: it answers every request with this problem; `refuses_attestations`: those
    for an attestation only. `twist`: what becomes of its
    honest answer on the way out.
    """

    def __init__(
        self, index: int, key: SigningKey, cosigning: CosigningKey, manifest: Manifest, nodes: Mapping[int, Node]
    ) -> None:
        self.index, self.key, self.cosigning = index, key, cosigning
        self._manifest, self._nodes = manifest, nodes
        self.silent = False
        self.refuses: Problem | None = None
        self.refuses_attestations: Problem | None = None
        self.twist: Callable[[Answer], Any] = lambda answer: answer
        self.twist_line: Callable[[bytes], bytes] = lambda line: line
        self.asked: list[str] = []
        self.seen: Checkpoint | None = None

    @property
    def name(self) -> str:
        return f"notary {self.index + 1}"

    def dump(self) -> dict[str, Any]:
        """What it was asked, and the log size it cosigned last."""
        return {"asked": list(self.asked), "log_size": self.seen.size if self.seen else 0, "silent": self.silent}

    def ask(self, path: str, body: Answer) -> Answer:
        self._meet(path)
        if path == "/verdicts/together":
            return {"verdicts": [self._judge_one(each) for each in body["verdicts"]]}
        sign = {"/attestations": self._attest, "/verdicts": self._judge, "/headers": self._certify}[path]
        answer = sign(body)
        twisted: Answer = self.twist(answer)
        return twisted

    def add_checkpoint(self, body: bytes) -> tuple[int, bytes]:
        self._meet("/add-checkpoint")
        head, _, note = body.partition(b"\n\n")
        first, *proof = head.split(b"\n")
        key = LogKey(self._manifest.log_origin, self._manifest.log_key)
        offered = open_checkpoint(note, log_key=key)
        try:
            consider(
                seen=self.seen,
                offered=offered,
                old_size=int(first.removeprefix(b"old ")),
                proof=[base64.b64decode(line) for line in proof],
            )
        except Refused as refused:
            if refused.code == "LOG_STALE":
                return 409, b"%d\n" % (self.seen.size if self.seen else 0)
            return 422, b""
        self.seen = offered
        return 200, self.twist_line(cosign(note, log_key=key, cosigner=self.cosigning, time=COSIGNING_TIME))

    def _meet(self, path: str) -> None:
        self.asked.append(path)
        if self.silent:
            raise Unavailable("NOTARY_UNREACHABLE", f"{self.name} does not answer: ConnectError")
        if self.refuses is not None:
            raise self.refuses

    def _attest(self, body: Answer) -> Answer:
        if self.refuses_attestations is not None:
            raise self.refuses_attestations
        messages = [self._message(leaf) for leaf in body["leaves"]]
        end, root = messages[0].destination, root_over(messages)
        digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=1)
        return {
            "epoch": 1,
            "root": _hex(root),
            "ids": [_hex(message.id) for message in messages],
            "member": self.index,
            "signature": _hex(self.key.sign(digest).pack()),
        }

    def _judge(self, body: Answer) -> Answer:
        message = self._message(body["origin"])
        if "commit" not in body:
            return self._ended(body, message, self._expiry_block(message), EXPIRED, b"expired", bytes(32), 0)
        place = body["commit"]
        chain_id = parse_caip2(place["chain"])
        chain = self._manifest.by_id(chain_id)
        assert chain is not None
        log, receipt = self._log(chain_id, place)
        committed = chain.contract("Gateway").decode_log(log)
        assert committed is not None and committed.name in ("MessageCommitted", "MessageVoided")
        if committed.fields["id"] != message.id:
            raise Refused("COMMIT_ID", "the commit is another message's")
        if committed.name == "MessageVoided":
            block = receipt | {"hash": receipt["blockHash"]}
            log_at = log_place(place["transaction_index"], place["log_index"])
            return self._ended(body, message, block, VOID, b"void", data(receipt["transactionHash"]), log_at)
        origin = self._origin(body, message)
        verdict = Verdict(
            id=message.id,
            epoch=1,
            origin_block=data(origin["hash"]),
            commit_block=data(receipt["blockHash"]),
            commit_transaction=data(receipt["transactionHash"]),
            checked_from=chain.checked_from,
            verdict=SAME,
            executed=committed.fields["executed"],
            outcome=committed.fields["outcome"],
            policy=self._policy(chain, message),
            origin_log=log_place(body["origin"]["transaction_index"], body["origin"]["log_index"]),
            commit_log=log_place(place["transaction_index"], place["log_index"]),
        )
        return self.sign_verdict(verdict)

    def _judge_one(self, body: Answer) -> Answer:
        """One of several verdicts: its answer, twisted like a single one, or the problem in its way."""
        try:
            twisted: Answer = self.twist(self._judge(body))
        except Problem as problem:
            shown = {"code": problem.code, "what": problem.what, "where": problem.where, "status": problem.http_status}
            return {"problem": shown}
        return twisted

    def _certify(self, body: Answer) -> Answer:
        origin = self._manifest.by_id(parse_caip2(body["origin"]))
        destination = self._manifest.by_id(parse_caip2(body["destination"]))
        assert origin is not None and destination is not None
        holder = next(
            each.headers
            for each in destination.observers
            if (each.origin, each.policy) == (origin.chain_id, Policy.CERTIFIED)
        )
        block = self._nodes[origin.chain_id].request("eth_getBlockByNumber", hex(body["block"]), False)
        header = header_from_rpc(block)
        held = HeldHeader(header.number, header.hash, header.state_root, header.receipts_root, header.timestamp)
        digest = HeaderDomain(destination.chain_id, holder, origin.chain_id).digest(held, 1)
        return {"epoch": 1, "member": self.index, "signature": _hex(self.key.sign(digest).pack())}

    def _origin(self, body: Answer, message: Message) -> Answer:
        number = hex(body["origin"]["block"])
        found: Answer = self._nodes[message.origin.chain_id].request("eth_getBlockByNumber", number, False)
        return found

    def _expiry_block(self, message: Message) -> Answer:
        """The first block of the destination that is not before the expiry."""
        node, number = self._nodes[message.destination.chain_id], 0
        while (block := node.request("eth_getBlockByNumber", hex(number), False)) is not None:
            if quantity(block["timestamp"]) >= message.expiry:
                found: Answer = block
                return found
            number += 1
        raise Unavailable("NOT_EXPIRED", "no block is so late")

    def _ended(
        self, body: Answer, message: Message, block: Answer, verdict: int, outcome: bytes, by: bytes, log: int
    ) -> Answer:
        chain = self._manifest.by_id(message.destination.chain_id)
        assert chain is not None
        return self.sign_verdict(
            Verdict(
                id=message.id,
                epoch=1,
                origin_block=data(self._origin(body, message)["hash"]),
                commit_block=data(block["hash"]),
                commit_transaction=by,
                checked_from=chain.checked_from,
                verdict=verdict,
                executed=False,
                outcome=outcome.ljust(32, b"\x00"),
                policy=0,
                origin_log=log_place(body["origin"]["transaction_index"], body["origin"]["log_index"]),
                commit_log=log,
            )
        )

    def sign_verdict(self, verdict: Verdict) -> Answer:
        """Any verdict, as the answer that carries it."""
        registry = self._manifest.chain(Role.TRANSACTION)
        digest = verdict_digest(
            chain_id=registry.chain_id, registry=registry.contracts["TransactionRegistry"], verdict=verdict
        )
        fields = {name: getattr(verdict, name) for name in Verdict.__dataclass_fields__}
        shown = {name: _hex(value) if isinstance(value, bytes) else value for name, value in fields.items()}
        return {"verdict": shown, "member": self.index, "signature": _hex(self.key.sign(digest).pack())}

    def _policy(self, chain: ChainManifest, message: Message) -> int:
        held: int = chain.contract("Gateway").read(self._nodes[chain.chain_id], "lanes", message.lane)[1]
        return held

    def _message(self, leaf: Answer) -> Message:
        chain_id = parse_caip2(leaf["origin"])
        chain = self._manifest.by_id(chain_id)
        assert chain is not None
        log, _ = self._log(chain_id, leaf)
        return read_proposal(log, origin=chain.end, destinations=self._manifest.ends).message

    def _log(self, chain_id: int, place: Answer) -> tuple[Log, Answer]:
        receipts = self._nodes[chain_id].request("eth_getBlockReceipts", hex(place["block"]))
        receipt = next(r for r in receipts if quantity(r["transactionIndex"]) == place["transaction_index"])
        reported = receipt["logs"][place["log_index"]]
        topics = tuple(data(topic) for topic in reported["topics"])
        return Log(data(reported["address"]), topics, data(reported["data"])), receipt


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
