"""`/v1/events`, `/v1/subscriptions` and `/v1/about`: how partners hear of what happens, and whose word it is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from contracts.manifest import Role
from ledger.canonical import JsonValue
from ledger.errors import BadInput
from ledger.http.requests import whole_number
from ledger.interoperable import caip10
from relay.partner import described as shapes
from relay.partner import hooks
from relay.partner.config import Partner
from relay.partner.described import route
from relay.partner.desk import Desk
from relay.partner.feed import KINDS
from relay.partner.requests import act, admit, text_fields
from relay.partner.stream import event_stream
from relay.relay import Relay

MAX_SEQUENCE = 2**62

_EVENT_QUERY = {"after": "the last event you have, if not in Last-Event-ID", "types": "kinds, with commas between"}


def event_routes(relay: Relay, desk: Desk) -> APIRouter:
    """Events, subscriptions, and what a partner has to know about the deployment."""
    router = APIRouter(prefix="/v1", tags=["partners"])

    @router.get("/events", **route("Server-sent events", shapes.EVENT, query=_EVENT_QUERY))
    def events(request: Request) -> Response:
        partner, query = admit(desk, request, _EVENT_QUERY)
        named = request.headers.get("last-event-id", query.get("after"))
        after = desk.feed.newest if named is None else whole_number(named, where="after", most=MAX_SEQUENCE)
        kinds = tuple(query["types"].split(",")) if "types" in query else KINDS
        if not set(kinds) <= set(KINDS):
            raise BadInput("EVENT_KIND", "there is no such event", where="types", cure=f"Of {', '.join(KINDS)}.")
        desk.feed.after(after, 1)  # what is forgotten is refused before the stream begins
        return event_stream(desk, partner.name, after, frozenset(kinds))

    @router.post("/subscriptions", **route("Subscribe", shapes.SUBSCRIPTION, status=201, body=shapes.SUBSCRIBE))
    async def subscribe(request: Request) -> Response:
        def action(partner: Partner, body: dict[str, JsonValue]) -> tuple[int, dict[str, Any]]:
            return 201, hooks.show(_subscribe(desk, partner, body))

        def before(body: dict[str, JsonValue]) -> None:
            if isinstance(url := body.get("url"), str):
                desk.hooks.require_reachable(url)  # asks name servers, which are the partner's own and may take long

        return await act(desk, request, action, atomic=True, before=before)

    @router.get("/subscriptions", **route("Your subscriptions", shapes.SUBSCRIPTIONS))
    def subscriptions(request: Request) -> Response:
        partner, _ = admit(desk, request)
        return JSONResponse({"subscriptions": [hooks.show(each) for each in desk.hooks.of(partner.name)]})

    @router.get("/subscriptions/{named}", **route("One of your subscriptions", shapes.SUBSCRIPTION))
    def subscription(named: str, request: Request) -> Response:
        partner, _ = admit(desk, request)
        return JSONResponse(hooks.show(desk.hooks.find(partner.name, named)))

    @router.post("/subscriptions/{named}/resume", **route("Go on", shapes.SUBSCRIPTION, body=shapes.shape()))
    async def resume(named: str, request: Request) -> Response:
        def action(partner: Partner, body: dict[str, JsonValue]) -> tuple[int, dict[str, Any]]:
            text_fields(body, set())
            return 200, hooks.show(desk.hooks.resume(partner.name, named))

        return await act(desk, request, action, atomic=True)

    @router.delete("/subscriptions/{named}", **route("Unsubscribe", shapes.shape()))
    def unsubscribe(named: str, request: Request) -> Response:
        partner, _ = admit(desk, request)
        desk.hooks.remove(partner.name, named)
        return JSONResponse({})

    @router.get("/about", **route("The deployment, and the key of webhooks", shapes.ABOUT))
    def about(request: Request) -> Response:
        admit(desk, request)
        return JSONResponse(_about(relay, desk))

    return router


def _subscribe(desk: Desk, partner: Partner, body: dict[str, JsonValue]) -> hooks.Subscription:
    if not {"url"} <= set(body) <= {"url", "types", "after"}:
        raise BadInput("REQUEST_FORMAT", "the fields are url and, if wanted, types and after", where="body")
    url, kinds, after = body["url"], body.get("types", list(KINDS)), body.get("after")
    if not isinstance(url, str) or not isinstance(kinds, list) or not isinstance(after, str | None):
        raise BadInput("REQUEST_FORMAT", "url and after are text, types is a list of text", where="body")
    named = tuple(kind for kind in kinds if isinstance(kind, str))
    if len(named) < len(kinds):
        raise BadInput("REQUEST_FORMAT", "types is a list of text", where="types")
    start = None if after is None else whole_number(after, where="after", most=MAX_SEQUENCE)
    return desk.hooks.add(partner.name, url, named, start)


def _about(relay: Relay, desk: Desk) -> dict[str, Any]:
    manifest = relay.manifest
    record = manifest.chain(Role.TRANSACTION)
    return {
        "chains": [
            {
                "chain": chain.caip2,
                "name": chain.name,
                "role": chain.role.value,
                "genesis": f"0x{chain.genesis.hex()}",
                "gateway": caip10(chain.chain_id, chain.contracts["Gateway"]),
            }
            for chain in manifest.chains
        ],
        "registry": caip10(record.chain_id, record.contracts["TransactionRegistry"]),
        "committee": {
            "epoch": manifest.committee.epoch,
            "members": [f"0x{member.hex()}" for member in manifest.committee.members],
            "quorum": manifest.committee.quorum,
        },
        "webhook_key": desk.hooks.public_key.hex(),
        "newest_event": str(desk.feed.newest),
    }
