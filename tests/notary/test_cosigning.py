"""`POST /add-checkpoint` as C2SP tlog-witness describes it, through the real HTTP server (attack row C07)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence

import httpx
import pytest

from ledger import merkle
from ledger.checkpoint import (
    Checkpoint,
    CosignerKey,
    LogSigner,
    add_cosignatures,
    open_checkpoint,
    open_cosigned,
    sign_checkpoint,
)
from ledger.serve import serve
from notary.api import create_app
from tests.chains import COSIGNING_KEYS, LOG_ORIGIN, LOG_SIGNER, Deployed
from tests.notary.subject import NOW, Subject

LEAVES = [merkle.leaf_hash(hashlib.sha256(bytes([index])).digest()) for index in range(20)]
FORK = [*LEAVES[:5], *(merkle.leaf_hash(bytes([index]) * 32) for index in range(15))]


def note(size: int, *, leaves: Sequence[bytes] = LEAVES, signer: LogSigner = LOG_SIGNER) -> bytes:
    """The log's signed checkpoint at a size."""
    return sign_checkpoint(Checkpoint(signer.name, size, merkle.root_of(leaves[:size])), signer)


def body(old: int, size: int, *, leaves: Sequence[bytes] = LEAVES, proof: Sequence[bytes] | None = None) -> bytes:
    """A request that is right unless told otherwise."""
    if proof is None:
        proof = merkle.consistency_proof(leaves[:size], old) if 0 < old <= size else []
    lines = b"".join(base64.b64encode(node) + b"\n" for node in proof)
    return b"old %d\n" % old + lines + b"\n" + note(size, leaves=leaves)


class Witness:
    """A notary's witness endpoint over HTTP."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._start()

    def _start(self) -> None:
        self._server = serve(create_app(self.subject.notary), port=0)

    def restart(self) -> None:
        self.stop()
        self.subject.restart()
        self._start()

    def stop(self) -> None:
        self._server.stop()

    def post(self, raw: bytes) -> httpx.Response:
        with httpx.Client(trust_env=False) as client:
            return client.post(f"{self._server.url}/add-checkpoint", content=raw)

    def doubts(self) -> list[tuple[str, int, int]]:
        """Kind, size and held size of what the notary tells about the log; both notes must be as they were signed."""
        with httpx.Client(trust_env=False) as client:
            told = client.get(f"{self._server.url}/log-doubts").json()["doubts"]
            status = client.get(f"{self._server.url}/status").json()
        assert status["log_doubts"] == [f"{each['kind']} at size {each['size']}" for each in told]
        for each in told:
            for key, size in (("offered", "size"), ("held", "held_size")):
                assert open_checkpoint(each[key].encode(), log_key=LOG_SIGNER.key).size == each[size]
        return [(each["kind"], each["size"], each["held_size"]) for each in told]

    def refuses(self, raw: bytes, status: int, code: str = "") -> httpx.Response:
        """Assert status and code, and that nothing changed."""
        before = self.subject.promises()
        answer = self.post(raw)
        assert answer.status_code == status, answer.text
        assert not code or answer.json()["code"] == code
        assert self.subject.promises() == before
        return answer


@pytest.fixture
def witness(subject: Subject) -> Iterator[Witness]:
    found = Witness(subject)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def idle(chains: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """A witness that is only asked what it must refuse."""
    subject = Subject(chains, tmp_path_factory.mktemp("idle") / "notary0")
    found = Witness(subject)
    yield found
    found.stop()
    subject.close()


def is_cosigned(request: bytes, answer: httpx.Response) -> bool:
    """Whether the answer completes the request's note to one cosigned by notary 0."""
    assert answer.status_code == 200, answer.text
    key: CosignerKey = COSIGNING_KEYS[0].key
    whole = add_cosignatures(request.partition(b"\n\n")[2], [answer.content])
    opened = open_cosigned(whole, log_key=LOG_SIGNER.key, cosigners=[key], quorum=1)
    return [(each.cosigner.name, each.time) for each in opened.cosignatures] == [(key.name, NOW)]


def test_a_log_that_grows_is_cosigned_from_each_state_to_the_next_also_after_a_restart(witness: Witness) -> None:
    for old, size in ((0, 5), (5, 5), (5, 12), (12, 20)):
        assert is_cosigned(body(old, size), witness.post(body(old, size)))
        witness.restart()
    assert witness.subject.notary.log_size == 20


def test_the_first_state_needs_no_proof_and_takes_none(witness: Witness) -> None:
    witness.refuses(body(0, 5, proof=[LEAVES[0]]), 422, "PROOF_INVALID")
    assert is_cosigned(body(0, 5), witness.post(body(0, 5)))


def test_c07_a_stale_client_is_told_the_size_to_start_from(witness: Witness) -> None:
    witness.post(body(0, 12))
    for old, size in ((0, 20), (5, 20), (5, 12), (0, 5), (5, 5)):
        if size == 5:
            witness.restart()
        answer = witness.refuses(body(old, size), 409)
        assert (answer.headers["content-type"], answer.content) == ("text/x.tlog.size", b"12\n")
    assert is_cosigned(body(12, 20), witness.post(body(12, 20)))


def test_c07_a_client_ahead_of_the_witness_is_told_the_size_as_well(witness: Witness) -> None:
    answer = witness.refuses(body(5, 12), 409)
    assert answer.content == b"0\n"


def test_c07_an_old_size_above_the_checkpoint_is_malformed(witness: Witness) -> None:
    witness.post(body(0, 12))
    witness.refuses(body(12, 5), 400, "OLD_SIZE")


