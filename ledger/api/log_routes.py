"""The log to its readers: the newest cosigned checkpoint, and tiles and proofs under it. Public; no entry's content.

`/api/v1/log` is the log's prefix as C2SP tlog-tiles has it. May never happen here: a tile that no published checkpoint
covers, or an answer marked as unchanging that could change.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from ledger.errors import Unavailable, WrongUse
from ledger.http.requests import read_query, whole_number
from ledger.store import Ledger
from ledger.tiles import read_tile_path

TILE_TYPE = "application/octet-stream"
# Whoever watches the log from a page of another site may read it: it is public, and no answer depends on who asks.
OPEN_TO_ALL = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
TILE_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", **OPEN_TO_ALL}

_MAX_INDEX = 2**63 - 1


def log_routes(ledger: Ledger) -> APIRouter:
    """`/api/v1/log/…`."""
    router = APIRouter(prefix="/api/v1/log", tags=["log"])

    @router.get("/checkpoint")
    def checkpoint(request: Request) -> Response:
        """The newest checkpoint that a quorum of notaries cosigned (C2SP tlog-checkpoint)."""
        read_query(request, ())
        published = ledger.log.latest_cosigned()
        if published is None:
            raise Unavailable(
                "NOT_COSIGNED_YET", "No checkpoint has been cosigned yet.", cure="Ask again after the first one."
            )
        return PlainTextResponse(published.note, headers={"Cache-Control": "no-cache", **OPEN_TO_ALL})

    @router.head("/tile/{rest:path}", include_in_schema=False)
    @router.get("/tile/{rest:path}")
    def tile(request: Request, rest: str) -> Response:
        """A tile of the tree or a bundle of entries (C2SP tlog-tiles): full, or partial with `.p/<width>`."""
        read_query(request, ())
        return Response(ledger.log.tile(read_tile_path(f"tile/{rest}")), media_type=TILE_TYPE, headers=TILE_HEADERS)

    @router.get("/entries/{index}/proof")
    def proof(request: Request, index: str) -> Response:
        """The inclusion proof of an entry: JSON, or a C2SP tlog-proof file with `?format=tlog-proof`."""
        query = read_query(request, ("format",))
        found = ledger.log.proof(whole_number(index, where="index", most=_MAX_INDEX))
        form = query.get("format", "json")
        if form == "tlog-proof":
            return PlainTextResponse(found.encode(), headers=OPEN_TO_ALL)
        if form != "json":
            raise WrongUse("QUERY_VALUE", "There is no such format.", where="format", cure="Use json or tlog-proof.")
        return JSONResponse(
            {
                "index": found.index,
                "entry": found.entry.hex(),
                "path": [node.hex() for node in found.path],
                "checkpoint": found.note.decode(),
            },
            headers=OPEN_TO_ALL,
        )

    return router
