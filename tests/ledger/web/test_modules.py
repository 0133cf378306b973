"""The browser's rules and Python's: the same vectors, the same answers; mutations made by Hypothesis, in Chromium."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

from ledger import ed25519, p256
from ledger.bundle import TrustRoot, write_enrolment
from ledger.canonical import canonical_json, domain_separated, parse_canonical
from ledger.checkpoint import Checkpoint, Cosigner, LogSigner, add_cosignatures, cosign, open_cosigned, sign_checkpoint
from ledger.errors import Problem
from ledger.evidence import EVIDENCE_DOMAIN, Code, Device, DeviceFinding, DeviceOrder, SignedEvidence, read_envelope
from ledger.evidence.keys import SoftwareKey, verify_signature
from ledger.evidence.verification import verify_stretch
from ledger.merkle import Tree, leaf_hash, verify_inclusion
from ledger.serve import RunningServer
from tests.ledger.bundle import estate
from tests.ledger.refusals import public_vectors
from tests.ledger.web.javascript import Rules, big

LEAVES = [leaf_hash(bytes([number])) for number in range(70)]
ONE_CALL = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
)


@pytest.fixture(scope="module")
def rules(browser: Browser, server: RunningServer) -> Iterator[Rules]:
    context = browser.new_context()
    shown = context.new_page()
    shown.goto(f"{server.url}/01/09520000001018/10/T2609")
    yield Rules(shown)
    context.close()


def code_of(rule: Callable[[], object]) -> str:
    """What Python says: "" where it holds, else the code."""
    try:
        rule()
    except Problem as problem:
        return problem.code
    return ""


# How bytes change on the way: what no reader may overlook.
_CHANGES: list[Callable[[bytes, int], bytes]] = [
    lambda raw, at: raw,
    lambda raw, at: raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :],
    lambda raw, at: raw[:at] + raw[at + 1 :],
    lambda raw, at: raw[:at] + b" " + raw[at:],
    lambda raw, at: raw[:at] + raw[at : at + 1] + raw[at:],
    lambda raw, at: raw[:at],
    lambda raw, at: raw + b"\n",
    lambda raw, at: raw[:at] + b"\xff" + raw[at:],
    lambda raw, at: b"\xef\xbb\xbf" + raw,
]
changes = st.tuples(st.sampled_from(range(len(_CHANGES))), st.integers(0, 2**16))


def changed(raw: bytes, change: tuple[int, int]) -> bytes:
    kind, at = change
    return _CHANGES[kind](raw, at % len(raw)) if raw else raw


# Canonical JSON.

_SPELLINGS = [
    b'{"a":1,"a":1}', b'{"b":1,"a":2}', b'{"a": 1}', b"[1.0]", b"[1e0]", b"[-0]", b"[0.1]", b"[1E400]", b"[1e-400]",
    b"[9007199254740992]",
    b"[9007199254740991]", b"[-9007199254740993]", b"[1e+21]", b"[1e21]", b"[100000000000000000000]",
    b"[NaN]", b"[Infinity]",
    b'["\\ud800"]', b'["\\u00e9"]', b'["\\u0001"]', b'["\\u001F"]', b'["\\u001f"]', b'["\x7f"]',
    b'["\\/"]', b'["/"]', b"\xef\xbb\xbf[]", b"[]\n", b"", b"nul", b"null", b"true", b'"x"', b"[1,]", b"{}", b'{"":""}',
    '{"\u20ac":1,"\U0001f600":2}'.encode(),
    '{"\U0001f600":2,"\ufb33":1}'.encode(), '{"\ufb33":1,"\U0001f600":2}'.encode(),
    b'{"__proto__":1}', b'{"10":1,"9":2}', b'{"9":2,"10":1}', b"[" * 64 + b"]" * 64, b"[" * 65 + b"]" * 65, b"[1.5e-7]",
    b"[1.5e-07]", b"[0.0000015]", b"[333333333.3333333]", b"[1e-7]", b'["\xc3\x28"]', b'["\xed\xa0\x80"]', b"[1][2]",
]  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


def _spelt(value: Any, style: int) -> bytes:
    """JSON text in one of several spellings, the canonical one among them."""
    if style == 0:
        try:
            return canonical_json(value)
        except Problem:
            pass
    text = json.dumps(value, ensure_ascii=style == 1, separators=(",", ":"), sort_keys=style == 2)
    return text.encode("utf-8", "surrogatepass")


def _agree_on_json(rules: Rules, texts: list[bytes]) -> int:
    found = rules.codes([("parseCanonical", raw, 4096) for raw in texts])
    expected = [code_of(lambda raw=raw: parse_canonical(raw, max_bytes=4096)) for raw in texts]  # type: ignore[misc]
    assert [(raw, bool(code)) for raw, code in zip(texts, found, strict=True)] == [
        (raw, bool(code)) for raw, code in zip(texts, expected, strict=True)
    ]
    return found.count("")


def test_one_value_has_one_spelling_in_both(rules: Rules) -> None:
    assert _agree_on_json(rules, _SPELLINGS) == 21


@ONE_CALL
@given(st.lists(st.tuples(values, st.sampled_from([0, 0, 0, 1, 2, 3]), changes), min_size=100, max_size=150))
def test_random_json_is_read_or_refused_alike(rules: Rules, found: list[tuple[Any, int, tuple[int, int]]]) -> None:
    _agree_on_json(rules, [changed(_spelt(value, style), change) for value, style, change in found])


# The tree.


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)


def test_c04_public_inclusion_vectors_agree(rules: Rules) -> None:
    lines = public_vectors("transparency-dev-merkle/inclusion.jsonl").read_text("utf-8").splitlines()
    contents = [json.loads(line)["content"] for line in lines]
    cases = [
        {
            "leaf": _decoded(case["leafHash"]),
            "index": big(case["leafIdx"]),
            "size": big(case["treeSize"]),
            "path": [_decoded(node) for node in case["proof"] or []],
            "root": _decoded(case["root"]),
        }
        for case in contents
    ]
    found = rules.codes([("verifyInclusion", case) for case in cases])
    assert found == ["PROOF_INVALID" if case["wantErr"] else "" for case in contents]
    assert (found.count(""), len(found)) == (6, 98)


def test_c04_and_c07_public_consistency_vectors_agree(rules: Rules) -> None:
    lines = public_vectors("transparency-dev-merkle/consistency.jsonl").read_text("utf-8").splitlines()
    contents = [json.loads(line)["content"] for line in lines]
    cases = [
        (
            {"size": big(case["size1"]), "root": _decoded(case["root1"])},
            {"size": big(case["size2"]), "root": _decoded(case["root2"])},
            [_decoded(node) for node in case["proof"] or []],
        )
        for case in contents
    ]
    found = rules.codes([("verifyConsistency", *case) for case in cases])
    assert found == ["PROOF_INVALID" if case["wantErr"] else "" for case in contents]
    assert (found.count(""), len(found)) == (6, 98)


def test_c07_every_growth_of_a_small_log_is_followed_and_no_other(rules: Rules) -> None:
    pairs = [(old, new) for new in range(1, 20) for old in range(1, new + 1)]
    tree = Tree(LEAVES)

    def case(old: int, new: int, root: bytes) -> tuple[Any, ...]:
        now = {"size": big(new), "root": root}
        return "verifyConsistency", {"size": big(old), "root": tree.root(old)}, now, tree.consistency_proof(old, new)

    assert set(rules.codes([case(old, new, tree.root(new)) for old, new in pairs])) == {""}
    assert set(rules.codes([case(old, new, tree.root(new + 1)) for old, new in pairs])) == {"PROOF_INVALID"}


# Which part of a proof changes, and how: a node, the leaf, the root, the place, the size, or a node too many or few.
_PARTS = ("nothing", "node", "leaf", "root", "index", "size", "more", "fewer", "swap", "short")
proofs = st.tuples(st.integers(1, 70), st.integers(0, 69), st.sampled_from(_PARTS), st.integers(0, 255))


def _spoilt_proof(size: int, index: int, part: str, bit: int) -> dict[str, Any]:
    index %= size
    tree = Tree(LEAVES[:size])
    path, leaf, root = tree.inclusion_proof(index), LEAVES[index], tree.root()
    turn = (1 << bit).to_bytes(32, "big")

    def flip(raw: bytes) -> bytes:
        return bytes(a ^ b for a, b in zip(raw, turn, strict=True))

    if part == "node" and path:
        path[bit % len(path)] = flip(path[bit % len(path)])
    elif part == "swap":
        path.reverse()
    elif part == "more":
        path.insert(bit % (len(path) + 1), root)
    elif part == "fewer" and path:
        path.pop(bit % len(path))
    elif part == "short" and path:
        path[0] = path[0][:31]
    return {
        "leaf": flip(leaf) if part == "leaf" else leaf,
        "root": flip(root) if part == "root" else root,
        "index": big(index + (bit % 5 - 2 if part == "index" else 0)),
        "size": big(size + (bit % 9 - 4 if part == "size" else 0)),
        "path": path,
    }


@ONE_CALL
@given(st.lists(proofs, min_size=100, max_size=150))
def test_c04_a_spoilt_proof_is_refused_alike(rules: Rules, found: list[tuple[int, int, str, int]]) -> None:
    cases = [_spoilt_proof(*case) for case in [(7, 3, "nothing", 0), (7, 3, "node", 1), *found]]

    def ours(case: dict[str, Any]) -> str:
        return code_of(
            lambda: verify_inclusion(
                leaf=case["leaf"],
                index=int(case["index"]["big"]),
                size=int(case["size"]["big"]),
                proof=case["path"],
                root=case["root"],
            )
        )

    expected = [ours(case) for case in cases]
    assert rules.codes([("verifyInclusion", case) for case in cases]) == expected
    assert expected[:2] == ["", "PROOF_INVALID"]


def test_c01_an_inner_node_is_no_leaf_in_the_browser_either(rules: Rules) -> None:
    tree = Tree(LEAVES[:4])
    inner = tree.root(2)
    forged = {"leaf": inner, "index": big(0), "size": big(2), "path": [Tree(LEAVES[2:4]).root()], "root": tree.root()}
    # As a *leaf hash* of a tree of two, the node fits; so callers hash the entry they hold: its 64 bytes differ.
    assert rules.codes([("verifyInclusion", forged)]) == [""]
    entry = LEAVES[0] + LEAVES[1]
    leaf = leaf_hash(entry)
    assert rules.codes([("verifyInclusion", {**forged, "leaf": leaf})]) == ["PROOF_INVALID"]


# Checkpoints and cosignatures.

ROOT = estate.TRUST_ROOT
JS_ROOT = {
    "log": {"name": ROOT.log.name, "key": ROOT.log.public_key},
    "cosigners": [{"name": key.name, "key": key.public_key} for key in ROOT.pinned.cosigners],
    "quorum": ROOT.pinned.quorum,
}
CHECKPOINT = Checkpoint(ROOT.log.name, 70, Tree(LEAVES).root())


def note_of(
    cosigners: int = 4,
    *,
    signer: LogSigner = estate.LOG,
    checkpoint: Checkpoint = CHECKPOINT,
    time: int = 1_800_000_000,
) -> bytes:
    note = sign_checkpoint(checkpoint, signer)
    signed = [cosign(note, log_key=signer.key, cosigner=key, time=time) for key in estate.COSIGNERS[:cosigners]]
    return add_cosignatures(note, signed)


def _lines(note: bytes) -> tuple[bytes, list[bytes]]:
    text, _, lines = note.rpartition(b"\n\n")
    return text + b"\n\n", lines.splitlines(keepends=True)


def _notes() -> dict[str, tuple[bytes, str]]:
    head, lines = _lines(note_of())
    stranger = LogSigner(ROOT.log.name, bytes([0x99]) * 32)
    other = Checkpoint("other.example/log", 70, CHECKPOINT.root)
    outsider = Cosigner("notary-9.example/tea", bytes([0x77]) * 32)
    foreign = cosign(note_of(), log_key=ROOT.log, cosigner=outsider, time=5)
    return {
        "the honest one": (note_of(), ""),
        "exactly a quorum": (note_of(3), ""),
        "too few cosigners": (note_of(2), "QUORUM_MISSING"),
        "none": (note_of(0), "QUORUM_MISSING"),
        "a cosigner repeated instead of another": (head + b"".join([*lines[:3], lines[2]]), "SIG_DUPLICATE_SIGNER"),
        "the log's own signature stripped": (head + b"".join(lines[1:]), "SIG_MISSING"),
        "the log signed twice": (head + b"".join([lines[0], *lines]), "SIG_DUPLICATE_SIGNER"),
        "another log's key under its name": (note_of(signer=stranger), "SIG_MISSING"),
        "another log": (note_of(signer=LogSigner(other.origin, bytes([0x31]) * 32), checkpoint=other), "LOG_UNKNOWN"),
        "a cosigner nobody knows": (note_of(3) + foreign, "SIG_UNKNOWN"),
        "extension line": (head[:-1] + b"more\n\n" + b"".join(lines), "CHECKPOINT_FORMAT"),
        "leading zero": (note_of().replace(b"\n70\n", b"\n070\n"), "CHECKPOINT_SIZE"),
        "another size": (note_of().replace(b"\n70\n", b"\n71\n"), "SIG_INVALID"),
        "no signature at all": (head[:-1], "NOTE_FORMAT"),
    }


@pytest.mark.parametrize("case", _notes())
def test_a_checkpoint_is_believed_or_refused_alike(rules: Rules, case: str) -> None:
    note, code = _notes()[case]
    assert code_of(lambda: open_cosigned(note, log_key=ROOT.log, cosigners=ROOT.pinned.cosigners, quorum=3)) == code
    assert rules.codes([("cosigned", note, JS_ROOT)]) == [code]


@ONE_CALL
@given(st.lists(st.tuples(st.integers(0, 4), changes), min_size=60, max_size=100))
def test_a_changed_note_is_refused_alike(rules: Rules, found: list[tuple[int, tuple[int, int]]]) -> None:
    notes = [changed(note_of(count), change) for count, change in found]
    theirs = rules.codes([("cosigned", note, JS_ROOT) for note in notes])
    ours = [
        code_of(lambda note=note: open_cosigned(note, log_key=ROOT.log, cosigners=ROOT.pinned.cosigners, quorum=3))  # type: ignore[misc]
        for note in notes
    ]
    assert list(zip(notes, theirs, strict=True)) == list(zip(notes, ours, strict=True))


# Keys.


def test_signatures_hold_or_fail_alike(rules: Rules) -> None:
    message = b"what was said"
    secret = bytes([0x42]) * 32
    key, signature = ed25519.public_key(secret), ed25519.sign(secret, message)
    curve_key, curve_signature = p256.public_key(secret), p256.sign(secret, message)
    high = curve_signature[:32] + (p256.ORDER - int.from_bytes(curve_signature[32:], "big")).to_bytes(32, "big")
    order = 2**252 + 27742317777372353535851937790883648493
    twin = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    cases: list[tuple[str, bytes, bytes, bytes]] = [
        ("Ed25519", key, message, signature),
        ("P-256", curve_key, message, curve_signature),
        ("Ed25519", key, message + b".", signature),
        ("P-256", curve_key, message + b".", curve_signature),
        ("Ed25519", key, message, twin),
        ("P-256", curve_key, message, high),
        ("Ed25519", key, message, signature[:63]),
        ("P-256", curve_key, message, curve_signature[:63]),
        ("P-256", curve_key, message, curve_signature + b"\0"),
        ("P-256", curve_key, message, bytes(64)),
        ("P-256", curve_key[:-1] + bytes([curve_key[-1] ^ 1]), message, curve_signature),
        ("P-256", b"\x02" + curve_key[1:33], message, curve_signature),
        ("Ed25519", curve_key, message, curve_signature),
        ("P-256", key, message, signature),
        ("ed25519", key, message, signature),
        ("", key, message, signature),
        ("Ed25519", bytes(32), message, bytes(64)),
        ("Ed25519", b"\1" + bytes(31), message, b"\1" + bytes(63)),
        ("Ed25519", b"\xee" + b"\xff" * 30 + b"\x7f", message, bytes(64)),
        ("Ed25519", b"\2" + bytes(31), message, signature),
    ]
    expected = [code_of(lambda case=case: verify_signature(*case)) for case in cases]  # type: ignore[misc]
    assert rules.codes([("verifyDeviceSignature", *case) for case in cases]) == expected
    assert expected.count("") == 2


# The trust root.


def _roots() -> list[bytes]:
    honest = json.loads(ROOT.dump())

    def but(**changes: Any) -> bytes:
        return canonical_json({**honest, **changes})

    first, *others = honest["cosigners"]
    return [
        ROOT.dump(),
        but(quorum=4),
        but(quorum=2),
        but(quorum=5),
        but(quorum=True),
        but(quorum=3.5),
        but(quorum="3"),
        but(cosigners=[]),
        but(cosigners=[first, first, *others[1:]]),
        but(cosigners=[first, {**others[0], "name": first["name"]}, *others[1:]]),
        but(cosigners=[{**first, "key": honest["log"]["key"]}, *others]),
        but(cosigners=[{**first, "key": "00" * 32}, *others]),
        but(cosigners=[{**first, "key": first["key"][:-2]}, *others]),
        but(cosigners=[{**first, "name": "two words"}, *others]),
        but(format="pledgetrail/trust-root/v2"),
        but(log={"origin": "", "key": honest["log"]["key"]}),
        but(log={"key": honest["log"]["key"]}),
        canonical_json({name: value for name, value in honest.items() if name != "quorum"}),
        json.dumps(honest, sort_keys=True).encode(),
        b"[]",
        b"null",
    ]


def test_a_trust_root_is_read_or_refused_alike_and_has_one_fingerprint(rules: Rules) -> None:
    found = rules.answers([("readTrustRoot", raw) for raw in _roots()])
    expected = [code_of(lambda raw=raw: TrustRoot.load(raw)) for raw in _roots()]  # type: ignore[misc]
    assert [bool(code) for code, _ in found] == [bool(code) for code in expected]
    assert found[0] == ["", ROOT.fingerprint]
    assert found[1] == ["", TrustRoot.load(_roots()[1]).fingerprint]
    assert [code for code, _ in found].count("") == 2


# Evidence.

SEEN_BY = estate.DAWN + timedelta(days=1)


def _told(signed: list[SignedEvidence], device: Device) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    enrolled = [{"entry": 0, "canonical": write_enrolment(device)}]
    envelopes = [{"entry": number, "canonical": each.envelope()} for number, each in enumerate(signed, start=1)]
    return envelopes, enrolled, int(SEEN_BY.timestamp() * 1000)


def _filmed(key: SoftwareKey = estate.CAMERA_KEY, **options: Any) -> list[SignedEvidence]:
    return estate.film(estate.CAMERA, key, [("r1", estate.TEA.normal, 3)], **options)


def _evidence_cases() -> dict[str, tuple[list[SignedEvidence], Device, str]]:
    honest = _filmed()
    stripped = SignedEvidence(honest[1].statement_bytes, bytes(64))
    late = _filmed(start=SEEN_BY + timedelta(hours=1))
    early = _filmed(start=estate.CAMERA.valid_from - timedelta(minutes=1))
    return {
        "honest": (honest, estate.CAMERA, ""),
        "honest excerpt": (_filmed(first=7), estate.CAMERA, ""),
        "swapped key": (_filmed(estate.DRONE_KEY), estate.CAMERA, "EVIDENCE_SIGNATURE"),
        "stripped signature": ([honest[0], stripped, honest[2]], estate.CAMERA, "EVIDENCE_SIGNATURE"),
        "another device": (honest, estate.DRONE, "DEVICE_NOT_ENROLLED"),
        "missing piece": ([honest[0], honest[2]], estate.CAMERA, "EVIDENCE_GAP"),
        "two of one number": (
            [*honest, _filmed(start=estate.DAWN + timedelta(hours=1))[2]],
            estate.CAMERA,
            "EVIDENCE_FORK",
        ),
        "another previous": ([honest[0], *_filmed(first=2)], estate.CAMERA, "EVIDENCE_PREVIOUS"),
        "recorded after it was seen": (late, estate.CAMERA, "EVIDENCE_TIME"),
        "before it was enrolled": (early, estate.CAMERA, "DEVICE_NOT_VALID"),
    }


@pytest.mark.parametrize("case", _evidence_cases())
def test_a_devices_word_is_believed_or_refused(rules: Rules, case: str) -> None:
    signed, device, code = _evidence_cases()[case]
    assert rules.codes([("evidence", *_told(signed, device))]) == [code]
    found = code_of(lambda: verify_stretch(signed, device=device, received_at=SEEN_BY))
    assert bool(found) == bool(code), found


@ONE_CALL
@given(st.lists(changes, min_size=60, max_size=100))
def test_a_changed_envelope_is_refused_alike(rules: Rules, found: list[tuple[int, int]]) -> None:
    (first, *_) = _filmed()
    envelopes = [changed(first.envelope(), change) for change in found]
    _, enrolled, seen_by = _told([first], estate.CAMERA)
    theirs = rules.codes([("evidence", [{"entry": 1, "canonical": raw}], enrolled, seen_by) for raw in envelopes])

    def ours(raw: bytes) -> str:
        return code_of(lambda: verify_stretch([read_envelope(raw)], device=estate.CAMERA, received_at=SEEN_BY))

    assert [bool(code) for code in theirs] == [bool(ours(raw)) for raw in envelopes]
    assert "" in theirs


def _finding(code: Code, sequence: int) -> dict[str, Any]:
    found = DeviceFinding(code, estate.CAMERA.id, sequence, "The ledger saw it.", SEEN_BY)
    return {"entry": 90, "canonical": found.canonical()}


def _revoked(after: timedelta, entry: int) -> dict[str, Any]:
    order = DeviceOrder("revocation", estate.CAMERA.id, estate.DAWN + after, 3, "The key was stolen.")
    return {"entry": entry, "canonical": order.canonical()}


def _answered() -> dict[str, tuple[str, list[dict[str, Any]], list[dict[str, Any]], str]]:
    """Whose word, with which findings and orders of the log beside it, and what the browser says."""
    clock, day = Code.UNTRUSTED_TIME, timedelta(days=1)
    return {
        "a wrong clock that the log noticed": (
            "recorded after it was seen",
            [_finding(clock, n) for n in (1, 2, 3)],
            [],
            "",
        ),
        "a wrong clock noticed of another number": (
            "recorded after it was seen",
            [_finding(clock, 9)],
            [],
            "EVIDENCE_TIME",
        ),
        "another finding about a wrong clock": (
            "recorded after it was seen",
            [_finding(Code.GAP, n) for n in (1, 2, 3)],
            [],
            "EVIDENCE_TIME",
        ),
        "a loss that the log noticed": ("missing piece", [_finding(Code.GAP, 3)], [], ""),
        "a loss noticed elsewhere": ("missing piece", [_finding(Code.GAP, 4)], [], "EVIDENCE_GAP"),
        "a finding about a forged signature": (
            "swapped key",
            [_finding(Code.BAD_SIGNATURE, 1)],
            [],
            "EVIDENCE_SIGNATURE",
        ),
        "revoked afterwards": ("honest", [], [_revoked(day, 50)], ""),
        "revoked before it was logged": ("honest", [], [_revoked(day, 0)], "DEVICE_REVOKED"),
        "revoked for a time before it spoke": ("honest", [], [_revoked(-day, 50)], "DEVICE_REVOKED"),
        "another device revoked": (
            "honest",
            [],
            [{"entry": 0, "canonical": _revoked(-day, 0)["canonical"].replace(b"camera-1", b"camera-2")}],
            "",
        ),
    }


@pytest.mark.parametrize("case", _answered())
def test_a_finding_answers_for_what_it_is_about_and_a_revocation_ends_a_key(rules: Rules, case: str) -> None:
    whose, findings, orders, code = _answered()[case]
    signed, device, _ = _evidence_cases()[whose]
    assert rules.codes([("evidence", *_told(signed, device), findings, orders)]) == [code]


def test_what_is_malformed_is_refused_by_its_own_code(rules: Rules) -> None:
    signed, device, _ = _evidence_cases()["honest"]
    envelopes, enrolled, seen_by = _told(signed, device)
    honest = json.loads(signed[0].envelope())

    def logged(value: Any) -> list[dict[str, Any]]:
        return [{"entry": 1, "canonical": canonical_json(value)}]

    def stated(**changes: Any) -> list[dict[str, Any]]:
        return logged({**honest, "statement": {**honest["statement"], **changes}})

    def enrolment(**changes: Any) -> list[dict[str, Any]]:
        return [{"entry": 0, "canonical": canonical_json({**json.loads(enrolled[0]["canonical"]), **changes})}]

    def word(envelopes: Any = envelopes, enrolled: Any = enrolled, *beside: Any) -> tuple[Any, ...]:
        return "evidence", envelopes, enrolled, seen_by, *beside

    finding = json.loads(_finding(Code.GAP, 1)["canonical"])
    cases: list[tuple[tuple[Any, ...], str]] = [
        (word(), ""),
        (word(logged([])), "ENVELOPE_FORMAT"),
        (word(logged({"statement": honest["statement"]})), "ENVELOPE_FORMAT"),
        (word(logged({**honest, "more": 1})), "ENVELOPE_FORMAT"),
        (word(logged({**honest, "signature": "00"})), "ENVELOPE_FORMAT"),
        (word(logged({**honest, "signature": honest["signature"].upper()})), "ENVELOPE_FORMAT"),
        (word(logged({**honest, "statement": None})), "EVIDENCE_FIELD"),
        (word(stated(sequence=0)), "EVIDENCE_FIELD"),
        (word(stated(sequence=1.5)), "EVIDENCE_FIELD"),
        (word(stated(device="")), "EVIDENCE_FIELD"),
        (word(stated(previous="00")), "EVIDENCE_FIELD"),
        (word(stated(lot="other")), "EVIDENCE_SIGNATURE"),
        (word(enrolled=enrolment(kind="other")), "DEVICE_FORMAT"),
        (word(enrolled=enrolment(key="zz")), "DEVICE_FORMAT"),
        (word(enrolled=enrolment(valid_from="2026")), "DEVICE_FORMAT"),
        (word(enrolled=[*enrolled, *enrolled]), "DEVICE_REPEATED"),
        (word(envelopes, enrolled, logged({**finding, "kind": "other"})), "FINDING_FORMAT"),
        (word(envelopes, enrolled, logged(None)), "FINDING_FORMAT"),
        (word(envelopes, enrolled, [], logged({"kind": "pardon", "device": "x"})), "DEVICE_ORDER"),
        (word(envelopes, enrolled, [], logged({"kind": "revocation", "device": "x", "at": "now"})), "DEVICE_ORDER"),
    ]
    assert rules.codes([case for case, _ in cases]) == [code for _, code in cases]


def _restated(signed: SignedEvidence, **changes: Any) -> SignedEvidence:
    """Another statement that the camera itself signed."""
    raw = canonical_json({**json.loads(signed.statement_bytes), **changes})
    return SignedEvidence(raw, estate.CAMERA_KEY.sign(domain_separated(EVIDENCE_DOMAIN, raw)))


def test_what_a_camera_signs_that_cannot_be_is_refused_in_both(rules: Rules) -> None:
    first, second, third = _filmed()
    longer = {**json.loads(second.statement_bytes)["media"], "duration_ms": 9000}
    begins = json.loads(first.statement_bytes)["recorded_from"]
    cases: list[tuple[list[SignedEvidence], str]] = [
        ([first, second, third], ""),
        ([first, _restated(second, media=longer)], "EVIDENCE_TIME"),
        ([first, _restated(second, recorded_from=begins)], "EVIDENCE_TIME"),
        ([first, _restated(second, recorded_until=begins)], "EVIDENCE_TIME"),
        ([second, first], "EVIDENCE_REPEATED"),
        ([first, first], "EVIDENCE_FORK"),
        ([first, _restated(second, previous="00" * 32)], "EVIDENCE_PREVIOUS"),
    ]
    found = rules.codes([("evidence", *_told(signed, estate.CAMERA)) for signed, _ in cases])
    assert found == [code for _, code in cases]
    ours = [code_of(lambda s=s: verify_stretch(s, device=estate.CAMERA, received_at=SEEN_BY)) for s, _ in cases]  # type: ignore[misc]
    assert [bool(code) for code in ours] == [bool(code) for _, code in cases], ours
