"""The example client against a real relay: what it is told holds, and a relay that lies is caught."""

from __future__ import annotations

import ast
import copy
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples import partner_client
from examples.partner_client import Lie, PartnerClient, Problem, check_credential, check_webhook, message_id, plain
from ledger import merkle
from ledger.ethereum.keccak import keccak256
from tests.contracts.world import COMMITTEE, World, deployed_world
from tests.relay.partner.conftest import KEY, Counter
from tests.relay.partner.receiving import Receiver
from tests.relay.partner.test_messages import signed_message
from tests.simulator.network import Network, is_over

Answer = dict[str, Any]


class Partner:
    """A counter with one message that the client sent and followed to its end."""

    def __init__(self, world: World, folder: Path) -> None:
        self.counter = Counter(Network(world), folder)
        self.client = PartnerClient(self.counter.server.url, KEY, COMMITTEE.members)
        raw = signed_message(world)
        first = self.client.send("eip155:7101", raw, key="order-1")
        self.counter.until_mined()
        again = self.client.send("eip155:7101", raw, key="order-1")
        assert (again, first["id"]) == (first, f"0x{keccak256(raw).hex()}")
        (self.message,) = self.client.submission(first["id"])["messages"]
        relay = self.counter.relay
        self.counter.network.run(relay, until=lambda: is_over(relay, plain(self.message)))


@pytest.fixture(scope="module")
def partner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Partner]:
    with deployed_world(tmp_path_factory.mktemp("world")) as world:
        made = Partner(world, tmp_path_factory.mktemp("partner"))
        yield made
        made.client.close()
        made.counter.close()


