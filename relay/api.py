"""The relay's HTTP interface for partners and operators: where is my message, why is it waiting, take it up again.

Everything it shows is public on the chains. May never happen here: a 5xx for what a caller sent, a parameter that is
not read, or an answer that a browser of another site could bring about.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ledger.canonical import parse_json
from ledger.errors import BadInput, Problem, WrongUse
from ledger.http.guard import Guard
from ledger.http.problems import Defect, problem_of, problem_response
from ledger.http.requests import read_body, read_query, whole_number
from relay.ask import answer_about, find
from relay.explain import explain
from relay.journey import State
from relay.partner.api import partner_routes
from relay.partner.desk import Desk
from relay.partner.event_routes import event_routes
from relay.publisher import Publisher
from relay.relay import Relay
from relay.shown import show_message, show_publishing, show_row, show_status
from relay.told import tell_message

MAX_BODY_BYTES = 1024
MAX_ROWS = 1000
ROWS = 200


def create_app(relay: Relay, desk: Desk | None = None, publisher: Publisher | None = None) -> FastAPI:
    """The application of one relay, with the partners' counter and the publisher where there are; starting and stopping
    them is the caller's business.
    """
    app = FastAPI(title="Pledgetrail relay", version="1", docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    app.add_middleware(Guard, public_url=lambda: desk.public_url if desk else None, on_defect=_defect)
    if desk is not None:
        app.include_router(partner_routes(relay, desk))
        app.include_router(event_routes(relay, desk))
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_problem)

    @app.get("/status")
    async def status(request: Request) -> Response:
        read_query(request, ())
        with relay.still() as journeys:
            counted, troubles = journeys.counts(), relay.client_troubles
            shown = show_status(relay.manifest, relay.positions, counted, troubles, relay.memory_trouble)
        return JSONResponse(shown | {"publishing": None if publisher is None else show_publishing(publisher.standing)})

    @app.post("/publish")
    async def publish(request: Request) -> Response:
        read_query(request, ())
        await _read_empty(request)
        if publisher is None:
            cure = "Add publish to relay.json; see relay/README.md, section Publishing."
            raise WrongUse("NOT_PUBLISHING", "this relay publishes no log", cure=cure)
        publisher.ask()
        return JSONResponse(show_publishing(publisher.standing), status_code=202)

    @app.get("/messages")
    async def messages(request: Request) -> Response:
        query = read_query(request, ("state", "limit"))
        wanted = _state(query["state"]) if "state" in query else None
        limit = whole_number(query["limit"], where="limit", most=MAX_ROWS) if "limit" in query else ROWS
        with relay.still() as journeys:
            rows = [show_row(journey) for journey in journeys.newest(wanted, limit)]
            total = len(journeys) if wanted is None else journeys.counts()[wanted]
        return JSONResponse({"messages": rows, "total": total})

    @app.get("/messages/{message_id}")
    async def message(message_id: str, request: Request) -> Response:
        read_query(request, ())
        with relay.still() as journeys:
            return JSONResponse(show_message(find(journeys, message_id)))

    @app.get("/messages/{message_id}/explain")
    async def explained(message_id: str, request: Request) -> Response:
        read_query(request, ())
        with relay.still() as journeys:
            return JSONResponse(tell_message(explain(find(journeys, message_id), relay.moment)))

    @app.get("/explain/{named}")
    def explain_anything(named: str, request: Request) -> Response:
        read_query(request, ())
        return JSONResponse(answer_about(relay, named))

    @app.post("/messages/{message_id}/retry")
    async def retry(message_id: str, request: Request) -> Response:
        read_query(request, ())
        await _read_empty(request)
        with relay.still() as journeys:
            journey = find(journeys, message_id)
            relay.retry(journey.id)
            return JSONResponse(show_message(journey), status_code=202)

    @app.post("/messages/{message_id}/skip")
    async def skip(message_id: str, request: Request) -> Response:
        read_query(request, ())
        body = parse_json(await read_body(request, limit=MAX_BODY_BYTES, types=("application/json",)))
        if not isinstance(body, dict) or set(body) != {"why"} or not isinstance(why := body["why"], str):
            raise BadInput("REQUEST_FORMAT", "a skip says why", where="body", cure='Send {"why": "…"}.')
        return await run_in_threadpool(skipped, message_id, why)

    def skipped(message_id: str, why: str) -> Response:
        with relay.still() as journeys:
            journey = find(journeys, message_id)
            relay.skip(journey.id, why)
            return JSONResponse(show_message(journey), status_code=202)

    return app


async def _read_empty(request: Request) -> None:
    # A body of this type cannot be sent by a form of another site.
    if parse_json(await read_body(request, limit=MAX_BODY_BYTES, types=("application/json",))) != {}:
        raise BadInput("REQUEST_FORMAT", "this has no fields", where="body", cure="Send {}.")


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        states = ", ".join(State)
        raise BadInput(
            "REQUEST_FORMAT", "there is no such state", where=ascii(text)[:80], cure=f"It is one of {states}."
        ) from None


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error)


async def _http_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_response(problem_of(error))


def _defect(_request: Request, _error: Exception) -> Response:
    return problem_response(Defect())
