"""How a typed error leaves over HTTP: RFC 9457 `application/problem+json` with our stable code, place and cure.

May never happen here: a stack, SQL or a path of this machine in an answer; a 5xx for something the caller sent.
"""

from __future__ import annotations

from types import MappingProxyType

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from ledger.errors import BadInput, Problem, Refused

MEDIA_TYPE = "application/problem+json"

STATUS_OF_CODE = MappingProxyType(
    {
        "BODY_SIZE": 413,
        "BODY_SLOW": 408,
        "BODY_TYPE": 415,
        "EVIDENCE_MEANWHILE": 503,
        "DEVICE_MISMATCH": 403,
        "DEVICE_UNKNOWN": 403,
        "DEVICE_REVOKED": 403,
        "DEVICE_NOT_VALID": 403,
        "EVIDENCE_SIGNATURE": 403,
        "ENTRY_UNKNOWN": 404,
        "ERASED": 410,
        "EVENTS_GONE": 410,
        "HOST_UNKNOWN": 421,
        "JSON_SIZE": 413,
        "KEY_UNKNOWN": 401,
        "OPERATOR_KEY": 401,
        "IDEMPOTENCY_KEY": 422,
        "EPCIS_LIMIT": 413,
        "MEDIA_UNKNOWN": 404,
        "MESSAGE_UNKNOWN": 404,
        "PATH_UNKNOWN": 404,
        "PLEDGE_UNKNOWN": 404,
        "QUERY_UNKNOWN": 400,
        "QUERY_REPEATED": 400,
        "QUERY_VALUE": 400,
        "RECORDING_UNKNOWN": 404,
        "SUBMISSION_UNKNOWN": 404,
        "SUBSCRIPTION_UNKNOWN": 404,
        "TILE_PATH": 404,
        "TILE_UNKNOWN": 404,
        "TRANSACTION_UNKNOWN": 404,
        "UNIT_UNKNOWN": 404,
        "UPLOAD_UNKNOWN": 404,
    }
)


_HEADERS_OF_STATUS = MappingProxyType(
    {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "5"}}
)


def status_of(problem: Problem) -> int:
    """The HTTP status: by code where one is given above, 400 for bytes that are not JSON, else the class's."""
    if problem.code in STATUS_OF_CODE:
        return STATUS_OF_CODE[problem.code]
    if problem.code.startswith("JSON_"):
        return 400
    return problem.http_status


def problem_response(problem: Problem) -> Response:
    """The answer for a typed error."""
    status = status_of(problem)
    body: dict[str, object] = {
        "type": "about:blank",
        "title": problem.what,
        "status": status,
        "code": problem.code,
        "where": problem.where,
        "cure": problem.cure,
    }
    headers = dict(_HEADERS_OF_STATUS.get(status, {}))
    if (seconds := getattr(problem, "retry_after", None)) is not None:
        headers["Retry-After"] = str(seconds)
    if getattr(problem, "ends_connection", False):
        headers["Connection"] = "close"
    if (expected := getattr(problem, "expected", None)) is not None:
        body["expected"] = expected  # the number a device has to send first
    if (held := getattr(problem, "held", None)) is not None:
        body["held"] = held  # the digest of what stands under a number that came again
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def problem_of(error: HTTPException) -> Problem:
    """The typed error for what the framework refused by itself: an unknown path, a method that is not served."""
    if error.status_code == 404:
        return Refused("PATH_UNKNOWN", "Nothing is served at this address.", cure="Check the address.")
    if error.status_code == 405:
        return MethodRefused()
    return BadInput("REQUEST_INVALID", "The request cannot be read.")


class MethodRefused(BadInput):
    """405, with its own status because no code of the project's own is about methods."""

    http_status = 405

    def __init__(self) -> None:
        super().__init__(
            "METHOD_REFUSED", "This address does not serve this method.", cure="Read the API's description."
        )


class Defect(Problem):
    """What we did not foresee; the details stay in the log."""

    http_status = 500

    def __init__(self) -> None:
        super().__init__("DEFECT", "The server failed at this request.", cure="Tell its operator; nothing was changed.")
