"""The vocabulary of the pages: codes of the standards and of the chains as words. Unknown codes are shown as they are.

`N_` only marks a text for the catalogues; the template translates it.
"""

from __future__ import annotations

from types import MappingProxyType

from ledger import erasure
from ledger.collateral import Attention, LoanState, MessageState, ReceiptState
from ledger.erasure import Kind
from ledger.history import DoubtfulStep
from ledger.media_signing import Authenticity, Provenance
from ledger.trace import Reason


def N_(text: str) -> str:  # noqa: N802  the name that catalogue tools know
    """Mark a text for translation."""
    return text


STEPS = MappingProxyType(
    {
        "picking": N_("Picking"),
        "pan-firing": N_("Pan-firing"),
        "processing": N_("Processing"),
        "packing": N_("Packing"),
        "withering": N_("Withering"),
        "rolling": N_("Rolling"),
        "drying": N_("Drying"),
        "sorting": N_("Sorting"),
        "storing": N_("Storing"),
        "accepting": N_("Accepted"),
        "arriving": N_("Arrived"),
        "commissioning": N_("Given its identity"),
        "creating_class_instance": N_("Made"),
        "decommissioning": N_("Identity ended"),
        "departing": N_("Departed"),
        "destroying": N_("Destroyed"),
        "inspecting": N_("Inspected"),
        "loading": N_("Loaded"),
        "receiving": N_("Received"),
        "repackaging": N_("Repacked"),
        "retail_selling": N_("Sold"),
        "shipping": N_("Shipped"),
        "transforming": N_("Processed"),
        "transporting": N_("Transported"),
        "unloading": N_("Unloaded"),
        "unpacking": N_("Unpacked"),
        "sensor_reporting": N_("Measured"),
    }
)

EVENT_TYPES = MappingProxyType(
    {
        "ObjectEvent": N_("Observed"),
        "AggregationEvent": N_("Put together"),
        "TransactionEvent": N_("Tied to a document"),
        "TransformationEvent": N_("Made into something else"),
        "AssociationEvent": N_("Fixed together"),
    }
)

REASONS = MappingProxyType(
    {
        Reason.DIRECT: N_("about this item itself"),
        Reason.LOT: N_("about the lot it was made in"),
        Reason.PARENT: N_("about what it was packed in"),
        Reason.TRANSFORMATION: N_("about what it was made from"),
    }
)

ERASED_KINDS = MappingProxyType(
    {
        Kind.EVENT: N_("An erased event"),
        Kind.EVIDENCE: N_("Erased evidence"),
        Kind.FINDING: N_("An erased finding"),
    }
)

ERASURE_REASONS = MappingProxyType(
    {
        erasure.Reason.REQUEST: N_("Somebody whom it was about asked for it."),
        erasure.Reason.RETENTION: N_("The time for which it was to be kept was over."),
        erasure.Reason.ORDER: N_("A court or an authority ordered it."),
        erasure.Reason.MISTAKE: N_("It should not have been recorded."),
    }
)

DOUBTS = MappingProxyType(
    {
        DoubtfulStep.ENTRY_DIFFERS: N_(
            "Contradicted: what is stored is not what was logged. Do not rely on this step."
        ),
        DoubtfulStep.VIDEO_MISSING: N_("The video is missing. Its evidence is still in the log."),
        DoubtfulStep.VIDEO_AWAY: N_("The video cannot be reached now; try again later. Its evidence is in the log."),
        DoubtfulStep.WITHDRAWN: N_("Withdrawn: its own author declared that it did not happen so."),
        DoubtfulStep.NOT_RECORDED: N_("Unproven: this step is said to have been done, but nothing was recorded."),
        DoubtfulStep.TIME_UNTRUSTED: N_("The camera's clock was wrong: do not rely on the time of this step."),
        DoubtfulStep.PART_LOST: N_("Something is missing here: the camera lost a part, or was silent."),
        DoubtfulStep.DEVICE_DOUBTED: N_("Contradicted: the camera's own word does not fit together here."),
    }
)

FINDINGS = MappingProxyType(
    {
        "BEFORE_COMMISSIONING": N_("Something happened to it before it was given its identity."),
        "COMMISSIONED_TWICE": N_("It was given its identity twice."),
        "AFTER_END": N_("Something happened to it after it was used up."),
        "TWO_PARENTS": N_("It was packed into one thing while it was inside another."),
        "NOT_INSIDE": N_("It was taken out of something it was not in."),
        "TWO_LOTS": N_("It is said to be of two different lots."),
    }
)

LOAN_STATES = MappingProxyType(
    {
        LoanState.OPENING: N_("Opening"),
        LoanState.ACTIVE: N_("Active"),
        LoanState.REFUSED: N_("Refused"),
        LoanState.REPAID: N_("Repaid"),
        LoanState.RELEASED: N_("Released"),
        LoanState.ENFORCED: N_("Enforced"),
    }
)

MESSAGE_STATES = MappingProxyType(
    {
        MessageState.SENT: N_("Sent"),
        MessageState.PROPOSED: N_("Proposed"),
        MessageState.ATTESTED: N_("Attested"),
        MessageState.COMMITTED: N_("Committed"),
        MessageState.CLOSED: N_("Closed"),
        MessageState.DISPUTED: N_("Disputed"),
        MessageState.EXPIRED: N_("Expired"),
        MessageState.ABORTED: N_("Aborted"),
    }
)

