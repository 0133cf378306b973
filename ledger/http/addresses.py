"""The ledger's own addresses: of units, recordings and pledges, relative and absolute."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request

from ledger.gs1 import CANONICAL_BASE, Identifier


def page_path(identifier: Identifier) -> str:
    """The path of an identifier's page: its GS1 Digital Link path, or `/id/…` for what is no GS1 key."""
    if identifier.ais and identifier.ais[0][0] == "01":
        return identifier.normal.removeprefix(CANONICAL_BASE)
    return f"/id/{quote(identifier.normal, safe='')}"


def media_path(cid: str) -> str:
    """Where the bytes of a content id are."""
    return f"/media/{cid}"


def recording_path(recording: str) -> str:
    """Where a recording plays."""
    return f"/recordings/{recording}.mp4"


def evidence_path(digest: bytes) -> str:
    """Where one piece of evidence is told of, by its digest."""
    return f"/evidence/{digest.hex()}"


def base_url(request: Request, public_url: str | None) -> str:
    """What absolute links begin with: the configured address, else the socket's own; never what the client says."""
    if public_url:
        return public_url.rstrip("/")
    host, port = request.scope.get("server") or ("127.0.0.1", None)
    authority = f"[{host}]" if ":" in host else host
    return f"http://{authority}" + (f":{port}" if port not in (None, 80) else "")
