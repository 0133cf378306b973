"""The account of one unit as JSON, and its proof bundle. Public: only what the consumer page shows stands here."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ledger.api.bundle_routes import bundle_answer
from ledger.bundle import GoodsSubject
from ledger.errors import Refused, WrongUse
from ledger.evidence.fields import write_time
from ledger.gs1 import Identifier
from ledger.history import EventStep, FilmedStep, ReadingSeries, UnitHistory, history_of, records_of
from ledger.history.rotations import MAX_ASKED
from ledger.http.addresses import evidence_path, page_path, recording_path
from ledger.http.requests import identifier_in, raw_path, read_query, whole_number
from ledger.standing import Standing
from ledger.store import Ledger, Name

_MAX_SIZE = 2**63 - 1
_FINGERPRINT = re.compile(r"[0-9a-f]{32}", re.ASCII)
_PREFIX = "/api/v1/units/"


def unit_routes(ledger: Ledger) -> APIRouter:
    """`/api/v1/units/{identifier}`, `…/bundle` and `…/records`; identifiers as `identifier_after` reads them."""
    router = APIRouter(tags=["units"])

    @router.get(_PREFIX + "{rest:path}", operation_id="unit")
    def unit(request: Request) -> Response:
        """The account of a unit or lot.

        With `/bundle` at the end the file that proves it offline, with `/records` what a browser checks it with.
        """
        rest = raw_path(request).removeprefix(_PREFIX)
        named, _, wanted = rest.rpartition("/")
        # Identifiers are pairs of segments, so an odd one at the end is ours; a lot called `bundle` is no exception.
        asked = wanted if wanted in ("bundle", "records") and rest.count("/") % 2 == 0 else None
        query = read_query(request, ("seen", "root") if asked == "records" else ())
        identifier = identifier_in(rest if asked is None else named)
        if asked == "bundle":
            return bundle_answer(ledger, GoodsSubject(identifier))
        history = history_of(ledger, identifier)
        if not history.known:
            raise unit_unknown(identifier)
        if asked is None:
            return JSONResponse(as_json(history), headers={"Cache-Control": "no-cache"})
        seen = whole_number(query.get("seen", "0"), where="seen", most=_MAX_SIZE)
        records = records_of(ledger, history, seen=seen, held=_fingerprints(query.get("root", "")))
        return JSONResponse(records.as_json(), headers={"Cache-Control": "no-cache"})

    return router


def _fingerprints(text: str) -> list[str]:
    """The fingerprints of trust roots that a reader holds: 32 hexadecimal digits each, with a comma in between."""
    held = [each.lower() for each in text.split(",")] if text else []
    if len(held) > MAX_ASKED or not all(_FINGERPRINT.fullmatch(each) for each in held):
        what = f"Up to {MAX_ASKED} fingerprints of 32 hexadecimal digits are asked about, with a comma in between."
        raise WrongUse("QUERY_VALUE", what, where="root")
    return held


def unit_unknown(identifier: Identifier) -> Refused:
    """What is said of an identifier the ledger knows nothing of."""
    return Refused(
        "UNIT_UNKNOWN",
        "The ledger knows nothing of this.",
        where=ascii(identifier.normal)[:200],
        cure="Check the code.",
    )


def as_json(history: UnitHistory) -> dict[str, object]:
    """The account, field by field: what is not named here does not leave."""
    product = history.product
    return {
        "identifier": history.unit.normal,
        "page": page_path(history.unit),
        "product": None if product is None else {"name": _name(product.name), "lot": product.identifier.normal},
        "lots": [lot.normal for lot in history.lots],
        "steps": [_filmed(step) if isinstance(step, FilmedStep) else _event(step) for step in history.steps],
        "readings": [_series(series) for series in history.readings],
        "missing": list(history.missing),
        "erased": [
            {"entry": each.entry, "kind": each.kind, "at": write_time(each.at), "reason": each.reason}
            for each in history.erased
        ],
        "findings": [
            {"code": finding.code, "what": finding.what, "event": finding.event.digest.hex()}
            for finding in history.findings
        ],
        "complete": history.complete,
        "logContradicted": bool(history.witnesses.contradicting),
    }


def _filmed(step: FilmedStep) -> dict[str, object]:
    return {
        "kind": "filmed",
        "step": step.step,
        "device": step.device,
        "place": _name(step.place),
        "from": step.begins.isoformat(),
        "until": step.ends.isoformat(),
        "video": recording_path(step.recording),
        "entries": list(step.entries),
        "standing": _standing(step.standing),
        "doubts": list(step.doubts),
        "findings": [
            {"code": stored.finding.code, "what": stored.finding.what, "entry": stored.entry}
            for stored in step.findings
        ],
        "assurance": step.assurance,
        "cameraSignatures": None
        if step.video is None
        else {
            "pictures": step.video.authenticity,
            "signer": step.video.provenance,
            "certificateChains": list(step.video.chains),
        },
    }


def _series(series: ReadingSeries) -> dict[str, object]:
    limits = series.limits
    return {
        "device": series.device,
        "subject": series.subject,
        "quantity": series.quantity,
        "unit": series.unit,
        "place": _name(series.place),
        "count": series.count,
        "from": series.begins.isoformat(),
        "until": series.ends.isoformat(),
        "limits": None if limits is None else {"least": str(limits.least), "most": str(limits.most)},
        "outside": series.outside,
        "doubted": series.doubted,
        "silent": [{"since": each.begins.isoformat(), "until": each.ends.isoformat()} for each in series.silent],
        "findings": {str(code): count for code, count in series.findings.items()},
        "told": [
            {
                "at": each.reading.at.isoformat(),
                "value": each.reading.value,
                "why": list(each.why),
                "findings": list(each.codes),
                "entry": each.reading.entry,
                "evidence": evidence_path(each.reading.digest),
            }
            for each in series.told
        ],
        "points": [[point.at.isoformat(), point.value] for point in series.points],
        "whole": series.is_whole,
        "standing": _standing(series.standing),
    }


def _event(step: EventStep) -> dict[str, object]:
    summary = step.traced.event.summary()
    return {
        "kind": "event",
        "type": summary.type,
        "digest": step.traced.event.digest.hex(),
        "bizStep": summary.biz_step,
        "disposition": summary.disposition,
        "time": summary.time.isoformat(),
        "place": _name(step.place),
        "reason": step.traced.reason,
        "entries": [step.entry],
        "standing": _standing(step.standing),
        "doubts": list(step.doubts),
    }


def _standing(standing: Standing) -> dict[str, object]:
    anchor, mirror = standing.anchor, standing.mirror
    return {
        "stage": standing.stage,
        "cosigners": [] if standing.cosigned is None else [one.cosigner.name for one in standing.cosigned.cosignatures],
        "anchor": None
        if anchor is None
        else _record(anchor.record.chain_id, anchor.record.block, anchor.record.transaction),
        "mirror": None
        if mirror is None
        else _record(mirror.record.chain_id, mirror.record.block, mirror.record.transaction),
    }


def _record(chain_id: int, block: int, transaction: bytes) -> dict[str, object]:
    return {"chain": f"eip155:{chain_id}", "block": block, "tx": f"0x{transaction.hex()}"}


def _name(name: Name | None) -> dict[str, str] | None:
    return None if name is None else {"en": name.en, "zh": name.zh}
