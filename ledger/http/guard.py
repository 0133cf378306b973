"""Around every answer: headers that let a browser do nothing but what the page needs, and only our own host names.

A name that is not ours is refused before any route sees it: it would end up in links and codes, and a rebound name
would let a foreign site read the portal of a machine that only listens to itself.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.errors import BadInput
from ledger.http.problems import problem_response

_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})

API_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": API_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware; a route that sets one of the headers itself keeps its own.

    `on_defect` answers what no route foresaw; a connection is only broken off when half an answer is out.
    """

    def __init__(
        self, app: ASGIApp, public_url: Callable[[], str | None], on_defect: Callable[[Request, Exception], Response]
    ) -> None:
        self._app, self._public_url, self._on_defect = app, public_url, on_defect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if not self._is_ours(scope):
            await _refusal()(scope, receive, guarded)
            return
        try:
            await self._app(scope, receive, guarded)
        except Exception as error:
            if begun:  # half an answer is out: only a broken connection tells the reader so
                raise
            await self._on_defect(Request(scope), error)(scope, receive, guarded)

    def _is_ours(self, scope: Scope) -> bool:
        named = host_of(f"//{Headers(scope=scope).get('host', '')}")
        ours = {*_LOCAL, host_of(self._public_url() or "")}
        server = scope.get("server")
        if server:
            ours.add(server[0].lower())
        return named in ours - {""}


def _refusal() -> Response:
    return problem_response(
        BadInput("HOST_UNKNOWN", "This server does not go by that name.", cure="Use the address it was given.")
    )


def host_of(url: str) -> str:
    """The host of a URL or `//authority`, in lower case; empty where there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
