"""`/v1`: what partners may ask. The wire format is described in relay/PARTNER.md and, by machine, in OpenAPI.

May never happen here: an answer to somebody without a key, a 5xx for what a partner sent, a field that is not read, or
a request that is done twice because its answer was lost.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ledger.canonical import JsonValue, parse_json
from ledger.errors import BadInput, Problem, Refused
from ledger.http.requests import whole_number
from ledger.interoperable import parse_caip2
from relay.ask import answer_about, find, hex_id
from relay.explain import explain
from relay.index import Mark
from relay.journey import State
from relay.partner import described as shapes
from relay.partner import submissions
from relay.partner.config import Partner
from relay.partner.described import route
from relay.partner.desk import Desk
from relay.partner.proofs import credential_of, proof_of
from relay.partner.requests import act, admit, text_fields
from relay.relay import Relay
from relay.shown import show_message, show_row
from relay.told import tell_message

MAX_ROWS, ROWS = 200, 50
_SCANNED = 5_000  # rows looked at for one page, where few of them fit


def partner_routes(relay: Relay, desk: Desk) -> APIRouter:
    """The routes about messages and what is handed in."""
    router = APIRouter(prefix="/v1", tags=["partners"])

    @router.post("/messages", **route("Submit", shapes.SUBMISSION, status=202, body=shapes.SUBMIT))
    async def submit(request: Request) -> Response:
        def action(partner: Partner, body: dict[str, JsonValue]) -> tuple[int, dict[str, Any]]:
            return 202, submissions.show(_submit(desk, partner, body))

        return await act(desk, request, action, atomic=False)

    @router.get("/submissions/{submission_id}", **route("What became of a submission", shapes.SUBMISSION))
    def submission(submission_id: str, request: Request) -> Response:
        admit(desk, request)
        found = desk.submissions.find(hex_id(submission_id))
        if found is None:
            raise Refused("SUBMISSION_UNKNOWN", "nothing of this id was handed in", where=submission_id)
        return JSONResponse(submissions.show(found))

    @router.get("/messages", **route("List messages", shapes.MESSAGES, query=_LIST_QUERY))
    def messages(request: Request) -> Response:
        _, query = admit(desk, request, _LIST_QUERY)
        limit = max(1, whole_number(query.get("limit", str(ROWS)), where="limit", most=MAX_ROWS))
        state = _state(query["state"]) if "state" in query else None
        mark = _read_cursor(query["cursor"]) if "cursor" in query else None
        rows, last = _page(relay, mark, limit, state, query.get("lane"))
        return JSONResponse({"messages": rows, "next_cursor": None if last is None else _cursor(last)})

    @router.get("/messages/{message_id}", **route("Follow a message", shapes.MESSAGE))
    def message(message_id: str, request: Request) -> Response:
        admit(desk, request)
        with relay.still() as journeys:
            return JSONResponse(show_message(find(journeys, message_id)))

    @router.get("/messages/{message_id}/explain", **route("Where, why, who next, by when", shapes.EXPLANATION))
    def explained(message_id: str, request: Request) -> Response:
        admit(desk, request)
        with relay.still() as journeys:
            return JSONResponse(tell_message(explain(find(journeys, message_id), relay.moment)))

    @router.get("/explain/{named}", **route("The same of any transaction", {"type": "object"}))
    def explain_anything(named: str, request: Request) -> Response:
        admit(desk, request)
        return JSONResponse(answer_about(relay, named))

    @router.get("/messages/{message_id}/proof", **route("What the destination takes", shapes.PROOF))
    def proof(message_id: str, request: Request) -> Response:
        admit(desk, request)
        with relay.still() as journeys:
            journey = find(journeys, message_id)
        return JSONResponse(proof_of(relay.nodes, relay.manifest, journey))

    @router.get("/messages/{message_id}/credential", **route("The public record", shapes.CREDENTIAL))
    def credential(message_id: str, request: Request) -> Response:
        admit(desk, request)
        with relay.still() as journeys:
            journey = find(journeys, message_id)
        return JSONResponse(credential_of(relay.nodes, relay.manifest, journey))

    return router


_LIST_QUERY = {
    "state": "only messages in this state",
    "lane": "only messages of this lane",
    "limit": f"how many at most, 1 to {MAX_ROWS}",
    "cursor": "the `next_cursor` of the page before",
}


def _submit(desk: Desk, partner: Partner, body: dict[str, JsonValue]) -> submissions.Submission:
    if set(body) == {"log"}:
        fields = text_fields(body["log"], {"chain", "transaction"})
        return desk.submissions.submit_log(
            parse_caip2(fields["chain"]), hex_id(fields["transaction"]), partner=partner.name
        )
    if set(body) == {"signed_transaction"}:
        fields = text_fields(body["signed_transaction"], {"chain", "raw"})
        return desk.submissions.submit_signed(parse_caip2(fields["chain"]), _raw(fields["raw"]), partner=partner.name)
    raise BadInput("REQUEST_FORMAT", "the body has one field, log or signed_transaction", where="body")


def _raw(text: str) -> bytes:
    try:
        if not text.startswith("0x") or not text.isascii() or text != text.lower() or " " in text:
            raise ValueError
        return bytes.fromhex(text[2:])
    except ValueError:
        raise BadInput("REQUEST_FORMAT", "raw is 0x and lower-case hex digits", where="raw") from None


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        cure = f"It is one of {', '.join(State)}."
        raise BadInput("REQUEST_FORMAT", "there is no such state", where=ascii(text)[:80], cure=cure) from None


def _page(
    relay: Relay, mark: Mark | None, limit: int, state: State | None, lane: str | None
) -> tuple[list[dict[str, Any]], Mark | None]:
    """Rows after a mark, and where the next page begins; None at the end. A page may hold fewer rows than there are."""
    wanted = None if lane is None else hex_id(lane)
    rows: list[dict[str, Any]] = []
    with relay.still() as journeys:
        seen = relay.index.after(mark, _SCANNED + 1)
        for place, each in enumerate(seen[:_SCANNED]):
            journey = journeys.get(each[3])
            if journey is None or state not in (None, journey.state):
                continue
            if wanted in (None, journey.proposal.message.lane):
                rows.append(show_row(journey))
                if len(rows) == limit:
                    return rows, each if place + 1 < len(seen) else None
    return rows, seen[_SCANNED - 1] if len(seen) > _SCANNED else None


def _cursor(mark: Mark) -> str:
    return base64.urlsafe_b64encode(json.dumps([*mark[:3], mark[3].hex()]).encode()).decode().rstrip("=")


def _read_cursor(text: str) -> Mark:
    try:
        value = parse_json(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        match value:
            case [int(chain), int(block), int(log), str(named)]:
                return chain, block, log, bytes.fromhex(named)
    except (ValueError, Problem):
        pass  # one answer for whatever is wrong with it
    raise BadInput("REQUEST_FORMAT", "this is no cursor", where="cursor", cure="Use the `next_cursor` you were given.")
