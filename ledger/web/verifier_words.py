"""What the page that checks a proof file says, by key; every language travels with it: it works without a server.

`{name}` is filled in the browser. `reason.CODE` is the sentence for one code of a refusal, `reason.step.CODE` the one
for a code at that step alone, `reason.step` the one for any other code there; `fact.…` what a file proves, `limit.…`
what it does not.
"""

from __future__ import annotations

from types import MappingProxyType

from ledger.web.words import N_

BUNDLE_CHECKS = MappingProxyType(
    {
        "sealed": N_("File: as it was written"),
        "trust": N_("Trust root: whom this check believes"),
        "checkpoint": N_("State of the log: signed, and cosigned by a quorum"),
        "stamped": N_("Timestamp of an authority outside"),
        "judged": N_("Verdict: a quorum re-executed the commit"),
        "anchored": N_("Anchor: left its chain in a proven block"),
        "sealers": N_("Seals of the chain's own validators"),
        "certified": N_("Header: certified to the other chain"),
        "attested": N_("Certificate: a quorum attested it"),
        "committed": N_("Commit: arrived on the other chain"),
        "credential": N_("Credential: of this certificate and verdict"),
        "logged": N_("Records: each stands in the log"),
        "signed": N_("Cameras: enrolled, every piece signed"),
        "subject": N_("Records: about what the file names"),
        "pledge": N_("Loan: what was asked, and answered"),
    }
)
"""The steps in their order."""

