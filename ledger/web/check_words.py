"""What the checks in the reader's browser say: labels of the steps, their states, reasons and verdicts, by key.

`{name}` is filled in the browser. A key `reason.CODE` is the sentence for one code of a refusal, `reason.step` the one
for any other code of that step.
"""

from __future__ import annotations

from types import MappingProxyType

from ledger.web.words import N_

CHECKS = MappingProxyType(
    {
        "trust": N_("Trust root: known to this browser"),
        "checkpoint": N_("State of the log: signed by the log"),
        "cosigned": N_("Notaries: a quorum cosigned it"),
        "logged": N_("Records: each stands in the log"),
        "signed": N_("Cameras: enrolled, every piece signed"),
        "subject": N_("Records: about this item"),
        "shown": N_("This page: shows what they say"),
        "readings": N_("Sensors: the readings named here"),
        "video": N_("Video: the bytes that play here"),
        "anchors": N_("Anchors on chains"),
    }
)
"""The steps in their order; `readings` only where there are any; `anchors` is never checked in a browser."""

STATES = MappingProxyType(
    {
        "waiting": N_("waiting"),
        "holds": N_("holds"),
        "refused": N_("does not hold"),
        "unchecked": N_("not checked here"),
    }
)

IN_BROWSER = MappingProxyType(
    {
        "step-state.waiting": N_("Your browser is checking it"),
        "step-state.holds": N_("Your browser checked it: holds"),
        "step-state.refused": N_("Does not hold"),
        "step-state.unchecked": N_("Not checked in your browser"),
        "verdict.waiting": N_("Your browser is checking this page."),
        "verdict.holds": N_("Your browser checked this page: all that it can check holds."),
        "verdict.doubts": N_("All that your browser can check holds, but the log itself records doubts."),
        "verdict.playing": N_("All that was checked so far holds; the rest of the video is checked as it plays."),
        "verdict.partly": N_("What your browser could check holds, but not everything could be checked."),
        "verdict.unavailable": N_("Your browser could not check this page. Nothing was found to be false."),
        "verdict.rotated": N_(
            "The notaries were replaced, as those your browser trusts ordered. Take the new ones over."
        ),
        "verdict.refused": N_("Do not rely on this page. {reason} Step: {step}."),
        "trust.first": N_("First visit, now remembered. Compare the digits with the notaries'."),
        "trust.same": N_("The same as expected."),
        "trust.unkept": N_("Not remembered. Compare the digits with the notaries'."),
        "trust.rotated": N_(
            "Your browser trusts epoch {from}; this is epoch {to}. A quorum of the former notaries ordered it."
        ),
        "offer.rotated": N_("Trust the notaries of epoch {to} from now on"),
        "more.checkpoint": N_("{origin}, {size} entries"),
        "more.cosigned": N_("{count}, the first at {time}"),
        "more.logged": N_("{count} records"),
        "more.signed": N_("{count} statements, devices: {devices}"),
        "more.findings": N_("The log records findings about {count} of them."),
        "more.subject": N_("the code leads to all {count}"),
        "more.shown": N_("{count} steps compared"),
        "more.readings": N_("{count} readings of {devices} sensors"),
        "more.video": N_("{count} pieces in {videos} videos"),
        "more.playing": N_("{done} of {count} pieces, the others before they play"),
        "more.pieces": N_("{done} of {count} pieces of video hold"),
        "more.chunks": N_("{done} of {count} pieces of video hold, {percent} % of the next"),
        "why.unavailable": N_("The server gave nothing to check, or this browser cannot."),
        "why.not-cosigned": N_("The notaries have not cosigned it yet."),
        "why.video-missing": N_("The video could not be loaded."),
        "why.position": N_("Where it was is kept from this page, so nothing here can be compared."),
        "why.not-logged": N_("What is stored of a reading is not what was logged."),
        "why.no-video": N_("There is no video."),
        "fact.event": N_("Recorded as {type} at {time}."),
        "fact.findings": N_("The log's own findings: {codes}."),
        "fact.filmed": N_("Signed by {device} at {time}, {count} pieces."),
        "reason.trust": N_("The trust root cannot be read."),
        "reason.TRUST_ROOT_CHANGED": N_("This is another trust root than the one this browser remembers."),
        "reason.TRUST_ROOT_ADDRESS": N_("This is another trust root than the one in the address you opened."),
        "reason.EPOCH_UNLINKED": N_("A key signed that the notaries have retired."),
        "reason.ROTATION_ROOT": N_("More than the notaries was changed."),
        "reason.SET_EPOCH": N_("The orders do not lead to these notaries."),
        "reason.QUORUM": N_("Too few notaries ordered it."),
        "reason.SIG_UNKNOWN": N_("Somebody signed who is no notary."),
        "reason.checkpoint": N_("The log did not sign this state."),
        "reason.LOG_SHRINKS": N_("The log is shorter than this browser has seen it."),
        "reason.SPLIT_VIEW": N_("The log shows another past than this browser has seen."),
        "reason.cosigned": N_("The notaries' signatures do not hold."),
        "reason.QUORUM_MISSING": N_("Too few notaries cosigned."),
        "reason.SIG_DUPLICATE_SIGNER": N_("One notary is counted twice."),
        "reason.logged": N_("The log does not hold what this page was given."),
        "reason.signed": N_("A camera did not sign what is shown."),
        "reason.DEVICE_NOT_ENROLLED": N_("The log knows no key of this camera."),
        "reason.DEVICE_REVOKED": N_("The key of this camera was revoked."),
        "reason.EVIDENCE_GAP": N_("A piece of a recording is missing."),
        "reason.subject": N_("A record is about something else."),
        "reason.shown": N_("This page shows something else than the records."),
        "reason.RECORD_HIDDEN": N_("This page leaves out a record."),
        "reason.RECORD_MISSING": N_("A step is shown for which there is no record."),
        "fact.readings": N_(
            "The readings named here were signed by {device}: {count}. The picture and the counts were not checked."
        ),
        "reason.readings": N_("A reading is shown otherwise than its sensor signed it."),
        "reason.video": N_("The video is not what the camera signed."),
    }
)
