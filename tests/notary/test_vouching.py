"""Headers that a notary vouches for, for the contract that holds them; each refusal with its honest twin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.binding import Contract
from contracts.manifest import Policy, Role
from contracts.plan import PLEDGE_LANES
from ledger.headers.certified import HeaderDomain
from ledger.quorum import pack
from ledger.secp256k1 import Signature, recover
from notary.proven import Witnessed
from notary.vouching import HeaderRequest, VouchedHeader
from tests.chains import CHAIN_IDS, NOTARY_KEYS, Deployed, deployed_on_anvil
from tests.notary.subject import Subject

ORIGIN, DESTINATION, TRANSACTION = (CHAIN_IDS[role] for role in Role)


@pytest.fixture(scope="module")
def watched() -> Iterator[Deployed]:
    """A deployment whose anchors cross a lane of policy *certified*."""
    certified = replace(PLEDGE_LANES[0], policy=Policy.CERTIFIED)
    with deployed_on_anvil(lanes=[certified, *PLEDGE_LANES[1:]]) as deployed:
        yield deployed


@pytest.fixture
def subject(watched: Deployed, tmp_path: Path) -> Iterator[Subject]:
    found = Subject(watched, tmp_path / "notary0")
    yield found
    found.close()


def head(subject: Subject) -> int:
    return int(subject.chains.node(Role.ORIGIN).request("eth_blockNumber"), 16)


def digest_of(subject: Subject, vouched: VouchedHeader) -> bytes:
    [observer] = subject.chains.manifest.chain(Role.DESTINATION).observers
    return HeaderDomain(DESTINATION, observer.headers, ORIGIN).digest(vouched.header, vouched.epoch)


def test_a_quorum_of_notaries_has_a_header_held(subject: Subject) -> None:
    asked = HeaderRequest(ORIGIN, head(subject), DESTINATION)
    others = [subject.beside(index) for index in (1, 2)]
    given = [notary.vouch(asked) for notary in (subject.notary, *others)]
    for notary in others:
        notary.close()
    assert len({each.header for each in given}) == 1
    signed = {each.member: Signature.parse(each.signature) for each in given}
    assert {recover(digest_of(subject, given[0]), each) for each in signed.values()} == {
        key.address for key in NOTARY_KEYS[:3]
    }
    header, [observer] = given[0].header, subject.chains.manifest.chain(Role.DESTINATION).observers
    holder = Contract("CertifiedHeaders", observer.headers)
    fields = (header.height, header.block_hash, header.state_root, header.receipts_root, header.timestamp)
    call = holder.encode_call("certify", *fields, given[0].epoch, pack(signed))
    subject.chains.transactors[Role.DESTINATION].send(holder.address, call)
    assert holder.read(subject.chains.node(Role.DESTINATION), "held", header.height) == header.word


def test_asking_again_gives_the_same_signature_also_after_a_restart(subject: Subject) -> None:
    asked = HeaderRequest(ORIGIN, head(subject), DESTINATION)
    first = subject.notary.vouch(asked)
    subject.restart()
    assert subject.notary.vouch(asked) == first


def test_a_header_that_is_not_there_yet_is_not_final(subject: Subject) -> None:
    number = head(subject)
    subject.refuses(lambda notary: notary.vouch(HeaderRequest(ORIGIN, number + 1, DESTINATION)), "NOT_FINAL")
    assert subject.notary.vouch(HeaderRequest(ORIGIN, number, DESTINATION)).header.height == number


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (HeaderRequest(ORIGIN, 3, TRANSACTION), "HOLDER_UNKNOWN"),
        (HeaderRequest(DESTINATION, 3, ORIGIN), "HOLDER_UNKNOWN"),
        (HeaderRequest(ORIGIN, 3, 9999), "CHAIN_UNKNOWN"),
        (HeaderRequest(9999, 3, DESTINATION), "CHAIN_UNKNOWN"),
    ],
    ids=str,
)
def test_it_vouches_only_for_the_holder_that_the_manifest_names(
    subject: Subject, asked: HeaderRequest, code: str
) -> None:
    subject.refuses(lambda notary: notary.vouch(asked), code)
    assert subject.notary.vouch(HeaderRequest(ORIGIN, 3, DESTINATION)).header.height == 3


def test_E02_a_second_header_of_one_height_is_never_vouched_for(subject: Subject) -> None:
    number, chain = head(subject), subject.chains.manifest.chain(Role.ORIGIN)
    asked = HeaderRequest(ORIGIN, number, DESTINATION)
    # What this notary took for final before was another block than the node shows now.
    subject.notary._journal.vouch(chain.end, Witnessed(number, b"\x0e" * 32))
    subject.refuses(lambda notary: notary.vouch(asked), "FINAL_REWRITTEN")


def test_a_header_of_a_node_that_alters_it_is_not_signed(subject: Subject) -> None:
    asked = HeaderRequest(ORIGIN, head(subject), DESTINATION)

    def altered(method: str, params: Any, result: Any) -> Any:
        is_wanted = method == "eth_getBlockByNumber" and params[0] == hex(asked.block)
        return result | {"stateRoot": "0x" + "0e" * 32} if is_wanted else result

    honest, subject.liars[ORIGIN].lie = subject.liars[ORIGIN].lie, altered
    subject.refuses(lambda notary: notary.vouch(asked), "HEADER_HASH")
    subject.liars[ORIGIN].lie = honest
    assert subject.notary.vouch(asked).header.height == asked.block
