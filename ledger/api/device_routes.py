"""Devices for the operator: enrol, agree on terms, revoke, release, and ask what is wrong with them.

The ledger has no sign-in. These addresses take `Authorization: Bearer <key>` with the key in the data folder's
`operator.key`, which only its owner can read; without that file they serve nobody.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ledger.canonical import JsonValue, canonical_json
from ledger.errors import BadInput
from ledger.evidence.fields import read_time, write_time
from ledger.evidence.findings import to_millisecond
from ledger.evidence.request import MAX_REQUEST_BYTES
from ledger.evidence.terms import check_measured, read_terms
from ledger.history.devices import account_as_json, account_of, finding_as_json
from ledger.history.silence import Absence, absence_of
from ledger.http.operator import check_operator, operator_body, text_field
from ledger.http.requests import raw_path, read_query
from ledger.intake.enrolling import enrol_request
from ledger.store import Ledger

PREFIX = "/api/v1/devices"
MAX_BODY_BYTES = MAX_REQUEST_BYTES + 1024


def device_routes(ledger: Ledger) -> APIRouter:
    """`/api/v1/devices` and below it, save where devices hand in their evidence."""
    router = APIRouter(tags=["devices"])
    _add_orders(router, ledger)
    _add_questions(router, ledger)
    return router


def _add_orders(router: APIRouter, ledger: Ledger) -> None:
    """What the operator decides; each is logged."""

    @router.post(PREFIX)
    async def enrol(request: Request) -> Response:
        """Enrol the device whose signed request is in `request`, from `valid_from` until `valid_until`."""
        body = await operator_body(ledger, request, {"request", "valid_from", "valid_until"}, limit=MAX_BODY_BYTES)
        enrolled = await run_in_threadpool(
            enrol_request,
            canonical_json(body["request"]),
            register=ledger.evidence,
            valid_from=_time(body, "valid_from"),
            valid_until=_time(body, "valid_until"),
            makers=ledger.makers,
            at=ledger.clock(),
        )
        answer = account_as_json(account_of(ledger.evidence, enrolled.device.id)) | {
            "selfStatedBecause": enrolled.why_not or None
        }
        return JSONResponse(answer, status_code=201)

    @router.post(PREFIX + "/{device:path}/revocation")
    async def revocation(request: Request) -> Response:
        """Believe nothing of a device from now on; logged with its reason."""
        body = await operator_body(ledger, request, {"reason"}, limit=MAX_BODY_BYTES)
        device = _device(request, "/revocation")
        await run_in_threadpool(ledger.evidence.revoke, device, ledger.clock(), text_field(body, "reason"))
        return JSONResponse(account_as_json(account_of(ledger.evidence, device)))

    @router.post(PREFIX + "/{device:path}/release")
    async def release(request: Request) -> Response:
        """Let a device's next statement come in any form; logged with its reason."""
        body = await operator_body(ledger, request, {"reason"}, limit=MAX_BODY_BYTES)
        device = _device(request, "/release")
        await run_in_threadpool(ledger.evidence.release, device, ledger.clock(), text_field(body, "reason"))
        return JSONResponse(account_as_json(account_of(ledger.evidence, device)))

    @router.put(PREFIX + "/{device:path}/terms")
    async def terms(request: Request) -> Response:
        """Agree on new terms: the fields of `ledger.evidence.terms` but `kind`, `device` and `agreed_at`."""
        fields = {"every_seconds", "grace_seconds", "place", "steps", "limits", "speed_kmh"}
        body = await operator_body(ledger, request, fields, optional={"watches"}, limit=MAX_BODY_BYTES)
        device = _device(request, "/terms")
        now = write_time(to_millisecond(ledger.clock()))
        agreed = read_terms(canonical_json({**body, "kind": "terms", "device": device, "agreed_at": now}))
        check_measured(agreed)
        await run_in_threadpool(ledger.evidence.agree, agreed)
        return JSONResponse(account_as_json(account_of(ledger.evidence, device)))


def _add_questions(router: APIRouter, ledger: Ledger) -> None:
    """What the operator asks."""

    @router.get(PREFIX)
    def devices(request: Request) -> Response:
        """Every enrolled device."""
        check_operator(ledger, request)
        read_query(request, ())
        found = [account_as_json(account_of(ledger.evidence, device.id)) for device in ledger.evidence.devices()]
        return JSONResponse({"devices": found})

    @router.get(PREFIX + "/{device:path}/findings")
    def findings(request: Request) -> Response:
        """What is wrong with a device's word, the newest first."""
        check_operator(ledger, request)
        read_query(request, ())
        found = ledger.evidence.findings(ledger.evidence.device(_device(request, "/findings")).id)
        return JSONResponse({"findings": [finding_as_json(ledger.evidence, stored) for stored in found]})

    @router.get(PREFIX + "/{device:path}/absence")
    def absence(request: Request) -> Response:
        """When it should have spoken and did not, between `since` and `until` (2026-03-01T08:00:00.000Z)."""
        check_operator(ledger, request)
        query = read_query(request, ("since", "until"))
        since, until = (read_time(query.get(name, "")) for name in ("since", "until"))
        size = ledger.log.size
        found = absence_of(ledger.evidence, _device(request, "/absence"), since, until, now=ledger.clock())
        log: dict[str, JsonValue] = {"size": size, "root": ledger.log.root(size).hex()}
        return JSONResponse({**_absence_as_json(found), "log": log})


def _absence_as_json(found: Absence) -> dict[str, JsonValue]:
    return {
        "device": found.device,
        "expected": found.expects,
        "since": found.since.isoformat(),
        "judgedUntil": found.judged_until.isoformat(),
        "silent": [{"since": each.begins.isoformat(), "until": each.ends.isoformat()} for each in found.silences],
    }


def _time(body: dict[str, JsonValue], name: str) -> datetime:
    try:
        return read_time(text_field(body, name))
    except BadInput as error:
        raise BadInput(error.code, error.what, where=name) from None


def _device(request: Request, ending: str) -> str:
    named = raw_path(request).removeprefix(PREFIX + "/").removesuffix(ending)
    try:
        return unquote_to_bytes(named).decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput("DEVICE_PATH", "The device's name in the address is not UTF-8.", where=named[:80]) from None