def test_the_client_imports_nothing_of_this_project() -> None:
    tree = ast.parse(Path(partner_client.__file__).read_text("utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    foreign = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert foreign == {"httpx", "coincurve", "cryptography", "eth_hash"}


def test_what_was_sent_is_followed_to_its_end_and_every_word_of_it_checked(partner: Partner) -> None:
    client, named = partner.client, partner.message
    assert client.message(named)["state"] == "closed"
    assert client.explain(named)["next"]["who"] == "nobody"
    assert message_id(client.proof(named)["message"]) == plain(named)
    assert client.credential(named)["state"] == "closed"
    assert [row["id"] for row in client.messages(limit="1")] == [named]
    types = []
    for event in client.events(after="0"):
        types.append(event["type"])
        if event["type"] == "message.judged":
            break
    assert types[0] == "message.sent"
    assert event["credential"] == client.credential(named)["credential"]


def test_a_webhook_is_known_by_its_signature_and_its_time(partner: Partner) -> None:
    receiver = Receiver()
    try:
        key = partner.client.webhook_key()
        partner.client.subscribe(receiver.url, ["message.sent"], key="hook-1")
        partner.counter.network.carry_anchor()
        partner.counter.read()
        partner.counter.desk.hooks.serve()
        headers, body = receiver.got[0]
        now = partner.counter.time()
        assert check_webhook(headers, body, key, now=now)["type"] == "message.sent"
        for changed, said, at in (
            (headers, body + b" ", now),
            (headers | {"webhook-id": "sub_other.1"}, body, now),
            (headers | {"webhook-timestamp": str(int(now) + 1)}, body, now),
            (headers, body, now + 301),
        ):
            with pytest.raises(Lie):
                check_webhook(changed, said, key, now=at)
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()


def test_what_the_relay_refuses_is_a_problem_with_its_code(partner: Partner) -> None:
    with pytest.raises(Problem) as caught:
        partner.client.proof("0x" + "ab" * 32)
    assert caught.value.code == "MESSAGE_UNKNOWN"
    stranger = PartnerClient(partner.counter.server.url, "ptk_wrong", COMMITTEE.members)
    with pytest.raises(Problem) as caught:
        next(stranger.events())
    assert caught.value.code == "KEY_UNKNOWN"
    stranger.close()


# -- a relay that lies -------------------------------------------------------------------------------------------------


def lying(
    partner: Partner, kind: str, twist: Callable[[Answer], None], members: tuple[bytes, ...] = ()
) -> PartnerClient:
    """The client of a relay whose answers are twisted on the way out."""
    honest = partner.client

    def answer(request: httpx.Request) -> httpx.Response:
        told = honest._http.get(request.url.path.removeprefix("/v1")).json()
        if request.url.path.endswith(kind):
            told = copy.deepcopy(told)
            twist(told)
        return httpx.Response(200, content=json.dumps(told))

    client = PartnerClient("http://relay.example", KEY, members or COMMITTEE.members)
    client._http = httpx.Client(base_url="http://relay.example/v1", transport=httpx.MockTransport(answer))
    return client


def flipped(text: str, place: int = -1) -> str:
    raw = bytearray(plain(text))
    raw[place] ^= 1
    return f"0x{raw.hex()}"


def sets(*path: str, value: Callable[[Any], Any]) -> Callable[[Answer], None]:
    def twist(told: Answer) -> None:
        for name in path[:-1]:
            told = told[name]
        told[path[-1]] = value(told[path[-1]])

    return twist


OTHER = "eip155:7102:0x" + "77" * 20
PROOFS: dict[str, Callable[[Answer], None]] = {
    "another payload": sets("message", "payload", value=flipped),
    "another sequence": sets("message", "sequence", value=lambda text: str(int(text) + 1)),
    "another recipient": sets("message", "recipient", value=lambda _text: OTHER),
    "another chain": sets("message", "origin", "chain", value=lambda _text: "eip155:1"),
    "another root": sets("certificate", "root", value=flipped),
    "a leaf outside the tree": sets("certificate", "index", value=lambda index: index + 1),
    "a longer proof": sets("certificate", "proof", value=lambda proof: [*proof, "0x" + "00" * 32]),
    "a larger tree": sets("certificate", "size", value=lambda size: size + 1),
    "another epoch": sets("certificate", "epoch", value=lambda epoch: epoch + 1),
    "another gateway": sets("certificate", "for", value=lambda _text: OTHER),
    "no certificate": sets("certificate", value=lambda _certificate: None),
    "a call of another contract": sets("call", "to", value=lambda _text: OTHER),
    "a changed signature": sets("certificate", "signatures", value=flipped),
    "another signer": sets("certificate", "signatures", value=lambda text: flipped(text, 12)),
    "another parity": sets("certificate", "signatures", value=lambda text: flipped(text, 25)),
    "too few signatures": sets(
        "certificate", "signatures", value=lambda text: "0x" + (bytes(12) + b"\x03" + plain(text)[13:-64]).hex()
    ),
    "no signatures": sets("certificate", "signatures", value=lambda _text: "0x"),
}


@pytest.mark.parametrize("lie", PROOFS)
def test_a_relay_that_lies_about_a_proof_is_caught(partner: Partner, lie: str) -> None:
    client = lying(partner, "/proof", PROOFS[lie])
    with pytest.raises(Lie):
        client.proof(partner.message)
    assert lying(partner, "/proof", lambda _told: None).proof(partner.message)


CREDENTIALS: dict[str, Callable[[Answer], None]] = {
    "another credential": sets("credential", value=flipped),
    "another verdict": sets("verdict", "outcome", value=flipped),
    "a dispute": sets("verdict", "verdict", value=lambda _number: 2),
    "an execution that was none": sets("verdict", "executed", value=lambda executed: not executed),
    "another message's": sets("verdict", "id", value=flipped),
    "another registry": sets("registry", value=lambda _text: OTHER),
    "no certificate": sets("certificate", value=lambda _certificate: None),
    "a changed signature": sets("signatures", value=flipped),
}


@pytest.mark.parametrize("lie", CREDENTIALS)
def test_a_relay_that_lies_about_a_credential_is_caught(partner: Partner, lie: str) -> None:
    client = lying(partner, "/credential", CREDENTIALS[lie])
    with pytest.raises(Lie):
        client.credential(partner.message)
    honest = partner.client.credential(partner.message)
    check_credential(honest, plain(partner.message), COMMITTEE.members)


def test_another_committees_signatures_are_nobodys(partner: Partner) -> None:
    others = tuple(bytes([index + 1]) * 20 for index in range(4))
    with pytest.raises(Lie):
        lying(partner, "/proof", lambda _told: None, others).proof(partner.message)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_the_clients_tree_is_the_projects(size: int) -> None:
    ids = [keccak256(bytes([number])) for number in range(size)]
    leaves = [merkle.leaf_hash(each) for each in ids]
    for index, each in enumerate(ids):
        path = merkle.inclusion_proof(leaves, index)
        assert partner_client.root_of(each, index, size, path) == merkle.root_of(leaves)
        with pytest.raises(Lie):
            partner_client.root_of(each, index, size, [*path, bytes(32)])
        if path:
            with pytest.raises(Lie):
                partner_client.root_of(each, index, size, path[:-1])
