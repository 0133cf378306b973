"""The partner API's messages: submit, follow, list, proof and credential; and what no request gets out of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from eth_account import Account
from jsonschema import Draft202012Validator

from contracts.manifest import Policy, Role
from contracts.node import data
from ledger import merkle, multiproof
from ledger.attestation import Verdict, attestation_digest, credential_of, signed, verdict_digest
from ledger.ethereum.header import header_from_rlp
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import open_log
from ledger.proposal import read_proposal
from ledger.secp256k1 import SigningKey
from relay.partner import described
from tests.contracts.world import CHAIN_IDS, COMMITTEE, OWNER, STRANGER, World
from tests.relay.partner.conftest import KEY, OTHER_KEY, Counter
from tests.simulator.inline import Killed
from tests.simulator.network import is_over

UNKNOWN = "0x" + "ab" * 32


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def fits(schema: dict[str, Any], answer: Any) -> None:
    Draft202012Validator(schema).validate(answer)


def signed_call(world: World, *, role: Role = Role.ORIGIN, by: SigningKey = OWNER, **changed: Any) -> bytes:
    """A signed transaction that records an anchor: nothing a gateway sends, but a transaction all the same."""
    node, chain_id = world.nodes[role], CHAIN_IDS[role]
    size = world.read(Role.ORIGIN, "AnchorRegistry", "latest_size") + 1
    registry = world.contract(Role.ORIGIN, "AnchorRegistry")
    fields = {
        "type": 2,
        "chainId": chain_id,
        "nonce": int(node.request("eth_getTransactionCount", f"0x{by.address.hex()}", "pending"), 16),
        "to": registry.address,
        "value": 0,
        "data": registry.encode_call("anchor", size, keccak256(size.to_bytes(8, "big"))),
        "gas": 500_000,
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 10**9,
    }
    return bytes(Account.sign_transaction(fields | changed, by.secret).raw_transaction)


def signed_message(world: World) -> bytes:
    """A signed transaction that sends a message: the latest anchor goes to the mirror."""
    size = world.read(Role.ORIGIN, "AnchorRegistry", "latest_size") + 1
    root = keccak256(size.to_bytes(8, "big"))
    world.send(Role.ORIGIN, "AnchorRegistry", "anchor", size, root)
    mirror = world.address(Role.DESTINATION, "AnchorMirror")
    call = world.contract(Role.ORIGIN, "AnchorRegistry").encode_call("carry", mirror, size, root)
    return signed_call(world, data=call)


def handed_in(transaction: bytes, role: Role = Role.ORIGIN) -> dict[str, Any]:
    return {"signed_transaction": {"chain": f"eip155:{CHAIN_IDS[role]}", "raw": f"0x{transaction.hex()}"}}


# -- submitting -------------------------------------------------------------------------------------------------------


def test_a_signed_transaction_is_sent_and_what_it_sends_is_carried_to_its_end(counter: Counter) -> None:
    transaction = signed_message(counter.network.world)
    answer = counter.post("/v1/messages", handed_in(transaction))
    shown = answer.json()
    fits(described.SUBMISSION, shown)
    assert (answer.status_code, shown["id"]) == (202, f"0x{keccak256(transaction).hex()}")
    counter.until_mined()
    shown = counter.get(f"/v1/submissions/{shown['id']}")
    assert (shown["state"], len(shown["messages"])) == ("mined", 1)
    named = shown["messages"][0]
    counter.network.run(counter.relay, until=lambda: is_over(counter.relay, raw(named)))
    followed = counter.get(f"/v1/messages/{named}")
    fits(described.MESSAGE, followed)
    assert followed["state"] == "closed"


def test_the_place_of_a_log_is_enough(counter: Counter) -> None:
    sent = counter.network.carry_anchor()
    counter.read()
    origin = counter.relay.journeys[sent.message.id].origin
    body = {"log": {"chain": "eip155:7101", "transaction": f"0x{origin.transaction.hex()}"}}
    answer = counter.post("/v1/messages", body)
    assert (answer.status_code, answer.json()["messages"]) == (202, [f"0x{sent.message.id.hex()}"])
    again = counter.post("/v1/messages", body)
    assert again.json() | {"at": 0} == answer.json() | {"at": 0}


def test_J05_a_transaction_handed_in_twice_is_sent_once(counter: Counter) -> None:
    transaction = signed_call(counter.network.world)
    first = counter.post("/v1/messages", handed_in(transaction)).json()
    second = counter.post("/v1/messages", handed_in(transaction)).json()
    assert second["id"] == first["id"]
    assert counter.network.node(Role.ORIGIN).calls.count("eth_sendRawTransaction") == 1


def test_J05_what_was_answered_is_sent_after_a_restart_though_the_node_was_away(counter: Counter) -> None:
    transaction = signed_call(counter.network.world)
    node = counter.network.node(Role.ORIGIN)
    node.down = True
    answer = counter.post("/v1/messages", handed_in(transaction))
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    counter.desk.submissions.tend()
    counter.restart()
    node.down = False
    counter.until_mined()
    assert counter.get(f"/v1/submissions/{answer.json()['id']}")["state"] == "mined"


@pytest.mark.parametrize("moment", ["kill_before", "kill_after"])
def test_J05_a_process_that_dies_around_the_broadcast_loses_nothing(counter: Counter, moment: str) -> None:
    transaction = signed_call(counter.network.world)
    setattr(counter.network.node(Role.ORIGIN), moment, "eth_sendRawTransaction")
    with pytest.raises(Killed):
        counter.desk.submissions.submit_signed(7101, transaction, partner="harbour")
    counter.restart()
    counter.until_mined()
    found = counter.desk.submissions.find(keccak256(transaction))
    assert found is not None
    assert found.state == "mined"


def test_what_the_node_refuses_is_refused_with_its_words_and_kept_nowhere(counter: Counter) -> None:
    transaction = signed_call(counter.network.world, nonce=0)
    answer = counter.post("/v1/messages", handed_in(transaction))
    assert (answer.status_code, answer.json()["code"]) == (409, "TRANSACTION_REFUSED")
    assert "nonce" in answer.json()["title"].lower()
    assert counter.desk.submissions.find(keccak256(transaction)) is None
    assert counter.post("/v1/messages", handed_in(signed_call(counter.network.world))).status_code == 202


def test_a_transaction_that_fails_or_sends_nothing_is_told_so(counter: Counter) -> None:
    world = counter.network.world
    failing = signed_call(world, by=STRANGER)  # a stranger is not the anchorer
    submitted = counter.post("/v1/messages", handed_in(failing)).json()
    counter.until_mined()
    assert counter.get(f"/v1/submissions/{submitted['id']}")["state"] == "failed"
    where = {"log": {"chain": "eip155:7101", "transaction": submitted["id"]}}
    assert counter.post("/v1/messages", where).json()["code"] == "TRANSACTION_FAILED"
    silent = world.send(Role.DESTINATION, "PledgeRegistry", "enrol_lender", b"\x79" * 20)
    where = {"log": {"chain": "eip155:7102", "transaction": f"0x{silent.transaction.hex()}"}}
    assert counter.post("/v1/messages", where).json()["code"] == "NO_MESSAGE"


BODIES: dict[str, tuple[Any, int, str]] = {
    "nothing": ({}, 422, "REQUEST_FORMAT"),
    "a list": ([], 422, "REQUEST_FORMAT"),
    "both": ({"log": {}, "signed_transaction": {}}, 422, "REQUEST_FORMAT"),
    "a log without its chain": ({"log": {"transaction": UNKNOWN}}, 422, "REQUEST_FORMAT"),
    "a log with another field": (
        {"log": {"chain": "eip155:7101", "transaction": UNKNOWN, "x": ""}},
        422,
        "REQUEST_FORMAT",
    ),
    "a log with a number": ({"log": {"chain": 7101, "transaction": UNKNOWN}}, 422, "REQUEST_FORMAT"),
    "a chain that is none": ({"log": {"chain": "7101", "transaction": UNKNOWN}}, 422, "CHAIN_NAME"),
    "a chain of somebody else": ({"log": {"chain": "eip155:1", "transaction": UNKNOWN}}, 409, "CHAIN_UNKNOWN"),
    "a transaction nobody knows": (
        {"log": {"chain": "eip155:7101", "transaction": UNKNOWN}},
        404,
        "TRANSACTION_UNKNOWN",
    ),
    "half a hash": ({"log": {"chain": "eip155:7101", "transaction": "0xab"}}, 422, "REQUEST_FORMAT"),
    "no hex": ({"signed_transaction": {"chain": "eip155:7101", "raw": "0xzz"}}, 422, "REQUEST_FORMAT"),
    "no bytes": ({"signed_transaction": {"chain": "eip155:7101", "raw": "0x"}}, 422, "TRANSACTION_FORM"),
    "no transaction": ({"signed_transaction": {"chain": "eip155:7101", "raw": "0x02c0"}}, 422, "TRANSACTION_FORM"),
    "a blob transaction": (
        {"signed_transaction": {"chain": "eip155:7101", "raw": "0x03c101"}},
        422,
        "TRANSACTION_FORM",
    ),
    "lists without end": (
        {"signed_transaction": {"chain": "eip155:7101", "raw": "0x" + "c1" * 30_000}},
        422,
        "TRANSACTION_FORM",
    ),
    "too much": ({"signed_transaction": {"chain": "eip155:7101", "raw": "0x" + "00" * 50_000}}, 413, "BODY_SIZE"),
}


@pytest.mark.parametrize("what", BODIES)
def test_a_submission_is_refused(carried: Counter, what: str) -> None:
    body, status, code = BODIES[what]
    answer = carried.post("/v1/messages", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    fits(described.PROBLEM, answer.json())
    assert carried.desk.book.row("SELECT count(*) FROM submission") == (0,)


def test_A07_a_transaction_for_another_chain_or_for_any_chain_is_refused(carried: Counter) -> None:
    world = carried.network.world
    elsewhere = handed_in(signed_call(world, chainId=1))
    assert carried.post("/v1/messages", elsewhere).json()["code"] == "CHAIN_OTHER"
    legacy = {"type": 0, "gasPrice": 10**11, "maxFeePerGas": None, "maxPriorityFeePerGas": None, "chainId": None}
    fields = {key: value for key, value in legacy.items() if value is not None}
    call = {"nonce": 0, "to": b"\x01" * 20, "value": 0, "data": b"", "gas": 21_000, "gasPrice": fields["gasPrice"]}
    anywhere = bytes(Account.sign_transaction(call, OWNER.secret).raw_transaction)
    assert carried.post("/v1/messages", handed_in(anywhere)).json()["code"] == "TRANSACTION_FORM"
    here = bytes(Account.sign_transaction(call | {"chainId": 7101}, OWNER.secret).raw_transaction)
    assert carried.post("/v1/messages", handed_in(here)).json()["code"] == "TRANSACTION_REFUSED"  # its nonce is used


# -- proof and credential ---------------------------------------------------------------------------------------------


def test_a_proof_is_what_the_destination_takes(carried: Counter) -> None:
    closed = carried.closed  # type: ignore[attr-defined]
    proof = carried.get(f"/v1/messages/{closed}/proof")
    fits(described.PROOF, proof)
    journey = carried.relay.journeys[raw(closed)]
    end, held = journey.proposal.message.destination, proof["certificate"]
    digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=raw(held["root"]), epoch=held["epoch"])
    assert len(COMMITTEE.check(held["epoch"], digest, raw(held["signatures"]))) == COMMITTEE.quorum
    leaf = merkle.leaf_hash(raw(closed))
    several = proof["multiproof"]
    hashes = [raw(each) for each in several["proof"]]
    assert multiproof.root_from({several["indices"][0]: leaf}, size=several["size"], proof=hashes) == raw(held["root"])
    # The receipt proof leads from the origin's header to the very message.
    receipt = proof["tx_receipt"]
    header = header_from_rlp(raw(receipt["header"]))
    assert f"0x{header.hash.hex()}" == receipt["block_hash"]
    nodes = [raw(node) for node in receipt["proof"]]
    log = open_log(header, nodes, receipt["transaction_index"], receipt["log_index"]).log
    manifest = carried.network.manifest
    found = read_proposal(log, origin=journey.proposal.message.origin, destinations=manifest.ends)
    assert f"0x{found.message.id.hex()}" == closed == proof["message"]["id"]
    assert raw(proof["message"]["payload"]) == found.payload
    # And the call is the one that delivered it.
    assert journey.commit is not None
    sent = carried.network.world.nodes[Role.DESTINATION].request(
        "eth_getTransactionByHash", f"0x{journey.commit.transaction.hex()}"
    )
    assert (data(sent["input"]), f"eip155:7102:{sent['to'].lower()}") == (
        raw(proof["call"]["data"]),
        proof["call"]["to"],
    )


def test_a_credential_is_what_the_registry_computed(carried: Counter) -> None:
    closed = carried.closed  # type: ignore[attr-defined]
    shown = carried.get(f"/v1/messages/{closed}/credential")
    fits(described.CREDENTIAL, shown)
    fields = {name: raw(value) if isinstance(value, str) else value for name, value in shown["verdict"].items()}
    verdict = Verdict(**fields)  # type: ignore[arg-type]
    registry = raw(shown["registry"].rpartition(":")[2])
    digest = verdict_digest(chain_id=CHAIN_IDS[Role.TRANSACTION], registry=registry, verdict=verdict)
    assert len(COMMITTEE.check(verdict.epoch, digest, raw(shown["signatures"]))) == COMMITTEE.quorum
    assert signed(digest, raw(shown["signatures"])) == raw(shown["signed"])
    assert credential_of(raw(shown["certificate"]["signed"]), raw(shown["signed"])) == raw(shown["credential"])
    stored = carried.network.world.read(Role.TRANSACTION, "TransactionRegistry", "transactions", raw(closed))
    assert bytes(stored[-1] if isinstance(stored[-1], bytes) else stored[6]) == raw(shown["credential"])


def test_before_there_is_one_a_proof_and_a_credential_are_refused_with_a_code(counter: Counter) -> None:
    for notary in counter.network.notaries:
        notary.silent = True
    waiting = f"0x{counter.network.carry_anchor().message.id.hex()}"
    counter.read()
    for kind, code in (("proof", "PROOF_NOT_READY"), ("credential", "CREDENTIAL_NOT_READY")):
        answer = counter.http.get(f"/v1/messages/{waiting}/{kind}")
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    told = counter.get(f"/v1/messages/{waiting}/explain")
    fits(described.EXPLANATION, told)
    assert (told["next"]["who"], told["next"]["code"]) == ("the notaries", "WAITING")


def test_on_a_lane_that_trusts_headers_the_receipt_is_the_whole_proof(counter: Counter) -> None:
    for notary in counter.network.notaries:
        notary.silent = True
    named = counter.network.carry_anchor().message.id
    counter.read()
    counter.relay.journeys[named].policy = Policy.RELAY
    proof = counter.get(f"/v1/messages/0x{named.hex()}/proof")
    fits(described.PROOF, proof)
    assert (proof["certificate"], proof["multiproof"], proof["call"]) == (None, None, None)
    header = header_from_rlp(raw(proof["tx_receipt"]["header"]))
    assert f"0x{header.hash.hex()}" == proof["tx_receipt"]["block_hash"]


# -- lists ------------------------------------------------------------------------------------------------------------


def test_pages_follow_one_another_without_gap_or_repetition(counter: Counter) -> None:
    for notary in counter.network.notaries:
        notary.silent = True
    named = [f"0x{counter.network.carry_anchor().message.id.hex()}" for _ in range(3)]
    counter.read()
    pages, query = [], {"limit": "1"}
    while True:
        page = counter.get("/v1/messages", params=query)
        fits(described.MESSAGES, page)
        pages.append([row["id"] for row in page["messages"]])
        if page["next_cursor"] is None:
            break
        if len(pages) == 1:  # one that arrives meanwhile stands behind, and a new process goes on from the same place
            named.append(f"0x{counter.network.carry_anchor().message.id.hex()}")
            counter.restart()
            counter.read()
        query = {"limit": "1", "cursor": page["next_cursor"]}
    assert pages == [[each] for each in named]


def test_a_list_is_of_one_state_and_lane_where_asked(carried: Counter) -> None:
    closed = carried.closed  # type: ignore[attr-defined]
    lane = carried.get(f"/v1/messages/{closed}")["lane"]
    for query, found in (
        ("", [closed]),
        ("?state=closed", [closed]),
        ("?state=disputed", []),
        (f"?lane={lane}", [closed]),
        (f"?lane={UNKNOWN}&limit=1", []),
    ):
        page = carried.get(f"/v1/messages{query}")
        assert ([row["id"] for row in page["messages"]], page["next_cursor"]) == (found, None), query


# -- what is refused --------------------------------------------------------------------------------------------------

READS: dict[str, tuple[str, int, str]] = {
    "a message nobody sent": (f"/v1/messages/{UNKNOWN}", 404, "MESSAGE_UNKNOWN"),
    "half an id": ("/v1/messages/0xab", 422, "REQUEST_FORMAT"),
    "the proof of nothing": (f"/v1/messages/{UNKNOWN}/proof", 404, "MESSAGE_UNKNOWN"),
    "the credential of nothing": (f"/v1/messages/{UNKNOWN}/credential", 404, "MESSAGE_UNKNOWN"),
    "the explanation of nothing": (f"/v1/explain/{UNKNOWN}", 404, "MESSAGE_UNKNOWN"),
    "a submission nobody made": (f"/v1/submissions/{UNKNOWN}", 404, "SUBMISSION_UNKNOWN"),
    "a state that is none": ("/v1/messages?state=lost", 422, "REQUEST_FORMAT"),
    "a lane that is none": ("/v1/messages?lane=0x12", 422, "REQUEST_FORMAT"),
    "a cursor that is none": ("/v1/messages?cursor=AAAA", 422, "REQUEST_FORMAT"),
    "a cursor with other things in it": ("/v1/messages?cursor=WzEsMiwzXQ", 422, "REQUEST_FORMAT"),
    "OA05 a misspelt parameter": ("/v1/messages?page=2", 400, "QUERY_UNKNOWN"),
    "OA05 a parameter twice": ("/v1/messages?limit=1&limit=2", 400, "QUERY_REPEATED"),
    "a limit of 2 to the 64": (f"/v1/messages?limit={2**64}", 400, "QUERY_VALUE"),
    "another path": ("/v1/admin", 404, "PATH_UNKNOWN"),
}


@pytest.mark.parametrize("what", READS)
def test_a_question_is_refused(carried: Counter, what: str) -> None:
    path, status, code = READS[what]
    answer = carried.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    fits(described.PROBLEM, answer.json())


KEYS: dict[str, dict[str, str]] = {
    "without a key": {},
    "with another key": {"Authorization": "Bearer ptk_wrong"},
    "with the digest instead": {"Authorization": "Bearer " + "0" * 64},
    "with another scheme": {"Authorization": f"Basic {KEY}"},
    "with a key in the query's manner": {"X-API-Key": KEY},
    "with a key of a megabyte": {"Authorization": "Bearer " + "k" * 60_000},
}


@pytest.mark.parametrize("what", KEYS)
def test_nobody_is_served_without_a_key(carried: Counter, what: str) -> None:
    with carried.client(None) as stranger:
        for method, path in (("GET", "/v1/messages"), ("POST", "/v1/messages"), ("GET", "/v1/events")):
            answer = stranger.request(method, path, headers=KEYS[what])
            assert (answer.status_code, answer.json()["code"]) == (401, "KEY_UNKNOWN")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert stranger.get("/v1/openapi.json").status_code == 200
    assert carried.get("/v1/messages")


def test_a_partner_that_asks_too_often_waits_and_the_others_do_not(opened: Callable[..., Counter]) -> None:
    counter = opened(rate=2, burst=3)
    assert [counter.http.get("/v1/messages").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = counter.http.get("/v1/messages")
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("RATE_LIMIT", "1")
    with counter.client(OTHER_KEY) as other, counter.client(None) as stranger:
        assert other.get("/v1/messages").status_code == 200
        for _ in range(150):
            last = stranger.get("/v1/messages")
        assert last.json()["code"] == "RATE_LIMIT"
        assert other.get("/v1/messages").status_code == 200
    counter.time.advance(0.5)
    assert [counter.http.get("/v1/messages").status_code for _ in range(2)] == [200, 429]


# -- idempotency ------------------------------------------------------------------------------------------------------


def test_the_same_key_and_body_give_the_same_answer_and_one_effect(counter: Counter) -> None:
    body = handed_in(signed_call(counter.network.world))
    first = counter.post("/v1/messages", body, Idempotency_Key="order-7")
    counter.until_mined()
    counter.restart()
    again = counter.post("/v1/messages", body, Idempotency_Key="order-7")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")


def test_another_body_under_the_same_key_is_refused_and_changes_nothing(counter: Counter) -> None:
    world = counter.network.world
    counter.post("/v1/messages", handed_in(signed_call(world)), Idempotency_Key="order-7")
    other = signed_call(world)
    refused = counter.post("/v1/messages", handed_in(other), Idempotency_Key="order-7")
    assert (refused.status_code, refused.json()["code"]) == (422, "IDEMPOTENCY_KEY")
    assert counter.desk.submissions.find(keccak256(other)) is None
    assert counter.post("/v1/messages", handed_in(other), Idempotency_Key="order-8").status_code == 202


def test_a_key_is_one_partners_own_and_lasts_a_day(counter: Counter) -> None:
    world = counter.network.world
    counter.post("/v1/messages", handed_in(signed_call(world)), Idempotency_Key="order-7")
    with counter.client(OTHER_KEY) as other:
        answer = other.post("/v1/messages", json=handed_in(signed_call(world)), headers={"Idempotency-Key": "order-7"})
        assert answer.status_code == 202
    counter.time.advance(24 * 3600 + 1)
    assert counter.post("/v1/messages", handed_in(signed_call(world)), Idempotency_Key="order-7").status_code == 202


@pytest.mark.parametrize("key", ["", "two words", "k" * 65])
def test_a_key_that_is_none_is_refused(carried: Counter, key: str) -> None:
    answer = carried.post("/v1/messages", {}, Idempotency_Key=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY")


def test_what_was_refused_may_be_asked_again_under_the_same_key(counter: Counter) -> None:
    body = {"log": {"chain": "eip155:7101", "transaction": UNKNOWN}}
    for _ in range(2):
        answer = counter.post("/v1/messages", body, Idempotency_Key="early")
        assert answer.json()["code"] == "TRANSACTION_UNKNOWN"
        assert "idempotency-replayed" not in answer.headers


def test_two_requests_at_once_under_one_key_have_one_effect(counter: Counter) -> None:
    answers: list[str] = []
    inside, release = threading.Event(), threading.Event()

    def slow() -> tuple[int, dict[str, Any]]:
        inside.set()
        assert release.wait(60)
        return 200, {"n": 1}

    first = threading.Thread(target=lambda: counter.desk.answers.once("harbour", "k", b"r", slow, atomic=False))
    first.start()
    assert inside.wait(60)
    try:
        counter.desk.answers.once("harbour", "k", b"r", slow, atomic=False)
    except Exception as refused:  # noqa: BLE001 - what it is, is looked at below
        answers.append(getattr(refused, "code", ""))
    release.set()
    first.join(60)
    assert answers == ["IDEMPOTENCY_BUSY"]
    assert counter.desk.answers.once("harbour", "k", b"r", slow, atomic=False) == (200, {"n": 1}, True)


def test_the_description_names_every_route_and_every_answer_fits_it(carried: Counter) -> None:
    described_api = httpx.get(f"{carried.server.url}/v1/openapi.json", trust_env=False).json()
    paths = {path for path in described_api["paths"] if path.startswith("/v1/")}
    assert {"/v1/messages", "/v1/messages/{message_id}/proof", "/v1/events", "/v1/subscriptions"} <= paths
    about = carried.get("/v1/about")
    fits(described.ABOUT, about)
    assert about["committee"]["quorum"] == COMMITTEE.quorum
