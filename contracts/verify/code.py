"""Whether each contract is the one we compiled, told by its constructor what the manifest says.

Two readings, because each alone can be cheated. The runtime code must be ours, its immutables the manifest's. And the
transaction that created it must have run *our* constructor: another one can leave the very same code over a storage
that already holds a stranger's peer, an announced order or an admitted sender, without one log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError

from contracts.binding import Contract, constructor_of, created_address
from contracts.compiler import artifact
from contracts.node import data, quantity
from contracts.verify.findings import Comparison
from contracts.verify.sight import Sight
from contracts.verify.stated import CREATOR, Stated, stated_contracts, unstated
from ledger.attestation import address_word


class Creation(NamedTuple):
    """The transaction that created a contract: who sent it, and what it ran."""

    creator: bytes
    code: bytes


def check_code(sight: Sight, on_step: Callable[[str], None]) -> tuple[Comparison, frozenset[Contract]]:
    """Compare every contract of the chain; and say which are ours, for these alone can be asked further."""
    kept, sound = Comparison(sight.where, "code"), set()
    for name in unstated(sight.manifest, sight.chain):
        kept.hold("CODE_UNKNOWN", f"{name} is no contract whose making a manifest states", holds=False)
    creations = _creations(sight, on_step)
    for stated in stated_contracts(sight.manifest, sight.chain):
        place = f"{stated.name} at 0x{stated.address.hex()}"
        creation = creations.get(stated.address)
        what = f"{place} was not created by a transaction of blocks {sight.chain.first_block} to "
        what += f"{sight.chain.checked_from - 1}"
        if kept.hold("CODE_CREATION", what, holds=creation is not None) and creation is not None:
            _check_creation(kept, stated, creation.code, place)
        if _check_runtime(kept, stated, sight.code(stated.address), creation, place):
            sound.add(Contract(stated.name, stated.address))
    return kept, frozenset(sound)


def _creations(sight: Sight, on_step: Callable[[str], None]) -> dict[bytes, Creation]:
    """Every creation in the blocks of the deployment, by the address that creator and nonce lead to."""
    found, last = {}, sight.chain.checked_from - 1
    told = lambda number: on_step(f"{sight.chain.name}: read block {number} of {last}")  # noqa: E731
    for block in sight.blocks(sight.chain.first_block, last, told):
        transactions = block.get("transactions")
        if not isinstance(transactions, list) or not all(isinstance(each, dict) for each in transactions):
            raise sight.garbage("a block without its transactions")
        for transaction in transactions:
            if transaction.get("to") is None:
                creator = data(transaction.get("from"), what="sender", length=20)
                address = created_address(creator, quantity(transaction.get("nonce"), what="nonce"))
                found[address] = Creation(creator, data(transaction.get("input"), what="input"))
    return found


def _check_creation(kept: Comparison, stated: Stated, code: bytes, place: str) -> None:
    bytecode, (names, types) = artifact(stated.name).bytecode, constructor_of(stated.name)
    what = f"{place} was created by another constructor than ours"
    if not kept.hold("CODE_CREATION", what, holds=code.startswith(bytecode)):
        return
    try:
        values = decode(types, code[len(bytecode) :])
        is_whole = encode(types, values) == code[len(bytecode) :]
    except (DecodingError, EncodingError):
        values, is_whole = (), False
    if not kept.hold("CODE_ARGUMENT", f"{place}: the constructor's arguments do not decode", holds=is_whole):
        return
    for name, kind, value in zip(names, types, values, strict=True):
        if name in stated.arguments:
            _compare_argument(kept, f"{place}: argument {name}", kind, stated.arguments[name], value)


def _compare_argument(kept: Comparison, subject: str, kind: str, wanted: Any, found: Any) -> None:
    # As ABI bytes: one value has one form there, whatever Python type it came in.
    kept.equal("CODE_ARGUMENT", subject, stated=encode([kind], [wanted]), found=encode([kind], [found]))


def _check_runtime(kept: Comparison, stated: Stated, code: bytes, creation: Creation | None, place: str) -> bool:
    """Whether the code is ours; a wrong immutable is a finding, but the code is ours all the same."""
    if not kept.hold("CODE_MISSING", f"no contract stands at {place}", holds=code != b""):
        return False
    compiled = artifact(stated.name)
    fixed, size = code[len(compiled.runtime) :], sum(length for _, length in compiled.immutables.values())
    is_ours = code.startswith(compiled.runtime) and len(fixed) == size
    if not kept.hold("CODE_DIFFERS", f"the code of {place} is not what our sources compile to", holds=is_ours):
        return False
    for name, (offset, length) in compiled.immutables.items():
        wanted = stated.immutables.get(name)
        if wanted == CREATOR and wanted is not None:
            wanted = None if creation is None else address_word(creation.creator)
        subject = f"{place}: {name.rpartition('.')[2]}"
        if kept.hold("CODE_IMMUTABLE", f"{subject} is stated nowhere", holds=wanted is not None):
            kept.equal("CODE_IMMUTABLE", subject, stated=wanted, found=fixed[offset : offset + length])
    return True