def test_c07_two_roots_for_one_size_are_a_fork(witness: Witness) -> None:
    witness.post(body(0, 12))
    witness.refuses(body(12, 12, leaves=FORK, proof=[]), 422, "SPLIT_VIEW")


def test_c07_growth_from_another_history_is_refused(witness: Witness) -> None:
    witness.post(body(0, 12))
    witness.refuses(body(12, 20, leaves=FORK), 422, "PROOF_INVALID")
    proof = merkle.consistency_proof(LEAVES, 12)
    for wrong in ([], proof[:-1], proof[::-1], [*proof, proof[0]], [bytes(32), *proof[1:]]):
        assert witness.post(body(12, 20, proof=wrong)).status_code == 422
    witness.refuses(body(12, 20, proof=proof[:-1]), 422, "PROOF_INVALID")
    assert is_cosigned(body(12, 20), witness.post(body(12, 20)))


def test_C07_a_fork_is_reported_with_both_notes_also_after_a_restart(witness: Witness) -> None:
    witness.post(body(0, 12))
    for old in (12, 5):  # also of a client that is behind: two roots of one size convict the log whoever brings them
        witness.refuses(body(old, 12, leaves=FORK), 422, "SPLIT_VIEW")
    witness.restart()
    assert witness.doubts() == [("SPLIT_VIEW", 12, 12)]
    assert is_cosigned(body(12, 20), witness.post(body(12, 20)))
    assert witness.doubts() == [("SPLIT_VIEW", 12, 12)]


def test_C07_a_log_that_shrinks_is_reported(witness: Witness) -> None:
    witness.post(body(0, 12))
    witness.refuses(body(12, 5), 400, "OLD_SIZE")
    assert witness.doubts() == [("LOG_SHRINKS", 5, 12)]


def test_C07_a_history_rewritten_is_reported_until_that_state_is_proven(witness: Witness) -> None:
    witness.post(body(0, 12))
    witness.refuses(body(12, 15, leaves=FORK), 422, "PROOF_INVALID")
    witness.refuses(body(12, 20, proof=[]), 422, "PROOF_INVALID")
    assert witness.doubts() == [("PROOF_INVALID", 15, 12), ("PROOF_INVALID", 20, 12)]
    assert is_cosigned(body(12, 15), witness.post(body(12, 15)))
    assert witness.doubts()[1:] == [("PROOF_INVALID", 20, 12), ("SPLIT_VIEW", 15, 15)]
    assert is_cosigned(body(15, 20), witness.post(body(15, 20)))
    assert [doubt for doubt in witness.doubts() if doubt[1] == 20] == []


def test_C07_who_is_only_behind_or_asks_wrongly_reports_nothing(witness: Witness) -> None:
    witness.refuses(body(0, 5, proof=[LEAVES[0]]), 422, "PROOF_INVALID")
    witness.post(body(0, 12))
    witness.refuses(body(5, 20), 409)
    witness.refuses(body(12, 12, proof=[LEAVES[0]]), 422, "PROOF_INVALID")
    witness.refuses(body(0, 5), 409)
    witness.refuses(b"old 12\n\n" + note(5, signer=LogSigner(LOG_ORIGIN, b"\x72" * 32)), 403, "SIG_MISSING")
    assert witness.doubts() == []


def test_a_log_that_is_not_ours_is_unknown(idle: Witness) -> None:
    other = LogSigner("other.example/log", b"\x71" * 32)
    idle.refuses(b"old 0\n\n" + note(5, signer=other), 404, "LOG_UNKNOWN")


def test_our_logs_name_under_another_key_is_forbidden(idle: Witness) -> None:
    impostor = LogSigner(LOG_ORIGIN, b"\x72" * 32)
    idle.refuses(b"old 0\n\n" + note(5, signer=impostor), 403, "SIG_MISSING")


def test_a_signature_that_does_not_hold_is_forbidden(idle: Witness) -> None:
    text, _, signatures = note(5).partition(b"\n\n")
    other = note(6).partition(b"\n\n")[2]
    assert other != signatures
    idle.refuses(b"old 0\n\n" + text + b"\n\n" + other, 403, "SIG_INVALID")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"old 0\n",
        b"old 0\n\n",
        b"\n\n" + note(5),
        b"old 00\n\n" + note(5),
        b"old -1\n\n" + note(5),
        b"old +1\n\n" + note(5),
        b"old 99999999999999999999\n\n" + note(5),
        b"Old 0\n\n" + note(5),
        b"old 0 \n\n" + note(5),
        b"old 0\r\n\r\n" + note(5),
        b"old 5\nnot base64\n\n" + note(12),
        b"old 5\n" + base64.b64encode(b"short") + b"\n\n" + note(12),
        b"old 5\n" + (base64.b64encode(bytes(32)) + b"\n") * 64 + b"\n" + note(12),
        b"old 0\n\n" + note(5)[:-1],
        b"old 0\n\n" + note(5).replace(b"\n5\n", b"\n05\n"),
        b"old 0\n\n" + b"\xff" + note(5),
    ],
)
def test_what_is_not_a_request_is_malformed(idle: Witness, raw: bytes) -> None:
    idle.refuses(raw, 400)


def test_the_checkpoint_is_on_disk_before_the_cosignature_leaves(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens while signing, the state that was going to be signed is not forgotten."""

    def fails(*_arguments: object, **_named: object) -> bytes:
        raise OSError("the disk under the key is gone")

    monkeypatch.setattr("notary.signer.Signer.cosign", fails)
    assert witness.post(body(0, 12)).status_code == 500
    monkeypatch.undo()
    witness.restart()
    assert witness.refuses(body(0, 5), 409).content == b"12\n"
    assert is_cosigned(body(12, 12), witness.post(body(12, 12)))