VERIFIER = MappingProxyType(
    {
        "page.title": N_("Check a proof file"),
        "page.lead": N_("Choose the proof file of an item. It is checked on this device; nothing is sent anywhere."),
        "page.choose": N_("Choose a proof file, or drop it here"),
        "page.known": N_("Trust root that you know (32 digits), if you have one"),
        "page.known-bad": N_("A trust root has 32 digits: 0 to 9 and a to f."),
        "page.save": N_("Save this page: it works without a network too"),
        "page.steps": N_("What was checked"),
        "page.told": N_("What the file proves"),
        "page.limits": N_("What it does not prove"),
        "page.pieces": N_("Pieces of video can be dropped here too: they are compared with what was signed."),
        "page.none": N_("No file was checked yet."),
        "page.language": N_("Language"),
        "verdict.checking": N_("Your browser is checking the file."),
        "verdict.file-holds": N_("The file holds: all that a browser can check of it."),
        "verdict.file-root": N_("The file holds, if its trust root is the right one: compare its digits."),
        "verdict.file-doubts": N_("The file holds, but the log itself records doubts."),
        "verdict.file-erased": N_("What is left holds, but something was erased: this is not the whole."),
        "verdict.file-partly": N_("What a browser can check of the file holds; the rest takes pledgetrail verify."),
        "verdict.file-unavailable": N_("The file could not be checked here. Nothing was found to be false."),
        "verdict.file-refused": N_("Do not rely on this file. {reason} Step: {step}."),
        "trust.came-along": N_("It came with the file: compare these digits with the notaries'."),
        "trust.given": N_("The one you gave."),
        "more.bytes": N_("{count} bytes"),
        "more.state": N_("{origin}, {size} entries; cosigned by {names}, the first at {time}"),
        "more.sealed-later": N_("epoch {from}, sealed by epoch {to}"),
        "more.quorum": N_("{signers} of {members} notaries, epoch {epoch}"),
        "more.block": N_("{chain}, block {number}, {time}"),
        "more.instructions": N_("instructions: {count}"),
        "more.observed": N_("its lane asks for none"),
        "more.sealed": N_("{sealers} of {validators} validators, block {number}"),
        "more.spent": N_("in {milliseconds} ms"),
        "more.stamp": N_("{authority}, {time}"),
        "why.seals-unpinned": N_(
            "The trust root names no validators of that chain: the notaries' verdict vouches for it."
        ),
        "why.seals-earlier": N_(
            "The trust root pins later validators only: the notaries' verdict vouches for the block."
        ),
        "why.file": N_("The file could not be read, or this browser cannot."),
        "why.stamp": N_("It is signed in a way that only pledgetrail verify can check."),
        "why.history": N_("Only pledgetrail verify can follow what these records name."),
        "reason.sealed": N_("This is no whole proof file."),
        "reason.BUNDLE_FORMAT": N_("This file is no proof file."),
        "reason.BUNDLE_CORRUPT": N_("The file was changed or cut short."),
        "reason.TRUST_ROOT": N_("The file was made under another trust root than yours."),
        "reason.stamped": N_("The timestamp does not hold."),
        "reason.STAMP_UNTRUSTED": N_("No authority that the trust root names vouches for the timestamp."),
        "reason.STAMP_UNEXPECTED": N_("The trust root names no authority for timestamps."),
        "reason.judged": N_("The notaries' verdict does not hold."),
        "reason.anchored": N_("The anchor is not in the block that the notaries name."),
        "reason.ANCHOR_MISMATCH": N_("What was anchored is another state of the log."),
        "reason.sealers": N_("The seals of the chain's validators do not hold."),
        "reason.sealers.QUORUM": N_("Too few of the chain's validators sealed it."),
        "reason.sealers.SIG_UNKNOWN": N_("Somebody sealed who is no validator of the chain."),
        "reason.SEALS_MISSING": N_("The seals are missing on which this rests."),
        "reason.SET_OVERLAP": N_("Validators sealed for whom nobody vouched."),
        "reason.certified": N_("The notaries did not certify that block."),
        "reason.attested": N_("The notaries' certificate does not hold."),
        "reason.committed": N_("The commit is not in the block that the notaries name."),
        "reason.credential": N_("The credential is another one."),
        "reason.pledge": N_("What is told about the loan does not hold."),
        "reason.HEADER_HASH": N_("A block is another than the notaries name."),
        "reason.SUPERFLUOUS": N_("The file holds something that has nothing to do with the rest."),
        "reason.ERASURE_UNRECORDED": N_("Something is missing, and no record says that it was erased."),
        "reason.SUBJECT_UNKNOWN": N_("No record mentions what the file is about."),
        "fact.about": N_("About {subject}."),
        "fact.root": N_("Under the trust root of {dated}, epoch {epoch}."),
        "fact.happened": N_("{time}: {step}."),
        "fact.recordings": N_("{device} signed {count} pieces of video, {seconds} s, from {from} to {until}."),
        "fact.statements": N_("{device} signed {count} other statements."),
        "fact.logged": N_("All of it stood in the log by {time}, as the notaries saw it."),
        "fact.stamped": N_("An authority outside saw that state by {time}: {authority}."),
        "fact.left": N_("That state left {chain} in block {number} at {time}."),
        "fact.sealed": N_("{sealers} of the chain's own {validators} validators sealed block {number}."),
        "fact.arrived": N_("It arrived on {chain} in block {number} at {time}."),
        "fact.asked": N_("The loan's registry asked {chain} to {asked}; the answer at {time}: {answer}."),
        "fact.call-failed": N_("the call failed"),
        "fact.doubt": N_("The log's own finding: {code}, {device}, number {number}."),
        "fact.erased": N_("Entry {entry} of the log held something that was erased at {time}. {reason}"),
        "fact.break": N_("{device}: from number {number} on a part was erased; what follows is not chained to it."),
        "fact.revoked": N_("The key of {device} was revoked later, at {time}."),
        "asked.secure": N_("secure"),
        "asked.release": N_("release"),
        "asked.enforce": N_("enforce"),
        "piece.same": N_("{name} is the piece that {device} signed as its number {number}."),
        "piece.head": N_("{name} is the head of a recording that {device} signed."),
        "piece.other": N_("{name} is no piece that is signed in this file."),
        "piece.early": N_("{name} is no proof file. Choose that first, then its pieces of video."),
        "piece.large": N_("{name} is too large to be compared here."),
        "limit.root": N_("That these are the right keys, unless you gave the trust root yourself."),
        "limit.copy": N_("That the code on the goods in your hand is not a copy."),
        "limit.else": N_("That nothing else was recorded, such as that a device was revoked."),
        "limit.lens": N_("That a camera looked at the goods: its key says what it filmed, and when by its own clock."),
        "limit.truth": N_("That the records are true: only that they were written down by then, and by whom."),
        "limit.video": N_("The video itself, which is not in the file."),
        "limit.later": N_("What came later: revocations, corrections, pledges made or released."),
        "limit.quorum": N_("Anything a quorum of the notaries would lie about together."),
        "limit.history": N_("When one thing was inside another: pledgetrail verify follows that, this page does not."),
    }
)