RECEIPT_STATES = MappingProxyType(
    {
        ReceiptState.ISSUED: N_("Issued, free"),
        ReceiptState.FROZEN: N_("Frozen"),
        ReceiptState.HELD: N_("Held for an exchange"),
        ReceiptState.FREE: N_("Free again"),
        ReceiptState.REDEEMED: N_("Redeemed"),
        ReceiptState.DIVIDED: N_("Replaced by other receipts"),
    }
)

WAITING = MappingProxyType(
    {
        MessageState.SENT: N_("waiting to be proposed to the notaries"),
        MessageState.PROPOSED: N_("waiting for the notaries' signatures"),
        MessageState.ATTESTED: N_("waiting to be committed"),
        MessageState.COMMITTED: N_("waiting for the notaries to check the commit again"),
        MessageState.CLOSED: N_("waiting for the acknowledgement to arrive"),
        MessageState.DISPUTED: N_("disputed: the notaries found another result"),
        MessageState.EXPIRED: N_("expired before it acted; waiting for that to be acknowledged"),
        MessageState.ABORTED: N_("voided by the notaries; waiting for that to be acknowledged"),
    }
)

LEGS = MappingProxyType({"goods": N_("Goods reserved"), "receipt": N_("Warehouse receipt frozen")})

ATTENTION = MappingProxyType(
    {
        Attention.NOTHING: N_("Nothing to decide"),
        Attention.WAIT_SECURITY: N_("Waiting for the security; no money may leave yet"),
        Attention.WAIT_RELEASE: N_("Repaid; waiting for the release"),
        Attention.OTHER_SECURITY: N_("Refused: ask for other security"),
        Attention.DISPUTED: N_("Stop: the notaries dispute a step of this pledge"),
        Attention.SECURITY_LOST: N_("Stop: the loan is active, but its security does not stand"),
    }
)

REFUSALS = MappingProxyType(
    {
        "goods already reserved": N_(
            "The goods behind this receipt were already reserved for another loan when this one asked for them. "
            "The same goods secure one loan at a time, whatever paper stands for them."
        ),
        "no such receipt": N_("The warehouse receipt does not exist, or was redeemed."),
        "receipt is for other goods": N_("The warehouse receipt stands for other goods than the loan named."),
        "holder has not consented": N_("The receipt's holder has not consented to this loan."),
        "receipt already frozen": N_("The warehouse receipt was already frozen when this loan asked for it."),
        "expired": N_("A security was not given in time; whatever was given is released."),
        "void": N_("The notaries voided a request for security; whatever was given is released."),
        "cancelled by its lender": N_("The lender gave the loan up before it was secured."),
    }
)

AUTHENTICITY = MappingProxyType(
    {
        Authenticity.AUTHENTIC: N_("The pictures are the ones that the camera signed."),
        Authenticity.MISSING_PICTURES: N_("Some of the pictures that the camera signed are missing."),
        Authenticity.PENDING: N_("The camera has not signed the last pictures yet."),
        Authenticity.NOT_COVERED: N_("The camera's signatures do not cover all pictures."),
        Authenticity.SIGNATURE_MISSING: N_("One of the camera's signatures was lost or taken out."),
        Authenticity.UNSIGNED: N_("A part of the video carries no signature of the camera."),
        Authenticity.TAMPERED: N_("The pictures were changed after the camera signed them."),
    }
)

BROKEN_VIDEO = frozenset({Authenticity.TAMPERED, Authenticity.MISSING_PICTURES, Authenticity.SIGNATURE_MISSING})

PROVENANCE = MappingProxyType(
    {
        Provenance.TRUSTED: N_("The key belongs to a maker on this ledger's list."),
        Provenance.UNTRUSTED_SIGNER: N_("The key belongs to nobody on this ledger's list."),
        Provenance.NOT_VALID_THEN: N_("The key's certificate was not valid at the time."),
        Provenance.KEY_CHANGED: N_("The key is another than before."),
        Provenance.NO_CERTIFICATE: N_("It cannot be said whose key it was."),
    }
)

OUTCOMES = MappingProxyType(
    {
        "reserved": N_("reserved"),
        "goods already reserved": N_("goods already reserved"),
        "released": N_("released"),
        "not held by this loan": N_("not held by this loan"),
        "frozen": N_("frozen"),
        "no such receipt": N_("no such receipt"),
        "receipt is for other goods": N_("receipt is for other goods"),
        "holder has not consented": N_("holder has not consented"),
        "receipt already frozen": N_("receipt already frozen"),
        "enforced": N_("enforced"),
        "expired": N_("expired"),
        "void": N_("void"),
        "not for an application to say": N_("not for an application to say"),
        "cancelled by its lender": N_("cancelled by its lender"),
        "mirrored": N_("mirrored"),
        "older than the mirror": N_("older than the mirror"),
    }
)

PROBLEMS = MappingProxyType(
    {
        "UNIT_UNKNOWN": N_("Nothing is known of this code. It may be mistyped, or printed by somebody else."),
        "PATH_UNKNOWN": N_("There is no page at this address."),
        "PLEDGE_UNKNOWN": N_("No such pledge is known here."),
        "GS1_CHECK_DIGIT": N_("A digit of this code is wrong. It may be mistyped."),
        "GS1_SYNTAX": N_("This is not a code that can be looked up."),
        "GS1_LENGTH": N_("This code is too long or too short."),
    }
)
