"""Whether the committee of each chain is the manifest's, and whether any set like it should be relied on."""

from __future__ import annotations

from collections import Counter

from contracts.binding import Contract
from contracts.manifest import Manifest, members_of
from contracts.verify.findings import ORDER, Comparison
from contracts.verify.sight import Sight
from ledger.membership import MIN_MEMBERS, records_digest
from ledger.quorum import quorum

BARRED = 1 << 160  # set in the word of a member that contradicted itself
DEVELOPMENT = "This deployment is for development: its contracts admit weak committees, for ever."


def check_set(manifest: Manifest, *, accept_development: bool) -> Comparison:
    """Refuse sets that a single fault or operator overcomes, unless development is what both sides say they want."""
    kept, members = Comparison("all chains", "the set"), len(manifest.committee.members)
    tolerated = (members - 1) // 3
    cure = "Enlarge the committee, with members that nobody else operates."
    weak = []
    if members < MIN_MEMBERS:
        weak.append(("CONFIG_SET", f"{members} members tolerate no fault"))
    if len(manifest.cosigners) != members:
        weak.append(("CONFIG_SET", f"{members} members and {len(manifest.cosigners)} cosigners"))
    for operator, seats in Counter(cosigner.name for cosigner in manifest.cosigners).items():
        if seats > 1:
            weak.append(("CONFIG_SET", f"{operator} is {seats} members"))
        if seats > max(tolerated, 1):
            tolerates = f"{seats} keys, and {members} members tolerate {tolerated} faults"
            weak.append(("CONFIG_CONCENTRATION", f"{operator} holds {tolerates}"))
    if manifest.rotation.development:
        what = DEVELOPMENT if not accept_development else f"{DEVELOPMENT} It was accepted with --development."
        if kept.hold("DEVELOPMENT", what, holds=accept_development, cure="Never rely on it with value."):
            kept.note("DEVELOPMENT", what, "Never rely on it with value.")
    for code, what in weak:
        if manifest.rotation.development and accept_development:
            kept.note(code, what, cure)
        else:
            kept.hold(code, what, holds=False, cure=cure)
    kept.compared += 1
    return kept


def check_committee(sight: Sight, sound: frozenset[Contract]) -> Comparison:
    """Epoch, members, their records, quorum, grace, delay, and the development flag."""
    kept, manifest = Comparison(sight.where, "committee"), sight.manifest
    contract = sight.chain.contract("Committee")
    if contract not in sound:
        return kept
    epoch, terms = manifest.committee.epoch, manifest.rotation
    found = sight.read(contract, "epoch")
    if not kept.equal("COMMITTEE_EPOCH", "the committee's epoch", stated=epoch, found=found, cure=ORDER):
        return kept
    words = sight.read(contract, "members", epoch)
    members = tuple((word % BARRED).to_bytes(20, "big") for word in words)
    kept.equal("COMMITTEE_MEMBERS", "the committee", stated=manifest.committee.members, found=members)
    for index, word in enumerate(words):
        barred = f"member {index} contradicted itself and is barred"
        kept.hold("COMMITTEE_BARRED", barred, holds=word < BARRED, cure="Ask the committee to rotate.")
    kept.hold("CONFIG_SET", f"{len(words)} members tolerate no fault", holds=_is_enough(len(words), sight))
    size, needed = sight.read(contract, "size"), sight.read(contract, "quorum")
    kept.equal("COMMITTEE_QUORUM", "the number of members", stated=len(manifest.committee.members), found=size)
    kept.equal("COMMITTEE_QUORUM", "the quorum", stated=quorum(len(manifest.committee.members)), found=needed)
    if len(manifest.cosigners) == len(manifest.committee.members):
        records = records_digest(members_of(manifest.committee, manifest.cosigners))
        held = sight.read(contract, "records", epoch)
        kept.equal("COMMITTEE_RECORDS", "the digest of the members' records", stated=records, found=held)
    kept.equal("COMMITTEE_GRACE", "the grace period", stated=terms.grace, found=sight.read(contract, "GRACE"))
    flag = sight.read(contract, "DEVELOPMENT")
    kept.equal("DEVELOPMENT", "the contract's development flag", stated=terms.development, found=flag)
    delay = sight.read(contract, "order_delay")
    kept.equal("ORDER_DELAY", "the delay of the committee's orders", stated=terms.delay, found=delay)
    return kept


def _is_enough(members: int, sight: Sight) -> bool:
    return members >= MIN_MEMBERS or sight.manifest.rotation.development
