"""Ed25519 as we accept it: every Wycheproof vector, and the keys that would bind nobody."""

from __future__ import annotations

import json

import pytest

from ledger import ed25519
from ledger.errors import Refused
from tests.ledger.refusals import public_vectors, refused

PRIVATE = bytes(range(32))
PUBLIC = ed25519.public_key(PRIVATE)
ORDER = 2**252 + 27742317777372353535851937790883648493
FIELD = 2**255 - 19


def test_wycheproof_agrees() -> None:
    accepted = refusals = 0
    for group in json.loads(public_vectors("wycheproof/ed25519_test.json").read_text("utf-8"))["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            try:
                ed25519.verify(key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
                held = True
            except Refused as error:
                assert error.code == "SIG_INVALID"
                held = False
            assert held == (case["result"] == "valid"), case["tcId"]
            accepted, refusals = accepted + held, refusals + (not held)
    assert (accepted, refusals) == (88, 63)


def test_signs_as_rfc_8032_section_7_1_test_1_says() -> None:
    private = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert ed25519.public_key(private).hex().startswith("d75a980182b10ab7d54bfed3c964073a")
    signature = ed25519.sign(private, b"")
    assert signature.hex().startswith("e5564300c360ac729086e2cc806e828a")
    ed25519.verify(ed25519.public_key(private), b"", signature)


def test_the_twin_with_the_order_added_is_refused() -> None:
    signature = ed25519.sign(PRIVATE, b"tea")
    twin = (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    ed25519.verify(PUBLIC, b"tea", signature)
    with refused("SIG_INVALID"):
        ed25519.verify(PUBLIC, b"tea", signature[:32] + twin)


@pytest.mark.parametrize("at", [0, 31, 32, 63])
def test_a_flipped_bit_is_refused(at: int) -> None:
    signature = bytearray(ed25519.sign(PRIVATE, b"tea"))
    signature[at] ^= 1
    with refused("SIG_INVALID"):
        ed25519.verify(PUBLIC, b"tea", bytes(signature))


@pytest.mark.parametrize("length", [0, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    with refused("SIG_INVALID"):
        ed25519.verify(PUBLIC, b"tea", (ed25519.sign(PRIVATE, b"tea") * 2)[:length])


def test_another_message_or_key_is_refused() -> None:
    signature = ed25519.sign(PRIVATE, b"tea")
    with refused("SIG_INVALID"):
        ed25519.verify(PUBLIC, b"teas", signature)
    with refused("SIG_INVALID"):
        ed25519.verify(ed25519.public_key(bytes(32)), b"tea", signature)


def _y_coordinates_of_weak_points() -> set[int]:
    """Solve the curve equation for the points of order 1, 2, 4 and 8, so that the list in the code is checked."""
    d = -121665 * pow(121666, -1, FIELD) % FIELD
    found = {0, 1, FIELD - 1}
    half = pow(1 + d, (FIELD + 3) // 8, FIELD)
    for root in (half, half * pow(2, (FIELD - 1) // 4, FIELD) % FIELD):
        for signed in (root, -root):
            square = (signed - 1) * pow(d, -1, FIELD) % FIELD  # order 8: d y^4 + 2 y^2 - 1 = 0
            y = pow(square, (FIELD + 3) // 8, FIELD)
            for candidate in (y, y * pow(2, (FIELD - 1) // 4, FIELD) % FIELD):
                if (d * candidate**4 + 2 * candidate**2 - 1) % FIELD == 0:
                    found |= {candidate, FIELD - candidate}
    return found


def test_keys_of_small_order_are_refused_in_every_spelling() -> None:
    weak = _y_coordinates_of_weak_points()
    assert len(weak) == 5
    for y in weak:
        for spelling in {y, y + FIELD} if y + FIELD < 2**255 else {y}:
            for sign in (0, 1 << 255):
                with refused("KEY_WEAK"):
                    ed25519.check_public_key((spelling | sign).to_bytes(32, "little"))
    ed25519.check_public_key(PUBLIC)


def test_under_a_weak_key_one_signature_would_hold_for_every_message() -> None:
    """Why KEY_WEAK exists: the library alone accepts this."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    identity = (1).to_bytes(32, "little")
    forged = identity + bytes(32)
    Ed25519PublicKey.from_public_bytes(identity).verify(forged, b"I owe you nothing")
    with refused("KEY_WEAK"):
        ed25519.verify(identity, b"I owe you nothing", forged)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_keys_of_another_length_are_refused(length: int) -> None:
    with refused("KEY_LENGTH"):
        ed25519.check_public_key(bytes([7]) * length)
    with refused("KEY_LENGTH"):
        ed25519.sign(bytes(length), b"")
